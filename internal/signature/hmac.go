package signature

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/canonical"
	"github.com/callgate/callgate/internal/jsonscan"
)

// hmacScheme verifies and signs what a spec describes.
type hmacScheme struct {
	*spec
	keys []*key
}

// newHMAC makes the scheme of a spec, with what the configuration changes in it.
func newHMAC(s *spec, c *Config) (*hmacScheme, error) {
	if c.Tolerance > 0 {
		s.past, s.future = c.Tolerance, c.Tolerance
	}
	if len(c.Forms) > 0 {
		fs, err := parseForms(s.scheme, c.Forms)
		if err != nil {
			return nil, err
		}
		s.forms = fs
	}
	keys, err := newKeys(s.scheme, s.newHash, s.decode, c.Secrets)
	if err != nil {
		return nil, err
	}
	return &hmacScheme{s, keys}, nil
}

// presented is what a message says about its signature.
type presented struct {
	header  string // the name of the header that was there
	digests [maxSignatures][maxDigest]byte
	count   int // of digests
	time    string
	at      time.Time
	id      string
	values  []string // of the {json:path} segments
	headers []string // of the {header:Name} segments
	long    [][]byte // the signatures, where they have no size of their own
}

func (h *hmacScheme) Verify(m *Message, now time.Time) (Result, error) {
	var ps [1]presented
	if err := h.present(m, now, &ps[0]); err != nil {
		return Result{}, err
	}
	return h.match(m, ps[:])
}

// present reads all that a message says about its signature.
func (h *hmacScheme) present(m *Message, now time.Time, p *presented) error {
	if h.sigPath != nil || h.tsPath != nil {
		return h.readBody(m, now, p)
	}
	if err := h.read(m.Header, now, p); err != nil {
		return err
	}
	return h.lookUp(m, p)
}

func (h *hmacScheme) Precheck(header http.Header, now time.Time) error {
	var p presented
	if h.sigPath != nil || h.tsPath != nil {
		_, err := h.readHeaders(header, &p)
		return err
	}
	return h.read(header, now, &p)
}

// read reads the headers and checks the time.
func (h *hmacScheme) read(header http.Header, now time.Time, p *presented) error {
	v, err := h.readHeaders(header, p)
	if err != nil {
		return err
	}
	return h.settle(v, now, p)
}

// readHeaders reads the headers, and gives the one of the signature.
func (h *hmacScheme) readHeaders(header http.Header, p *presented) (v string, err error) {
	p.header = h.header
	for _, a := range h.aliases {
		if !has(header, p.header) && has(header, a) {
			p.header = a
		}
	}
	if h.sigPath == nil {
		if v, err = get(header, p.header, maxHeader); err != nil {
			return "", err
		}
	}
	if h.tsHeader != "" {
		if p.time, err = get(header, h.tsHeader, maxID); err != nil {
			return "", err
		}
	}
	if h.idHeader != "" {
		if p.id, err = get(header, h.idHeader, maxID); err != nil {
			return "", err
		}
	}
	for _, name := range h.headers {
		value, err := get(header, name, maxHeader)
		if err != nil {
			return "", err
		}
		p.headers = append(p.headers, value)
	}
	return v, nil
}

// settle takes the signatures apart, and checks the time.
func (h *hmacScheme) settle(v string, now time.Time, p *presented) error {
	if err := h.parse(v, p); err != nil {
		return err
	}
	if h.unit != noTime {
		where := h.tsHeader
		switch {
		case h.tsPath != nil:
			where = h.tsPlace
		case where == "":
			where = p.header
		}
		var ok bool
		if p.at, ok = parseTime(p.time, h.unit); !ok {
			return fmt.Errorf("%w: %s has no timestamp of the expected kind", ErrMalformed, place(where))
		}
		if err := checkTime(where, p.at, now, h.past, h.future); err != nil {
			return err
		}
	}
	return nil
}

// where says where the signature was.
func (p *presented) where() string { return place(p.header) }

// place names a header, or a place in the body, which has a dollar sign in front.
func place(where string) string {
	if strings.HasPrefix(where, "$") {
		return "the body at " + where
	}
	return "header " + where
}

// lookUp reads the values that the {json:path} segments name.
func (h *hmacScheme) lookUp(m *Message, p *presented) error {
	var doc jsonscan.Doc
	for i := range h.signed {
		g := &h.signed[i]
		if g.kind != jsonPath {
			continue
		}
		if p.values == nil {
			if err := doc.Scan(m.Body); err != nil {
				return fmt.Errorf("%w: the body, of which %s is signed, is %w", ErrMalformed, strings.Join(g.path, "."), err)
			}
		}
		v := doc.Root().Path(g.path...)
		if g.also != nil {
			switch a := doc.Root().Path(g.also...); {
			case v.Kind() == jsonscan.Missing:
				v = a
			case a.Kind() != jsonscan.Missing && a.Text() != v.Text():
				return fmt.Errorf("%w: the body has two values for %s, which is signed", ErrMalformed, strings.Join(g.path, "."))
			}
		}
		if k := v.Kind(); k != jsonscan.String && k != jsonscan.Number || v.Text() == "" {
			return fmt.Errorf("%w: the body has no text or number %s, which is signed", ErrMalformed, strings.Join(g.path, "."))
		}
		p.values = append(p.values, v.Text())
	}
	return nil
}

// hash hashes what is signed, with the time or without it.
func (h *hmacScheme) hash(k *mac, m *Message, p *presented, b []byte, withTime bool) {
	values, headers := p.values, p.headers
	for i := range h.signed {
		switch g := &h.signed[i]; g.kind {
		case headerValue:
			k.text(headers[0])
			headers = headers[1:]
		case text:
			k.h.Write(g.text)
		case body:
			k.h.Write(b)
		case timestamp:
			if withTime {
				k.text(p.time)
			}
		case id:
			k.text(p.id)
		case method:
			k.text(m.Method)
		case address:
			k.text(m.URL)
		case jsonPath:
			k.text(values[0])
			values = values[1:]
		}
	}
}

// match computes the signature of each form of the body under each key, and looks for it among those presented: several
// where each is of a time of its own. Each form is made once.
func (h *hmacScheme) match(m *Message, ps []presented) (Result, error) {
	fs := bodyForms{body: m.Body}
	defer fs.release()
	var refused error
	for i, f := range h.forms {
		b := m.Body
		if f != raw {
			var err error
			if b, err = fs.make(f); err != nil {
				refused = err
				continue
			}
			if i > 0 && h.forms[0] == raw && bytes.Equal(b, m.Body) {
				continue // it was tried already
			}
		}
		for j := range ps {
			if matched := h.matchKeys(m, &ps[j], b); matched >= 0 {
				return h.result(m, &ps[j], f, b, matched, fs.differs)
			}
		}
	}
	return Result{}, h.mismatch(&ps[0], refused)
}

// matchKeys is the index of the first key under which one of the signatures is that of b, or -1. It tries all.
func (h *hmacScheme) matchKeys(m *Message, p *presented, b []byte) int {
	matched := -1
	for n, k := range h.keys {
		st := k.get()
		h.hash(st, m, p, b, true)
		sum, eq := st.sum(), 0
		for d := range p.count {
			eq |= subtle.ConstantTimeCompare(p.digests[d][:h.size], sum)
		}
		k.put(st)
		if eq == 1 && matched < 0 {
			matched = n
		}
	}
	return matched
}

// result is what was verified: the form f of the body, which is b.
func (h *hmacScheme) result(m *Message, p *presented, f form, b []byte, matched int, differs bool) (Result, error) {
	if f == raw && h.jsonText && saysJSON(m.Header) && !canonical.Valid(m.Body) {
		return Result{}, fmt.Errorf("%w: the signature in %s matches, but the body is not the JSON that its Content-Type promises",
			ErrBody, p.header)
	}
	r := Result{Form: f.String(), Secret: matched, Timestamp: p.at, ID: p.id, Weak: h.weak, Covers: h.covers, Joined: h.joined}
	if r.Headers = h.headers; h.loose {
		r.ID, r.Headers = "", nil
	}
	if h.covers.Has(CoversURL) {
		r.URL = m.URL
	}
	switch {
	case h.weak:
		if r.Form = ""; r.ID == "" {
			r.ID = strings.Join(p.values, ":")
			if h.unit != noTime { // values such as an event's type do not tell one from another of some other time
				r.ID += ":" + p.time
			}
			r.Covers |= CoversID
		}
	case f != raw:
		r.Payload, r.Covers, r.Differs = bytes.Clone(b), r.Covers&^CoversBody|CoversForm, differs
	}
	if h.joined {
		r.setSum(func(st *mac) { h.hash(st, m, p, b, false) })
	}
	return r, nil
}

// mismatch says what was tried in vain.
func (h *hmacScheme) mismatch(p *presented, refused error) error {
	what := "the body as received"
	if h.weak {
		what = "the signed values of the body"
	} else if len(h.forms) > 1 || h.forms[0] != raw {
		var names []string
		for _, f := range h.forms {
			names = append(names, f.String())
		}
		what = "the body in any of the forms " + strings.Join(names, ", ")
		switch {
		case errors.Is(refused, canonical.ErrTooDear):
			what += " (it holds too many numbers that are dear to read, so that not all could be tried)"
		case refused != nil:
			what += " (it is not JSON, so that only raw could be tried)"
		}
	}
	return fmt.Errorf("%w: %s does not match %s under %s; check the secret, and that nothing in between changed the request",
		ErrInvalid, p.where(), what, count(len(h.keys), "secret"))
}

// count is "the secret" or "any of the 2 secrets".
func count(n int, what string) string {
	if n == 1 {
		return "the " + what
	}
	return fmt.Sprintf("any of the %d %ss", n, what)
}
