package signature

import (
	"slices"
	"time"
)

// schemes is the table of all of them.
var schemes = slices.Concat(hmacSchemes, senderSchemes, []scheme{
	standardWebhooks, svix, quo, hubspot, hubspotV2, hubspotV1, twilio, signalwire, signalwireSHA256, telnyx,
	vapi, vapiSecret, vapiBearer, vapiHMAC,
	aircall, bodyTokenAt, googleAds, dialpad, vonage, livekit, goHighLevel, justcall, sinch, plivo, genericJWT, genericHMAC, ed25519Scheme, rsaScheme,
	bearer, apiKey, basic, clientCertificate, none,
})

// hmacSchemes are those that an HMACConfig describes in full.
var hmacSchemes = []scheme{
	preset(scheme{
		Info: Info{
			Name:    "nextphone",
			Summary: "HMAC-SHA256 of the JSON body, as sent or as JavaScript or Python would write it again.",
			Forms:   []string{"raw", "js", "python"},
		},
		takes: takesForms,
	}, HMACConfig{Header: "X-Nextphone-Signature"}, func(s *spec) {
		s.encoding, s.jsonText, s.forms = hexLower, true, []form{raw, js, python}
	}),
	preset(scheme{Info: Info{
		Name:    "github",
		Summary: "HMAC-SHA256 of the body. The older X-Hub-Signature (SHA-1) is not accepted in its place.",
	}}, HMACConfig{Header: "X-Hub-Signature-256", Prefix: "sha256="}, lowerHex),
	preset(scheme{Info: Info{
		Name:    "stripe",
		Summary: "HMAC-SHA256 of time and body; the whsec_ secret is used as text.",
	}}, HMACConfig{Header: "Stripe-Signature", TimestampKey: "t", SignatureKey: "v1"}, lowerHex),
	preset(scheme{Info: Info{
		Name:    "slack",
		Summary: "HMAC-SHA256 of version, time and body.",
	}}, HMACConfig{
		Header: "X-Slack-Signature", Prefix: "v0=", Signed: "v0:{timestamp}:{body}",
		TimestampHeader: "X-Slack-Request-Timestamp",
	}, lowerHex),
	preset(scheme{Info: Info{
		Name:    "shopify",
		Summary: "HMAC-SHA256 of the body in base64, keyed with the app's client secret.",
	}}, HMACConfig{Header: "X-Shopify-Hmac-Sha256", Encoding: "base64"}, func(s *spec) {
		s.aliases = []string{"Shopify-Hmac-Sha256"} // of the newer events
	}),
	preset(scheme{Info: Info{
		Name:    "retell",
		Summary: "HMAC-SHA256 of body and time in milliseconds, keyed with the API key that has the webhook badge.",
	}}, HMACConfig{
		Header: "X-Retell-Signature", TimestampKey: "v", SignatureKey: "d", TimestampUnit: "ms", Signed: "{body}{timestamp}",
	}, func(s *spec) { s.exact = true }),
	preset(scheme{Info: Info{
		Name:    "elevenlabs",
		Summary: "HMAC-SHA256 of time and body; only the first v0 signature counts.",
	}}, HMACConfig{
		Header: "ElevenLabs-Signature", TimestampKey: "t", SignatureKey: "v0", TolerancePast: 30 * time.Minute,
	}, func(s *spec) { s.encoding, s.first = hexLower, true }),
	preset(scheme{Info: Info{
		Name:    "callrail",
		Summary: "HMAC-SHA1 of the body in base64, keyed with the company's signing token.",
	}}, HMACConfig{Header: "Signature", Algorithm: "sha1", Encoding: "base64"}, nil),
	preset(scheme{
		// Guessed: the sample in Bland's documentation signs the body as JavaScript writes it again, which is taken to be the
		// body as it is sent.
		Info:  Info{Name: "bland", Summary: "HMAC-SHA256 of the body.", Forms: []string{"raw"}},
		takes: takesForms,
	}, HMACConfig{Header: "X-Webhook-Signature"}, lowerHex),
	preset(scheme{
		// Guessed: signature and tolerance are from copies of the sample in Calendly's documentation, not from its page.
		Info:  Info{Name: "calendly", Summary: "HMAC-SHA256 of time and body.", Forms: []string{"raw"}},
		takes: takesForms,
	}, HMACConfig{
		Header: "Calendly-Webhook-Signature", TimestampKey: "t", SignatureKey: "v1", TolerancePast: 3 * time.Minute,
	}, lowerHex),
	preset(scheme{Info: Info{
		Name: "zendesk",
		// Guessed: Zendesk documents no tolerance; five minutes are ours.
		Summary: "HMAC-SHA256 of time (RFC 3339) and body in base64. Zendesk documents no tolerance; five minutes are ours.",
	}}, HMACConfig{
		Header: "X-Zendesk-Webhook-Signature", Encoding: "base64", Signed: "{timestamp}{body}",
		TimestampHeader: "X-Zendesk-Webhook-Signature-Timestamp", TimestampUnit: "rfc3339",
	}, nil),
	preset(scheme{Info: Info{
		// Guessed: Intercom's page on signatures could not be read; header, hash and key are as its users report them.
		Name:    "intercom",
		Summary: "HMAC-SHA1 of the body, keyed with the app's client secret.",
	}}, HMACConfig{Header: "X-Hub-Signature", Algorithm: "sha1", Prefix: "sha1="}, lowerHex),
	preset(scheme{Info: Info{
		Name:    "synthflow",
		Summary: "HMAC-SHA256 of the call's id alone, in base64: the rest of the body is not signed.",
	}}, HMACConfig{Header: "Synthflow-Signature", Encoding: "base64", Signed: "{json:call.call_id}"}, func(s *spec) {
		// The documentation prints the name that the header has in a WSGI environment.
		//
		// Guessed: on the wire it is taken to be Synthflow-Signature, and the two other spellings are accepted; that the
		// signature is base64 is from receivers that others published.
		s.aliases = []string{"Http_synthflow_signature", "Http-Synthflow-Signature"}
		// The id is there twice. If only one of them were held to the signature, the other could be forged.
		s.signed[0].also = []string{"call_id"}
	}),
}

// senderSchemes are those of forms, bookings and telephone systems.
//
// Guessed: header, signed text and encoding of zoom, meta, typeform, tally and calcom are as they are generally known; the
// vendors' own pages were not opened, and none of the vectors is a vendor's: they were computed by another program.
var senderSchemes = []scheme{
	preset(scheme{Info: Info{
		Name:    "zoom",
		Summary: "HMAC-SHA256 of version, time and body.",
	}}, HMACConfig{Header: "X-Zm-Signature", Prefix: "v0=", Signed: "v0:{timestamp}:{body}", TimestampHeader: "X-Zm-Request-Timestamp"}, lowerHex),
	preset(scheme{Info: Info{
		Name:    "meta",
		Summary: "HMAC-SHA256 of the body, keyed with the app's secret.",
	}}, HMACConfig{Header: "X-Hub-Signature-256", Prefix: "sha256="}, lowerHex),
	preset(scheme{Info: Info{
		Name:    "typeform",
		Summary: "HMAC-SHA256 of the body in base64.",
	}}, HMACConfig{Header: "Typeform-Signature", Prefix: "sha256=", Encoding: "base64"}, nil),
	preset(scheme{Info: Info{
		Name:    "tally",
		Summary: "HMAC-SHA256 of the body in base64.",
	}}, HMACConfig{Header: "Tally-Signature", Encoding: "base64"}, nil),
	preset(scheme{Info: Info{
		Name:    "calcom",
		Summary: "HMAC-SHA256 of the body.",
	}}, HMACConfig{Header: "X-Cal-Signature-256"}, lowerHex),
	// docs.ultravox.ai/webhooks/securing-webhooks. The page asks for a time of the last minute; the usual tolerance is kept,
	// since a copy is known by its content.
	preset(scheme{Info: Info{
		Name:    "ultravox",
		Summary: "HMAC-SHA256 of body and time (RFC 3339); the header may have several.",
	}}, HMACConfig{
		Header: "X-Ultravox-Webhook-Signature", Signed: "{body}{timestamp}", ListSeparator: ",",
		TimestampHeader: "X-Ultravox-Webhook-Timestamp", TimestampUnit: "rfc3339",
	}, lowerHex),
	// Guessed: Sinch's page on its Conversation API's webhooks was not opened. The nonce is the request's and not the event's.
	preset(scheme{Info: Info{
		Name:    "sinch-webhook",
		Summary: "HMAC-SHA256 of body, nonce and time in base64, of Sinch's messages; its calls have the scheme sinch.",
	}}, HMACConfig{
		Header: "X-Sinch-Webhook-Signature", Encoding: "base64", Signed: "{body}.{header:X-Sinch-Webhook-Signature-Nonce}.{timestamp}",
		TimestampHeader: "X-Sinch-Webhook-Signature-Timestamp",
	}, nil),
}

func lowerHex(s *spec) { s.encoding = hexLower }

// preset completes a scheme that an HMACConfig describes; tune sets what a configuration cannot.
func preset(s scheme, c HMACConfig, tune func(*spec)) scheme {
	build := func() *spec {
		sp, err := c.compile(s.Name)
		if err != nil {
			panic(err) // the table is wrong, which every test finds
		}
		if tune != nil {
			tune(sp)
		}
		return sp
	}
	s.NeedsSecret = true
	describe(&s, build())
	s.verifier = func(c *Config) (Verifier, error) { return newHMAC(build(), c) }
	s.signer = func(c *Config) (Signer, error) { return newHMAC(build(), c) }
	return s
}

// describe fills in what follows from the spec.
func describe(s *scheme, sp *spec) {
	for _, h := range append([]string{sp.header, sp.tsHeader, sp.idHeader}, sp.headers...) {
		if h != "" {
			s.Headers = append(s.Headers, h)
		}
	}
	s.Weak, s.Replayable = sp.weak, sp.unit == noTime
	if sp.unit != noTime {
		s.TimestampTolerance = sp.past
		s.takes |= takesTolerance
	}
	s.SignsURL = slices.ContainsFunc(sp.signed, func(g segment) bool { return g.kind == address })
}

// genericHMAC is whatever Config.HMAC describes.
var genericHMAC = scheme{
	Info: Info{
		Name: "hmac", Aliases: []string{"generic", "custom"}, NeedsSecret: true, Forms: []string{"raw"},
		Summary:            "HMAC as configured: header, algorithm, encoding, prefix, what is signed, time, id.",
		TimestampTolerance: defaultTolerance,
	},
	takes:    takesForms | takesHMAC | takesTolerance,
	verifier: func(c *Config) (Verifier, error) { return newGeneric(c) },
	signer:   func(c *Config) (Signer, error) { return newGeneric(c) },
}

func newGeneric(c *Config) (*hmacScheme, error) {
	if c.HMAC == nil {
		return nil, configError("hmac", "needs to know how the sender signs; configure at least the header")
	}
	s, err := c.HMAC.compile("hmac")
	if err != nil {
		return nil, err
	}
	switch {
	case c.Tolerance > 0 && s.unit == noTime:
		return nil, configError("hmac", "has no timestamp, so a tolerance has no effect; remove it")
	case len(c.Forms) > 0 && s.weak:
		return nil, configError("hmac", "does not sign the body, so forms have no effect; remove them")
	}
	return newHMAC(s, c)
}
