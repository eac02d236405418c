package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// jws verifies and makes compact JWS with HS256 (RFC 7515, RFC 7518). It knows no other algorithm, so that a token
// cannot choose a weaker one.
type jws struct {
	where string // what holds the token, for errors
	keys  []*key
}

func newJWS(where string, secrets []string) *jws {
	j := &jws{where: where}
	for _, s := range secrets {
		j.keys = append(j.keys, newKey(sha256.New, []byte(s)))
	}
	return j
}

// verify returns the payload of a token, and the index of the secret that it is signed with.
func (j *jws) verify(token []byte) (payload []byte, matched int, err error) {
	bad := func(what string) ([]byte, int, error) {
		return nil, -1, fmt.Errorf("%w: %s %s", ErrMalformed, j.where, what)
	}
	s := string(token)
	head, rest, ok1 := strings.Cut(s, ".")
	claims, sig, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 {
		return bad("is no JWT; it has to be three parts with points between them")
	}
	header, err := rawURL64.DecodeString(head)
	if err != nil {
		return bad("is no JWT; its header is not base64url")
	}
	var doc jsonscan.Doc
	if doc.Scan(header) != nil || doc.Root().Kind() != jsonscan.Object {
		return bad("is no JWT; its header is no JSON object")
	}
	if doc.Root().Get("alg").Text() != "HS256" {
		return bad("is not signed with HS256; configure the sender to use it")
	}
	if doc.Root().Get("crit").Kind() != jsonscan.Missing {
		return bad("has critical header parameters, of which none is supported")
	}
	var d [maxDigest]byte
	if strings.HasSuffix(sig, "=") || !digest(&d, sig, sha256.Size, base64URL) {
		return bad("has a signature that is not base64url of 32 bytes")
	}
	matched = -1
	for i, k := range j.keys {
		st := k.get()
		st.text(s[:len(head)+1+len(claims)])
		if subtle.ConstantTimeCompare(st.sum(), d[:sha256.Size]) == 1 && matched < 0 {
			matched = i
		}
		k.put(st)
	}
	if matched < 0 {
		return nil, -1, fmt.Errorf("%w: %s is not signed with %s; check the secret", ErrInvalid, j.where, count(len(j.keys), "secret"))
	}
	if payload, err = rawURL64.DecodeString(claims); err != nil {
		return bad("has a payload that is not base64url")
	}
	return payload, matched, nil
}

// sign makes a token.
func (j *jws) sign(payload []byte) []byte {
	t := append([]byte(nil), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."...) // {"alg":"HS256","typ":"JWT"}
	t = rawURL64.AppendEncode(t, payload)
	st := j.keys[0].get()
	defer j.keys[0].put(st)
	st.h.Write(t)
	return rawURL64.AppendEncode(append(t, '.'), st.sum())
}

// claimTime reads a claim that is a time (RFC 7519, NumericDate); ok is false if it is not there.
func (j *jws) claimTime(claims jsonscan.Value, name string) (t time.Time, ok bool, err error) {
	v := claims.Get(name)
	if v.Kind() == jsonscan.Missing {
		return t, false, nil
	}
	// JSON may write the number with a point or an exponent: 1.9e9 is a time in 2030, and none in 1970.
	f, err := strconv.ParseFloat(v.Text(), 64)
	if v.Kind() != jsonscan.Number || err != nil || f < 0 || f >= 1e15 {
		return t, false, fmt.Errorf("%w: the claim %s of %s is no time in Unix seconds", ErrMalformed, name, j.where)
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), true, nil
}

// checkValidity holds the claims exp and nbf, where they are there, to the clock.
func (j *jws) checkValidity(claims jsonscan.Value, now time.Time, leeway time.Duration) error {
	exp, ok, err := j.claimTime(claims, "exp")
	if err != nil {
		return err
	}
	if ok && !now.Before(exp) {
		return fmt.Errorf("%w: %s has expired; check the clocks, or whether the request was replayed", ErrTimestamp, j.where)
	}
	nbf, ok, err := j.claimTime(claims, "nbf")
	if err != nil {
		return err
	}
	if ok && nbf.Sub(now) > leeway {
		return fmt.Errorf("%w: %s is not valid yet; check the clocks", ErrTimestamp, j.where)
	}
	return nil
}

// dialpad sends the event as a JWT, which is the whole body, when the webhook has a secret.
var dialpad = scheme{
	Info: Info{
		Name: "dialpad", NeedsSecret: true, Replayable: true,
		Summary: "The whole body is a JWT signed with HS256; its claims are the event.",
	},
	verifier: func(c *Config) (Verifier, error) { return dialpadScheme{newJWS("the body", c.Secrets)}, nil },
	signer:   func(c *Config) (Signer, error) { return dialpadScheme{newJWS("the body", c.Secrets)}, nil },
}

type dialpadScheme struct{ *jws }

func (d dialpadScheme) Verify(m *Message, now time.Time) (Result, error) {
	token := trimLeft(m.Body)
	for len(token) > 0 && strings.IndexByte(" \t\r\n", token[len(token)-1]) >= 0 {
		token = token[:len(token)-1]
	}
	if len(token) == 0 {
		return Result{}, fmt.Errorf("%w: the body, which should be a JWT, is empty", ErrMissing)
	}
	payload, i, err := d.verify(token)
	if err != nil {
		return Result{}, err
	}
	var doc jsonscan.Doc
	if doc.Scan(payload) != nil || doc.Root().Kind() != jsonscan.Object {
		return Result{}, fmt.Errorf("%w: the claims in the body are no JSON object", ErrMalformed)
	}
	if err := d.checkValidity(doc.Root(), now, defaultTolerance); err != nil {
		return Result{}, err
	}
	return Result{Form: "raw", Secret: i, Payload: payload, Covers: CoversForm}, nil
}

// Sign replaces the body, which has to be a JSON object, by a JWT with it as its claims.
func (d dialpadScheme) Sign(m *Message, _ string, _ time.Time) error {
	var doc jsonscan.Doc
	if doc.Scan(m.Body) != nil || doc.Root().Kind() != jsonscan.Object {
		return fmt.Errorf("%w: the body, which is to be the claims of a JWT, is no JSON object", ErrMalformed)
	}
	m.Body = d.sign(m.Body)
	set(m, "Content-Type", "application/jwt")
	return nil
}
