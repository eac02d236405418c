package caddymodule

import (
	"fmt"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
)

// references are the names of destinations and sources that a Caddyfile uses, with their places. They are checked when
// all are known: when the configuration is loaded the places are not known any more.
type references struct {
	destinations, sources []reference
}

type reference struct {
	// line is the name of the line that it stands in: deliver.
	line, name string
	// at is a Dispenser of the token alone, which tells the place in errors.
	at *caddyfile.Dispenser
}

// here is a reference to a name in the line of the current token.
func here(d *caddyfile.Dispenser, line, name string) reference {
	at := caddyfile.NewDispenser([]caddyfile.Token{d.Token()})
	at.Next()
	return reference{line, name, at}
}

// check refuses a name that is not among the known ones.
func (r *references) check(destinations func(name string) (known []string, ok bool), sources []string) error {
	for _, to := range r.destinations {
		if known, ok := destinations(to.name); !ok {
			return to.at.WrapErr(fmt.Errorf("%s: %w", to.line, noDestination(to.name, known)))
		}
	}
	for _, from := range r.sources {
		if !slices.Contains(sources, from.name) && !isPreset(from.name) {
			return from.at.WrapErr(noSource(from.name, sources))
		}
	}
	return nil
}

func noDestination(name string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("no destination %q; define it with destination in the global callgate option", name)
	}
	return fmt.Errorf("no destination %q; %s", name, grammar.ThereAre(name, known))
}

func noSource(name string, known []string) error {
	return fmt.Errorf("unknown source '%s': define it in the global callgate option, or use one of %s%s", name, presetNames(), grammar.Suggestion(name, append(known, presets()...)))
}

// namesOf are the keys of a part of the configuration, sorted.
func namesOf[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
