package samples

import (
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Fresh is the sample as of another call: what tells its event from others, such as the id of the call, is another of the
// same form, so that a gateway which has seen the sample takes it for a new event. Ids that are shorter than those of real
// senders become longer. Where the sender gives events no id, it is the longest number that differs, which is mostly a telephone
// number. All else stays as it is.
func (s Sample) Fresh(rnd *rand.Rand) Sample {
	old, was := s.identity(), s.text()
	// The ids of events are made of several parts; see eventID in internal/source. Of an address only the end is an id.
	for _, part := range append(strings.FieldsFunc(old.EventID, func(r rune) bool { return r == ':' || r == ',' }), old.CallID) {
		part = part[strings.LastIndexByte(part, '/')+1:]
		if len(part) >= 2 && part != old.EventType && marked.MatchString(part) && !moment.MatchString(part) {
			s.replace(part, varied(part, rnd))
		}
	}
	isOther := func() bool {
		id := s.identity()
		return id.EventID != old.EventID || old.EventID == "" && s.text() != was
	}
	if isOther() {
		return s
	}
	var numbers []string
	for _, m := range number.FindAllStringSubmatch(was, -1) {
		if n := m[1]; !moment.MatchString(n) && n[0] != '0' {
			numbers = append(numbers, n)
		}
	}
	slices.SortStableFunc(numbers, func(a, b string) int { return min(len(b), 10) - min(len(a), 10) })
	for _, n := range numbers {
		switch end := len(n) - changing; {
		case isOther():
			return s
		case end > 0:
			s.replace(n, n[:end]+digits(changing, rnd))
		default:
			s.replace(n, varied(n, rnd))
		}
	}
	return s
}

var (
	number = regexp.MustCompile(before + `([0-9]+)`)
	// marked is what an id has and a word such as completed has not.
	marked = regexp.MustCompile(`[0-9A-Z]`)
	hex    = regexp.MustCompile(`^[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*$`)
	// moment is a time in seconds or milliseconds since 1970. Who reads it wants it to stay one.
	moment = regexp.MustCompile(`^1[5-9][0-9]{8}([0-9]{3})?$`)
)

func (s *Sample) text() string { return s.Query + "\n" + string(s.Body) }

// before is what stands before a word, also where the text is encoded as in a form.
const before = `(?:^|[^0-9A-Za-z%]|%[0-9A-F]{2})`

// replace changes a word wherever it stands by itself.
func (s *Sample) replace(old, new string) {
	for _, write := range []func(string) string{func(s string) string { return s }, url.QueryEscape} {
		word := regexp.MustCompile(`(` + before + `)` + regexp.QuoteMeta(write(old)) + `($|[^0-9A-Za-z])`)
		by := []byte("${1}" + write(new) + "${2}")
		s.Query = string(word.ReplaceAll([]byte(s.Query), by))
		if s.Body != nil {
			s.Body = word.ReplaceAll(s.Body, by)
		}
	}
}

// longEnough is how many characters make an id that looks like one, and changing how many of them, at the least, are others each
// time: with six of nine kinds one in half a million comes twice.
const longEnough, changing = 10, 6

// varied is an id of the same form.
func varied(id string, rnd *rand.Rand) string {
	b := []byte(id)
	isHex, changed := hex.MatchString(id), 0
	for i, c := range b {
		switch {
		case c == '0' && i == 0: // a number does not begin with it, and what does is none
		case c >= '0' && c <= '9':
			b[i] = byte('1' + rnd.IntN(9))
			changed++
		case isHex && c >= 'a' && c <= 'f':
			b[i] = byte('a' + rnd.IntN(6))
			changed++
		}
	}
	return string(b) + digits(max(longEnough-len(b), changing-changed), rnd)
}

func digits(n int, rnd *rand.Rand) string {
	var b []byte
	for range n {
		b = append(b, byte('1'+rnd.IntN(9)))
	}
	return string(b)
}
