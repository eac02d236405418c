// Package grammar has what the blocks of Callgate's Caddyfile lines are read with, so that all of them, those of guest
// modules too, write a number, a time, a rate, a size or a name in one way and refuse it in the same words.
//
// A block is a table of its lines:
//
//	err := grammar.Block(d, grammar.Lines{
//		"url":     grammar.Text(&m.URL),
//		"timeout": grammar.Time(&m.Timeout),
//		"header":  grammar.Pairs(&m.Headers),
//		"strict":  grammar.Flag(&m.Strict),
//		"success": m.unmarshalSuccess,
//	}, "header")
//
// Functions read from the Dispenser of Caddy as its own ones do: the current token is the name of the line, and what is
// read are the arguments behind it, or the block. Errors tell the place, and quote what is no secret.
package grammar

import (
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Line reads a line of a block: the arguments behind its name, which is the current token, and its own block.
type Line func(*caddyfile.Dispenser) error

// Lines are the lines that a block may have, by name.
type Lines map[string]Line

// With is these lines and others.
func (l Lines) With(others Lines) Lines {
	all := maps.Clone(l)
	maps.Copy(all, others)
	return all
}

// Names are the names of the lines, sorted.
func (l Lines) Names() []string { return slices.Sorted(maps.Keys(l)) }

// Block reads a block, if there is one. Each line may be given once, but for those in repeatable.
func Block(d *caddyfile.Dispenser, lines Lines, repeatable ...string) error {
	seen := make(Once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		line, known := lines[name]
		if !known {
			return unknownLine(d, lines, nesting)
		}
		if !slices.Contains(repeatable, name) {
			if err := seen.First(d); err != nil {
				return err
			}
		}
		if err := line(d); err != nil {
			return err
		}
	}
	return nil
}

// alsoLines is the key of the context in which a module's block stands among lines that others read.
const alsoLines = "callgate.lines"

func unknownLine(d *caddyfile.Dispenser, lines Lines, nesting int) error {
	if glued(d) {
		return errGlued(d)
	}
	if d.Val() == "{" { // it was the last of its line, and what read the line left it
		return d.Err("a block is opened behind a line that takes none: write what belongs to it on the line itself")
	}
	names := lines.Names()
	if also, ok := d.GetContext(alsoLines).([]string); ok && nesting == 0 {
		names = append(names, also...)
	}
	return d.Errf("unrecognized subdirective '%s'%s", d.Val(), Suggestion(d.Val(), names))
}

// Free reads a block of lines whose names are free, each once.
func Free(d *caddyfile.Dispenser, line func(name string) error) error {
	if err := NoArgs(d); err != nil {
		return err
	}
	seen := make(Once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := seen.First(d); err != nil {
			return err
		}
		if err := line(d.Val()); err != nil {
			return err
		}
	}
	return nil
}

// Once refuses a line that is given twice in a block.
type Once map[string]bool

// First is called at each line, whose name is the current token.
func (o Once) First(d *caddyfile.Dispenser) error {
	if o[d.Val()] {
		return d.Errf("%s is given twice", d.Val())
	}
	o[d.Val()] = true
	return nil
}

// Located adds to an error where it was found, which is at the end of the block.
func Located(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}
