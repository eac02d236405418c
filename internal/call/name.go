package call

import (
	"strings"
	"unicode"
)

// Name is the caller's full name: first and last name as far as they are known, or empty.
func (c *Call) Name() string {
	switch {
	case c.FirstName == "":
		return c.LastName
	case c.LastName == "":
		return c.FirstName
	default:
		return c.FirstName + " " + c.LastName
	}
}

// particles begin a last name of several words: "Ludwig van Beethoven", "Ana de la Cruz".
var particles = map[string]bool{
	"van": true, "von": true, "der": true, "den": true, "de": true, "del": true, "della": true, "di": true, "da": true,
	"dos": true, "das": true, "du": true, "la": true, "le": true, "al": true, "el": true, "bin": true, "ibn": true,
	"ter": true, "ten": true, "st": true, "mac": true, "zu": true,
}

// suffixes belong to the name before them.
var suffixes = map[string]bool{
	"jr": true, "sr": true, "ii": true, "iii": true, "iv": true, "phd": true, "md": true, "dds": true, "esq": true,
}

// SplitName splits a full name into first and last name: the last word is the last name, together with the particles
// before it ("van der Berg") and a suffix after it ("Johnson Jr."); "Johnson, Mike" is turned round. A single word is
// a first name: most callers who give one name give that. Spaces are collapsed, and nothing else is lost.
func SplitName(full string) (first, last string) {
	if l, f, ok := strings.Cut(full, ","); ok {
		l, f = join(strings.Fields(l)), join(strings.Fields(f))
		switch {
		case l == "":
			return SplitName(f)
		case f == "":
			return SplitName(l)
		case !suffixes[bare(f)]:
			return f, l
		}
		full = l + ", " + f // "Mike Johnson, Jr."
	}
	if f, l, ok := strings.Cut(full, " "); ok && isWord(f) && isWord(l) { // as most are
		return f, l
	}
	words := strings.Fields(full)
	n := len(words)
	if n < 2 {
		return join(words), ""
	}
	at := n - 1
	for at > 1 && suffixes[bare(words[at])] {
		at--
	}
	for at > 1 && particles[bare(words[at-1])] {
		at--
	}
	return join(words[:at]), join(words[at:])
}

func isWord(s string) bool { return s != "" && strings.IndexFunc(s, unicode.IsSpace) < 0 }

func join(words []string) string { return strings.Join(words, " ") }

// bare is a word in lower case without its punctuation.
func bare(w string) string {
	return strings.ToLower(strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) }))
}
