package signature

import (
	"strings"
	"time"
)

// Vapi sends nothing by default. A credential makes it send a bearer token (its own, or one that an OAuth 2 endpoint
// of the receiver minted), the header X-Vapi-Secret, or an HMAC as configured (docs: server-url/server-authentication).

// vapi takes whichever of the four a request carries: the HMAC if its header is there, else X-Vapi-Secret, else
// Authorization. None opens a way past another, because each needs the secret itself.
var vapi = scheme{
	Info: Info{
		Name: "vapi", NeedsSecret: true, Replayable: true, Weak: true,
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
		return newHeaderToken("vapi", c, "Authorization", "Bearer ")
	}
	hmac, err := newVapiHMAC(c)
	if err != nil || c.HMAC != nil {
		return hmac, err
	}
	secret, err := newHeaderToken("vapi", c, "X-Vapi-Secret", "")
	if err != nil {
		return nil, err
	}
	token, err := newHeaderToken("vapi", c, "Authorization", "Bearer ")
	return &vapiScheme{hmac, secret, token}, err
}

var vapiSecret = tokenScheme(Info{
	Name: "vapi-secret", Summary: "Vapi's static token in X-Vapi-Secret; the body is not signed.",
}, "X-Vapi-Secret", "", 0)

var vapiBearer = tokenScheme(Info{
	Name: "vapi-bearer", Aliases: []string{"vapi-oauth2", "vapi-oauth"},
	Summary: "Vapi's bearer token, static or minted by the receiver's OAuth 2 endpoint; the body is not signed.",
}, "Authorization", "Bearer ", takesHeader)

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

func (v *vapiScheme) Verify(m *Message, now time.Time) (Result, error) {
	switch {
	case has(m.Header, v.hmac.plain.header) || has(m.Header, svixHeader):
		return v.hmac.Verify(m, now)
	case has(m.Header, v.token.header) && !has(m.Header, v.secret.header):
		return v.token.Verify(m, now)
	}
	return v.secret.Verify(m, now)
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

func (v *vapiHMACScheme) Verify(m *Message, now time.Time) (Result, error) {
	if v.svix != nil && has(m.Header, svixHeader) && !has(m.Header, v.plain.header) {
		return v.svix.Verify(m, now)
	}
	return v.plain.Verify(m, now)
}
