package signature

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// standardWebhooks is the Standard Webhooks specification 1.0: HMAC-SHA256 (v1) under shared secrets, ed25519 (v1a)
// under public keys. With both configured either will do, which is how a sender moves from one to the other.
var standardWebhooks = scheme{
	Info: Info{
		Name: "standard-webhooks", Aliases: []string{"standardwebhooks", "standard_webhooks", "standard-webhooks-v1", onlyV1a},
		Summary: "HMAC-SHA256 (v1, whsec_ secret) or ed25519 (v1a, whpk_ key) of id, time and body.",
		Headers: []string{"Webhook-Signature", "Webhook-Timestamp", "Webhook-Id"}, NeedsSecret: true, NeedsPublicKey: true,
		TimestampTolerance: defaultTolerance,
	},
	takes: takesTolerance,
	verifier: func(c *Config) (Verifier, error) {
		if c.Scheme == onlyV1a && len(c.Secrets) > 0 {
			return nil, configError(onlyV1a, "takes no secret; set the public key instead")
		}
		return newStandard("standard-webhooks", c, "Webhook-")
	},
	signer: func(c *Config) (Signer, error) { return newStandardSigner("standard-webhooks", c, "Webhook-") },
}

// onlyV1a is the alias under which only ed25519 is used, and under which a Signer's secret is a private key in any of
// its forms; under the other names it has to start with whsk_ or be a PEM block.
const onlyV1a = "standard-webhooks-v1a"

// svix is the same under Svix's own header names; Svix's library accepts both.
var svix = scheme{
	Info: Info{
		Name:    "svix",
		Summary: "Standard Webhooks with svix-* headers, or webhook-* ones.",
		Headers: []string{"Svix-Signature", "Svix-Timestamp", "Svix-Id"}, NeedsSecret: true, NeedsPublicKey: true,
		TimestampTolerance: defaultTolerance,
	},
	takes:    takesTolerance,
	verifier: func(c *Config) (Verifier, error) { return newStandard("svix", c, "Svix-", "Webhook-") },
	signer:   func(c *Config) (Signer, error) { return newStandardSigner("svix", c, "Svix-") },
}

// standardScheme tries sets of headers that differ in the prefix of their names.
type standardScheme []*standardSet

// standardSet is one of them.
type standardSet struct {
	*spec
	secrets *hmacScheme // nil without secrets
	keys    []ed25519.PublicKey
	private ed25519.PrivateKey
}

func newStandard(name string, c *Config, prefixes ...string) (Verifier, error) {
	all := make(standardScheme, len(prefixes))
	for i, p := range prefixes {
		s, err := standardSpec(name, p)
		if err != nil {
			return nil, err
		}
		set := &standardSet{spec: s}
		if set.keys, err = publicKeys(name, c.PublicKeys); err != nil {
			return nil, err
		}
		h, err := newHMAC(s, c)
		if err != nil {
			return nil, err
		}
		if len(c.Secrets) > 0 {
			set.secrets = h
		}
		all[i] = set
	}
	return all, nil
}

func newStandardSigner(name string, c *Config, prefix string) (Signer, error) {
	s, err := standardSpec(name, prefix)
	if err != nil {
		return nil, err
	}
	if k := c.Secrets[0]; c.Scheme == onlyV1a || strings.HasPrefix(k, "whsk_") || strings.HasPrefix(k, "-----BEGIN ") {
		private, err := privateKey(name, k)
		return standardScheme{{spec: s, private: private}}, err
	}
	h, err := newHMAC(s, c)
	return standardScheme{{spec: s, secrets: h}}, err
}

func standardSpec(name, prefix string) (*spec, error) {
	c := HMACConfig{
		Header: prefix + "Signature", Encoding: "base64", Prefix: "v1,", ListSeparator: " ", KeyEncoding: "base64",
		Signed: "{id}.{timestamp}.{body}", TimestampHeader: prefix + "Timestamp", IDHeader: prefix + "Id",
	}
	return c.compile(name)
}

func (all standardScheme) Verify(m *Message, now time.Time) (Result, error) {
	set := all[0]
	for _, s := range all[1:] {
		if !has(m.Header, set.header) && has(m.Header, s.header) {
			set = s
		}
	}
	if set.secrets == nil {
		return set.verifyKeys(m, now)
	}
	r, err := set.secrets.Verify(m, now)
	if err != nil && len(set.keys) > 0 {
		if r, e := set.verifyKeys(m, now); e == nil {
			return r, nil
		}
	}
	return r, err
}

// verifyKeys checks the v1a signatures.
func (s *standardSet) verifyKeys(m *Message, now time.Time) (Result, error) {
	v, err := get(m.Header, s.header, maxHeader)
	if err != nil {
		return Result{}, err
	}
	ts, err := get(m.Header, s.tsHeader, maxID)
	if err != nil {
		return Result{}, err
	}
	id, err := get(m.Header, s.idHeader, maxID)
	if err != nil {
		return Result{}, err
	}
	at, ok := parseTime(ts, seconds)
	if !ok {
		return Result{}, fmt.Errorf("%w: header %s is no time in Unix seconds", ErrMalformed, s.tsHeader)
	}
	if err := checkTime(s.tsHeader, at, now, s.past, s.future); err != nil {
		return Result{}, err
	}
	var sigs [4][maxDigest]byte // an ed25519 check is dear: a header may hold fewer of them
	n := 0
	for items := 0; v != ""; items++ {
		if items == maxSignatures {
			return Result{}, fmt.Errorf("%w: header %s holds more than %d items", ErrMalformed, s.header, maxSignatures)
		}
		item, rest, _ := strings.Cut(v, " ")
		if b64, ok := strings.CutPrefix(item, "v1a,"); ok {
			if n == len(sigs) {
				return Result{}, fmt.Errorf("%w: header %s holds more than %d v1a signatures", ErrMalformed, s.header, len(sigs))
			}
			if digest(&sigs[n], b64, ed25519.SignatureSize, base64Std) {
				n++
			}
		}
		v = rest
	}
	if n == 0 {
		return Result{}, fmt.Errorf("%w: header %s holds no v1a signature of 64 bytes", ErrMalformed, s.header)
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	*buf = standardContent((*buf)[:0], id, ts, m.Body)
	if i := matchKeys(s.keys, sigs[:n], *buf); i >= 0 {
		return Result{Form: "raw", Secret: i, Timestamp: at, ID: id}, nil
	}
	return Result{}, fmt.Errorf("%w: header %s does not match id, time and body under %s; check the key, and that nothing in between changed the request",
		ErrInvalid, s.header, count(len(s.keys), "public key"))
}

func standardContent(b []byte, id, ts string, body []byte) []byte {
	b = append(append(b, id...), '.')
	b = append(append(b, ts...), '.')
	return append(b, body...)
}

func (all standardScheme) Sign(m *Message, id string, now time.Time) error {
	s := all[0]
	if s.secrets != nil {
		return s.secrets.Sign(m, id, now)
	}
	if id == "" || len(id) > maxID {
		return fmt.Errorf("%w: %s signs an id of up to %d bytes; give one", ErrConfig, s.scheme, maxID)
	}
	ts := formatTime(now, seconds)
	sum := ed25519.Sign(s.private, standardContent(nil, id, ts, m.Body))
	set(m, s.header, string(appendDigest([]byte("v1a,"), sum, base64Std)))
	set(m, s.tsHeader, ts)
	set(m, s.idHeader, id)
	return nil
}

// quo (formerly OpenPhone) sends Standard Webhooks since API version 2026-03-30, and openphone-signature before.
var quo = scheme{
	Info: Info{
		Name: "quo", Aliases: []string{"openphone"}, NeedsSecret: true,
		Summary:            "Standard Webhooks v1, or the older openphone-signature: HMAC-SHA256 of time and body without white space.",
		Headers:            []string{"Webhook-Signature", "Webhook-Timestamp", "Webhook-Id", "Openphone-Signature"},
		TimestampTolerance: defaultTolerance,
	},
	takes: takesTolerance,
	verifier: func(c *Config) (Verifier, error) {
		now, err := newStandard("quo", c, "Webhook-")
		if err != nil {
			return nil, err
		}
		legacy, err := newQuoLegacy(c)
		return &quoScheme{now, legacy}, err
	},
	signer: func(c *Config) (Signer, error) { return newStandardSigner("quo", c, "Webhook-") },
}

type quoScheme struct {
	now    Verifier
	legacy *hmacScheme
}

// newQuoLegacy is the scheme of webhooks made in the app or with API v1. The documentation has white space removed
// before signing; its example parses the body and writes it again. Both are tried after the bytes as sent.
func newQuoLegacy(c *Config) (*hmacScheme, error) {
	s, err := (&HMACConfig{
		Header: "Openphone-Signature", Encoding: "base64", KeyEncoding: "base64", TimestampKey: "t", SignatureKey: "s",
		TimestampUnit: "ms", Signed: "{timestamp}.{body}",
	}).compile("quo")
	if err != nil {
		return nil, err
	}
	s.forms = []form{raw, compact, js}
	return newHMAC(s, c)
}

func (q *quoScheme) Verify(m *Message, now time.Time) (Result, error) {
	if !has(m.Header, q.legacy.header) || has(m.Header, "Webhook-Signature") {
		return q.now.Verify(m, now)
	}
	return q.legacy.verifyQuo(m.Header, m, now)
}

// verifyQuo reads hmac;1;{time in ms};{base64}, several of them with commas between. Each has its own time, so each
// is checked on its own; the first that matches counts, and otherwise the first error.
func (h *hmacScheme) verifyQuo(header http.Header, m *Message, now time.Time) (Result, error) {
	v, err := get(header, h.header, maxHeader)
	if err != nil {
		return Result{}, err
	}
	var first error
	for n := 0; ; n++ {
		if n == 4 {
			return Result{}, fmt.Errorf("%w: header %s holds more than 4 signatures", ErrMalformed, h.header)
		}
		item, rest, more := strings.Cut(v, ",")
		r, err := h.verifyQuoItem(strings.Trim(item, " "), m, now)
		if err == nil {
			return r, nil
		}
		if first == nil {
			first = err
		}
		if !more {
			return Result{}, first
		}
		v = rest
	}
}

func (h *hmacScheme) verifyQuoItem(item string, m *Message, now time.Time) (Result, error) {
	p := presented{header: h.header}
	var sig string
	rest, ok := strings.CutPrefix(item, "hmac;1;")
	if ok {
		p.time, sig, ok = strings.Cut(rest, ";")
	}
	if ok {
		p.at, ok = parseTime(p.time, millis)
	}
	if ok {
		h.add(sig, &p)
	}
	if !ok || p.count == 0 {
		return Result{}, fmt.Errorf("%w: header %s is not hmac;1;<time in ms>;<base64 of 32 bytes>", ErrMalformed, h.header)
	}
	if err := checkTime(h.header, p.at, now, h.past, h.future); err != nil {
		return Result{}, err
	}
	return h.match(m, &p)
}
