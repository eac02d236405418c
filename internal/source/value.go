package source

import (
	"math"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// text is a member as text: what a string says, or a number's digits as they were sent. It is empty for any other
// type, for white space, and for a template variable that was never replaced.
func text(v jsonscan.Value) string { return clean(v.Text()) }

func clean(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || (s[0] == '{' || s[0] == '$') && unreplaced(s) {
		return ""
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "") // PostgreSQL has no place for it, and no text needs it
	}
	return s
}

// unreplaced reports whether the text is one unreplaced template variable, "{{email}}" or "${email}", and no more.
func unreplaced(s string) bool {
	inner, ok := strings.CutPrefix(s, "{{")
	if ok {
		inner, ok = strings.CutSuffix(inner, "}}")
	} else if inner, ok = strings.CutPrefix(s, "${"); ok {
		inner, ok = strings.CutSuffix(inner, "}")
	}
	return ok && !strings.ContainsAny(inner, "{}\n")
}

// withoutVariables drops the variables that were not replaced from a text of several: of "Mike {{last_name}}"
// remains "Mike".
func withoutVariables(s string) string {
	if !strings.Contains(s, "{{") {
		return strings.TrimSpace(s)
	}
	var words []string
	for {
		before, rest, found := strings.Cut(s, "{{")
		_, after, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			break
		}
		words = append(words, strings.Fields(before)...)
		s = after
	}
	return strings.Join(append(words, strings.Fields(s)...), " ")
}

// lines is a text, or the texts of an array, one a line.
func lines(v jsonscan.Value) string {
	if v.Kind() != jsonscan.Array {
		return text(v)
	}
	var all []string
	for e := range v.Elements() {
		if s := text(e); s != "" {
			all = append(all, s)
		}
	}
	return strings.Join(all, "\n")
}

// first is the first of the values that has text.
func first(values ...jsonscan.Value) string {
	for _, v := range values {
		if s := text(v); s != "" {
			return s
		}
	}
	return ""
}

// either is the first of the values that has text.
func either(values ...jsonscan.Value) jsonscan.Value {
	for _, v := range values {
		if text(v) != "" {
			return v
		}
	}
	return jsonscan.Value{}
}

// truth reads a yes or no: a bool, a number, or a word for one. known is false for anything else.
func truth(v any) (yes, known bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case interface{ Float64() (float64, error) }: // json.Number
		f, err := v.Float64()
		return f != 0, err == nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "yes", "y", "1", "on", "requested", "required":
			return true, true
		case "false", "no", "n", "0", "off", "none", "n/a", "not requested", "not required":
			return false, true
		}
	}
	return false, false
}

// The units in which providers give durations, as seconds.
const (
	milliseconds = 0.001
	seconds      = 1
	minutes      = 60
)

// maxSeconds bounds a duration, to a year: beyond it a number is an error or another thing.
const maxSeconds = 366 * 24 * 3600

// duration reads a length in a unit, in whole seconds rounded half up; nil for what is no length.
func duration(v jsonscan.Value, unit float64) *int { return scaled(text(v), unit) }

func scaled(s string, unit float64) *int {
	if s == "" {
		return nil
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return nil
	}
	return wholeSeconds(f * unit)
}

func wholeSeconds(f float64) *int {
	if !(f >= 0 && f <= maxSeconds) {
		return nil
	}
	n := int(math.Floor(f + 0.5))
	return &n
}

// spokenDuration reads a length whose form nobody fixed: a number of seconds, "1:05", "0:01:05", "1m 5s",
// "3 minutes".
func spokenDuration(s string) *int {
	if s = strings.ToLower(strings.TrimSpace(s)); s == "" {
		return nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return wholeSeconds(f)
	}
	if strings.Contains(s, ":") {
		total := 0.0
		for part := range strings.SplitSeq(s, ":") {
			f, err := strconv.ParseFloat(part, 64)
			if err != nil || f < 0 || f > maxSeconds {
				return nil
			}
			total = total*60 + f
		}
		return wholeSeconds(total)
	}
	d, err := time.ParseDuration(durationWords.Replace(strings.TrimPrefix(s, "pt"))) // ISO 8601 has PT1M5S
	if err != nil {
		return nil
	}
	return wholeSeconds(d.Seconds())
}

var durationWords = strings.NewReplacer(" ", "", ",", "", "and", "", "hours", "h", "hour", "h", "hrs", "h", "hr", "h",
	"minutes", "m", "minute", "m", "mins", "m", "min", "m", "seconds", "s", "second", "s", "secs", "s", "sec", "s")

// layouts are the ISO 8601 forms that providers use. A time without a zone is read as UTC.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	"2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 UTC", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "2006-01-02 15:04:05Z07", "2006-01-02T15:04:05Z07",
	"2006-01-02 15:04:05 Z07:00", "2006-01-02T15:04:05 Z07:00", "2006-01-02T15:04:05 -0700", "2006-01-02 15:04:05 GMT",
	"20060102T150405Z0700",
}

// mailDate is the form of RFC 2822 that is sent. mail.ParseDate tries it after a dozen others.
const mailDate = "Mon, 2 Jan 2006 15:04:05 -0700"

// moment reads a point in time, in UTC: ISO 8601, RFC 2822 as Twilio writes it, or a number of seconds, milliseconds,
// microseconds or nanoseconds since 1970, told apart by their size. It is zero for anything else.
func moment(v jsonscan.Value) time.Time { return parseTime(text(v)) }

func parseTime(s string) time.Time {
	if s == "" || len(s) > 64 {
		return time.Time{}
	}
	digit := s[0] >= '0' && s[0] <= '9'
	if digit && !strings.ContainsAny(s, "-:T ") {
		return unixTime(s)
	}
	if digit {
		for _, l := range layouts {
			if t, err := time.Parse(l, s); err == nil {
				return sane(t)
			}
		}
	}
	if t, err := time.Parse(mailDate, s); err == nil {
		return sane(t)
	}
	if t, err := mail.ParseDate(s); err == nil {
		return sane(t)
	}
	return time.Time{}
}

// unixTime reads a count since 1970 whose unit its size gives away: seconds have ten digits until the year 2286.
func unixTime(s string) time.Time {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n < 1e11:
			return sane(time.Unix(n, 0))
		case n < 1e14:
			return sane(time.UnixMilli(n))
		case n < 1e17:
			return sane(time.UnixMicro(n))
		default:
			return sane(time.Unix(0, n))
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0 && f < 1e17) {
		return time.Time{}
	}
	switch {
	case f >= 1e14:
		f /= 1e6
	case f >= 1e11:
		f /= 1e3
	}
	// A float holds today's seconds to a quarter of a microsecond.
	whole, part := math.Modf(f)
	return sane(time.Unix(int64(whole), int64(math.Round(part*1e6))*1000))
}

// sane is the time in UTC, or zero when no call can have been then (and JSON could not say it).
func sane(t time.Time) time.Time {
	t = t.UTC()
	if y := t.Year(); y < 1971 || y > 9998 {
		return time.Time{}
	}
	return t
}
