package grammar

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// Positive reads a whole number of at least 1.
func Positive(d *caddyfile.Dispenser) (int, error) {
	var s string
	if err := OneArg(d, &s); err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1e9 {
		return 0, d.Errf("'%s' is not a whole number of at least 1", s)
	}
	return n, nil
}

// Number reads a number above 0 with its unit, which may be left out.
func Number(d *caddyfile.Dispenser, unit, what string) (float64, error) {
	var s string
	if err := OneArg(d, &s); err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, unit), 64)
	if err != nil || !(n > 0) || n > 1e6 {
		return 0, d.Errf("'%s' is not %s", s, what)
	}
	return n, nil
}

// Duration reads a time such as 500ms, 10s or 3d.
func Duration(d *caddyfile.Dispenser) (caddy.Duration, error) {
	var s string
	if err := OneArg(d, &s); err != nil {
		return 0, err
	}
	return ParseDuration(d, s)
}

// ParseDuration reads s, an argument of the current line, as a time above 0.
func ParseDuration(d *caddyfile.Dispenser, s string) (caddy.Duration, error) {
	v, err := caddy.ParseDuration(s)
	if err != nil || v <= 0 {
		return 0, d.Errf("'%s' is not a duration such as 500ms, 10s or 3d", s)
	}
	return caddy.Duration(v), nil
}

// DurationOrOff reads a time, or "off", which is -1.
func DurationOrOff(d *caddyfile.Dispenser) (caddy.Duration, error) {
	if d.CountRemainingArgs() == 1 && d.NextArg() {
		if d.Val() == "off" {
			return -1, nil
		}
		d.Prev()
	}
	return Duration(d)
}

// Size reads a number of bytes, such as 512KiB or 1MB.
func Size(d *caddyfile.Dispenser) (int64, error) {
	var s string
	if err := OneArg(d, &s); err != nil {
		return 0, err
	}
	return parseSize(d, s)
}

// SizeOrOff reads a size, or "off" or "0" for none.
func SizeOrOff(d *caddyfile.Dispenser) (int64, error) {
	var s string
	if err := OneArg(d, &s); err != nil || s == "off" || s == "0" {
		return 0, err
	}
	return parseSize(d, s)
}

func parseSize(d *caddyfile.Dispenser, s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > 1<<40 {
		return 0, d.Errf("'%s' is not a size such as 512KiB or 1MiB", s)
	}
	return int64(n), nil
}
