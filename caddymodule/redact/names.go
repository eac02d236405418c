// Package redact keeps secrets of senders out of Caddy's logs: the log encoder callgate takes the values of headers and
// query parameters that carry tokens and signatures out of what it is given, and the config adapter callgate is the one for
// Caddyfiles with that encoder around every log.
package redact

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/callgate/callgate/internal/signature"
)

// Redacted stands where a value was.
const Redacted = "REDACTED"

// names are headers and query parameters whose values are not logged.
type names struct {
	headers map[string]bool // canonical
	small   map[string]bool // the same in small letters
	query   map[string]bool // in small letters
}

// usualQuery are parameters in which people put tokens for want of a header.
var usualQuery = []string{
	"access_token", "api_key", "api-key", "apikey", "auth", "auth_token", "hmac", "jwt", "key", "passwd", "password", "secret", "sig", "sign",
	"signature", "token",
}

// usualHeaders are those of no scheme that carry secrets all the same. Caddy takes out the first four itself, unless its
// option log_credentials is set.
var usualHeaders = []string{
	"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Apikey", "X-Access-Token", "X-Auth-Token", "X-Secret", "X-Token",
	"X-Webhook-Secret", "X-Webhook-Token",
}

// known are the names of the whole process: those of all schemes, and what verifiers were configured with. Names are added
// and never taken away, so that what an earlier configuration called a secret stays one.
var (
	known   atomic.Pointer[names]
	knownMu sync.Mutex
)

func init() {
	n := new(names).with(usualHeaders, usualQuery)
	all := signature.AllSensitive()
	known.Store(n.with(all.Headers, all.Query))
}

// Add adds the names of a verifier that was configured, whose header may be one of the operator's own.
func Add(s signature.Sensitive) {
	knownMu.Lock()
	defer knownMu.Unlock()
	if n := known.Load(); !n.have(s.Headers, s.Query) {
		known.Store(n.with(s.Headers, s.Query))
	}
}

func (n *names) have(headers, query []string) bool {
	return !slices.ContainsFunc(headers, func(h string) bool { return !n.headers[http.CanonicalHeaderKey(h)] }) &&
		!slices.ContainsFunc(query, func(q string) bool { return !n.query[strings.ToLower(q)] })
}

// with is a copy with more names.
func (n *names) with(headers, query []string) *names {
	more := &names{headers: maps.Clone(n.headers), small: maps.Clone(n.small), query: maps.Clone(n.query)}
	if more.headers == nil {
		more.headers, more.small, more.query = make(map[string]bool), make(map[string]bool), make(map[string]bool)
	}
	for _, h := range headers {
		more.headers[http.CanonicalHeaderKey(h)] = true
		more.small[strings.ToLower(h)] = true
	}
	for _, q := range query {
		more.query[strings.ToLower(q)] = true
	}
	return more
}

// header reports whether a field of a log entry has the name of such a header.
func (n *names) header(key string) bool {
	if !strings.ContainsFunc(key, notSmall) { // as the gateway's own fields are
		return n.small[key]
	}
	return n.headers[key] || n.headers[http.CanonicalHeaderKey(key)]
}

// notSmall tells that a character makes the canonical form of a name another question than that of its letters.
func notSmall(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
}

// text takes the values of such parameters out of a text, wherever a URL with a query stands in it. A value reaches up to
// the next & or the end of the URL, so that no part of an unusual one stays.
func (n *names) text(s string) string {
	var b strings.Builder
	done, inQuery := 0, false
	for at := 0; at < len(s); {
		switch c := s[at]; {
		case c == '?' || inQuery && (c == '&' || c == ';'):
			inQuery = true
			name, size := nameAt(s[at+1:])
			at += 1 + size
			if size == 0 || at >= len(s) || s[at] != '=' || !n.parameter(name) {
				continue
			}
			at++
			end := at + indexOrEnd(s[at:], "&#\"<> \t\r\n")
			if end > at {
				b.WriteString(s[done:at])
				b.WriteString(Redacted)
				done = end
			}
			at = end
		default:
			if c <= ' ' || c == '#' || c == '"' {
				inQuery = false
			}
			at++
			if !inQuery { // most texts have no query at all
				next := strings.IndexByte(s[at:], '?')
				if next < 0 {
					at = len(s)
				} else {
					at += next
				}
			}
		}
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// nameAt is the name of the parameter at the beginning of a text, and its size.
func nameAt(s string) (name string, size int) {
	size = indexOrEnd(s, "=&;?#\"<> \t\r\n")
	return s[:size], size
}

func indexOrEnd(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// parameter reports whether a parameter is one, also where its name is escaped.
func (n *names) parameter(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	return n.query[strings.ToLower(name)]
}
