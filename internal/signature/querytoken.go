package signature

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// queryToken is a static token in the query of the URL, for senders that can be given an address and nothing else.
type queryToken struct {
	name   string
	tokens tokens
	first  string
}

func newQueryToken(scheme string, c *Config) (*queryToken, error) {
	switch {
	case c.Header != "" || c.Prefix != "":
		return nil, configError(scheme, "has the token either in a header or in the query; remove query, or header and prefix")
	case strings.ContainsAny(c.Query, "&=?#%+ ;") || strings.ContainsFunc(c.Query, unprintable):
		return nil, configError(scheme, "query %q is not the name of a parameter; write it as it stands before the = in the URL", c.Query)
	}
	return &queryToken{c.Query, newTokens(c.Secrets), c.Secrets[0]}, nil
}

// take finds the token in a URL, and gives the URL without it. One that is there twice is none.
func (q *queryToken) take(u string) (token, rest string, err error) {
	base, query, _ := strings.Cut(u, "?")
	query, fragment, hasFragment := strings.Cut(query, "#")
	var kept []string
	found := 0
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if n, err := url.QueryUnescape(name); err != nil || n != q.name {
			kept = append(kept, part)
			continue
		}
		if token, err = url.QueryUnescape(value); err != nil {
			return "", "", fmt.Errorf("%w: the parameter %s of the URL is not encoded as URLs are", ErrMalformed, q.name)
		}
		found++
	}
	switch {
	case found == 0 || found == 1 && token == "":
		return "", "", fmt.Errorf("%w: the URL has no parameter %s; check the address that the sender was given", ErrMissing, q.name)
	case found > 1:
		return "", "", fmt.Errorf("%w: the URL has the parameter %s %d times; one is expected", ErrMalformed, q.name, found)
	case len(token) > maxToken:
		return "", "", fmt.Errorf("%w: the parameter %s of the URL is longer than %d bytes", ErrMalformed, q.name, maxToken)
	}
	rest = base
	if len(kept) > 0 && (len(kept) > 1 || kept[0] != "") {
		rest += "?" + strings.Join(kept, "&")
	}
	if hasFragment {
		rest += "#" + fragment
	}
	return token, rest, nil
}

func (q *queryToken) Verify(m *Message, _ time.Time) (Result, error) {
	token, rest, err := q.take(m.URL)
	if err != nil {
		return Result{}, err
	}
	i := q.tokens.match(token)
	if i < 0 {
		return Result{}, fmt.Errorf("%w: the parameter %s of the URL is not %s; check the token", ErrInvalid, q.name, count(len(q.tokens), "token"))
	}
	return Result{Secret: i, Weak: true, Token: true, URL: rest}, nil
}

func (q *queryToken) precheck(m *Message, now time.Time) error {
	_, err := q.Verify(m, now)
	return err
}

// Sign adds the token to the URL, in place of one that is there.
func (q *queryToken) Sign(m *Message, _ string, _ time.Time) error {
	if _, rest, err := q.take(m.URL); err == nil {
		m.URL = rest
	}
	mark := "?"
	if strings.Contains(m.URL, "?") {
		mark = "&"
	}
	m.URL += mark + url.QueryEscape(q.name) + "=" + url.QueryEscape(q.first)
	return nil
}

func (*queryToken) signsHeader(string) bool { return true }
