// Package doctor looks at a machine as an experienced operator would before a gateway runs on it: the disk that calls are
// stored on, the clock that signatures are judged by, the files that secrets are in. It changes nothing but for a small file
// beside the store, which it writes and takes away to see how fast the disk says that it is done.
package doctor

import (
	"cmp"
	"slices"
)

// Level is how bad a finding is.
type Level string

// The levels, the best first.
const (
	Fine    Level = "fine"    // as it should be
	Note    Level = "note"    // nothing that has to change, or that cannot be seen from here
	Warning Level = "warning" // will hurt one day
	Wrong   Level = "wrong"   // calls or secrets are at risk now
)

var order = []Level{Wrong, Warning, Note, Fine}

// Finding is what a check found.
type Finding struct {
	// Check names the check, such as secrets.
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Where is what it was found at, such as tenant acme; empty where there is one place only.
	Where string `json:"where,omitempty"`
	// Found is what was found, and Do what to do about it. Neither has a secret in it.
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// Report is a list of findings. Its methods keep it in the order in which they were added.
type Report []Finding

// Add adds a finding.
func (r *Report) Add(check string, level Level, where, found, do string) {
	*r = append(*r, Finding{check, level, where, found, do})
}

// Sort puts the worst first, and leaves alike ones in their order.
func (r Report) Sort() {
	slices.SortStableFunc(r, func(a, b Finding) int { return cmp.Compare(slices.Index(order, a.Level), slices.Index(order, b.Level)) })
}

// Worst is the worst level in it; Fine where it is empty.
func (r Report) Worst() Level {
	at := len(order) - 1
	for _, f := range r {
		at = min(at, slices.Index(order, f.Level))
	}
	return order[at]
}

// Count is how many findings are of a level.
func (r Report) Count(l Level) (n int) {
	for _, f := range r {
		if f.Level == l {
			n++
		}
	}
	return n
}
