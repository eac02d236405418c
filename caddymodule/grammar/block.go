// Package grammar has what the blocks of Callgate's Caddyfile lines are read with, so that all of them, those of guest
// modules too, write a number, a time, a size or a name in one way and refuse it in the same words.
//
// Each function reads from the Dispenser of Caddy as its own ones do: the current token is the name of the line, and
// what is read are the arguments behind it, or the block. Errors tell the place.
package grammar

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// Block reads the lines of a block. Each may be given once, but for those in repeatable. line reports whether it knows
// the line.
func Block(d *caddyfile.Dispenser, repeatable []string, line func(name string) (known bool, err error)) error {
	seen := make(Once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		repeats := false
		for _, r := range repeatable {
			repeats = repeats || r == name
		}
		if !repeats {
			if err := seen.First(d); err != nil {
				return err
			}
		}
		known, err := line(name)
		if err != nil {
			return err
		}
		if !known {
			return d.Errf("unrecognized subdirective '%s'", name)
		}
	}
	return nil
}

// Once refuses a line that is given twice in a block.
type Once map[string]bool

// First is called at each line, whose name is the current token.
func (o Once) First(d *caddyfile.Dispenser) error {
	if d.Val() == "deliver" {
		return nil // one line for each destination
	}
	if o[d.Val()] {
		return d.Errf("%s is given twice", d.Val())
	}
	o[d.Val()] = true
	return nil
}

// BlockName reads the one argument before a block.
func BlockName(d *caddyfile.Dispenser) (string, error) {
	var name string
	return name, OneArg(d, &name)
}
