package grammar

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Duration reads a time such as 500ms, 10s or 3d.
func Duration(d *caddyfile.Dispenser) (caddy.Duration, error) {
	s, err := value(d)
	if err != nil {
		return 0, err
	}
	return ParseTime(d, s)
}

// DurationOrOff reads a time, or "off", which is -1.
func DurationOrOff(d *caddyfile.Dispenser) (caddy.Duration, error) {
	s, err := value(d)
	if err != nil {
		return 0, err
	}
	if s == "off" {
		return -1, nil
	}
	return ParseTime(d, s)
}

// ParseTime reads s, an argument of the current line, as a time above 0.
func ParseTime(d *caddyfile.Dispenser, s string) (caddy.Duration, error) {
	v, err := caddy.ParseDuration(s)
	if err != nil || v <= 0 {
		return 0, d.Errf("'%s' is not a duration such as 500ms, 10s or 3d%s", s, oneWord(s))
	}
	return caddy.Duration(v), nil
}

// Time is the line of a time.
func Time(into *caddy.Duration) Line {
	return func(d *caddyfile.Dispenser) (err error) {
		*into, err = Duration(d)
		return err
	}
}

// Waits makes times of words, of which 0s is one too.
func Waits(d *caddyfile.Dispenser, words []string) ([]caddy.Duration, error) {
	var all []caddy.Duration
	for _, w := range words {
		v, err := caddy.ParseDuration(w)
		if err != nil || v < 0 {
			return nil, d.Errf("'%s' is not a duration such as 0s, 30s or 5m%s", w, oneWord(w))
		}
		all = append(all, caddy.Duration(v))
	}
	return all, nil
}

// timeUnits are the words for units of time, and how Caddy writes them.
var timeUnits = map[string]string{
	"ms": "ms", "millisecond": "ms", "s": "s", "sec": "s", "second": "s", "m": "m", "min": "m", "minute": "m",
	"h": "h", "hr": "h", "hour": "h", "d": "d", "day": "d",
}

// unitOf finds the unit that a word is for, of one or of several.
func unitOf(word string) (unit string, ok bool) {
	word = strings.ToLower(word)
	if unit, ok = timeUnits[word]; !ok && len(word) > 2 {
		unit, ok = timeUnits[strings.TrimSuffix(word, "s")]
	}
	return unit, ok
}

var numberAndUnit = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*)$`)

// oneWord suggests how a time is written that was given in words, or without its unit.
func oneWord(s string) string {
	m := numberAndUnit.FindStringSubmatch(s)
	if m == nil {
		return ""
	}
	if m[2] == "" {
		return "; write " + m[1] + "s if seconds are meant"
	}
	if strings.EqualFold(m[2], "w") || strings.EqualFold(m[2], "week") || strings.EqualFold(m[2], "weeks") {
		weeks, _ := strconv.ParseFloat(m[1], 64)
		return "; write " + strconv.FormatFloat(7*weeks, 'f', -1, 64) + "d"
	}
	if unit, ok := unitOf(m[2]); ok {
		return "; write " + m[1] + unit
	}
	return ""
}
