package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
)

// unmarshalDurable reads the lines of the global option that concern storing and delivering.
func (a *App) unmarshalDurable(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "store":
		if !d.NextArg() {
			return d.ArgErr()
		}
		kind := d.Val()
		if err := grammar.KnownGuest(d, "callgate.stores", "kind of store"); err != nil {
			return err
		}
		mod, err := caddyfile.UnmarshalModule(d, "callgate.stores."+kind)
		if err != nil {
			return err
		}
		a.StoreRaw = caddyconfig.JSONModuleObject(mod, "type", kind, nil)
		return nil
	case "retention":
		err = a.unmarshalRetention(d)
	case "window":
		a.Window, err = grammar.Duration(d)
	case "drain_timeout":
		a.DrainTimeout, err = grammar.Duration(d)
	case "encryption_key":
		a.EncryptionKeys, err = grammar.SomeArgs(d)
	case "alert":
		a.Alert = new(Alert)
		err = a.Alert.unmarshal(d)
	}
	return err
}

// unmarshalRetention reads how long events are kept, and behind the word dead how long dead ones are.
func (a *App) unmarshalRetention(d *caddyfile.Dispenser) (err error) {
	args := d.RemainingArgs()
	if len(args) != 1 && (len(args) != 3 || args[1] != "dead") {
		return d.Err("retention takes a duration, and how long what is dead is kept behind the word dead: retention 30d dead 90d")
	}
	if a.Retention, err = grammar.ParseDuration(d, args[0]); err == nil && len(args) > 1 {
		a.RetentionDead, err = grammar.ParseDuration(d, args[2])
	}
	return err
}

func (a *Alert) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	flags := map[string]*bool{"dead_letter": &a.DeadLetter, "breaker_open": &a.BreakerOpen, "paused": &a.Paused}
	return grammar.Block(d, nil, func(name string) (known bool, err error) {
		switch name {
		case "url":
			err = grammar.OneArg(d, &a.URL)
		case "dead_letter", "breaker_open", "paused":
			*flags[name] = true
			if d.NextArg() {
				err = d.ArgErr()
			}
		case "success_rate":
			a.SuccessRate, err = grammar.Number(d, "%", "a percentage such as 95%")
		case "retries":
			a.Retries, err = grammar.Number(d, "x", "a factor such as 3x")
		case "latency":
			a.Latency, err = grammar.Duration(d)
		case "window":
			a.Window, err = grammar.Duration(d)
		case "cooldown":
			a.Cooldown, err = grammar.Duration(d)
		default:
			return false, nil
		}
		return true, err
	})
}
