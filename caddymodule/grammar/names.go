package grammar

import (
	"strings"
)

// Nearest is the known name that a word was probably meant to be, or empty where none is near.
func Nearest(word string, known []string) string {
	best, least := "", 1+min(3, max(1, len(word)/2))
	for _, name := range known {
		if plainName(name) == plainName(word) {
			return name
		}
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

// Suggestion is "; did you mean NAME?", or empty where no known name is near.
func Suggestion(word string, known []string) string {
	if name := Nearest(word, known); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// ThereAre lists the names that could have been meant, with the nearest.
func ThereAre(word string, known []string) string {
	if len(known) == 0 {
		return "; there is none"
	}
	return "; there are: " + strings.Join(known, ", ") + Suggestion(word, known)
}

// plainName is a name without what is often confused in one.
func plainName(name string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(name))
}

// maxName is how long a word is that is compared; nobody mistypes more.
const maxName = 64

// distance is how many letters have to be put in, left out, changed or swapped with the next one to make one word the
// other (optimal string alignment).
func distance(a, b string) int {
	if len(a) > maxName || len(b) > maxName {
		return maxName
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := 1
			if a[i-1] == b[j-1] {
				changed = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
