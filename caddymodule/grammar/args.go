package grammar

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// OneArg reads exactly one argument.
func OneArg(d *caddyfile.Dispenser, into *string) error {
	if !d.Args(into) || d.NextArg() {
		return d.ArgErr()
	}
	if *into == "" {
		return d.Errf("an empty value where one is needed")
	}
	return nil
}

// SomeArgs reads at least one argument.
func SomeArgs(d *caddyfile.Dispenser) ([]string, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.ArgErr()
	}
	return args, nil
}

// Exactly reads as many arguments as there are places, none of them empty.
func Exactly(d *caddyfile.Dispenser, into ...*string) error {
	if !d.Args(into...) || d.NextArg() {
		return d.ArgErr()
	}
	for _, s := range into {
		if *s == "" {
			return d.Errf("an empty value where one is needed")
		}
	}
	return nil
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
	list := ""
	for i, w := range words {
		if *into == w {
			return nil
		}
		switch {
		case i == 0:
		case i == len(words)-1:
			list += " or "
		default:
			list += ", "
		}
		list += w
	}
	return d.Errf("'%s' is not %s", *into, list)
}

// Word reads a line that is a word alone.
func Word(d *caddyfile.Dispenser, into *bool) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	*into = true
	return nil
}

// Located adds to an error where it was found, which is at the end of the block.
func Located(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}
