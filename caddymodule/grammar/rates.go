package grammar

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Rate reads a rate or off, and numbers that may follow it, each behind its name: "20/s burst 40".
func Rate(d *caddyfile.Dispenser, into *string, numbers map[string]*int) error {
	args, err := SomeArgs(d)
	if err != nil {
		return err
	}
	*into = args[0]
	if *into != "off" {
		if _, _, err := ParseRate(*into); err != nil {
			return d.WrapErr(fmt.Errorf("%w, or off", err))
		}
	}
	names := slices.Sorted(maps.Keys(numbers))
	for rest := args[1:]; len(rest) > 0; rest = rest[2:] {
		place := numbers[rest[0]]
		if place == nil {
			return d.Errf("expected %s, not '%s'%s", strings.Join(names, " or "), rest[0], Suggestion(rest[0], names))
		}
		if len(rest) == 1 {
			return d.Errf("%s needs a number", rest[0])
		}
		if *place != 0 {
			return d.Errf("%s is given twice", rest[0])
		}
		n, err := strconv.Atoi(rest[1])
		if err != nil || n < 1 || n > 1e9 {
			return d.Errf("'%s' is not a whole number of at least 1", rest[1])
		}
		*place = n
	}
	return nil
}

// ParseRate reads a number of requests and the time that they may come in: 20/s, 100/10s, 5/min, 600/m, 1000/h. count is
// that number.
func ParseRate(s string) (count float64, per time.Duration, err error) {
	number, span, found := strings.Cut(s, "/")
	number, span = strings.TrimSpace(number), strings.TrimSpace(span)
	if count, err = strconv.ParseFloat(number, 64); err == nil && found && span != "" {
		if unit, ok := unitOf(span); ok {
			span = "1" + unit
		} else if m := numberAndUnit.FindStringSubmatch(span); m != nil {
			if unit, ok := unitOf(m[2]); ok {
				span = m[1] + unit
			}
		}
		per, err = caddy.ParseDuration(span)
	}
	if err != nil || !found || !(count > 0) || count > 1e9 || per <= 0 {
		return 0, 0, fmt.Errorf("%q is not a rate: write a number of requests and a time, such as 20/s, 100/10s, 600/min or 1000/h", s)
	}
	return count, per, nil
}
