package signature

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// plivo signs URL and parameters as Twilio does, with points and a nonce between (plivo-python, signature_v3.py). It sends the
// signature under the token of the account that made the call, and of messages also under that of the main account.
var plivo = scheme{
	Info: Info{
		Name: "plivo", NeedsSecret: true, Replayable: true, SignsURL: true,
		Summary: "HMAC-SHA256 of the URL with its query sorted, the parameters of a form sorted by name, and a nonce, in base64, keyed with the auth token.",
		Headers: []string{plivoHeader, plivoNonce, plivoMainHeader, plivoMainNonce},
	},
	verifier: func(c *Config) (Verifier, error) { return newPlivo(c), nil },
	signer:   func(c *Config) (Signer, error) { return newPlivo(c), nil },
}

const (
	plivoHeader     = "X-Plivo-Signature-V3"
	plivoNonce      = "X-Plivo-Signature-V3-Nonce"
	plivoMainHeader = "X-Plivo-Signature-Ma-V3"
	plivoMainNonce  = "X-Plivo-Signature-Ma-V3-Nonce"
)

type plivoScheme struct{ keys []*key }

func newPlivo(c *Config) *plivoScheme {
	p := new(plivoScheme)
	for _, s := range c.Secrets {
		p.keys = append(p.keys, newKey(sha256.New, []byte(s)))
	}
	return p
}

// read finds the signatures and the nonce that they are made with. A header of its own for the main account counts where
// the other is not there.
func (p *plivoScheme) read(h http.Header, digests *[maxSignatures][maxDigest]byte) (n int, nonce string, err error) {
	name, from := plivoHeader, plivoNonce
	if !has(h, plivoHeader) && has(h, plivoMainHeader) {
		if name = plivoMainHeader; has(h, plivoMainNonce) {
			from = plivoMainNonce
		}
	}
	v, err := get(h, name, maxHeader)
	if err != nil {
		return 0, "", err
	}
	if nonce, err = get(h, from, maxID); err != nil {
		return 0, "", err
	}
	for item := range strings.SplitSeq(v, ",") {
		if n == maxSignatures {
			return 0, "", fmt.Errorf("%w: header %s holds more than %d items", ErrMalformed, name, maxSignatures)
		}
		if digest(&digests[n], item, sha256.Size, base64Std) {
			n++
		}
	}
	if n == 0 {
		return 0, "", fmt.Errorf("%w: header %s holds no signature in base64", ErrMalformed, name)
	}
	return n, nonce, nil
}

func (p *plivoScheme) Precheck(h http.Header, _ time.Time) error {
	var d [maxSignatures][maxDigest]byte
	_, _, err := p.read(h, &d)
	return err
}

// plivoText is what is signed before the nonce: the URL without its query, the query decoded and sorted, and the parameters.
func plivoText(m *Message) ([]byte, error) {
	base, query, _ := strings.Cut(m.URL, "?")
	query, _, _ = strings.Cut(query, "#")
	asked, err := formPairs([]byte(query), "=", "&")
	if err != nil {
		return nil, err
	}
	var params []byte
	switch form := isForm(m); {
	case form:
		if params, err = formPairs(m.Body, "", ""); err != nil {
			return nil, err
		}
	case len(bytes.TrimSpace(m.Body)) > 0:
		return nil, fmt.Errorf("%w: the body is no form, and Plivo signs nothing else of a body", ErrMalformed)
	}
	out := []byte(base)
	if len(asked) > 0 || len(params) > 0 {
		out = append(append(out, '?'), asked...)
	}
	if len(params) > 0 {
		if len(asked) > 0 {
			out = append(out, '.')
		}
		out = append(out, params...)
	}
	return out, nil
}

func (p *plivoScheme) Verify(m *Message, _ time.Time) (Result, error) {
	var d [maxSignatures][maxDigest]byte
	n, nonce, err := p.read(m.Header, &d)
	if err != nil {
		return Result{}, err
	}
	text, err := plivoText(m)
	if err != nil {
		return Result{}, err
	}
	matched := -1
	for i, k := range p.keys {
		st := k.get()
		st.h.Write(text)
		st.text("." + nonce)
		sum, eq := st.sum(), 0
		for j := range n {
			eq |= subtle.ConstantTimeCompare(d[j][:sha256.Size], sum)
		}
		k.put(st)
		if eq == 1 && matched < 0 {
			matched = i
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: the signature does not match URL, parameters and nonce under %s; check the token, and that the URL is the one that the sender calls",
			ErrInvalid, count(len(p.keys), "secret"))
	}
	r := Result{Form: "raw", Secret: matched, URL: m.URL, Covers: CoversURL, Joined: true}
	if len(m.Body) > 0 {
		r.Covers |= CoversParams
	}
	r.setSum(func(st *mac) { st.h.Write(text) })
	return r, nil
}

func (p *plivoScheme) Sign(m *Message, id string, now time.Time) error {
	text, err := plivoText(m)
	if err != nil {
		return err
	}
	if id == "" {
		id = formatTime(now, millis)
	}
	st := p.keys[0].get()
	defer p.keys[0].put(st)
	st.h.Write(text)
	st.text("." + id)
	set(m, plivoHeader, string(appendDigest(nil, st.sum(), base64Std)))
	set(m, plivoNonce, id)
	return nil
}
