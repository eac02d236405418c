package standin

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// DigestConfig says what a Digest server asks for.
type DigestConfig struct {
	User, Password string
	// Algorithms are offered in this order, each in a challenge of its own: MD5, SHA-256, SHA-512-256, with -sess or
	// without. Empty means one challenge without an algorithm, which is MD5.
	Algorithms []string
	// QOP is offered: "auth", "auth-int", both with a comma, or empty as before RFC 2617.
	QOP string
	// Uses is how many requests a nonce serves; 0 means any number.
	Uses int
	// NextNonce gives out the next nonce with each answer, after which the old one is stale.
	NextNonce bool
	// UserHash and UTF8 ask for hashed user names and tell the charset.
	UserHash, UTF8 bool
	// Unstale leaves stale=true out, as many a device does.
	Unstale bool
	// OneHeader has all challenges in one header, behind one for Basic.
	OneHeader bool
}

// Digest is a server that lets in who signs in by Digest (RFC 7616). The count of a nonce must rise by one each time, and a
// nonce that was used up is stale.
type Digest struct {
	*httptest.Server

	t  testing.TB
	c  DigestConfig
	mu sync.Mutex
	// nonces are those that were given out, with the last count, and what -sess made of the first use.
	nonces  map[string]*digestNonce
	given   int
	taken   []Recorded
	refused int
}

type digestNonce struct {
	count int64
	used  bool // up
	a1    string
}

const digestRealm = `dispatch "north" office`

// NewDigest starts a server, which is closed with the test.
func NewDigest(t testing.TB, c DigestConfig) *Digest {
	d := &Digest{t: t, c: c, nonces: map[string]*digestNonce{}}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

// Taken are the requests that were let in, and how many others were not.
func (d *Digest) Taken() (taken []Recorded, refused int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Recorded(nil), d.taken...), d.refused
}

// Forget makes all nonces stale.
func (d *Digest) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.nonces {
		n.used = true
	}
}

// ServeHTTP implements http.Handler.
func (d *Digest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := readBody(d.t, r)
	d.mu.Lock()
	defer d.mu.Unlock()
	ok, stale := d.check(r, body)
	if !ok {
		d.refused++
		d.challenge(w, stale)
		http.Error(w, "sign in", http.StatusUnauthorized)
		return
	}
	d.taken = append(d.taken, record(r, body))
	if d.c.NextNonce {
		p := parameters(r.Header.Get("Authorization"))
		old := d.nonces[p["nonce"]]
		old.used = true
		next := d.nonce()
		d.nonces[next].a1 = old.a1
		w.Header().Set("Authentication-Info", "nextnonce="+strconv.Quote(next)+", qop=auth")
	}
	_, _ = fmt.Fprint(w, "taken")
}

func (d *Digest) nonce() string {
	d.given++
	n := fmt.Sprintf("nonce/%d+of=\\%d", d.given, d.given) // with characters that need care
	d.nonces[n] = &digestNonce{}
	return n
}

func (d *Digest) challenge(w http.ResponseWriter, stale bool) {
	algorithms := d.c.Algorithms
	if len(algorithms) == 0 {
		algorithms = []string{""}
	}
	var all []string
	if d.c.OneHeader {
		all = []string{`Basic realm="a, b"`}
	}
	for _, a := range algorithms {
		c := "Digest realm=" + strconv.Quote(digestRealm) + ", nonce=" + strconv.Quote(d.nonce()) + `, opaque="5ccc069c=="`
		if d.c.QOP != "" {
			c += `, qop="` + d.c.QOP + `"`
		}
		if a != "" {
			c += ", algorithm=" + a
		}
		if stale && !d.c.Unstale {
			c += ", stale=true"
		}
		if d.c.UTF8 {
			c += ", charset=UTF-8"
		}
		if d.c.UserHash {
			c += ", userhash=true"
		}
		all = append(all, c)
	}
	if d.c.OneHeader {
		all = []string{strings.Join(all, ", ")}
	}
	w.Header()["Www-Authenticate"] = all
}

// check follows section 3.4 of RFC 7616.
func (d *Digest) check(r *http.Request, body []byte) (ok, stale bool) {
	p := parameters(r.Header.Get("Authorization"))
	n := d.nonces[p["nonce"]]
	if n == nil || p["realm"] != digestRealm || p["uri"] != r.RequestURI || p["opaque"] != "5ccc069c==" {
		return false, false
	}
	name, sess := strings.CutSuffix(p["algorithm"], "-sess")
	sum := func(parts ...string) string {
		text := []byte(strings.Join(parts, ":"))
		switch name {
		case "SHA-256":
			return fmt.Sprintf("%x", sha256.Sum256(text))
		case "SHA-512-256":
			return fmt.Sprintf("%x", sha512.Sum512_256(text))
		default:
			return fmt.Sprintf("%x", md5.Sum(text))
		}
	}
	offered := len(d.c.Algorithms) == 0 && p["algorithm"] == ""
	for _, a := range d.c.Algorithms {
		offered = offered || a == p["algorithm"]
	}
	if !offered || !d.named(p, sum) {
		return false, false
	}
	a1 := sum(d.c.User, digestRealm, d.c.Password)
	if sess {
		if n.a1 == "" {
			n.a1 = sum(a1, p["nonce"], p["cnonce"])
		}
		a1 = n.a1
	}
	a2 := []string{r.Method, p["uri"]}
	if p["qop"] == "auth-int" {
		a2 = append(a2, sum(string(body)))
	}
	middle := []string{a1, p["nonce"]}
	count, err := int64(0), error(nil)
	if d.c.QOP == "" {
		if p["qop"] != "" {
			return false, false
		}
	} else {
		if !strings.Contains(","+strings.ReplaceAll(d.c.QOP, " ", "")+",", ","+p["qop"]+",") || len(p["nc"]) != 8 || p["cnonce"] == "" {
			return false, false
		}
		if count, err = strconv.ParseInt(p["nc"], 16, 64); err != nil {
			return false, false
		}
		middle = append(middle, p["nc"], p["cnonce"], p["qop"])
	}
	want := sum(append(middle, sum(a2...))...)
	if subtle.ConstantTimeCompare([]byte(want), []byte(p["response"])) != 1 {
		return false, false
	}
	if n.used || d.c.QOP != "" && count != n.count+1 {
		return false, true
	}
	n.count++
	n.used = d.c.Uses > 0 && n.count >= int64(d.c.Uses)
	return true, false
}

// named reports whether the user is who it must be, in the form that was asked for.
func (d *Digest) named(p map[string]string, sum func(...string) string) bool {
	extended, isExtended := strings.CutPrefix(p["username*"], "UTF-8''")
	switch {
	case d.c.UserHash:
		return p["userhash"] == "true" && p["username"] == sum(d.c.User, digestRealm)
	case isExtended:
		plain, err := url.PathUnescape(extended)
		return err == nil && d.c.UTF8 && plain == d.c.User && p["username"] == ""
	default:
		return p["username"] == d.c.User
	}
}

// parameters reads the credentials of a request, which must be Digest's.
func parameters(header string) map[string]string {
	rest, digest := strings.CutPrefix(header, "Digest ")
	p := map[string]string{}
	for digest && rest != "" {
		name, after, equals := strings.Cut(rest, "=")
		if !equals {
			return nil
		}
		name = strings.TrimSpace(name)
		if _, twice := p[name]; twice {
			return nil
		}
		if strings.HasPrefix(after, `"`) {
			var value strings.Builder
			i := 1
			for ; i < len(after) && after[i] != '"'; i++ {
				if after[i] == '\\' {
					i++
				}
				if i < len(after) {
					value.WriteByte(after[i])
				}
			}
			p[name], rest = value.String(), after[min(i+1, len(after)):]
		} else {
			value, _, _ := strings.Cut(after, ",")
			p[name], rest = strings.TrimSpace(value), after[len(value):]
		}
		rest = strings.TrimLeft(rest, ", ")
	}
	return p
}
