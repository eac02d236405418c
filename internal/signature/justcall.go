package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// justcall signs the type of the event, the address and the time, and nothing else of the body: whoever has seen one
// request can send any other as long as the time is within the tolerance. So it is taken for what it is, a token that ends.
//
// Guessed: the construction is from JustCall's published example, which verifies; that the address is the one that the body
// names, and how it is escaped beyond what the example shows, was not read.
var justcall = scheme{
	Info: Info{
		Name: "justcall", NeedsSecret: true, Weak: true, Token: true, TimestampTolerance: defaultTolerance,
		Summary: "HMAC-SHA256 of the address, the event's type and the time in UTC: the rest of the body is not signed, so that it is no more than a token that ends.",
		Headers: []string{justcallHeader, justcallTime},
	},
	takes:    takesTolerance,
	verifier: func(c *Config) (Verifier, error) { return newJustcall(c), nil },
	signer:   func(c *Config) (Signer, error) { return newJustcall(c), nil },
}

const (
	justcallHeader = "X-Justcall-Signature"
	justcallTime   = "X-Justcall-Request-Timestamp"
)

type justcallScheme struct {
	secrets   []string
	keys      []*key
	tolerance time.Duration
}

func newJustcall(c *Config) *justcallScheme {
	j := &justcallScheme{secrets: c.Secrets, tolerance: tolerance(c)}
	for _, s := range c.Secrets {
		j.keys = append(j.keys, newKey(sha256.New, []byte(s)))
	}
	return j
}

func (j *justcallScheme) read(h http.Header, now time.Time, d *[maxDigest]byte) (ts string, at time.Time, err error) {
	v, err := get(h, justcallHeader, maxHeader)
	if err != nil {
		return "", at, err
	}
	if ts, err = get(h, justcallTime, maxID); err != nil {
		return "", at, err
	}
	at, ok := parseTime(ts, utcText)
	if !ok {
		return "", at, fmt.Errorf("%w: header %s is no time such as 2006-01-02 15:04:05", ErrMalformed, justcallTime)
	}
	if err := checkTime(justcallTime, at, now, j.tolerance, j.tolerance); err != nil {
		return "", at, err
	}
	if !digest(d, v, sha256.Size, hexLower) {
		return "", at, fmt.Errorf("%w: header %s is not 64 digits of hexadecimal", ErrMalformed, justcallHeader)
	}
	return ts, at, nil
}

func (j *justcallScheme) Precheck(h http.Header, now time.Time) error {
	var d [maxDigest]byte
	_, _, err := j.read(h, now, &d)
	return err
}

// sum is the signature under the secret of that index.
func (j *justcallScheme) sum(i int, called, typ, ts string) (sum [sha256.Size]byte) {
	st := j.keys[i].get()
	defer j.keys[i].put(st)
	for n, part := range []string{j.secrets[i], url.QueryEscape(called), typ, ts} {
		if n > 0 {
			st.text("|")
		}
		st.text(part)
	}
	copy(sum[:], st.sum())
	return sum
}

// signed are the values of the body that are signed.
func (j *justcallScheme) signed(body []byte) (called, typ string, err error) {
	var doc jsonscan.Doc
	if err := doc.Scan(body); err != nil {
		return "", "", fmt.Errorf("%w: the body, of which the type is signed, is %w", ErrMalformed, err)
	}
	return doc.Root().Get("webhook_url").Text(), doc.Root().Get("type").Text(), nil
}

func (j *justcallScheme) Verify(m *Message, now time.Time) (Result, error) {
	var d [maxDigest]byte
	ts, at, err := j.read(m.Header, now, &d)
	if err != nil {
		return Result{}, err
	}
	called, typ, err := j.signed(m.Body)
	if err != nil {
		return Result{}, err
	}
	matched := -1
	for i := range j.keys {
		if sum := j.sum(i, called, typ, ts); subtle.ConstantTimeCompare(sum[:], d[:sha256.Size]) == 1 && matched < 0 {
			matched = i
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header %s does not match address, type and time under %s; check the secret",
			ErrInvalid, justcallHeader, count(len(j.keys), "secret"))
	}
	return Result{Secret: matched, Timestamp: at, Weak: true, Token: true}, nil
}

func (j *justcallScheme) Sign(m *Message, _ string, now time.Time) error {
	called, typ, err := j.signed(m.Body)
	if err != nil {
		return err
	}
	ts := formatTime(now, utcText)
	sum := j.sum(0, called, typ, ts)
	set(m, justcallHeader, string(appendDigest(nil, sum[:], hexLower)))
	set(m, justcallTime, ts)
	return nil
}

func (*justcallScheme) signsHeader(string) bool { return true }
