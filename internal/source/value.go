package source

import (
	"math"
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
