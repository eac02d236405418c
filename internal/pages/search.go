package pages

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/operate"
)

// qualifiers are what can stand before a colon in the search box, with the members of operate.Filter that they fill in.
var qualifiers = []struct {
	name, member, help string
	// also are other names for it.
	also []string
}{
	{"tenant", "tenant", "whose calls", nil},
	{"source", "source", "who sent them", nil},
	{"type", "event_type", "what happened, as the sender names it", []string{"event_type"}},
	{"destination", "destination", "where they go", []string{"dest"}},
	{"state", "state", "dead, waiting or delivered", nil},
	{"reason", "reason", "a part of why the last attempt failed", nil},
	{"since", "from", "received at that time or later, such as yesterday, 2h, 08:00 or 2026-01-31", []string{"from", "after"}},
	{"until", "to", "received before that time", []string{"to", "before"}},
	{"failed", "failed_since", "an attempt failed at that time or later", []string{"failed_since"}},
	{"call", "call_id", "the sender's id of the call", []string{"call_id"}},
	{"event", "event", "the gateway's id of the event", nil},
	{"delivery", "delivery", "the id of one delivery", nil},
	{"caller", "caller", "the caller's number, with its country; it never stands in an address", []string{"phone"}},
	{"field", "field", "together with value: a field of a find_by line", nil},
	{"value", "value", "its value; it never stands in an address", nil},
}

// memberOf is the member of operate.Filter that a qualifier fills in; empty for none.
func memberOf(qualifier string) string {
	for _, q := range qualifiers {
		if q.name == qualifier || slices.Contains(q.also, qualifier) {
			return q.member
		}
	}
	return ""
}

// times are the members that are points in time.
var times = []string{"from", "to", "failed_since"}

// term is a part of a search: what is asked of a member, as it was written.
type term struct{ name, member, value string }

// private tells that the term is what a caller said, which must not stand in an address.
func (t term) private() bool {
	return t.member == "caller" || t.member == "value" || t.member == "field"
}

// String is the term as it is written in the box.
func (t term) String() string {
	if t.value == "" || strings.ContainsFunc(t.value, func(r rune) bool { return unicode.IsSpace(r) || r == '"' }) {
		return t.name + `:"` + strings.ReplaceAll(t.value, `"`, "") + `"`
	}
	return t.name + ":" + t.value
}

// search is what is looked for.
type search struct {
	terms []term
	// with is the token of what is private in it, if there is any.
	with string
	// zone is the reader's, in which times are meant.
	zone *time.Location
}

var (
	eventID    = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	deliveryID = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}\.[0-9]+$`)
	numberLike = regexp.MustCompile(`^[+(]?[0-9][0-9 ()./-]{5,}$`)
)

// parseSearch reads the text of a search box: qualifier:value, values with spaces in quotes, and words of which it is told
// what they are by what they look like.
func parseSearch(text string) (terms []term, err error) {
	var words []string
	for _, t := range splitTerms(text) {
		name, value, ok := strings.Cut(t, ":")
		if member := memberOf(strings.ToLower(name)); ok && member != "" {
			terms = append(terms, term{strings.ToLower(name), member, strings.ReplaceAll(value, `"`, "")})
			continue
		}
		if words = append(words, strings.ReplaceAll(t, `"`, "")); len(words) > 12 {
			return nil, badRequest("that are too many words; write what they are, as in tenant:acme")
		}
	}
	if len(words) > 0 {
		if all := strings.Join(words, " "); numberLike.MatchString(all) {
			words, terms = nil, append(terms, term{"caller", "caller", all})
		}
	}
	for _, w := range words {
		terms = append(terms, meant(w))
	}
	seen := map[string]bool{}
	for i := range terms {
		if t := &terms[i]; seen[t.member] {
			return nil, badRequest("%s stands twice; it can have one value", t.name)
		}
		seen[terms[i].member] = true
		if terms[i].value == "" {
			return nil, badRequest("%s has no value; write %s:VALUE", terms[i].name, terms[i].name)
		}
		if terms[i].member == "state" && slices.Contains([]string{"waiting", "open"}, terms[i].value) {
			terms[i].value = "pending"
		}
	}
	return terms, nil
}

// meant is what a word without a qualifier asks for.
func meant(word string) term {
	switch upper := strings.ToUpper(word); {
	case eventID.MatchString(upper):
		return term{"event", "event", upper}
	case deliveryID.MatchString(upper):
		return term{"delivery", "delivery", upper}
	case slices.Contains([]string{"dead", "pending", "waiting", "delivered"}, word):
		return term{"state", "state", word}
	}
	return term{"call", "call_id", word}
}

// splitTerms divides a text at its spaces, but for those in quotes.
func splitTerms(text string) (parts []string) {
	var b strings.Builder
	quoted := false
	flush := func() {
		if b.Len() > 0 {
			parts = append(parts, b.String())
			b.Reset()
		}
	}
	for _, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
			b.WriteRune(r)
		case unicode.IsSpace(r) && !quoted:
			flush()
		default:
			b.WriteRune(r)
		}
	}
	flush()
	return parts
}

// secret is what of a search is sealed into its token.
type secret struct {
	Caller string `json:"c,omitempty"`
	Field  string `json:"f,omitempty"`
	Value  string `json:"v,omitempty"`
}

// searchKept is for how long a search by what a caller said can be loaded again.
const searchKept = 12 * time.Hour

// public is what of a search can stand in an address.
func (s *search) public() string {
	var all []string
	for _, t := range s.terms {
		if !t.private() {
			all = append(all, t.String())
		}
	}
	return strings.Join(all, " ")
}

// searched reads the search of an address: q, with, and the reader's zone.
func (q *request) searched(v url.Values) (*search, error) {
	s := &search{with: v.Get("with"), zone: zoneOf(v.Get("zone"))}
	var err error
	if s.terms, err = parseSearch(v.Get("q")); err != nil {
		return nil, err
	}
	if q.r.Method != "POST" && slices.ContainsFunc(s.terms, term.private) {
		return nil, badRequest("a caller's number or another value of theirs must not stand in an address, which is logged; type it into the search box, which sends it in another way")
	}
	return s, nil
}

// zoneOf is a time zone by its name, and UTC for one that is not known here.
func zoneOf(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil && len(name) < 64 && name != "Local" {
		return zone
	}
	return time.UTC
}

// hide seals what is private of a search, in place of the terms.
func (q *request) hide(s *search) error {
	var hidden secret
	for _, t := range s.terms {
		switch t.member {
		case "caller":
			number, _ := call.KeepNumber(t.value, "")
			if hidden.Caller = number; number == "" || !strings.HasPrefix(number, "+") || !strings.Contains(t.value, "+") {
				hidden.Caller = t.value // the service says what is wrong with it
			}
		case "field":
			hidden.Field = t.value
		case "value":
			hidden.Value = t.value
		}
	}
	if hidden == (secret{}) {
		return nil
	}
	token, err := q.ui.tokens.seal(tokenSearch, q.actor, hidden, searchKept)
	if err != nil {
		return err
	}
	s.with = token
	s.terms = slices.DeleteFunc(s.terms, term.private)
	return nil
}

// filter is a search as the service understands it. hidden says what its token holds, masked.
func (q *request) filter(s *search) (f operate.Filter, hidden string, err error) {
	for _, t := range s.terms {
		value := t.value
		if slices.Contains(times, t.member) {
			at, err := operate.When(value, q.now().In(s.zone))
			if err != nil {
				return f, "", err
			}
			value = at.UTC().Format(time.RFC3339Nano)
		}
		*f.Parameter(t.member) = value
	}
	if s.with == "" {
		return f, "", nil
	}
	var h secret
	if q.ui.tokens.open(tokenSearch, q.actor, s.with, &h) != nil {
		return f, "", badRequest("the search by a caller's number is too old or somebody else's; search again")
	}
	f.Caller, f.Field, f.Value = h.Caller, h.Field, h.Value
	switch {
	case h.Caller != "" && h.Value != "":
		hidden = "caller " + call.MaskNumber(h.Caller) + " and " + h.Field + " •••"
	case h.Caller != "":
		hidden = "caller " + call.MaskNumber(h.Caller)
	default:
		hidden = h.Field + " •••"
	}
	return f, hidden, nil
}

// address is where a search is shown.
func (s *search) address(path string) string {
	v := url.Values{"q": {s.public()}, "with": {s.with}}
	if s.zone != time.UTC && slices.ContainsFunc(s.terms, func(t term) bool { return slices.Contains(times, t.member) }) {
		v.Set("zone", s.zone.String())
	}
	return withQuery(path, v)
}

// without is a search without one of its terms.
func (s *search) without(member string) *search {
	less := *s
	less.terms = slices.DeleteFunc(slices.Clone(s.terms), func(t term) bool { return t.member == member })
	return &less
}
