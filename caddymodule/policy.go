package caddymodule

import (
	"encoding/json"
	"maps"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/scheme"
)

// Policy says how requests are treated. It can be given for a source, for a route and for a tenant, and whatever is
// given later wins: the source's preset, then the source, the route, the tenant, and last the tenant's settings for
// that source.
//
// Secrets and keys may hold placeholders such as {env.NAME} and {file./run/secrets/name}, which are resolved when the
// configuration is loaded; one that has no value is an error then. Caddy treats a reload with an unchanged
// configuration as nothing to do, so after changing a secret behind a placeholder use `caddy reload --force`.
type Policy struct {
	// Secrets verify what comes in. Several are accepted at once, so that a secret can be changed without a gap.
	Secrets []string `json:"secrets,omitempty"`

	// PublicKeys verify what comes in under schemes that sign with a private key (telnyx, standard-webhooks v1a, ed25519, rsa),
	// and are the certificates of client_certificate.
	PublicKeys []string `json:"public_keys,omitempty"`

	// SharedSecret says that the sender has one secret for several tenants of a route whose requests say which tenant they
	// are for. Without it each tenant needs a secret of its own there, since who can sign for one could sign for all.
	SharedSecret bool `json:"shared_secret,omitempty"`

	// VerifyRaw is the signature scheme with its options. Default: the scheme of the source's preset.
	VerifyRaw json.RawMessage `json:"verify,omitempty" caddy:"namespace=callgate.verifiers inline_key=scheme"`

	// RemoteIP are the addresses from which requests are let in, as ranges such as 203.0.113.0/24, single addresses, or
	// private_ranges; any other is answered with 403. It is the client's address through trusted proxies (trusted_proxies of
	// the server), never what a header says of itself. It goes with every scheme, and verify none needs it. Default: any.
	RemoteIP []string `json:"remote_ip,omitempty"`

	// Methods are the HTTP methods that are let in; any other is answered with 405. Default: those that the source's preset
	// documents, which is POST for most.
	Methods []string `json:"methods,omitempty"`

	// MaxBody is how many bytes a request's body may have; a larger one is answered with 413. Default: what the source's
	// preset says of its sender (96 MiB for elevenlabs, which sends the audio of calls; 8 MiB for those that send whole
	// transcripts, such as retell, vapi and bland), or else 1 MiB. At most 1 GiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// MinBodyRate is how many bytes a second a request's body has to come at, after a grace of ten seconds. One that comes
	// more slowly is answered with 503. Default: 1 KiB. -1 for no bound but the server's.
	MinBodyRate int64 `json:"min_body_rate,omitempty"`

	// ReceiverTimeout is how long the receiver may take to begin its answer, after which the request is answered with 504
	// and counts as failed. Default: 60s. -1 waits as long as the sender does.
	ReceiverTimeout caddy.Duration `json:"receiver_timeout,omitempty"`

	// RateLimit bounds the verified requests of each tenant. Default: 100 a second with bursts of 200.
	RateLimit *RateLimit `json:"rate_limit,omitempty"`

	// Idempotency says how copies of a request are treated. Default: on, for 72 hours.
	Idempotency *Idempotency `json:"idempotency,omitempty"`

	// EventID says what makes two requests copies of one event. Default: what the source's preset names and, where
	// a request has nothing of the kind, a hash of its body.
	EventID *EventID `json:"event_id,omitempty"`

	// Breaker stops requests to a receiver that keeps failing. Default: on.
	Breaker *Breaker `json:"breaker,omitempty"`

	// Require names fields of the call without which a request is answered with 400: caller_number (or phone),
	// name, email, message and so on, or params.x for a collected parameter.
	Require []string `json:"require,omitempty"`

	// Sign signs what is handed on, for a receiver that verifies signatures itself. The header that carried the sender's
	// signature is taken off, since the receiver could take it for the one that counts.
	Sign *scheme.Sign `json:"sign,omitempty"`

	// KeepToken hands the token of a scheme with a static token (bearer, basic, api_key, body_token, google-ads, vapi) on to
	// the receiver. Otherwise its header, its parameter of the URL or its member of the body is taken off, since whoever sees the token can send calls like the sender. A receiver that is to know that a
	// request came through here can have a token or signature of its own with sign.
	KeepToken bool `json:"keep_token,omitempty"`

	// Deliver sends events to destinations, each where its condition holds. A route that delivers answers 200 as soon
	// as the event is stored; only events whose sender waits for what the answer says go to the next handler.
	Deliver []Deliver `json:"deliver,omitempty"`

	// SyncEvents are types of events, besides those that the source's preset knows, whose sender waits for what the answer
	// says: they are not stored and answered, but go to the next handler, and without an id share an answer only with a copy
	// in flight. Default: those of the preset alone.
	SyncEvents []string `json:"sync_events,omitempty"`

	// StoreFields says what of a call is stored; with it, nothing else of the request is. Default: the whole request and all
	// fields.
	StoreFields *StoreFields `json:"store_fields,omitempty"`

	// FindBy are fields of the call, such as email or params.patient_id, by whose values stored events are found again, as to
	// erase all that is stored of a patient: the store keeps a keyed hash of each, at most 32 for an event, beside that of
	// the caller's number, which is always kept. It needs an encryption_key, which the hashes are made with, and finds what was
	// stored since the line is there. Default: the caller's number alone.
	FindBy []string `json:"find_by,omitempty"`

	// HandshakeToken is the word that was typed in beside this address where a sender shows one before it sends anything
	// signed: Meta's verify token. Requests that ask with another are answered with 405. Default: none, so that nobody is
	// answered. It may be a placeholder such as {env.META_VERIFY_TOKEN}.
	HandshakeToken string `json:"handshake_token,omitempty"`

	// Test answers with the call record, with every request that would be sent, secrets masked, and with why a destination
	// would get none. Nothing is sent, and nothing is stored or answered from memory: a call that came before is looked at
	// afresh.
	Test bool `json:"test,omitempty"`

	// Vars are the tenant's own variables, such as owner_name, website and booking_url. They are readable as
	// {callgate.vars.NAME}. Those of all layers are joined.
	Vars map[string]string `json:"vars,omitempty"`

	// PublicURL is the address under which the sender knows this server, such as https://hooks.example.com, for
	// schemes that sign the URL when a proxy in front changes it. The path and query of the request are appended
	// to it. Default: the address of the request, with X-Forwarded-Proto and X-Forwarded-Host of trusted proxies.
	PublicURL string `json:"public_url,omitempty"`

	// Region is the ISO 3166 code of the country whose national phone numbers are understood. Default: US.
	Region string `json:"region,omitempty"`

	verify guest.Verifier
}

// over lays p over base: what p gives wins.
func (p Policy) over(base Policy) Policy {
	if len(p.Secrets) == 0 {
		p.Secrets = base.Secrets
	}
	if len(p.PublicKeys) == 0 {
		p.PublicKeys = base.PublicKeys
	}
	if p.verify == nil {
		p.verify = base.verify
	}
	if p.RemoteIP == nil {
		p.RemoteIP = base.RemoteIP
	}
	if p.Methods == nil {
		p.Methods = base.Methods
	}
	if p.MaxBody == 0 {
		p.MaxBody = base.MaxBody
	}
	if p.MinBodyRate == 0 {
		p.MinBodyRate = base.MinBodyRate
	}
	if p.ReceiverTimeout == 0 {
		p.ReceiverTimeout = base.ReceiverTimeout
	}
	p.RateLimit = either(p.RateLimit, base.RateLimit)
	p.Idempotency = either(p.Idempotency, base.Idempotency)
	p.EventID = either(p.EventID, base.EventID)
	p.Breaker = either(p.Breaker, base.Breaker)
	if p.Require == nil {
		p.Require = base.Require
	}
	p.Sign = either(p.Sign, base.Sign)
	p.KeepToken = p.KeepToken || base.KeepToken
	if p.Deliver == nil {
		p.Deliver = base.Deliver
	}
	if p.FindBy == nil {
		p.FindBy = base.FindBy
	}
	p.StoreFields = either(p.StoreFields, base.StoreFields)
	if p.SyncEvents == nil {
		p.SyncEvents = base.SyncEvents
	}
	if p.HandshakeToken == "" {
		p.HandshakeToken = base.HandshakeToken
	}
	p.Test = p.Test || base.Test
	p.SharedSecret = p.SharedSecret || base.SharedSecret
	if len(base.Vars) > 0 {
		vars := maps.Clone(base.Vars)
		maps.Copy(vars, p.Vars)
		p.Vars = vars
	}
	if p.PublicURL == "" {
		p.PublicURL = base.PublicURL
	}
	if p.Region == "" {
		p.Region = base.Region
	}
	return p
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// Deliver sends a route's events to a destination. A route that delivers answers as soon as the event is stored.
type Deliver struct {
	// To is the destination's name.
	To string `json:"to"`

	// If is a condition in CEL over call, tenant, source and event_type, such as
	// call.urgent || call.params.issue.contains("gas leak"). Default: every event is delivered.
	If string `json:"if,omitempty"`
}
