// Package secret resolves the placeholders that settings hold, such as {env.NAME} and {file./run/secrets/name}. Errors
// about a secret never quote it, nor a part of it that has braces around it.
package secret

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2"
)

// Resolve resolves placeholders that Caddy knows at load time. An unknown one and an empty value are errors:
// an empty key is one that anybody can sign with.
func Resolve(s string) (string, error) {
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

// ResolveList resolves secrets each by itself; what names them in errors.
func ResolveList(what string, in []string) ([]string, error) {
	out := make([]string, len(in))
	for i, s := range in {
		v, err := Resolve(s)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i+1, err)
		}
		out[i] = v
	}
	return out, nil
}

// ResolveText resolves placeholders in settings that are not secrets alone: an unknown or empty one is an error, text
// without any stays as it is.
func ResolveText(s string) (string, error) {
	return caddy.NewReplacer().ReplaceOrErr(s, true, true)
}

// ErrBraces takes the place of an error that would quote what stands between the braces: that may be a part of the secret.
var ErrBraces = errors.New("braces that are no placeholder such as {env.NAME}; put the value into the environment or a file and write {env.NAME} or {file./path}")

// whole is text that is one placeholder and nothing else.
var whole = regexp.MustCompile(`^\{[A-Za-z_]\w*\.[^{}]+\}$`)

// IsPlaceholder reports whether the text is one placeholder and nothing else.
func IsPlaceholder(s string) bool { return whole.MatchString(s) }
