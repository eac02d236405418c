package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
)

func (a *App) unmarshalStore(d *caddyfile.Dispenser) (err error) {
	a.StoreRaw, err = grammar.Guest(d, "callgate.stores", "type", "kind of store")
	return err
}

// unmarshalRetention reads how long events are kept, and behind the word dead how long dead ones are.
func (a *App) unmarshalRetention(d *caddyfile.Dispenser) (err error) {
	args := d.RemainingArgs()
	if len(args) != 1 && (len(args) != 3 || args[1] != "dead") {
		return d.Err("retention takes a duration, and how long what is dead is kept behind the word dead: retention 30d dead 90d")
	}
	if a.Retention, err = grammar.ParseTime(d, args[0]); err == nil && len(args) > 1 {
		a.RetentionDead, err = grammar.ParseTime(d, args[2])
	}
	return err
}

func (a *App) unmarshalMetrics(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	a.Metrics = new(Metrics)
	return grammar.Block(d, grammar.Lines{"per_tenant": grammar.Flag(&a.Metrics.PerTenant)})
}

func (a *App) unmarshalAlert(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	l := new(Alert)
	a.Alert = l
	return grammar.Block(d, grammar.Lines{
		"url":          grammar.Text(&l.URL),
		"dead_letter":  grammar.Flag(&l.DeadLetter),
		"breaker_open": grammar.Flag(&l.BreakerOpen),
		"paused":       grammar.Flag(&l.Paused),
		"success_rate": func(d *caddyfile.Dispenser) (err error) {
			l.SuccessRate, err = grammar.Percentage(d)
			return err
		},
		"retries": func(d *caddyfile.Dispenser) (err error) {
			l.Retries, err = grammar.Number(d, "x", "a factor such as 3x")
			return err
		},
		"latency":  grammar.Time(&l.Latency),
		"window":   grammar.Time(&l.Window),
		"cooldown": grammar.Time(&l.Cooldown),
	})
}
