package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// tokens are static secrets that are sent as they are. Their hashes are compared, so that neither their content nor
// their length shows in the time that it takes.
type tokens [][sha256.Size]byte

func newTokens(secrets []string) tokens {
	ts := make(tokens, len(secrets))
	for i, s := range secrets {
		ts[i] = sha256.Sum256([]byte(s))
	}
	return ts
}

// match returns the index of the token, or -1.
func (ts tokens) match(token string) int {
	sum, matched := sha256.Sum256([]byte(token)), -1
	for i := range ts {
		if subtle.ConstantTimeCompare(ts[i][:], sum[:]) == 1 && matched < 0 {
			matched = i
		}
	}
	return matched
}

// bearer is a static token in Authorization; an OAuth 2 token that the receiver minted itself is one too.
var bearer = tokenScheme(Info{
	Name: "bearer", Summary: "A static token, by default as Authorization: Bearer; the body is not signed.",
}, "Authorization", "Bearer ", takesHeader)

var apiKey = tokenScheme(Info{
	Name: "api_key", Aliases: []string{"api-key", "apikey"},
	Summary: "A static token in a header of its own, by default X-Api-Key, or in the query of the URL; the body is not signed.",
}, "X-Api-Key", "", takesHeader|takesQuery)

func tokenScheme(i Info, header, prefix string, takes options) scheme {
	i.Headers, i.NeedsSecret, i.Replayable, i.Weak, i.Token = []string{header}, true, true, true, true
	type both interface {
		Verifier
		Signer
	}
	build := func(c *Config) (both, error) {
		if c.Query != "" {
			return newQueryToken(i.Name, c)
		}
		return newHeaderToken(i.Name, c, header, prefix)
	}
	return scheme{
		Info: i, takes: takes,
		verifier: func(c *Config) (Verifier, error) { return build(c) },
		signer:   func(c *Config) (Signer, error) { return build(c) },
	}
}

type headerToken struct {
	header, prefix string
	tokens         tokens
	first          string // to sign with
	bare           bool   // the prefix may be missing
}

func newHeaderToken(scheme string, c *Config, header, prefix string) (*headerToken, error) {
	if c.Header != "" {
		if !validHeaderName(c.Header) {
			return nil, configError(scheme, "header %q is not the name of a header", c.Header)
		}
		header = http.CanonicalHeaderKey(c.Header)
		if header != "Authorization" {
			prefix = ""
		}
	}
	if c.Prefix != "" {
		prefix = c.Prefix
	}
	return &headerToken{header: header, prefix: prefix, tokens: newTokens(c.Secrets), first: c.Secrets[0]}, nil
}

func (h *headerToken) Verify(m *Message, _ time.Time) (Result, error) { return h.check(m.Header) }

// Precheck is the whole check: no more is needed than the header.
func (h *headerToken) Precheck(header http.Header, _ time.Time) error {
	_, err := h.check(header)
	return err
}

func (h *headerToken) check(header http.Header) (Result, error) {
	v, err := get(header, h.header, maxToken)
	if err != nil {
		return Result{}, err
	}
	n := len(h.prefix) // authentication schemes are named in either case (RFC 9110, 11.1)
	if len(v) < n || !strings.EqualFold(v[:n], h.prefix) {
		if n = 0; !h.bare {
			return Result{}, fmt.Errorf("%w: header %s does not start with %q", ErrMalformed, h.header, h.prefix)
		}
	}
	if i := h.tokens.match(v[n:]); i >= 0 {
		return Result{Secret: i, Weak: true, Token: true}, nil
	}
	return Result{}, fmt.Errorf("%w: header %s does not hold %s; check the token", ErrInvalid, h.header, count(len(h.tokens), "token"))
}

func (h *headerToken) Sign(m *Message, _ string, _ time.Time) error {
	set(m, h.header, h.prefix+h.first)
	return nil
}
