package grammar

import (
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/nearest"
)

// Nearest is the known name that a word was probably meant to be, or empty where none is near. Hyphens, underscores and
// capitals are what is confused most.
func Nearest(word string, known []string) string {
	for _, name := range known {
		if plainName(name) == plainName(word) {
			return name
		}
	}
	return nearest.Name(word, known)
}

// Suggestion is "; did you mean NAME?", or empty where no known name is near.
func Suggestion(word string, known []string) string {
	if name := Nearest(word, known); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// ThereAre lists the names that could have been meant, the nearest first.
func ThereAre(word string, known []string) string {
	names := slices.Sorted(slices.Values(known))
	if near := Nearest(word, names); near != "" {
		names = slices.DeleteFunc(names, func(n string) bool { return n == near })
		names = slices.Insert(names, 0, near)
	}
	return "there are: " + nearest.List(names)
}

// plainName is a name without what is often confused in one.
func plainName(name string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(name))
}
