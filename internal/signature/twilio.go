package signature

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// twilio signs the URL and the parameters of a form, or the URL with a hash of any other body in it (twilio-node,
// src/webhooks). Which spelling of the URL was signed is not certain, so several are tried, as Twilio's library does.
var twilio = scheme{
	Info: Info{
		Name: "twilio", NeedsSecret: true, Replayable: true, SignsURL: true, Headers: []string{"X-Twilio-Signature"},
		Summary: "HMAC-SHA1 in base64 of the URL with the sorted form parameters, or with bodySHA256 in the query for other bodies.",
	},
	verifier: func(c *Config) (Verifier, error) { return newTwilio("X-Twilio-Signature", c), nil },
	signer:   func(c *Config) (Signer, error) { return newTwilio("X-Twilio-Signature", c), nil },
}

type twilioScheme struct {
	header string
	keys   []*key
}

func newTwilio(header string, c *Config) *twilioScheme {
	t := &twilioScheme{header: header}
	for _, s := range c.Secrets {
		t.keys = append(t.keys, newKey(sha1.New, []byte(s)))
	}
	return t
}

// maxParams is how many parameters a form may have. Twilio sends some thirty.
const maxParams = 1000

func (t *twilioScheme) read(h http.Header, d *[maxDigest]byte) error {
	v, err := get(h, t.header, maxHeader)
	if err == nil && !digest(d, v, sha1.Size, base64Std) {
		err = fmt.Errorf("%w: header %s is not base64 of 20 bytes", ErrMalformed, t.header)
	}
	return err
}

func (t *twilioScheme) Precheck(h http.Header, _ time.Time) error {
	var d [maxDigest]byte
	return t.read(h, &d)
}

func (t *twilioScheme) Verify(m *Message, _ time.Time) (Result, error) {
	var d [maxDigest]byte
	if err := t.read(m.Header, &d); err != nil {
		return Result{}, err
	}
	return t.match(m, t.header, d[:sha1.Size])
}

// match compares the digest with that of every spelling of the URL, under every key.
func (t *twilioScheme) match(m *Message, header string, d []byte) (Result, error) {
	params, err := twilioParams(m)
	if err != nil {
		return Result{}, err
	}
	matched, signed := -1, ""
	for _, u := range urlSpellings(m.URL, true) {
		for i, k := range t.keys {
			st := k.get()
			st.text(u)
			st.h.Write(params)
			if subtle.ConstantTimeCompare(st.sum(), d) == 1 && matched < 0 {
				matched, signed = i, u
			}
			k.put(st)
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header %s does not match the URL and the body under %s; check the token, and that the URL is the one that the sender calls",
			ErrInvalid, header, count(len(t.keys), "secret"))
	}
	r := Result{Form: "raw", Secret: matched, URL: signed, Covers: CoversURL, Joined: true}
	r.setSum(func(st *mac) {
		st.text(signed)
		st.h.Write(params)
	})
	if params != nil {
		r.Covers |= CoversParams
	} else if len(m.Body) > 0 {
		r.Covers |= CoversBody // by its hash in the URL
	}
	return r, nil
}

// twilioParams is what is signed after the URL. For a body that is no form it is nothing: then its hash must be in
// the URL.
func twilioParams(m *Message) ([]byte, error) {
	q := ""
	if _, query, ok := strings.Cut(m.URL, "?"); ok {
		q = query
	}
	if want, ok := queryValue(q, "bodySHA256"); ok {
		sum := sha256.Sum256(m.Body)
		var d [maxDigest]byte
		if digest(&d, want, sha256.Size, hexAny) && subtle.ConstantTimeCompare(d[:sha256.Size], sum[:]) == 1 {
			return nil, nil
		}
		if !isForm(m) {
			return nil, fmt.Errorf("%w: bodySHA256 in the URL is not the hash of the body", ErrInvalid)
		}
	}
	if isForm(m) {
		return formParams(m.Body)
	}
	if len(m.Body) > 0 || strings.Contains(m.Header.Get("Content-Type"), "json") {
		return nil, fmt.Errorf("%w: the body is no form, and the URL has no bodySHA256 to vouch for it", ErrMissing)
	}
	return nil, nil
}

func isForm(m *Message) bool {
	kind, _, _ := strings.Cut(m.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded")
}

// queryValue is the first value of a name in a query string.
func queryValue(q, name string) (string, bool) {
	for q != "" {
		var pair string
		pair, q, _ = strings.Cut(q, "&")
		k, v, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(k); err == nil && k == name {
			v, err := url.QueryUnescape(v)
			return v, err == nil
		}
	}
	return "", false
}

// formParams are the parameters of a form as they are signed: sorted by name, the values of one name without
// duplicates and sorted, nothing in between.
func formParams(b []byte) ([]byte, error) {
	ps, err := readParams(b)
	if err != nil {
		return nil, err
	}
	ps = slices.Compact(ps)
	out := make([]byte, 0, len(b))
	for _, p := range ps {
		out = append(append(out, p.name...), p.value...)
	}
	return out, nil
}

// formPairs are the parameters of a form or a query as Plivo signs them: decoded, and sorted as formParams does, each with
// equals between its name and value, and with between two of them. One that is there twice is so.
func formPairs(b []byte, equals, between string) ([]byte, error) {
	ps, err := readParams(b)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(b))
	for i, p := range ps {
		if i > 0 {
			out = append(out, between...)
		}
		out = append(append(append(out, p.name...), equals...), p.value...)
	}
	return out, nil
}

// readParams are the parameters of a form, sorted.
func readParams(b []byte) (ps []param, err error) {
	for rest := string(b); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		k, err1 := url.QueryUnescape(k)
		v, err2 := url.QueryUnescape(v)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%w: the body is not a well-formed form", ErrMalformed)
		}
		if len(ps) == maxParams {
			return nil, fmt.Errorf("%w: the body has more than %d parameters", ErrMalformed, maxParams)
		}
		ps = append(ps, param{k, v})
	}
	sortParams(ps)
	return ps, nil
}

// param is a parameter of a form.
type param struct{ name, value string }

// sortParams sorts by name and then by value. It gives the number of bytes that it looked at, which is bounded: it runs
// before anything is verified.
func sortParams(ps []param) (work int) {
	slices.SortFunc(ps, func(a, b param) int {
		c, n := compareUTF16(a.name, b.name)
		work += n
		if c == 0 {
			c, n = compareUTF16(a.value, b.value)
			work += n
		}
		return c
	})
	return work
}

// compareUTF16 orders texts by their UTF-16 code units, as JavaScript and Java do, and says at how many bytes of the first
// it looked.
//
// Bytes that are no UTF-8 are all the same character there. Among themselves they are in the order of the bytes, so that a
// form's order does not depend on that in which it came.
func compareUTF16(a, b string) (order, looked int) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		x, n := utf8.DecodeRuneInString(a[i:])
		y, k := utf8.DecodeRuneInString(b[j:])
		if x != y {
			if c := cmp.Compare(firstUnit(x), firstUnit(y)); c != 0 {
				return c, i + 1
			}
			return cmp.Compare(x, y), i + 1 // both above U+FFFF, where the second units are in the characters' own order
		}
		i, j = i+n, j+k
	}
	return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), cmp.Compare(a, b)), i + 1
}

// firstUnit is the first UTF-16 code unit of a character.
func firstUnit(r rune) rune {
	if hi, _ := utf16.EncodeRune(r); r > 0xffff {
		return hi
	}
	return r
}

// urlSpellings are the URLs that may have been signed for a request to u: with the port and without it, where the
// port left out is the scheme's own; with the host as it is and in lower case; and, if queries is set, with the query
// as it is, with the characters escaped that a browser would escape, and decoded and escaped again.
func urlSpellings(u string, queries bool) []string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return []string{u}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	host := authority
	port := ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, '@') && i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i:]
	}
	if port == "" {
		port = ":80"
		if strings.EqualFold(scheme, "https") {
			port = ":443"
		}
	}
	hosts := []string{host}
	at := strings.LastIndexByte(host, '@') + 1
	if lower := host[:at] + strings.ToLower(host[at:]); lower != host {
		hosts = append(hosts, lower)
	}
	tails := []string{tail}
	if path, query, ok := strings.Cut(tail, "?"); ok && query != "" && queries {
		for _, q := range []string{escapeQuery(query), encodeQuery(query)} {
			if t := path + "?" + q; !slices.Contains(tails, t) {
				tails = append(tails, t)
			}
		}
	}
	all := make([]string, 0, 2*len(tails)*len(hosts))
	for _, t := range tails {
		for _, h := range hosts {
			all = append(all, scheme+"://"+h+t, scheme+"://"+h+port+t)
		}
	}
	return all
}

// escapeQuery escapes what the URL Standard escapes in the query of a web address.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>'", c) >= 0 {
			escapeByte(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func escapeByte(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}

// encodeQuery decodes a query and encodes it again as encodeURIComponent does.
func encodeQuery(q string) string {
	var b strings.Builder
	for i, pair := range strings.Split(q, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		k, v, _ := strings.Cut(pair, "=")
		for j, s := range []string{k, v} {
			if j > 0 {
				b.WriteByte('=')
			}
			if d, err := url.QueryUnescape(s); err == nil {
				s = d
			}
			for n := range len(s) {
				c := s[n]
				if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.!~*'()", c) >= 0 {
					b.WriteByte(c)
				} else {
					escapeByte(&b, c)
				}
			}
		}
	}
	return b.String()
}

// Sign adds bodySHA256 to the URL of a message whose body is no form, unless it is there.
func (t *twilioScheme) Sign(m *Message, _ string, _ time.Time) error {
	var params []byte
	if isForm(m) {
		var err error
		if params, err = formParams(m.Body); err != nil {
			return err
		}
	} else if len(m.Body) > 0 {
		sum := sha256.Sum256(m.Body)
		hash := hex.EncodeToString(sum[:])
		_, q, _ := strings.Cut(m.URL, "?")
		switch there, ok := queryValue(q, "bodySHA256"); {
		case ok && !strings.EqualFold(there, hash):
			return fmt.Errorf("%w: the URL has the bodySHA256 of another body; remove it before signing", ErrMalformed)
		case ok: // a request of Twilio's own, signed again
		case q != "" || strings.HasSuffix(m.URL, "?"):
			m.URL += "&bodySHA256=" + hash
		default:
			m.URL += "?bodySHA256=" + hash
		}
	}
	st := t.keys[0].get()
	defer t.keys[0].put(st)
	st.text(m.URL)
	st.h.Write(params)
	set(m, t.header, string(appendDigest(nil, st.sum(), base64Std)))
	return nil
}
