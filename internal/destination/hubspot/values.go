package hubspot

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// What a property takes is known from what HubSpot refuses. A date property takes a day, "2026-01-05", or the milliseconds of
// its midnight in UTC (HubSpot, "How should timestamps be formatted for HubSpot's APIs?" and its changelog on date
// formats), so that a moment becomes the account's day; an option property takes the internal values of its options, which
// the refusal lists, so that a label, or a value in other writing, becomes the value. Nobody has to be asked for
// permission to read the properties' definitions.

// known is what HubSpot has told of one property.
type known struct {
	date    bool
	options []option
	until   time.Time
}

// option is one choice of a property: what people see, empty when that is not known, and what is written.
type option struct{ label, value string }

// learnt remembers what properties take, by object type and name, for as long as refused remembers.
type learnt struct {
	mu sync.Mutex
	of map[string]known
}

func (l *learnt) add(key string, k known) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[string]known)
	}
	l.of[key] = k
}

func (l *learnt) get(key string, now time.Time) (known, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.of[key]
	return k, ok && now.Before(k.until)
}

// mend learns from a refusal, and returns what to send in place of a value.
func (d *Destination) mend(object, name, value string, v validity) (string, bool) {
	k := known{until: d.conf.Now().Add(refusedFor)}
	switch code := string(v.Error); {
	case strings.Contains(code, "DATE"):
		k.date = true
	case strings.Contains(code, "OPTION"):
		k.options = optionsOf(string(v.Message))
	default:
		return "", false
	}
	mended, ok := d.suit(k, value)
	if ok {
		d.learnt.add(object+"."+name, k)
	}
	return mended, ok
}

// fitting is a value as the property takes it, as far as is known.
func (d *Destination) fitting(object, name, value string) string {
	if k, ok := d.learnt.get(object+"."+name, d.conf.Now()); ok {
		if v, ok := d.suit(k, value); ok {
			return v
		}
	}
	return value
}

// suit makes a value suit what is known; ok is false when it cannot, or there is nothing to do.
func (d *Destination) suit(k known, value string) (string, bool) {
	if k.date {
		return d.day(value)
	}
	parts := strings.Split(value, ";") // several choices
	changed := false
	for i, p := range parts {
		at := slices.IndexFunc(k.options, func(o option) bool { return o.value == p })
		if at < 0 {
			at = slices.IndexFunc(k.options, func(o option) bool {
				return folded(o.value) == folded(p) || o.label != "" && folded(o.label) == folded(p)
			})
		}
		if at < 0 || folded(p) == "" {
			return "", false
		}
		changed = changed || p != k.options[at].value
		parts[i] = k.options[at].value
	}
	return strings.Join(parts, ";"), changed
}

// day is the account's day of a moment: RFC 3339 or milliseconds.
func (d *Destination) day(value string) (string, bool) {
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		ms, err := strconv.ParseInt(value, 10, 64)
		if err != nil || len(value) != 13 {
			return "", false
		}
		at = time.UnixMilli(ms)
	}
	zone := d.conf.TimeZone
	if utc := at.UTC(); zone == nil || utc.Equal(utc.Truncate(24*time.Hour)) {
		zone = time.UTC // midnight there is how a day is written, and hardly when somebody called
	}
	return at.In(zone).Format(time.DateOnly), true
}

// folded is a text without what people write differently: case, spaces and punctuation.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

var labelled = regexp.MustCompile(`label: \\?"([^"\\]*)\\?"\s*value: \\?"([^"\\]*)\\?"`)

// optionsOf reads the options that a refusal lists, in either of the two ways that have been seen of HubSpot:
//
//	Kitchen was not one of the allowed options: [kitchen_remodel, bath]
//	Kitchen was not one of the allowed options: [label: "Kitchen remodel"\nvalue: "kitchen_remodel"\ndisplay_order: 0\n…, label: …]
func optionsOf(message string) []option {
	_, list, ok := strings.Cut(message, "allowed options: [")
	if !ok {
		return nil
	}
	var all []option
	for _, m := range labelled.FindAllStringSubmatch(list, 1000) {
		all = append(all, option{m[1], m[2]})
	}
	if all != nil {
		return all
	}
	if i := strings.LastIndexByte(list, ']'); i >= 0 {
		list = list[:i]
	}
	for v := range strings.SplitSeq(list, ", ") {
		if v != "" && len(all) < 1000 {
			all = append(all, option{value: v})
		}
	}
	return all
}
