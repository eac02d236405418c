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

// set is the one whose headers a message has: the first, unless only another one's are there.
func (all standardScheme) set(h http.Header) *standardSet {
	set := all[0]
	for _, s := range all[1:] {
		if !has(h, set.header) && has(h, s.header) {
			set = s
		}
	}
	return set
}

func (all standardScheme) Precheck(h http.Header, now time.Time) error {
	set := all.set(h)
	if set.secrets != nil {
		err := set.secrets.Precheck(h, now)
		if err == nil || len(set.keys) == 0 {
			return err
		}
		if set.readKeys(h, now, new(v1a)) == nil {
			return nil
		}
		return err
	}
	return set.readKeys(h, now, new(v1a))
}

func (all standardScheme) Verify(m *Message, now time.Time) (Result, error) {
	set := all.set(m.Header)
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

// v1a is what a message says about its ed25519 signatures. A check of one is dear: a header may hold fewer of them.
type v1a struct {
	signatures [4][maxDigest]byte
	count      int
	id, time   string
	at         time.Time
}

// readKeys reads the headers of v1a signatures and checks the time.
func (s *standardSet) readKeys(h http.Header, now time.Time, p *v1a) error {
	v, err := get(h, s.header, maxHeader)
	if err != nil {
		return err
	}
	if p.time, err = get(h, s.tsHeader, maxID); err != nil {
		return err
	}
	if p.id, err = get(h, s.idHeader, maxID); err != nil {
		return err
	}
	var ok bool
	if p.at, ok = parseTime(p.time, seconds); !ok {
		return fmt.Errorf("%w: header %s is no time in Unix seconds", ErrMalformed, s.tsHeader)
	}
	if err := checkTime(s.tsHeader, p.at, now, s.past, s.future); err != nil {
		return err
	}
	for items := 0; v != ""; items++ {
		if items == maxSignatures {
			return fmt.Errorf("%w: header %s holds more than %d items", ErrMalformed, s.header, maxSignatures)
		}
		item, rest, _ := strings.Cut(v, " ")
		if b64, ok := strings.CutPrefix(item, "v1a,"); ok {
			if p.count == len(p.signatures) {
				return fmt.Errorf("%w: header %s holds more than %d v1a signatures", ErrMalformed, s.header, len(p.signatures))
			}
			if digest(&p.signatures[p.count], b64, ed25519.SignatureSize, base64Std) {
				p.count++
			}
		}
		v = rest
	}
	if p.count == 0 {
		return fmt.Errorf("%w: header %s holds no v1a signature of 64 bytes", ErrMalformed, s.header)
	}
	return nil
}

// verifyKeys checks the v1a signatures.
func (s *standardSet) verifyKeys(m *Message, now time.Time) (Result, error) {
	var p v1a
	if err := s.readKeys(m.Header, now, &p); err != nil {
		return Result{}, err
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	*buf = standardContent((*buf)[:0], p.id, p.time, m.Body)
	if i := matchKeys(s.keys, p.signatures[:p.count], *buf); i >= 0 {
		return Result{Form: "raw", Secret: i, Timestamp: p.at, ID: p.id, Covers: s.covers}, nil
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
//
// Guessed: the documentation gives no tolerance for openphone-signature, and no unit of its time: five minutes are ours, and
// milliseconds follow from the thirteen digits.
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

// older reports whether the older header alone is there.
func (q *quoScheme) older(h http.Header) bool {
	return has(h, q.legacy.header) && !has(h, "Webhook-Signature")
}

func (q *quoScheme) Precheck(h http.Header, now time.Time) error {
	if !q.older(h) {
		return Precheck(q.now, h, now)
	}
	var ps [maxQuo]presented
	if n, err := q.legacy.readQuo(h, now, &ps); n == 0 {
		return err
	}
	return nil
}

func (q *quoScheme) Verify(m *Message, now time.Time) (Result, error) {
	if !q.older(m.Header) {
		return q.now.Verify(m, now)
	}
	var ps [maxQuo]presented
	n, first := q.legacy.readQuo(m.Header, now, &ps)
	if n == 0 {
		return Result{}, first
	}
	r, err := q.legacy.match(m, ps[:n])
	if err != nil && first != nil {
		return Result{}, first
	}
	return r, err
}

// maxQuo is how many signatures the older header may hold.
const maxQuo = 4

// readQuo reads hmac;1;{time in ms};{base64}, several of them with commas between. Each has its own time, so each is
// looked at on its own. It gives those that are of use, and what is wrong with the first if it is not.
func (h *hmacScheme) readQuo(header http.Header, now time.Time, ps *[maxQuo]presented) (n int, first error) {
	v, err := get(header, h.header, maxHeader)
	if err != nil {
		return 0, err
	}
	for items := 0; ; items++ {
		if items == maxQuo {
			return 0, fmt.Errorf("%w: header %s holds more than %d signatures", ErrMalformed, h.header, maxQuo)
		}
		item, rest, more := strings.Cut(v, ",")
		if err := h.readQuoItem(strings.Trim(item, " "), now, &ps[n]); err == nil {
			n++
		} else if items == 0 {
			first = err
		}
		if !more {
			return n, first
		}
		v = rest
	}
}

func (h *hmacScheme) readQuoItem(item string, now time.Time, p *presented) error {
	*p = presented{header: h.header}
	var sig string
	rest, ok := strings.CutPrefix(item, "hmac;1;")
	if ok {
		p.time, sig, ok = strings.Cut(rest, ";")
	}
	if ok {
		p.at, ok = parseTime(p.time, millis)
	}
	if ok {
		h.add(sig, p)
	}
	if !ok || p.count == 0 {
		return fmt.Errorf("%w: header %s is not hmac;1;<time in ms>;<base64 of 32 bytes>", ErrMalformed, h.header)
	}
	return checkTime(h.header, p.at, now, h.past, h.future)
}
