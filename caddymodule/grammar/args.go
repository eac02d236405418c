package grammar

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// arguments reads what stands behind the current token on its line. There may be an empty one among them.
func arguments(d *caddyfile.Dispenser) ([]string, error) {
	var all []string
	for d.NextArg() {
		if glued(d) {
			return nil, errGlued(d)
		}
		all = append(all, d.Val())
	}
	return all, nil
}

// glued reports whether the current token is a word with the brace of a block at its end.
func glued(d *caddyfile.Dispenser) bool {
	word := d.Val()
	return len(word) > 1 && strings.HasSuffix(word, "{") && !strings.HasSuffix(word, "{{") && d.ValRaw() == word
}

// errGlued does not quote the word, which may be a secret.
func errGlued(d *caddyfile.Dispenser) error {
	return d.Err("a space is missing before the brace at the end of the line")
}

// NoArgs refuses arguments.
func NoArgs(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		if glued(d) {
			return errGlued(d)
		}
		return d.ArgErr()
	}
	return nil
}

// Optional reads an argument that may be left out.
func Optional(d *caddyfile.Dispenser, into *string) error {
	args, err := arguments(d)
	switch {
	case err != nil:
		return err
	case len(args) > 1:
		return d.ArgErr()
	case len(args) == 1:
		*into = args[0]
	}
	return nil
}

// OneArg reads exactly one argument.
func OneArg(d *caddyfile.Dispenser, into *string) error {
	return Exactly(d, into)
}

// BlockName reads the one argument before a block.
func BlockName(d *caddyfile.Dispenser) (string, error) {
	var name string
	return name, OneArg(d, &name)
}

// Exactly reads as many arguments as there are places, none of them empty.
func Exactly(d *caddyfile.Dispenser, into ...*string) error {
	args, err := arguments(d)
	if err != nil {
		return err
	}
	if len(args) != len(into) {
		if len(args) < len(into) {
			return Missing(d)
		}
		return d.ArgErr()
	}
	for i, a := range args {
		if a == "" {
			return empty(d)
		}
		*into[i] = a
	}
	return nil
}

// SomeArgs reads at least one argument, none of them empty.
func SomeArgs(d *caddyfile.Dispenser) ([]string, error) {
	args, err := arguments(d)
	switch {
	case err != nil:
		return nil, err
	case len(args) == 0:
		return nil, Missing(d)
	case slices.Contains(args, ""):
		return nil, empty(d)
	}
	return args, nil
}

// Missing is the error of a line that ends before an argument it needs: perhaps a variable of the environment is empty.
func Missing(d *caddyfile.Dispenser) error {
	if variable := emptyVariable(d); variable != "" {
		return errEmptyVariable(d, variable)
	}
	return d.ArgErr()
}

func empty(d *caddyfile.Dispenser) error {
	if variable := emptyVariable(d); variable != "" {
		return errEmptyVariable(d, variable)
	}
	return d.Errf("an empty value where one is needed")
}

// Pair reads a name that has not been given before, and its value.
func Pair(d *caddyfile.Dispenser, into *map[string]string) error {
	line := d.Val()
	var name, value string
	if err := Exactly(d, &name, &value); err != nil {
		return err
	}
	if _, twice := (*into)[name]; twice {
		return d.Errf("%s %s is given twice", line, name)
	}
	if *into == nil {
		*into = make(map[string]string)
	}
	(*into)[name] = value
	return nil
}

// OneOf reads one of some words.
func OneOf(d *caddyfile.Dispenser, into *string, words ...string) error {
	if err := OneArg(d, into); err != nil {
		return err
	}
	if slices.Contains(words, *into) {
		return nil
	}
	list := strings.Join(words, ", ")
	if last := len(words) - 1; last > 0 {
		list = strings.Join(words[:last], ", ") + " or " + words[last]
	}
	return d.Errf("'%s' is not %s", *into, list)
}

// OnOff reads the word on or off.
func OnOff(d *caddyfile.Dispenser, on *bool) error {
	var state string
	err := OneOf(d, &state, "on", "off")
	*on = state == "on"
	return err
}

// Word reads a line that is a word alone.
func Word(d *caddyfile.Dispenser, into *bool) error {
	*into = true
	return NoArgs(d)
}

// Text is the line of one argument.
func Text(into *string) Line {
	return func(d *caddyfile.Dispenser) error { return OneArg(d, into) }
}

// List is the line of one argument or several.
func List(into *[]string) Line {
	return func(d *caddyfile.Dispenser) (err error) {
		*into, err = SomeArgs(d)
		return err
	}
}

// More is the line of one argument or several that adds to those of the same line before.
func More(into *[]string) Line {
	return func(d *caddyfile.Dispenser) error {
		args, err := SomeArgs(d)
		*into = append(*into, args...)
		return err
	}
}

// Pairs is the line of a name and a value, which is repeated with other names.
func Pairs(into *map[string]string) Line {
	return func(d *caddyfile.Dispenser) error { return Pair(d, into) }
}

// Flag is the line that is a word alone.
func Flag(into *bool) Line {
	return func(d *caddyfile.Dispenser) error { return Word(d, into) }
}

// Choice is the line of one of some words.
func Choice(into *string, words ...string) Line {
	return func(d *caddyfile.Dispenser) error { return OneOf(d, into, words...) }
}
