// Package signature checks and makes the signatures of webhooks: a table of the schemes that senders use, a generic
// HMAC that can be configured to be almost any of them, and static tokens.
//
// A Verifier fails closed. A header that is missing or there twice, a timestamp outside the tolerance, a digest of
// the wrong length: each is an error, and each error names the header and the reason and quotes neither secrets nor
// payload. Digests are compared decoded and in constant time, and every configured secret is tried on every request,
// so that the time taken does not tell which of them matched.
//
// Timestamps are held to their tolerance in both directions, also where a vendor's own library bounds only the past:
// a request that is dated into the future could be replayed until then.
package signature

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The reasons for which a message is refused, and that for which a configuration is.
var (
	// ErrMissing: a header, or the token in the body, that the scheme needs is not there or empty.
	ErrMissing = errors.New("signature missing")
	// ErrInvalid: the signature does not match.
	ErrInvalid = errors.New("signature invalid")
	// ErrTimestamp: the signed time is too long ago or too far ahead.
	ErrTimestamp = errors.New("timestamp outside the tolerance")
	// ErrMalformed: a header or the body is not of the form that the scheme prescribes.
	ErrMalformed = errors.New("signature malformed")
	// ErrBody: the signature matches, but the body is not of the form that the scheme prescribes.
	ErrBody = errors.New("signed body malformed")
	// ErrConfig: the configuration cannot work, or has options that would have no effect.
	ErrConfig = errors.New("signature configuration")
)

// Message is a request as its sender saw it.
type Message struct {
	// Method is the HTTP method in upper case.
	Method string
	// URL is the absolute URL that the sender requested, with scheme, host and query. Only the schemes whose Info says
	// SignsURL look at it.
	URL string
	// Header is the request's header under canonical names.
	Header http.Header
	// Body is the body as it came over the wire.
	Body []byte
	// Certificates are those that the client showed in the TLS handshake, its own first; the handshake proves that the client
	// has the private key of that one, and nothing else. Only the scheme client_certificate looks at them.
	Certificates []*x509.Certificate
}

// Config chooses a scheme and its keys.
type Config struct {
	// Scheme is a name or an alias from Schemes.
	Scheme string
	// Secrets are the shared secrets, the current one first; a message may be signed with any of them. What is in a
	// secret depends on the scheme: text as it is for most, base64 behind an optional "whsec_" for Standard Webhooks,
	// Svix and Quo. For signing with ed25519 it is the private key: "whsk_" and base64 of 64 bytes, base64 of a 32
	// byte seed or of 64 bytes, or a PKCS #8 PEM block.
	Secrets []string
	// PublicKeys are the sender's public keys, of ed25519 or, for the schemes rsa and gohighlevel, of RSA: a PEM block, or
	// base64 or hex of the DER or of the 32 bytes of an ed25519 key, behind an optional "whpk_". For client_certificate
	// they are certificates: PEM, or base64 of the DER.
	PublicKeys []string
	// Tolerance is how far the signed time may lie in the past or in the future; 0 stands for the scheme's own.
	Tolerance time.Duration
	// Forms are the forms of the body that may be signed, in the order in which they are tried: "raw" (the bytes as
	// received), "js" (JSON.stringify of the parsed body) and "python" (json.dumps of it). None stands for the
	// scheme's own: all three for nextphone, raw for the others. A Signer signs the first.
	Forms []string
	// HMAC configures the schemes "hmac", "vapi-hmac", "ed25519" and "rsa".
	HMAC *HMACConfig
	// Header and Prefix configure the schemes "bearer", "api_key", "vapi-bearer" and "jwt": the header that carries the token
	// and what stands before the token in it.
	Header, Prefix string
	// Query is the parameter of the URL's query that carries the token, for "api_key", in place of the header.
	Query string
	// Path is where in the JSON body the token is, for "body_token": keys with points between them.
	Path string
	// HashClaim is the claim of a JWT that has the SHA-256 of the body, and HashEncoding how it is written: "hex" (default),
	// "base64" or "base64url". For "jwt".
	HashClaim, HashEncoding string
	// Names are names in a certificate, for "client_certificate": one of the DNS names of the client's has to be among them,
	// or its common name where it has no DNS names.
	Names []string
}

// Result says what was verified.
type Result struct {
	// Form is the form of the body that the signature covers: "raw", "js", "python", "compact"; empty where the scheme
	// does not sign the body.
	Form string
	// Secret is the index of the secret, or of the public key, that matched.
	Secret int
	// Timestamp is the signed time; zero where the scheme signs none.
	Timestamp time.Time
	// ID is the signed id of the message or call; empty where the scheme signs none.
	ID string
	// Payload is what was verified where that is not the body as it came: the claims of a JWT, or the form of the body
	// that the signature covers. Otherwise it is nil. Who reads an event, or tells one from another, has to go by it: a
	// body can be changed and still have the same form, by white space, digits that a double does not hold, or a member
	// put before another one of the same key.
	Payload []byte
	// Weak is set when the signature does not cover the body, so that whoever has seen one can send any body with it.
	Weak bool
	// Token is set when the sender showed the secret itself instead of signing. Nothing is covered then, and whoever has
	// seen one request can send any other: the request is taken as it is, its query and its headers too.
	Token bool
	// Covers are the parts of the request that the signature covers. Nothing else of the request may tell one event from
	// another, decide anything, or become a part of a call; only Token leaves it at that. A Verifier that says nothing
	// here vouches for the body alone.
	Covers Covers
	// Joined is set when parts of unknown length (URL, parameters, body, id) stand in the signed text with nothing
	// between, so that bytes can be moved from the end of one to the beginning of the next. See Exact.
	Joined bool
	// Headers are the names of the headers that the signature covers, besides those of the time and the id, where Covers has
	// CoversHeaders. It is not to be changed.
	Headers []string
	// URL is the URL in the spelling that was signed, where Covers has CoversURL; and the URL without the token, where that was
	// in its query.
	URL string
	// Differs is set when the body as it came can be read as something else than Payload: it has a member twice, a
	// number beyond the range or the precision of a double, or text that is no UTF-8. Payload is what was signed: hand
	// that on, or refuse the request.
	Differs bool

	// Dropped is set when Payload is the body without the token that was in it. Who hands the body on, or keeps it, has no
	// business with the token.
	Dropped bool

	// sum is the Digest, where summed is set.
	sum    [sha256.Size]byte
	summed bool
}

// Verifier checks messages. It may be used by several goroutines at once.
type Verifier interface {
	// Verify checks the message at the time now. Its error wraps one of ErrMissing, ErrInvalid, ErrTimestamp,
	// ErrMalformed and ErrBody. It keeps neither the message nor parts of it, and does not change it.
	Verify(m *Message, now time.Time) (Result, error)
}

// Signer signs messages. It may be used by several goroutines at once.
type Signer interface {
	// Sign sets the headers that a Verifier of the same configuration looks for, signed with the first secret; id is
	// the id of the message, which only some schemes carry. Three schemes change more than the header: dialpad puts
	// the body into a JWT, aircall puts the token into the JSON body, and twilio adds bodySHA256 to the URL of a
	// message whose body is not a form.
	Sign(m *Message, id string, now time.Time) error
}

// Info describes a scheme.
type Info struct {
	Name    string
	Aliases []string
	// Summary is one sentence about what is signed and how.
	Summary string
	// Headers are those that carry the signature, the time and the id, as far as they are fixed.
	Headers []string
	// NeedsSecret and NeedsPublicKey say what a Verifier has to be given. With both set, either will do.
	NeedsSecret, NeedsPublicKey bool
	// TimestampTolerance is the default tolerance; 0 where the scheme signs no time.
	TimestampTolerance time.Duration
	// Replayable is set when no time is signed: a message once seen can be sent again for ever, and only
	// deduplication stops it.
	Replayable bool
	// Weak is set when the body is not signed.
	Weak bool
	// Token is set when the sender shows the secret itself, in a header or in the body, or may do so. It signs nothing:
	// whoever has seen one request can send any other.
	Token bool
	// SignsURL is set when Message.URL has to be what the sender requested.
	SignsURL bool
	// Forms are the forms of the body that are tried by default; none where Config.Forms has no effect.
	Forms []string
}

type scheme struct {
	Info
	verifier func(*Config) (Verifier, error)
	signer   func(*Config) (Signer, error)
	// takes are the options that have an effect; secrets and public keys follow from Info.
	takes options
	// known says that the sender's public key is, so that none need be given.
	known bool
}

type options uint8

const (
	takesTolerance options = 1 << iota
	takesForms
	takesHMAC
	takesHeader
	takesQuery
	takesPath
	takesClaim
	takesNames
)

// New makes the Verifier for a configuration. Its errors wrap ErrConfig.
func New(c Config) (Verifier, error) {
	s, err := find(c.Scheme)
	if err != nil {
		return nil, err
	}
	if err := s.check(&c); err != nil {
		return nil, err
	}
	switch {
	case len(c.Secrets) > 0 && !s.NeedsSecret:
		return nil, s.errorf("takes no secret; set the public key instead")
	case len(c.PublicKeys) > 0 && !s.NeedsPublicKey:
		return nil, s.errorf("takes no public key; set the secret instead")
	case len(c.Secrets) == 0 && len(c.PublicKeys) == 0 && s.NeedsPublicKey && s.NeedsSecret:
		return nil, s.errorf("needs a secret or a public key")
	case len(c.Secrets) == 0 && s.NeedsSecret && !s.NeedsPublicKey:
		return nil, s.errorf("needs a secret")
	case len(c.PublicKeys) == 0 && s.NeedsPublicKey && !s.NeedsSecret && !s.known:
		return nil, s.errorf("needs the sender's public key")
	}
	return s.verifier(&c)
}

// NewSigner makes the Signer for a configuration. Its errors wrap ErrConfig.
func NewSigner(c Config) (Signer, error) {
	s, err := find(c.Scheme)
	if err != nil {
		return nil, err
	}
	if err := s.check(&c); err != nil {
		return nil, err
	}
	switch {
	case len(c.PublicKeys) > 0:
		return nil, s.errorf("signs with a secret or a private key; a public key has no use here")
	case s.signer == nil:
		return nil, s.errorf("is nothing that could be signed with")
	case len(c.Secrets) == 0:
		return nil, s.errorf("needs a secret to sign with")
	}
	return s.signer(&c)
}

// Schemes describes all schemes, by name.
func Schemes() []Info {
	all := make([]Info, 0, len(schemes))
	for _, s := range schemes {
		all = append(all, s.info())
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Lookup describes the scheme of that name or alias.
func Lookup(name string) (Info, bool) {
	s, err := find(name)
	if err != nil {
		return Info{}, false
	}
	return s.info(), true
}

// info is a copy that the caller may change.
func (s *scheme) info() Info {
	i := s.Info
	i.Aliases, i.Headers, i.Forms = slices.Clone(i.Aliases), slices.Clone(i.Headers), slices.Clone(i.Forms)
	return i
}

func find(name string) (*scheme, error) {
	if s := byName[name]; s != nil {
		return s, nil
	}
	if name == "" {
		return nil, fmt.Errorf("%w: no scheme is named; name one, such as nextphone", ErrConfig)
	}
	return nil, fmt.Errorf("%w: there is no scheme %q; use one of %s", ErrConfig, name, strings.Join(names(), ", "))
}

func names() []string {
	all := make([]string, len(schemes))
	for i := range schemes {
		all[i] = schemes[i].Name
	}
	slices.Sort(all)
	return all
}

// check refuses keys that are no keys, and options that would have no effect.
func (s *scheme) check(c *Config) error {
	for i, k := range c.Secrets {
		if err := checkKey(k); err != nil {
			return s.errorf("secret %d %w", i+1, err)
		}
	}
	for i, k := range c.PublicKeys {
		if err := checkKey(k); err != nil {
			return s.errorf("public key %d %w", i+1, err)
		}
	}
	switch {
	case c.Tolerance < 0:
		return s.errorf("the tolerance is negative; it is a distance, in both directions")
	case c.Tolerance > 0 && s.takes&takesTolerance == 0:
		return s.errorf("signs no time, so a tolerance has no effect; remove it")
	case len(c.Forms) > 0 && s.takes&takesForms == 0:
		return s.errorf("signs only the bytes as sent, so forms have no effect; remove them")
	case c.HMAC != nil && s.takes&takesHMAC == 0:
		return s.errorf("is not configurable; remove the hmac options or use the scheme hmac")
	case (c.Header != "" || c.Prefix != "") && s.takes&takesHeader == 0:
		if len(s.Headers) == 0 {
			return s.errorf("has nothing in a header; remove header and prefix")
		}
		return s.errorf("has its own header; remove header and prefix")
	case c.Query != "" && s.takes&takesQuery == 0:
		return s.errorf("has no token in the query; remove query, or use the scheme api_key")
	case c.Path != "" && s.takes&takesPath == 0:
		return s.errorf("has no path to a token in the body; remove path, or use the scheme body_token")
	case (c.HashClaim != "" || c.HashEncoding != "") && s.takes&takesClaim == 0:
		return s.errorf("has no claim to choose; remove hash_claim and hash_encoding, or use the scheme jwt")
	case len(c.Names) > 0 && s.takes&takesNames == 0:
		return s.errorf("looks at no certificate; remove names, or use the scheme client_certificate")
	}
	return nil
}

var (
	errEmptyKey = errors.New("is empty; set it, or remove the line")
	errSpaceKey = errors.New("starts or ends with white space; remove it")
)

func checkKey(k string) error {
	switch t := strings.TrimSpace(k); {
	case t == "":
		return errEmptyKey
	case strings.HasPrefix(t, "-----BEGIN "): // a PEM block ends with a line feed
		return nil
	case t != k:
		return errSpaceKey
	}
	return nil
}

func (s *scheme) errorf(format string, args ...any) error {
	return configError(s.Name, format, args...)
}

// configError is an error about the configuration of a scheme.
func configError(scheme, format string, args ...any) error {
	return fmt.Errorf("%w: %s "+format, append([]any{ErrConfig, scheme}, args...)...)
}

var byName map[string]*scheme

func init() {
	byName = make(map[string]*scheme)
	for i := range schemes {
		s := &schemes[i]
		for _, n := range append([]string{s.Name}, s.Aliases...) {
			byName[n] = s
		}
	}
}
