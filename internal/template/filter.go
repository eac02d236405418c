package template

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"github.com/callgate/callgate/internal/call"
)

// filter changes a value that is there, or provides one that is missing.
type filter struct {
	// apply returns ok false when nothing is left of the value.
	apply func(value any) (_ any, ok bool)
	// fallback is the value of a missing one; apply is nil then.
	fallback *string
	// json marks the filter json, which a JSON value treats in its own way.
	json bool
	// each marks the filter each, before which a value is a list and behind which it is one of its elements. It changes
	// nothing of another value.
	each bool
	// joins marks filters that make one text of a list.
	joins bool
	// encodes marks the filter urlencode, which is left out where values are encoded anyway.
	encodes bool
}

// textFilter is a filter on the text of a value.
func textFilter(f func(string) string) filter {
	return filter{apply: func(v any) (any, bool) {
		s := f(textOf(v))
		return s, s != ""
	}}
}

// newFilter makes a filter from its name and arguments; reason says why it cannot.
func newFilter(name string, args []string, region string, zone *time.Location) (_ filter, reason string) {
	want := 0
	switch name {
	case "default", "truncate", "join", "date":
		want = 1
	case "map":
		return mapFilter(args)
	}
	if len(args) != want && !(name == "date" && len(args) == 2) {
		_, known := filters[name]
		switch {
		case want == 0 && known:
			return filter{}, "filter " + name + " takes no argument"
		case want == 1:
			return filter{}, "filter " + name + " takes an argument, as in " + usage[name]
		}
	}
	switch name {
	case "":
		return filter{}, "a filter's name is expected after |"
	case "default":
		return filter{fallback: &args[0]}, ""
	case "truncate":
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return filter{}, "filter truncate takes a number of characters, as in " + usage[name]
		}
		return textFilter(func(s string) string { return truncate(s, n) }), ""
	case "join":
		return filter{joins: true, apply: func(v any) (any, bool) {
			if list, ok := v.([]any); ok {
				v = joined(list, args[0])
			}
			return v, v != ""
		}}, ""
	case "each":
		return filter{each: true, apply: func(v any) (any, bool) { return v, true }}, ""
	case "date":
		return dateFilter(args, zone)
	case "json":
		return filter{json: true, joins: true, apply: func(v any) (any, bool) { return jsonText(v), true }}, ""
	case "e164":
		return textFilter(func(s string) string {
			if n, ok := call.NormalizeNumber(s, region); ok {
				return n
			}
			return s
		}), ""
	case "national":
		return textFilter(func(s string) string { return national(s, region) }), ""
	}
	if f := filters[name]; f != nil {
		return filter{apply: textFilter(f).apply, encodes: name == "urlencode"}, ""
	}
	return filter{}, fmt.Sprintf("no filter %.40q; there are %s", name, filterNames)
}

const filterNames = "default, upper, lower, trim, truncate, date, e164, national, digits, join, each, map, json, urlencode, number, integer, boolean"

// Filters are the names of all filters, those that name the type of a JSON value (number, integer, boolean) among them.
func Filters() []string { return strings.Split(filterNames, ", ") }

// usage shows the filters that take an argument.
var usage = map[string]string{
	"default": "default:'unknown'", "truncate": "truncate:80", "join": "join:'; '", "date": "date:'%Y-%m-%d'",
}

// filters are those on text, without arguments. urlencode is taken out of URLs and forms when they are compiled.
var filters = map[string]func(string) string{
	"upper":     strings.ToUpper,
	"lower":     strings.ToLower,
	"trim":      strings.TrimSpace,
	"digits":    digits,
	"urlencode": func(s string) string { return string(appendPercent(nil, s)) },
	"e164":      nil,
	"national":  nil,
	"json":      nil,
	"each":      nil,
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func national(s, region string) string {
	e164, ok := call.NormalizeNumber(s, region)
	if !ok {
		return s
	}
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return s
	}
	return phonenumbers.Format(n, phonenumbers.NATIONAL)
}

// dateFilter makes the filter date from a format and, if given, the name of a time zone. zone is that of times without one.
func dateFilter(args []string, zone *time.Location) (_ filter, reason string) {
	if zone == nil {
		zone = time.UTC
	}
	if len(args) == 2 {
		var err error
		if zone, err = time.LoadLocation(args[1]); err != nil || args[1] == "" {
			return filter{}, "the second argument of date is no known time zone; write it as in 'America/New_York'"
		}
	}
	format, ok := dateFormat(args[0])
	if !ok {
		return filter{}, "filter date takes a strftime format such as '%Y-%m-%d %H:%M', or rfc3339, date, time, unix or unix_ms"
	}
	return filter{apply: func(v any) (any, bool) {
		if t, ok := timeOf(v); ok {
			v = string(format(nil, t.In(zone)))
		}
		return v, v != ""
	}}, ""
}

// timeOf reads a time: RFC 3339, a date, or Unix seconds or milliseconds.
func timeOf(v any) (time.Time, bool) {
	if t, ok := v.(time.Time); ok {
		return t, true
	}
	var s string
	switch v := v.(type) {
	case string:
		s = strings.TrimSpace(v)
	case json.Number, int, int64:
		s = fmt.Sprint(v)
	default:
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly, time.RFC1123Z, time.RFC1123} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	// Ten digits are seconds from 2001 to 2286, thirteen milliseconds of the same years.
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && utf8.RuneCountInString(s) == 10 {
		return time.Unix(n, 0), true
	} else if err == nil && len(s) == 13 {
		return time.UnixMilli(n), true
	}
	return time.Time{}, false
}
