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
	// places tell of a byte at which places which groups may have it: one is a bit, shifted by a place.
	places [256]uint32
}

// The places of a byte around the start of a phrase.
const (
	firstPlace  = 0
	secondPlace = 8
	thirdPlace  = 16
	placeBefore = 24

	anyPlace = 1<<32 - 1 // stands for what is beyond the end of a text
)

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
			p.allow(firstPlace, 0xff, utf8.RuneSelf)
		} else {
			p.allowLetter(firstPlace, group, w[0])
		}
		for i, place := range [...]int{secondPlace, thirdPlace} {
			if end := i + 2; end > len(w) || strings.ContainsFunc(w[:end], func(r rune) bool { return r >= utf8.RuneSelf }) {
				p.allow(place, group, 0)
				continue
			}
			p.allowLetter(place, group, w[i+1])
			p.allow(place, group, utf8.RuneSelf) // the Kelvin sign is a K too
		}
	}
	p.allowStarts()
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

// allow lets groups have every byte from one on at a place.
func (p *phrases) allow(place int, groups uint8, from int) {
	for c := from; c < len(p.places); c++ {
		p.places[c] |= uint32(groups) << place
	}
}

// allowLetter lets a group have a letter at a place, in both cases.
func (p *phrases) allowLetter(place int, group uint8, c byte) {
	p.places[strings.ToLower(string(rune(c)))[0]] |= uint32(group) << place
	p.places[strings.ToUpper(string(rune(c)))[0]] |= uint32(group) << place
}

// allowStarts lets all groups begin after any byte but an ASCII letter or digit. Other letters are looked at.
func (p *phrases) allowStarts() {
	for c := range p.places {
		if c >= utf8.RuneSelf || !unicode.IsLetter(rune(c)) && !unicode.IsDigit(rune(c)) {
			p.places[c] |= 0xff << placeBefore
		}
	}
}

// in gives those of the wanted marks of which the text has a phrase as whole words, in any case, and not denied. It
// looks up each byte, the one before and the two after, and compares only where these may be the start of a phrase.
func (p *phrases) in(s string, wanted marks) (found marks) {
	last, one, next := p.places[' '], uint32(anyPlace), uint32(anyPlace)
	if len(s) > 0 {
		one = p.places[s[0]]
	}
	if len(s) > 1 {
		next = p.places[s[1]]
	}
	for i := range len(s) {
		after := uint32(anyPlace)
		if i+2 < len(s) {
			after = p.places[s[i+2]]
		}
		if groups := uint8(last >> placeBefore & (one >> firstPlace) & (next >> secondPlace) & (after >> thirdPlace)); groups != 0 {
			if found |= p.at(s, i, groups, wanted&^found); found == wanted {
				return found
			}
		}
		last, one, next = one, next, after
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
