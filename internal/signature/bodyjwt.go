package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// vonage sends a JWT with a hash of the body.
//
// Guessed: that payload_hash is the SHA-256 of the body, and how old a token may be, was not read in Vonage's documentation,
// and its own library checks neither. Both are held to.
var vonage = bodyJWTScheme(Info{
	Name: "vonage", Summary: "A bearer JWT signed with HS256, with the time (iat) and the SHA-256 of the body (payload_hash).",
}, 0, bodyJWT{header: "Authorization", prefix: "Bearer ", claim: "payload_hash", hash: hexAny, made: "iat", issuer: "Vonage"})

// livekit sends a JWT too. Its libraries make tokens without iat: nbf is the time of their making.
var livekit = bodyJWTScheme(Info{
	Name: "livekit", Summary: "A JWT signed with HS256, with the time (nbf) and the SHA-256 of the body in base64 (sha256).",
}, 0, bodyJWT{header: "Authorization", prefix: "Bearer ", bare: true, claim: "sha256", hash: base64Std, made: "nbf"})

// genericJWT is a JWT with a hash of the body as Config says.
var genericJWT = bodyJWTScheme(Info{
	Name:    "jwt",
	Summary: "A JWT signed with HS256, with the time (iat, or else nbf) and the SHA-256 of the body in the claim that is configured.",
}, takesHeader|takesClaim, bodyJWT{header: "Authorization", prefix: "Bearer ", bare: true, made: "iat"})

// bodyJWT is a JWT in a header that vouches for the body by a claim.
type bodyJWT struct {
	*jws
	tolerance      time.Duration
	header, prefix string
	bare           bool // the prefix may be missing
	claim          string
	hash           encoding // of the claim
	made           string   // the claim that says when the token was made, when signing
	issuer         string   // when signing; empty for none
}

func bodyJWTScheme(i Info, takes options, how bodyJWT) scheme {
	i.NeedsSecret, i.Headers, i.TimestampTolerance = true, []string{how.header}, defaultTolerance
	build := func(c *Config) (*bodyJWT, error) {
		j := how
		if takes&takesClaim != 0 {
			if err := j.configure(i.Name, c); err != nil {
				return nil, err
			}
		}
		j.jws, j.tolerance = newJWS("the token in "+j.header, c.Secrets), tolerance(c)
		return &j, nil
	}
	return scheme{
		Info: i, takes: takes | takesTolerance,
		verifier: func(c *Config) (Verifier, error) { return build(c) },
		signer:   func(c *Config) (Signer, error) { return build(c) },
	}
}

// configure takes what the operator says of the scheme jwt.
func (j *bodyJWT) configure(scheme string, c *Config) error {
	if j.claim = c.HashClaim; j.claim == "" {
		return configError(scheme, "needs to know which claim has the hash of the body; set hash_claim, such as payload_hash")
	}
	switch c.HashEncoding {
	case "", "hex":
		j.hash = hexAny
	case "base64":
		j.hash = base64Std
	case "base64url":
		j.hash = base64URL
	default:
		return configError(scheme, "hash_encoding %q is unknown; use hex, base64 or base64url", c.HashEncoding)
	}
	if c.Header != "" {
		if !validHeaderName(c.Header) {
			return configError(scheme, "header %q is not the name of a header", c.Header)
		}
		if j.header = http.CanonicalHeaderKey(c.Header); j.header != "Authorization" {
			j.prefix = ""
		}
	}
	if c.Prefix != "" {
		j.prefix, j.bare = c.Prefix, false
	}
	return nil
}

// bodyClaims are what a token says.
type bodyClaims struct {
	secret int
	made   time.Time
	hash   string // of the body, where hashed
	hashed bool
}

// read checks the token: its signature and its times.
func (j *bodyJWT) read(h http.Header, now time.Time, t *bodyClaims) error {
	a, err := get(h, j.header, maxToken)
	if err != nil {
		return err
	}
	if n := len(j.prefix); len(a) >= n && strings.EqualFold(a[:n], j.prefix) {
		a = a[n:]
	} else if !j.bare {
		return fmt.Errorf("%w: header %s does not start with %q", ErrMalformed, j.header, j.prefix)
	}
	payload, i, err := j.verify([]byte(a))
	if err != nil {
		return err
	}
	var doc jsonscan.Doc
	if doc.Scan(payload) != nil || doc.Root().Kind() != jsonscan.Object {
		return fmt.Errorf("%w: the claims of %s are no JSON object", ErrMalformed, j.where)
	}
	claims := doc.Root()
	made, name, err := j.madeAt(claims)
	if err != nil {
		return err
	}
	if err := checkTime(j.header+" ("+name+")", made, now, j.tolerance, j.tolerance); err != nil {
		return err
	}
	if err := j.checkValidity(claims, now, j.tolerance); err != nil {
		return err
	}
	hash := claims.Get(j.claim)
	*t = bodyClaims{i, made, hash.Text(), hash.Kind() != jsonscan.Missing}
	return nil
}

// madeAt is when the token was made. A scheme whose sender writes iat has to have it.
func (j *bodyJWT) madeAt(claims jsonscan.Value) (at time.Time, name string, err error) {
	names := []string{"iat", "nbf"}
	if !j.bare {
		names = names[:1]
	}
	for _, name := range names {
		if at, ok, err := j.claimTime(claims, name); ok || err != nil {
			return at, name, err
		}
	}
	return at, "", fmt.Errorf("%w: %s has no claim %s, the time of its making", ErrMissing, j.where, strings.Join(names, " or "))
}

// Precheck implements Prechecker.
func (j *bodyJWT) Precheck(h http.Header, now time.Time) error {
	var t bodyClaims
	return j.read(h, now, &t)
}

// Verify implements Verifier.
func (j *bodyJWT) Verify(m *Message, now time.Time) (Result, error) {
	var t bodyClaims
	if err := j.read(m.Header, now, &t); err != nil {
		return Result{}, err
	}
	// The claim jti is the token's: each attempt to deliver an event has one of its own, so it tells no event from
	// another.
	r := Result{Form: "raw", Secret: t.secret, Timestamp: t.made, Covers: CoversBody | CoversTime}
	switch {
	case !t.hashed && len(m.Body) == 0: // a GET: the token says nothing of the query
		r.Covers = CoversTime
	case !t.hashed:
		return Result{}, fmt.Errorf("%w: %s has no claim %s, so that nothing vouches for the body", ErrMissing, j.where, j.claim)
	default:
		sum := sha256.Sum256(m.Body)
		var d [maxDigest]byte
		if !digest(&d, t.hash, sha256.Size, j.hash) || subtle.ConstantTimeCompare(d[:sha256.Size], sum[:]) != 1 {
			return Result{}, fmt.Errorf("%w: the claim %s of %s is not the hash of the body; check that nothing in between changed it", ErrInvalid, j.claim, j.where)
		}
	}
	return r, nil
}

// Sign sets the header. The id becomes the claim jti.
func (j *bodyJWT) Sign(m *Message, id string, now time.Time) error {
	sum := sha256.Sum256(m.Body)
	claims := append([]byte(`{"`+j.made+`":`), formatTime(now, seconds)...)
	if id != "" {
		claims = append(append(claims, `,"jti":`...), quoteJSON(id)...)
	}
	if j.issuer != "" {
		claims = append(append(claims, `,"iss":`...), quoteJSON(j.issuer)...)
	}
	claims = append(append(append(claims, ','), quoteJSON(j.claim)...), `:"`...)
	claims = append(appendDigest(claims, sum[:], j.hash), `"}`...)
	set(m, j.header, j.prefix+string(j.sign(claims)))
	return nil
}
