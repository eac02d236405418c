// Package nearest finds the name that was probably meant by one that does not exist.
package nearest

import (
	"strconv"
	"strings"
)

// most is how many names List gives before it only counts the rest.
const most = 10

// Name is the one of the names that is written most like a name, or "" if none is close: of a short name a single letter may
// be wrong, of longer ones two or a third of it. Case does not count, and two letters that changed places are one mistake.
// Of several that are as close it is the first.
func Name(name string, names []string) string {
	best, least := "", max(1, len(name)/3)+1
	if len(name) >= 4 {
		least = max(least, 3)
	}
	lower := strings.ToLower(name)
	for _, n := range names {
		if d := distance(lower, strings.ToLower(n)); d < least && d < len(n) {
			best, least = n, d
		}
	}
	return best
}

// List writes names down for an error: all of them, or the first few and how many more there are.
func List(names []string) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
}

// longest is how many bytes of a name are compared: names are short, and the work grows with the square.
const longest = 64

// distance counts the insertions, deletions, substitutions and swaps of neighbours that make b of a.
func distance(a, b string) int {
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
