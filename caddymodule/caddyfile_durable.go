package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// unmarshalDurable reads the lines of the global option that concern storing and delivering.
func (a *App) unmarshalDurable(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "store":
		if !d.NextArg() {
			return d.ArgErr()
		}
		kind := d.Val()
		if err := knownGuest(d, "callgate.stores", "kind of store"); err != nil {
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
		a.Window, err = duration(d)
	case "drain_timeout":
		a.DrainTimeout, err = duration(d)
	case "encryption_key":
		a.EncryptionKeys, err = someArgs(d)
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
	if a.Retention, err = parseDuration(d, args[0]); err == nil && len(args) > 1 {
		a.RetentionDead, err = parseDuration(d, args[2])
	}
	return err
}

// knownGuest refuses the name of a guest module that this gateway has not, which is the current token, and says which it has.
func knownGuest(d *caddyfile.Dispenser, namespace, what string) error {
	var have []string
	for _, m := range caddy.GetModules(namespace) {
		if m.ID.Name() == d.Val() {
			return nil
		}
		have = append(have, m.ID.Name())
	}
	return d.Errf("unknown %s '%s'; this gateway has %s", what, d.Val(), strings.Join(have, ", "))
}

func (a *Alert) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	flags := map[string]*bool{"dead_letter": &a.DeadLetter, "breaker_open": &a.BreakerOpen, "paused": &a.Paused}
	return block(d, nil, func(name string) (known bool, err error) {
		switch name {
		case "url":
			err = oneArg(d, &a.URL)
		case "dead_letter", "breaker_open", "paused":
			*flags[name] = true
			if d.NextArg() {
				err = d.ArgErr()
			}
		case "success_rate":
			a.SuccessRate, err = number(d, "%", "a percentage such as 95%")
		case "retries":
			a.Retries, err = number(d, "x", "a factor such as 3x")
		case "latency":
			a.Latency, err = duration(d)
		case "window":
			a.Window, err = duration(d)
		case "cooldown":
			a.Cooldown, err = duration(d)
		default:
			return false, nil
		}
		return true, err
	})
}

// number reads a number above 0 with its unit, which may be left out.
func number(d *caddyfile.Dispenser, unit, what string) (float64, error) {
	var s string
	if err := oneArg(d, &s); err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, unit), 64)
	if err != nil || !(n > 0) || n > 1e6 {
		return 0, d.Errf("'%s' is not %s", s, what)
	}
	return n, nil
}
