package grammar

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// value reads all that stands on the line as one value: "3 days" is a wrong time rather than one argument too many.
func value(d *caddyfile.Dispenser) (string, error) {
	args, err := SomeArgs(d)
	return strings.Join(args, " "), err
}

// Positive reads a whole number of at least 1.
func Positive(d *caddyfile.Dispenser) (int, error) {
	s, err := value(d)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1e9 {
		return 0, d.Errf("'%s' is not a whole number of at least 1", s)
	}
	return n, nil
}

// Count is the line of a whole number of at least 1.
func Count(into *int) Line {
	return func(d *caddyfile.Dispenser) (err error) {
		*into, err = Positive(d)
		return err
	}
}

// Number reads a number above 0 with its unit, which may be left out.
func Number(d *caddyfile.Dispenser, unit, what string) (float64, error) {
	s, err := value(d)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, unit), 64)
	if err != nil || !(n > 0) || n > 1e6 {
		return 0, d.Errf("'%s' is not %s", s, what)
	}
	return n, nil
}

// Percentage reads a number of percent above 0. One that looks like a share of 1 needs its sign.
func Percentage(d *caddyfile.Dispenser) (float64, error) {
	n, err := Number(d, "%", "a percentage such as 95%")
	if err == nil && n <= 1 && !strings.HasSuffix(d.Val(), "%") {
		return 0, d.Errf("'%s' is %s percent; write %s%% if it is a share, or %s%% if that is meant", d.Val(), d.Val(), strconv.FormatFloat(n*100, 'g', 6, 64), d.Val())
	}
	return n, err
}

// Size reads a number of bytes, such as 512KiB or 1MB.
func Size(d *caddyfile.Dispenser) (int64, error) {
	s, err := value(d)
	if err != nil {
		return 0, err
	}
	return ParseSize(d, s)
}

// Bytes is the line of a number of bytes.
func Bytes(into *int64) Line {
	return func(d *caddyfile.Dispenser) (err error) {
		*into, err = Size(d)
		return err
	}
}

// SizeOrOff reads a size, or "off" or "0" for none.
func SizeOrOff(d *caddyfile.Dispenser) (int64, error) {
	s, err := value(d)
	if err != nil || s == "off" || s == "0" {
		return 0, err
	}
	return ParseSize(d, s)
}

// fewBytes is below what anybody means by a size: a number below it has lost its unit.
const fewBytes = 1024

// ParseSize reads s, an argument of the current line, as a size above 0.
func ParseSize(d *caddyfile.Dispenser, s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > 1<<40 || strings.ContainsAny(s, " ") {
		written := ""
		if err == nil && n > 0 && n <= 1<<40 {
			written = "; write " + strings.ReplaceAll(s, " ", "")
		}
		return 0, d.Errf("'%s' is not a size such as 512KiB or 1MiB%s", s, written)
	}
	if _, bare := strconv.ParseFloat(s, 64); bare == nil && n < fewBytes {
		return 0, d.Errf("'%s' is a number of bytes; write %dMiB or %dKiB, or %dB if so few are meant", s, n, n, n)
	}
	return int64(n), nil
}
