package signature

import (
	"fmt"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// aircall puts the webhook's token into the JSON body.
//
// Guessed: Aircall's page was read in others' words alone.
var aircall = bodyTokenScheme(Info{
	Name: "aircall", Aliases: []string{"aircall-body-token"},
	Summary: "A static token as the top-level member token of the JSON body; the body is not signed.",
}, "token", false)

// bodyTokenAt is a static token anywhere in the JSON body.
var bodyTokenAt = bodyTokenScheme(Info{
	Name: "body_token", Aliases: []string{"body-token"},
	Summary: "A static token in the JSON body, at the path that is configured; it is taken out when it was checked, and the body is not signed.",
}, "", true)

// googleAds is the key that was typed in beside the address, which Google puts into each lead.
// developers.google.com/google-ads/webhook/docs/implementation.
var googleAds = bodyTokenScheme(Info{
	Name:    "google-ads",
	Summary: "The key as the member google_key of the JSON body, which is taken out when it was checked; the body is not signed.",
}, "google_key", true)

func bodyTokenScheme(i Info, path string, drop bool) scheme {
	i.NeedsSecret, i.Replayable, i.Weak, i.Token = true, true, true, true
	build := func(c *Config) (*bodyToken, error) {
		b := &bodyToken{tokens: newTokens(c.Secrets), first: c.Secrets[0], drop: drop}
		at := path
		if at == "" {
			if at = c.Path; at == "" {
				return nil, configError(i.Name, "needs to know where in the body the token is; set path, such as data.token")
			}
		}
		var ok bool
		if b.path, ok = bodyPath(at); !ok {
			return nil, configError(i.Name, "path %q names no value; write keys with points between them", at)
		}
		b.at = strings.Join(b.path, ".")
		return b, nil
	}
	s := scheme{
		Info:     i,
		verifier: func(c *Config) (Verifier, error) { return build(c) },
		signer:   func(c *Config) (Signer, error) { return build(c) },
	}
	if path == "" {
		s.takes = takesPath
	}
	return s
}

type bodyToken struct {
	tokens tokens
	first  string
	path   []string
	at     string // the path, for errors
	drop   bool   // the token is not left in what is verified
}

func (b *bodyToken) Verify(m *Message, _ time.Time) (Result, error) {
	var doc jsonscan.Doc
	if err := doc.Scan(m.Body); err != nil {
		return Result{}, fmt.Errorf("%w: the body, which should hold the token, is %w", ErrMalformed, err)
	}
	v := doc.Root().Path(b.path...)
	switch v.Kind() {
	case jsonscan.Missing, jsonscan.Null:
		return Result{}, fmt.Errorf("%w: the body has no member %s", ErrMissing, b.at)
	case jsonscan.String:
		if v.Text() == "" {
			return Result{}, fmt.Errorf("%w: the member %s of the body is empty", ErrMissing, b.at)
		}
		i := b.tokens.match(v.Text())
		if i < 0 {
			return Result{}, fmt.Errorf("%w: the member %s of the body is not %s; check the token", ErrInvalid, b.at, count(len(b.tokens), "token"))
		}
		r := Result{Secret: i, Weak: true, Token: true}
		if b.drop {
			r.Payload, r.Dropped = b.without(m.Body, doc.Root()), true
		}
		return r, nil
	default:
		return Result{}, fmt.Errorf("%w: the member %s of the body is no string", ErrMalformed, b.at)
	}
}

// without is the body with nothing at the path, also where the member is there several times. The rest stays byte for byte.
func (b *bodyToken) without(whole []byte, root jsonscan.Value) []byte {
	type cut struct{ from, to int }
	var cuts []cut
	var walk func(v jsonscan.Value, path []string)
	walk = func(v jsonscan.Value, path []string) {
		for k, m := range v.Members() {
			switch {
			case k != path[0]:
			case len(path) > 1:
				walk(m, path[1:])
			default:
				at := cap(whole) - cap(m.Raw()) // it is a part of the body
				cuts = append(cuts, cut{at, at + len(m.Raw())})
			}
		}
	}
	walk(root, b.path)
	out, done := make([]byte, 0, len(whole)), 0
	for _, c := range cuts {
		out = append(append(out, whole[done:c.from]...), "null"...)
		done = c.to
	}
	return append(out, whole[done:]...)
}

// Sign replaces the member of the body, or adds it as the first one where it is one of the outermost object. The rest stays
// byte for byte.
func (b *bodyToken) Sign(m *Message, _ string, _ time.Time) error {
	var doc jsonscan.Doc
	if err := doc.Scan(m.Body); err != nil {
		return fmt.Errorf("%w: the body, which is to hold the token, is %w", ErrMalformed, err)
	}
	root := doc.Root()
	if root.Kind() != jsonscan.Object {
		return fmt.Errorf("%w: the body, which is to hold the token, is no JSON object", ErrMalformed)
	}
	token := quoteJSON(b.first)
	open := len(m.Body) - len(trimLeft(m.Body)) + 1 // after the brace
	out := make([]byte, 0, len(m.Body)+len(token)+len(b.at)+16)
	if old := root.Path(b.path...).Raw(); old != nil {
		at := cap(m.Body) - cap(old) // old is a part of the body
		out = append(append(out, m.Body[:at]...), token...)
		m.Body = append(out, m.Body[at+len(old):]...)
		return nil
	}
	if len(b.path) > 1 {
		return fmt.Errorf("%w: the body has no member %s that could hold the token", ErrMalformed, b.at)
	}
	out = append(append(append(out, m.Body[:open]...), quoteJSON(b.at)...), ':')
	if out = append(out, token...); root.Len() > 0 {
		out = append(out, ',')
	}
	m.Body = append(out, m.Body[open:]...)
	return nil
}
