package source

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// phrases are words to look for. Those that begin alike are a group, of which there may be eight; more share one.
type phrases struct {
	list   []phrase
	groups []string // how the phrases of each begin, in lower case
	// firsts, seconds and thirds are the groups whose phrases may have a byte at their first, second and third place.
	firsts, seconds, thirds [256]uint8
}

type phrase struct {
	text  string
	mark  marks
	group uint8
}

// add adds the words that are the signs of a mark.
func (p *phrases) add(words []string, mark marks) {
	for _, w := range words {
		w = strings.Join(strings.Fields(w), " ")
		if w == "" {
			continue
		}
		group := p.group(strings.ToLower(w[:min(2, len(w))]))
		p.list = append(p.list, phrase{text: w, mark: mark, group: group})
		if w[0] >= utf8.RuneSelf { // the other case may begin with any other byte, and other letters be the same
			setBits(p.firsts[utf8.RuneSelf:], 0xff)
		} else {
			setBothCases(&p.firsts, w[0], group)
		}
		if len(w) == 1 || w[0] >= utf8.RuneSelf || w[1] >= utf8.RuneSelf {
			setBits(p.seconds[:], group)
		} else {
			setBothCases(&p.seconds, w[1], group)
			setBits(p.seconds[utf8.RuneSelf:], group) // the Kelvin sign is a K too
		}
		if end := min(3, len(w)); end < 3 || strings.ContainsFunc(w[:end], func(r rune) bool { return r >= utf8.RuneSelf }) {
			setBits(p.thirds[:], group)
		} else {
			setBothCases(&p.thirds, w[2], group)
			setBits(p.thirds[utf8.RuneSelf:], group)
		}
	}
}

// group is the bit of the group of phrases that begin like that.
func (p *phrases) group(start string) uint8 {
	i := slices.Index(p.groups, start)
	if i < 0 {
		i = len(p.groups)
		p.groups = append(p.groups, start)
	}
	return 1 << (i % 8)
}

func setBits(table []uint8, bits uint8) {
	for i := range table {
		table[i] |= bits
	}
}

func setBothCases(table *[256]uint8, c byte, bits uint8) {
	table[strings.ToLower(string(rune(c)))[0]] |= bits
	table[strings.ToUpper(string(rune(c)))[0]] |= bits
}

// outsideWord has no bit for a byte after which no word can begin: an ASCII letter or digit. Others are looked at.
var outsideWord = func() (table [256]uint8) {
	setBits(table[:], 0xff)
	for c := range byte(utf8.RuneSelf) {
		if unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) {
			table[c] = 0
		}
	}
	return table
}()

// in gives those of the wanted marks of which the text has a phrase as whole words, in any case, and not denied. It
// looks up each byte, the one before and the two after, and compares only where these may be the start of a phrase.
func (p *phrases) in(s string, wanted marks) (found marks) {
	before, last := byte(' '), len(s)-1
	for i := range last {
		c := s[i]
		groups := p.firsts[c] & outsideWord[before] & p.seconds[s[i+1]]
		before = c
		if groups == 0 {
			continue
		}
		if i+2 < len(s) {
			if groups &= p.thirds[s[i+2]]; groups == 0 {
				continue
			}
		}
		if found |= p.at(s, i, groups, wanted&^found); found == wanted {
			return found
		}
	}
	if last >= 0 {
		found |= p.at(s, last, p.firsts[s[last]]&outsideWord[before], wanted&^found)
	}
	return found
}

// at gives those of the wanted marks of which the text has a phrase of the groups at an index, which no ASCII letter or
// digit stands before.
func (p *phrases) at(s string, i int, groups uint8, wanted marks) (found marks) {
	if groups == 0 || i > 0 && s[i-1] >= utf8.RuneSelf && wordBefore(s, i) {
		return noMarks
	}
	for j := range p.list {
		w := &p.list[j]
		if w.group&groups == 0 || w.mark&wanted == 0 || !equalAt(s, i, w.text) {
			continue
		}
		if !denied(s[:i]) && !answeredNo(s[i+len(w.text):]) {
			found |= w.mark
		}
	}
	return found
}

// equalAt reports whether the phrase is in the text at an index, in any case, and a word does not go on after it.
func equalAt(s string, i int, w string) bool {
	end := i + len(w)
	return end <= len(s) && !otherwise(s[i+len(w)/2], w[len(w)/2]) && strings.EqualFold(s[i:end], w) && !wordAfter(s, end)
}

// otherwise reports at a glance that two bytes in one place cannot be those of texts that are equal but for case.
func otherwise(a, b byte) bool {
	return a|b < utf8.RuneSelf && a|0x20 != b|0x20
}

func wordBefore(s string, i int) bool {
	r, n := utf8.DecodeLastRuneInString(s[:i])
	return n > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == utf8.RuneError)
}

func wordAfter(s string, i int) bool {
	r, n := utf8.DecodeRuneInString(s[i:])
	return n > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == utf8.RuneError)
}

var (
	// negators deny what follows them.
	negators = map[string]bool{
		"no": true, "not": true, "non": true, "never": true, "without": true, "isn't": true, "isnt": true, "isn’t": true,
		"wasn't": true, "wasnt": true, "wasn’t": true, "don't": true, "dont": true, "don’t": true, "doesn't": true,
		"doesnt": true, "doesn’t": true, "didn't": true, "didn’t": true, "denied": true, "denies": true, "declined": true,
		"declines": true, "ain't": true, "neither": true, "nor": true, "none": true, "hardly": true,
	}
	// fillers may stand between a negator and what it denies.
	fillers = map[string]bool{
		"a": true, "an": true, "the": true, "any": true, "that": true, "this": true, "it": true, "really": true, "very": true,
		"so": true, "super": true, "too": true, "all": true, "particularly": true, "especially": true, "real": true,
		"actual": true, "true": true, "exactly": true, "at": true, "terribly": true, "need": true, "to": true, "want": true,
		"wants": true, "needs": true, "require": true, "requires": true, "is": true, "be": true, "was": true, "as": true,
		"me": true, "an:": true, "for": true, "request": true, "requested": true, "requesting": true, "considered": true,
	}
)

// denied reports whether what stands before a word denies it: "no ", "not a real ", "non-". It looks back a few words,
// and not beyond the clause.
func denied(before string) bool {
	const window = 64
	if len(before) > window {
		before = before[len(before)-window:]
	}
	for range 5 {
		before = strings.TrimRight(before, " \t-_\"'*“‘(")
		i := strings.LastIndexAny(before, " \t\n-_.,;:!?(\"“")
		word := strings.ToLower(before[i+1:])
		if negators[word] {
			return true
		}
		if !fillers[word] {
			return false
		}
		if i < 0 {
			return false
		}
		before = before[:i+1]
	}
	return false
}

// answeredNo reports whether a word is a question or a heading that is answered with no: "Emergency: no".
func answeredNo(after string) bool {
	after = strings.TrimLeft(after, " *\"”")
	if after == "" || after[0] != ':' && after[0] != '?' && after[0] != '=' {
		return false
	}
	after = strings.TrimLeft(after[1:], " *\"“")
	i := strings.IndexFunc(after, func(r rune) bool { return !unicode.IsLetter(r) && r != '/' })
	if i < 0 {
		i = len(after)
	}
	switch strings.ToLower(after[:i]) {
	case "no", "none", "false", "not", "n/a", "low", "nope":
		return true
	}
	return false
}
