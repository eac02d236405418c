package signature

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// sinch signs the callbacks of Sinch Voice (developers.sinch.com/docs/voice/api-reference/authentication/callback-signed-request,
// whose example is among the vectors). What is signed of the body is its MD5: who finds two bodies with one MD5 still has to
// have Sinch send one of them.
//
// Guessed: of an address with a query, path and query are taken to be what is signed; the page shows one without.
var sinch = scheme{
	Info: Info{
		Name: "sinch", NeedsSecret: true, TimestampTolerance: defaultTolerance, SignsURL: true,
		Summary: "HMAC-SHA256 of method, MD5 of the body, content type, time and path in base64, keyed with the application's secret, which is base64.",
		Headers: []string{"Authorization", sinchTime},
	},
	takes:    takesTolerance,
	verifier: func(c *Config) (Verifier, error) { return newSinch(c) },
	signer:   func(c *Config) (Signer, error) { return newSinch(c) },
}

const sinchTime = "X-Timestamp"

type sinchScheme struct {
	keys      []*key
	tolerance time.Duration
}

func newSinch(c *Config) (*sinchScheme, error) {
	keys, err := newKeys("sinch", sha256.New, base64Key, c.Secrets)
	return &sinchScheme{keys, tolerance(c)}, err
}

func (s *sinchScheme) read(h http.Header, now time.Time, d *[maxDigest]byte) (ts string, at time.Time, err error) {
	v, err := get(h, "Authorization", maxHeader)
	if err != nil {
		return "", at, err
	}
	if ts, err = get(h, sinchTime, maxID); err != nil {
		return "", at, err
	}
	at, ok := parseTime(ts, rfc3339)
	if !ok {
		return "", at, fmt.Errorf("%w: header %s is no time of RFC 3339", ErrMalformed, sinchTime)
	}
	if err := checkTime(sinchTime, at, now, s.tolerance, s.tolerance); err != nil {
		return "", at, err
	}
	kind, rest, _ := strings.Cut(v, " ")
	name, sig, ok := strings.Cut(rest, ":")
	if !ok || name == "" || !strings.EqualFold(kind, "application") && !strings.EqualFold(kind, "service") || !digest(d, sig, sha256.Size, base64Std) {
		return "", at, fmt.Errorf("%w: header Authorization is not of the form application <key>:<signature>", ErrMalformed)
	}
	return ts, at, nil
}

func (s *sinchScheme) Precheck(h http.Header, now time.Time) error {
	var d [maxDigest]byte
	_, _, err := s.read(h, now, &d)
	return err
}

func (s *sinchScheme) sum(st *mac, m *Message, ts string) []byte {
	sum := ""
	if len(m.Body) > 0 {
		hash := md5.Sum(m.Body)
		sum = std64.EncodeToString(hash[:])
	}
	for _, part := range []string{m.Method, "\n", sum, "\n", m.Header.Get("Content-Type"), "\n", "x-timestamp:", ts, "\n", requestURI(m.URL)} {
		st.text(part)
	}
	return st.sum()
}

func (s *sinchScheme) Verify(m *Message, now time.Time) (Result, error) {
	var d [maxDigest]byte
	ts, at, err := s.read(m.Header, now, &d)
	if err != nil {
		return Result{}, err
	}
	matched := -1
	for i, k := range s.keys {
		st := k.get()
		if subtle.ConstantTimeCompare(s.sum(st, m, ts), d[:sha256.Size]) == 1 && matched < 0 {
			matched = i
		}
		k.put(st)
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header Authorization does not match method, body, path and time under %s; check the secret, and that the path is the one that the sender calls",
			ErrInvalid, count(len(s.keys), "secret"))
	}
	return Result{Form: "raw", Secret: matched, Timestamp: at, URL: requestURI(m.URL), Covers: CoversBody | CoversURL | CoversMethod | CoversTime}, nil
}

// Sign names the application "callgate".
func (s *sinchScheme) Sign(m *Message, _ string, now time.Time) error {
	ts := formatTime(now, rfc3339)
	st := s.keys[0].get()
	defer s.keys[0].put(st)
	set(m, "Authorization", "application callgate:"+string(appendDigest(nil, s.sum(st, m, ts), base64Std)))
	set(m, sinchTime, ts)
	return nil
}
