package outbound

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// Challenged is an Authorizer that answers what a receiver asks of each request. Send has an Exchange of its own for each.
type Challenged interface {
	Authorizer
	Exchange() Exchange
}

// Exchange signs one request in, which may be sent twice. It is not for concurrent use.
type Exchange interface {
	Authorizer
	// Heard is told every answer, before Rejected is asked.
	Heard(req *http.Request, a *Answer)
}

// ErrChallenged means that a request was to be signed in which is not sent by Client.Send.
var ErrChallenged = errors.New("digest signs in only where the gateway sends the request itself, since the receiver is asked first: use deliver in place of convert, or another way to sign in")

// Alone says why a request that is sent once and not by Client.Send cannot be signed in by auth, which may be nil; nil if it
// can.
func Alone(auth Authorizer) error {
	if _, ok := auth.(Challenged); ok {
		return ErrChallenged
	}
	return nil
}

// maxSessions bounds the nonces that are kept for reuse. There are as many as requests at once.
const maxSessions = 64

// Digest is an Authorizer by Digest (RFC 7616, and RFC 2069 where a server knows no better): MD5, SHA-256 and SHA-512-256,
// each also as -sess, with qop auth or auth-int, user names in UTF-8 and hashed ones. The password is never sent. The first
// request is refused and repeated; later ones use the nonce of an earlier one, each at most one at a time, so that its count
// rises as servers want it.
type Digest struct {
	user, password string

	mu   sync.Mutex
	free []*digestSession
}

// NewDigest makes an Authorizer of a user name and a password. The user must not contain a colon.
func NewDigest(user, password string) (*Digest, error) {
	switch {
	case user == "" || password == "":
		return nil, ErrNoSecret
	case strings.Contains(user, ":"):
		return nil, errors.New("a colon in the user name can not be sent with digest authentication")
	case !validHeader("Authorization", user):
		return nil, ErrBadHeader
	}
	return &Digest{user: user, password: password}, nil
}

// Apply refuses: see ErrChallenged.
func (d *Digest) Apply(context.Context, *http.Request) error { return ErrChallenged }

// Rejected returns false.
func (d *Digest) Rejected(context.Context, *http.Request, int, []byte) bool { return false }

// Mask sets what the header would look like.
func (d *Digest) Mask(h http.Header) { h.Set("Authorization", "Digest "+Masked) }

// Exchange implements Challenged.
func (d *Digest) Exchange() Exchange {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := &digestExchange{of: d}
	if n := len(d.free); n > 0 {
		x.session, d.free = d.free[n-1], d.free[:n-1]
	}
	return x
}

// digestExchange is one request and the session that it has for itself.
type digestExchange struct {
	of      *Digest
	session *digestSession // nil before the first challenge
	asked   bool           // the last answer had a challenge, which the session is of
}

// Apply implements Authorizer.
func (x *digestExchange) Apply(_ context.Context, req *http.Request) error {
	if x.session == nil {
		req.Header.Del("Authorization")
		return nil
	}
	value, err := x.session.sign(req)
	if err == nil {
		req.Header.Set("Authorization", value)
	}
	return err
}

// Heard takes a challenge up, or the next nonce, and lets others have the session when the exchange is over.
func (x *digestExchange) Heard(_ *http.Request, a *Answer) {
	if a.Status == http.StatusUnauthorized {
		x.session = newDigestSession(x.of.user, x.of.password, a.Header.Values("WWW-Authenticate"))
		x.asked = x.session != nil
		return
	}
	if x.session == nil {
		return
	}
	x.session.heard(a.Header.Values("Authentication-Info"))
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	if len(x.of.free) < maxSessions {
		x.of.free = append(x.of.free, x.session)
	}
	x.session = nil
}

// Rejected asks for another attempt when the answer had a challenge that can be met: whether the nonce was too old or there
// was none. Send makes one more and no third, so that a wrong password is not tried again and again.
func (x *digestExchange) Rejected(_ context.Context, _ *http.Request, status int, _ []byte) bool {
	return status == http.StatusUnauthorized && x.asked
}

// Mask implements Authorizer.
func (x *digestExchange) Mask(h http.Header) { x.of.Mask(h) }

// digestSession is what a challenge begins: a nonce, and how often it was used.
type digestSession struct {
	realm, nonce string
	algorithm    string // as the server spells it; empty for none
	qop          string // auth, auth-int, or empty for RFC 2069
	user, opaque string // as parameters; opaque is empty where the server gave none
	cnonce       string
	a1           string // H(A1)
	count        uint32 // of the requests with this nonce
	hash         func() hash.Hash
}

// digestHashes are the algorithms, in capitals and without -sess.
var digestHashes = map[string]func() hash.Hash{"": md5.New, "MD5": md5.New, "SHA-256": sha256.New, "SHA-512-256": sha512.New512_256}

// newDigestSession meets the first challenge that it can, which is the one that the server likes best (RFC 7616, section
// 3.7); nil if there is none.
func newDigestSession(user, password string, headers []string) *digestSession {
	for _, c := range challenges(headers) {
		if s := sessionOf(c, user, password, rand.Text()); s != nil {
			return s
		}
	}
	return nil
}

func sessionOf(c challenge, user, password, cnonce string) *digestSession {
	p := c.params
	name, sess := strings.CutSuffix(strings.ToUpper(p["algorithm"]), "-SESS")
	hash, known := digestHashes[name]
	if c.scheme != "digest" || !known || p["nonce"] == "" {
		return nil
	}
	s := &digestSession{realm: p["realm"], nonce: p["nonce"], algorithm: p["algorithm"], cnonce: cnonce, hash: hash}
	if opaque, given := p["opaque"]; given {
		s.opaque = ", opaque=" + quote(opaque)
	}
	if offered, given := p["qop"]; given {
		all := strings.FieldsFunc(strings.ToLower(offered), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
		for _, q := range [...]string{"auth-int", "auth"} {
			if slices.Contains(all, q) {
				s.qop = q
			}
		}
		if s.qop == "" {
			return nil
		}
	}
	utf8 := strings.EqualFold(p["charset"], "UTF-8")
	if utf8 {
		user, password = norm.NFC.String(user), norm.NFC.String(password)
	}
	ascii := !strings.ContainsFunc(user, func(r rune) bool { return r >= 0x80 })
	switch {
	case strings.EqualFold(p["userhash"], "true"):
		s.user = "username=" + quote(s.sum(user, s.realm)) + ", userhash=true"
	case utf8 && !ascii:
		s.user = "username*=UTF-8''" + percent(user)
	default:
		s.user = "username=" + quote(user)
	}
	s.a1 = s.sum(user, s.realm, password)
	if sess {
		s.a1 = s.sum(s.a1, s.nonce, cnonce)
	}
	return s
}

// sum is the hash of texts with colons between them, in hexadecimal digits.
func (s *digestSession) sum(parts ...string) string {
	h := s.hash()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// sign is the value of Authorization for a request.
func (s *digestSession) sign(req *http.Request) (string, error) {
	uri, method := req.URL.RequestURI(), req.Method
	if method == "" {
		method = http.MethodGet
	}
	a2 := []string{method, uri}
	if s.qop == "auth-int" {
		body := bodyOf(req, nil)
		if body == nil && req.Body != nil && req.Body != http.NoBody {
			return "", errors.New("the request's body can not be read for its digest")
		}
		a2 = append(a2, s.sum(string(body)))
	}
	b := new(strings.Builder)
	fmt.Fprintf(b, "Digest %s, realm=%s, nonce=%s, uri=%s", s.user, quote(s.realm), quote(s.nonce), quote(uri))
	if s.algorithm != "" {
		b.WriteString(", algorithm=" + s.algorithm)
	}
	response := ""
	if s.qop == "" {
		response = s.sum(s.a1, s.nonce, s.sum(a2...))
		if strings.HasSuffix(strings.ToUpper(s.algorithm), "-SESS") {
			b.WriteString(", cnonce=" + quote(s.cnonce)) // without which the server could not know the session
		}
	} else {
		s.count++
		count := fmt.Sprintf("%08x", s.count)
		response = s.sum(s.a1, s.nonce, count, s.cnonce, s.qop, s.sum(a2...))
		fmt.Fprintf(b, ", qop=%s, nc=%s, cnonce=%s", s.qop, count, quote(s.cnonce))
	}
	fmt.Fprintf(b, `, response="%s"%s`, response, s.opaque)
	return b.String(), nil
}

// heard takes up the next nonce that a server asks to use (RFC 7616, section 3.5). What -sess has made of the first one
// stays.
func (s *digestSession) heard(info []string) {
	for _, h := range info {
		for _, c := range challenges([]string{"info " + h}) {
			if next := c.params["nextnonce"]; next != "" {
				s.nonce, s.count = next, 0
			}
		}
	}
}

// quote writes a quoted string (RFC 9110, section 5.6.4).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// percent writes a text as RFC 8187 has it in an extended parameter.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < 0x80 && tokenChar(c) && c != '*' && c != '\'' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
