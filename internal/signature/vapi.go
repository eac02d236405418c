package signature

import (
	"net/http"
	"strings"
	"time"
)

// Vapi sends nothing by default. A credential makes it send a bearer token (its own, or one that an OAuth 2 endpoint
// of the receiver minted), the header X-Vapi-Secret, or an HMAC as configured (docs: server-url/server-authentication).

// vapi takes whichever of the four a request carries: the HMAC if its header is there, else X-Vapi-Secret, else
// Authorization. None opens a way past another, because each needs the secret itself.
var vapi = scheme{
	Info: Info{
		Name: "vapi", NeedsSecret: true, Replayable: true, Weak: true, Token: true,
		Headers: []string{"X-Vapi-Secret", "Authorization", "X-Signature", "X-Timestamp", "Svix-Signature", "Svix-Timestamp", "Svix-Id"},
		Summary: "Whichever of Vapi's credentials a request carries: HMAC, X-Vapi-Secret or a bearer token.",
	},
	takes:    takesTolerance | takesHMAC | takesHeader,
	verifier: newVapi,
	signer: func(c *Config) (Signer, error) {
		if c.HMAC != nil {
			h, err := newVapiHMAC(c)
			if err != nil {
				return nil, err
			}
			return h.plain, nil
		}
		if c.Header != "" || c.Prefix != "" {
			return newHeaderToken("vapi", c, "Authorization", "Bearer ")
		}
		return newHeaderToken("vapi", c, "X-Vapi-Secret", "")
	},
}

// newVapi pins the credential where the options belong to one.
func newVapi(c *Config) (Verifier, error) {
	switch own := c.Header != "" || c.Prefix != ""; {
	case own && c.HMAC != nil:
		return nil, configError("vapi", "is configured as a token and as an HMAC; remove one")
	case own:
		return newVapiBearer(c)
	}
	hmac, err := newVapiHMAC(c)
	if err != nil || c.HMAC != nil {
		return hmac, err
	}
	secret, err := newHeaderToken("vapi", c, "X-Vapi-Secret", "")
	if err != nil {
		return nil, err
	}
	token, err := newVapiBearer(c)
	return &vapiScheme{hmac, secret, token}, err
}

var vapiSecret = tokenScheme(Info{
	Name: "vapi-secret", Summary: "Vapi's static token in X-Vapi-Secret; the body is not signed.",
}, "X-Vapi-Secret", "", 0)

var vapiBearer = func() scheme {
	s := tokenScheme(Info{
		Name: "vapi-bearer", Aliases: []string{"vapi-oauth2", "vapi-oauth"},
		Summary: "Vapi's bearer token, static or minted by the receiver's OAuth 2 endpoint; the body is not signed.",
	}, "Authorization", "Bearer ", takesHeader)
	s.verifier = func(c *Config) (Verifier, error) { return newVapiBearer(c) }
	return s
}()

// newVapiBearer takes the token also as it is: a credential with bearerPrefixEnabled false has nothing in front of it.
func newVapiBearer(c *Config) (*headerToken, error) {
	h, err := newHeaderToken("vapi-bearer", c, "Authorization", "Bearer ")
	if err == nil {
		h.bare = c.Prefix == ""
	}
	return h, err
}

// vapiHMAC is Vapi's HMAC credential: with Config.HMAC as that says, otherwise with Vapi's defaults, or in the
// manner of Svix when the request has a Svix-Signature.
var vapiHMAC = scheme{
	Info: Info{
		Name: "vapi-hmac", NeedsSecret: true, TimestampTolerance: defaultTolerance,
		Headers: []string{"X-Signature", "X-Timestamp", "Svix-Signature", "Svix-Timestamp", "Svix-Id"},
		Summary: "Vapi's HMAC credential: as configured, or HMAC-SHA256 of time and body, or in the manner of Svix.",
	},
	takes:    takesTolerance | takesHMAC,
	verifier: func(c *Config) (Verifier, error) { return newVapiHMAC(c) },
	signer: func(c *Config) (Signer, error) {
		h, err := newVapiHMAC(c)
		if err != nil {
			return nil, err
		}
		return h.plain, nil
	},
}

type vapiScheme struct {
	hmac          *vapiHMACScheme
	secret, token *headerToken
}

// choose is the credential that a request carries.
func (v *vapiScheme) choose(h http.Header) Verifier {
	switch {
	case has(h, v.hmac.plain.header) || has(h, svixHeader):
		return v.hmac
	case has(h, v.token.header) && !has(h, v.secret.header):
		return v.token
	}
	return v.secret
}

func (v *vapiScheme) Precheck(h http.Header, now time.Time) error {
	return Precheck(v.choose(h), h, now)
}

func (v *vapiScheme) Verify(m *Message, now time.Time) (Result, error) {
	return v.choose(m.Header).Verify(m, now)
}

const svixHeader = "Svix-Signature"

type vapiHMACScheme struct {
	plain *hmacScheme
	svix  Verifier // nil if it was configured otherwise, or if no secret is base64
}

func newVapiHMAC(c *Config) (*vapiHMACScheme, error) {
	if c.HMAC != nil {
		s, err := c.HMAC.compile("vapi-hmac")
		if err != nil {
			return nil, err
		}
		h, err := newHMAC(s, c)
		return &vapiHMACScheme{plain: h}, err
	}
	s, err := (&HMACConfig{
		Header: "X-Signature", Signed: "{timestamp}.{body}", TimestampHeader: "X-Timestamp",
		TimestampUnit: "auto", // Vapi does not document the unit
	}).compile("vapi-hmac")
	if err != nil {
		return nil, err
	}
	h, err := newHMAC(s, c)
	if err != nil {
		return nil, err
	}
	v := &vapiHMACScheme{plain: h}
	// A secret for the manner of Svix is base64, a text may happen to be: with all of them base64 it is tried.
	for _, k := range c.Secrets {
		if b, err := base64Key(k); err != nil || len(b) < 16 && !strings.HasPrefix(k, "whsec_") {
			return v, nil
		}
	}
	v.svix, err = newStandard("vapi-hmac", c, "Svix-")
	return v, err
}

func (v *vapiHMACScheme) choose(h http.Header) Verifier {
	if v.svix != nil && has(h, svixHeader) && !has(h, v.plain.header) {
		return v.svix
	}
	return v.plain
}

func (v *vapiHMACScheme) Precheck(h http.Header, now time.Time) error {
	return Precheck(v.choose(h), h, now)
}

func (v *vapiHMACScheme) Verify(m *Message, now time.Time) (Result, error) {
	return v.choose(m.Header).Verify(m, now)
}
