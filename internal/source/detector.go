package source

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/call"
)

// sign is something that a call may be a sign of: that it is urgent, or that a callback is wanted.
type sign struct {
	field string // the record's field
	words []string
	// yes reports whether a parameter that bears on it says so.
	yes func(key, value string) bool
	// numbers of these keys are levels of no known scale, and say nothing.
	scales map[string]bool
}

var (
	urgency = &sign{
		field: "urgent",
		words: []string{"emergency", "urgent", "ASAP"},
		yes:   func(_, v string) bool { return highLevels[v] },
		scales: map[string]bool{
			"priority": true, "urgency": true, "urgency_level": true, "urgencylevel": true,
		},
	}
	callback = &sign{
		field: "callback_requested",
		words: []string{
			"callback", "call me back", "call us back", "call him back", "call her back", "call them back", "a call back",
			"be called back", "return my call", "return the call",
		},
		// Anything that is no refusal asks for it: a time, a number, "after lunch".
		yes: func(string, string) bool { return true },
	}
)

var highLevels = map[string]bool{
	"high": true, "higher": true, "highest": true, "very high": true, "critical": true, "severe": true, "immediate": true,
	"immediately": true, "urgent": true, "emergency": true, "asap": true, "p0": true, "p1": true, "very urgent": true,
	"high priority": true, "top": true, "now": true,
}

// says reports whether the parameter key, whose value is v, says so.
func (s *sign) says(key string, v any) bool {
	switch t := v.(type) {
	case bool:
		return t
	case json.Number:
		yes, _ := truth(t)
		return yes && !s.scales[strings.ToLower(key)]
	case string:
		word := strings.ToLower(strings.TrimSpace(t))
		if yes, known := truth(word); known {
			return yes && !(s.scales[strings.ToLower(key)] && word == "1")
		}
		return word != "" && !negative(word) && s.yes(key, word)
	case []any:
		return len(t) > 0 && s.yes(key, "")
	case map[string]any:
		return len(t) > 0 && s.yes(key, "")
	default:
		return false
	}
}

// negative reports whether an answer in words begins with a refusal: "no thanks", "none requested".
func negative(word string) bool {
	first, _, _ := strings.Cut(strings.Map(func(r rune) rune {
		if r == ',' || r == '.' || r == '-' {
			return ' '
		}
		return r
	}, word), " ")
	return negators[first] || first == "false" || first == "null" || first == "unknown" || first == "n/a"
}

// detector looks for a sign in a call.
type detector struct {
	sign   *sign
	words  phrases
	fields map[string]bool // nil: the names that call.FieldOf knows
}

// newDetector makes a detector of the sign's own words and fields where none are given.
func newDetector(s *sign, words, fields []string) *detector {
	if words == nil {
		words = s.words
	}
	d := &detector{sign: s, words: newPhrases(words)}
	if fields != nil {
		d.fields = make(map[string]bool, len(fields))
		for _, f := range fields {
			d.fields[strings.ToLower(strings.TrimSpace(f))] = true
		}
	}
	return d
}

// found reports whether a parameter says so, or the caller's words, the summary or a parameter has one of the words.
func (d *detector) found(c *call.Call) bool {
	for k, v := range c.Params {
		if d.bears(k) && d.sign.says(k, v) {
			return true
		}
	}
	if d.words.in(c.Message) || d.words.in(c.Summary) {
		return true
	}
	for k, v := range c.Params {
		if text, ok := v.(string); ok && (text == c.Message || text == c.Summary) {
			continue // it was searched
		}
		if telling(k) && d.within(v) {
			return true
		}
	}
	found := false
	callerLines(c.Transcript, func(line string) bool {
		found = d.words.in(line)
		return !found
	})
	return found
}

func (d *detector) bears(key string) bool {
	if d.fields != nil {
		return d.fields[strings.ToLower(key)]
	}
	f, _ := call.FieldOf(key)
	return f == d.sign.field
}

// telling reports whether a parameter of that name may hold what a caller wants. A company called "Emergency Plumbing"
// wants nothing, nor do names and addresses of any kind; the transcript is searched by speaker.
func telling(key string) bool {
	switch f, _ := call.FieldOf(key); f {
	case "", "message", "summary", "urgent", "callback_requested":
	default:
		return false
	}
	key = strings.ToLower(key)
	for _, end := range []string{"name", "url", "uri", "id", "email", "type", "source", "status", "tenant", "website"} {
		if strings.HasSuffix(key, end) {
			return false
		}
	}
	return true
}

func (d *detector) within(v any) bool {
	switch v := v.(type) {
	case string:
		return !strings.Contains(v, "://") && d.words.in(v)
	case []any:
		for _, e := range v {
			if d.within(e) {
				return true
			}
		}
	case map[string]any:
		for k, e := range v {
			if telling(k) && d.within(e) {
				return true
			}
		}
	}
	return false
}

// phrases are words to look for.
type phrases struct {
	list   []string
	starts [256]bool // the bytes that one of them may start with
}

func newPhrases(words []string) phrases {
	var p phrases
	for _, w := range words {
		w = strings.Join(strings.Fields(w), " ")
		if w == "" {
			continue
		}
		p.list = append(p.list, w)
		if w[0] >= utf8.RuneSelf { // the other case may begin with any other byte
			for i := utf8.RuneSelf; i < 256; i++ {
				p.starts[i] = true
			}
			continue
		}
		p.starts[strings.ToLower(w[:1])[0]] = true
		p.starts[strings.ToUpper(w[:1])[0]] = true
	}
	return p
}

// in reports whether the text has one of the phrases as whole words, in any case, and not denied.
func (p *phrases) in(s string) bool {
	for i := 0; i < len(s); i++ {
		if !p.starts[s[i]] || wordBefore(s, i) {
			continue
		}
		for _, w := range p.list {
			end := i + len(w)
			if end > len(s) || otherwise(s[i+len(w)/2], w[len(w)/2]) || !strings.EqualFold(s[i:end], w) || wordAfter(s, end) {
				continue
			}
			if !denied(s[:i]) && !answeredNo(s[end:]) {
				return true
			}
		}
	}
	return false
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
