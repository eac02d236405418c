package caddymodule

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
)

func (a *App) unmarshalAudit(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	l := new(Audit)
	a.Audit = l
	return grammar.Block(d, grammar.Lines{
		"key": grammar.Text(&l.Key),
		"keep": func(d *caddyfile.Dispenser) (err error) {
			l.Keep, err = years(d)
			return err
		},
		"checkpoint": l.unmarshalCheckpoint,
		"witness": func(d *caddyfile.Dispenser) error {
			w := new(AuditWitness)
			l.Witnesses = append(l.Witnesses, w)
			return grammar.Exactly(d, &w.URL, &w.Key)
		},
		"record_first": grammar.Flag(&l.RecordFirst),
	}, "checkpoint", "witness")
}

// year is the mean year of the Julian calendar.
const year = 8766 * time.Hour

// years reads a time that may be in years, as in 6y.
func years(d *caddyfile.Dispenser) (caddy.Duration, error) {
	text := ""
	if err := grammar.OneArg(d, &text); err != nil {
		return 0, err
	}
	number, inYears := strings.CutSuffix(text, "y")
	if !inYears {
		return grammar.ParseTime(d, text)
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0 && n <= math.MaxInt64/float64(year)) {
		return 0, d.Errf("'%s' is not a duration such as 6y, 90d or 12h", text)
	}
	return caddy.Duration(n * float64(year)), nil
}

func (a *Audit) unmarshalCheckpoint(d *caddyfile.Dispenser) error {
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	c := new(AuditCheckpoint)
	if c.Every, err = grammar.ParseTime(d, args[0]); err != nil {
		return err
	}
	a.Checkpoints = append(a.Checkpoints, c)
	if len(args) == 2 && args[1] == "log" {
		c.Log = true
		return nil
	}
	if len(args) == 3 {
		switch args[1] {
		case "webhook":
			c.Webhook = args[2]
			return nil
		case "syslog":
			c.Syslog = args[2]
			return nil
		case "file":
			c.File = args[2]
			return nil
		}
	}
	return d.Err("checkpoint takes a time and where checkpoints go: checkpoint 1h webhook <url>, syslog <address>, file <file> or log")
}
