// Package secret resolves the placeholders that settings hold, such as {env.NAME} and {file./run/secrets/name}. Errors
// about a secret never quote it, nor a part of it that has braces around it.
package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Resolve resolves placeholders that Caddy knows at load time. An unknown one and an empty value are errors:
// an empty key is one that anybody can sign with. Of a placeholder that has no value the error is ErrNoValue.
func Resolve(s string) (string, error) {
	if v, ok := strings.CutPrefix(s, literal); ok && v != "" {
		return v, nil
	}
	v, err := ResolveText(s)
	if err != nil && !IsPlaceholder(s) {
		return "", ErrBraces
	}
	if err != nil {
		return "", err
	}
	if v == "" {
		return "", fmt.Errorf("is empty")
	}
	return v, nil
}

// ResolveList resolves secrets of which each is accepted by itself; what names them in errors. Of several, one that has
// no value yet, or none any more, is left out, and leftOut is told: a secret can be changed without a gap, and the
// gateway starts in the middle of it. That all of them have none is an error.
func ResolveList(what string, in []string, leftOut func(error)) ([]string, error) {
	var out []string
	var missing []error
	for i, s := range in {
		v, err := Resolve(s)
		if err != nil {
			err = fmt.Errorf("%s %d: %w", what, i+1, err)
			if !errors.Is(err, ErrNoValue) {
				return nil, err
			}
			missing = append(missing, err)
			continue
		}
		out = append(out, v)
	}
	if len(out) == 0 && len(missing) > 0 {
		return nil, missing[0]
	}
	for _, err := range missing {
		leftOut(err)
	}
	return out, nil
}

// ResolveText resolves placeholders in settings that are not secrets alone: an unknown or empty one is an error, text
// without any stays as it is.
func ResolveText(s string) (string, error) {
	if v, ok := strings.CutPrefix(s, literal); ok {
		return v, nil
	}
	v, err := caddy.NewReplacer().ReplaceOrErr(s, true, true)
	if err == nil {
		return v, nil
	}
	for _, p := range placeholders.FindAllString(s, -1) {
		if reason := noValue(p); reason != nil {
			return "", reason
		}
	}
	return "", err
}

// Literal is a setting that stands for a value as it is: what looks like a placeholder in it is none.
func Literal(value string) string { return literal + value }

// literal begins such a setting. No file of a configuration begins a text like this.
const literal = "\x00literal:"

// ErrNoValue is the reason that a placeholder stands for nothing.
var ErrNoValue = errors.New("has no value")

// noValue says why a placeholder has no value, and what to do about it; nil if it has one, or is of another kind.
func noValue(placeholder string) error {
	inside := strings.Trim(placeholder, "{}")
	if name, ok := strings.CutPrefix(inside, "env."); ok && os.Getenv(name) == "" {
		return fmt.Errorf("%s %w: the environment of the running gateway has no %s; set it where the gateway is started, and start it anew (a reload reads the gateway's own environment, not that of the shell which asks for it)",
			placeholder, ErrNoValue, name)
	}
	if name, ok := strings.CutPrefix(inside, "file."); ok {
		b, err := beginning(name)
		if err != nil {
			return fmt.Errorf("%s %w: the running gateway can not read the file: %w", placeholder, ErrNoValue, errors.Unwrap(err))
		}
		if strings.Trim(string(b), "\r\n") == "" {
			return fmt.Errorf("%s %w: the file is empty", placeholder, ErrNoValue)
		}
	}
	return nil
}

// beginning is as much of a file as tells whether it is empty.
func beginning(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 16)
	n, err := f.Read(b)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// ErrBraces takes the place of an error that would quote what stands between the braces: that may be a part of the secret.
var ErrBraces = errors.New("braces that are no placeholder such as {env.NAME}; put the value into the environment or a file and write {env.NAME} or {file./path}")

// placeholders are those in a text, and whole is text that is one and nothing else.
var (
	placeholders = regexp.MustCompile(`\{[A-Za-z_]\w*\.[^{}]+\}`)
	whole        = regexp.MustCompile(`^` + placeholders.String() + `$`)
)

// IsPlaceholder reports whether the text is one placeholder and nothing else.
func IsPlaceholder(s string) bool { return whole.MatchString(s) }
