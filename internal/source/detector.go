package source

import (
	"encoding/json"
	"strings"
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

// marks says which signs a text has, or is to be searched for.
type marks uint8

const (
	urgentMark marks = 1 << iota
	callbackMark

	noMarks  marks = 0
	allMarks       = urgentMark | callbackMark
)

// detector looks for a sign in a call.
type detector struct {
	sign   *sign
	mark   marks
	fields map[string]bool // nil: the names that call.FieldOf knows
}

// detectors look for all signs in one walk over the call.
type detectors struct {
	list  []detector
	words phrases
}

// add makes a detector of the sign's own words and fields where none are given.
func (d *detectors) add(s *sign, mark marks, words, fields []string) {
	if words == nil {
		words = s.words
	}
	d.words.add(words, mark)
	one := detector{sign: s, mark: mark}
	if fields != nil {
		one.fields = make(map[string]bool, len(fields))
		for _, f := range fields {
			one.fields[strings.ToLower(strings.TrimSpace(f))] = true
		}
	}
	d.list = append(d.list, one)
}

// find gives those of the wanted marks of which a parameter says so, or the caller's words, the summary or a parameter
// has one of the words.
func (d *detectors) find(c *call.Call, params []param, wanted marks) marks {
	s := search{words: &d.words, wanted: wanted}
	for i := range d.list {
		if one := &d.list[i]; one.mark&wanted != 0 && one.said(params) {
			s.found |= one.mark
		}
	}
	s.text(c.Message)
	if c.Summary != c.Message {
		s.text(c.Summary)
	}
	for i := range params {
		p := &params[i]
		if s.done() {
			return s.found
		}
		if text, ok := p.value.(string); ok && (text == c.Message || text == c.Summary) {
			continue // it was searched
		}
		if p.telling(p.key) {
			s.within(p.value)
		}
	}
	if !s.done() {
		callerLines(c.Transcript, func(line string) bool {
			s.text(line)
			return !s.done()
		})
	}
	return s.found
}

// said reports whether a parameter that bears on the sign says so.
func (d *detector) said(params []param) bool {
	for i := range params {
		if p := &params[i]; d.bears(p) && d.sign.says(p.key, p.value) {
			return true
		}
	}
	return false
}

func (d *detector) bears(p *param) bool {
	if d.fields != nil {
		return d.fields[strings.ToLower(p.key)]
	}
	return p.field == d.sign.field
}

// search is a search for signs, of which some are found.
type search struct {
	words         *phrases
	wanted, found marks
}

func (s *search) done() bool { return s.found == s.wanted }

func (s *search) text(text string) {
	if missing := s.wanted &^ s.found; missing != noMarks {
		s.found |= s.words.in(text, missing)
	}
}

func (s *search) within(v any) {
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, "://") {
			s.text(v)
		}
	case []any:
		for _, e := range v {
			s.within(e)
		}
	case map[string]any:
		for k, e := range v {
			if meaningOf(k).telling(k) {
				s.within(e)
			}
		}
	}
}

// telling reports whether a parameter of that name, which has this meaning, may hold what a caller wants. A company
// called "Emergency Plumbing" wants nothing, nor do names and addresses of any kind; the transcript is searched by
// speaker.
func (m meaning) telling(key string) bool {
	switch m.field {
	case "", "message", "summary", "urgent", "callback_requested":
	default:
		return false
	}
	for i := range len(key) {
		if key[i] >= utf8.RuneSelf {
			key = strings.ToLower(key) // a capital that is not ASCII may have a small letter that is
			break
		}
	}
	for _, end := range untelling {
		if endsIn(key, end) {
			return false
		}
	}
	return true
}

// untelling are the ends of the names of parameters that hold names and addresses.
var untelling = []string{"name", "url", "uri", "id", "email", "type", "source", "status", "tenant", "website"}

// endsIn reports whether a key ends in a word, in any case.
func endsIn(key, end string) bool {
	at := len(key) - len(end)
	return at >= 0 && key[len(key)-1]|0x20 == end[len(end)-1] && strings.EqualFold(key[at:], end)
}
