// Package gateway is the way of a request, from its first byte to the answer: admit, verify, limit, read, reserve, and
// carry out. It knows nothing of the server that it runs in, which tells it by the interfaces Server, Store and Meter what
// it has to know, and nothing of how a route is configured: a Route is worked out already.
//
// Read it in this order: Route (what is known beforehand), Request.Serve (the order of the steps, which is a security
// property), body, identify, once (copies), then what a route is for: handon and receive (a receiver behind it), spool (that receiver
// failed), accept (stored and delivered), convert and preview.
package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/forward"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/ratelimit"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
)

// Route is one place where the webhooks of a source come in, with all that its requests need. It is not changed while it
// serves.
type Route struct {
	// Name tells the route from others in logs and idempotency keys, Source is the configured name of its source.
	Name, Source string
	Preset       source.Preset

	// Single is the plan where all requests are of one tenant. Otherwise TenantOf finds the name of a request's tenant,
	// and Plans has the plans by these names; a name is looked up as it stands and then in lower case.
	Single   *Plan
	Plans    map[string]*Plan
	TenantOf func(*http.Request) string

	// Live gives the plan of a tenant that is not in Plans and comes and goes while the route serves; nil has none. faulty
	// says that there is such a tenant, and that it has no plan because of a mistake or because the gateway has just started.
	Live func(ctx context.Context, tenant string) (p *Plan, faulty bool)

	// Faulty are the names of tenants that have no plan because of a mistake in their settings. Their requests are refused
	// with 503, so that they come again.
	Faulty map[string]bool

	// Nobody is the plan by which requests of no known tenant are read and verified, with keys that nobody has, so that they
	// are refused like requests of a tenant with a wrong signature. nil says to the sender that there is no such tenant.
	Nobody *Plan

	// PathTenant says that the tenant may come from the path, so that paths which can be read in two ways are refused.
	PathTenant bool

	// AddressLimit bounds the requests of each client address; nil for no limit.
	AddressLimit *ratelimit.Limit

	// StrangerLimit bounds the requests of each client address that are refused before their sender is known; while an
	// address is over it, nothing of it is looked at. Addresses of private networks are without it, since a proxy that
	// nobody has named as trusted may stand there for everybody. nil for no limit.
	StrangerLimit *ratelimit.Limit

	// PassErrors returns a refusal as an *Error and leaves the answer to the server.
	PassErrors bool

	// Receiver gets what is handed on, in place of the next handler; nil leaves it to that.
	Receiver *forward.Receiver

	// Spool stores what the receiver fails to take.
	Spool bool

	// Convert makes the request that is handed on in place of the one that came; nil hands on what came.
	Convert func(context.Context, destination.Item) (*http.Request, error)

	// Render makes the requests that a destination would send for an item, secrets masked, for test mode.
	Render func(destination string, item destination.Item) ([]destination.Request, error)

	// Refuses says why a destination takes no such event, for test mode; empty if it does.
	Refuses func(ctx context.Context, destination string, e *store.Event, c *call.Call) string

	// Store gives the store, for which a request waits up to a bound where the server has just started. It gives nil when
	// there is none yet.
	Store func(context.Context) Store

	// Audit records what is handed on to the receiver; nil records nothing. AuditFirst has a request wait until it is recorded
	// that it is about to be handed on, and refuses it if that cannot be.
	Audit      Audit
	AuditFirst bool

	State  *State
	Server Server
	Meter  Meter
	Log    *zap.Logger

	// Witness is told of refusals and copies; nil tells nobody.
	Witness Witness

	quiet quiet
}

// Plan is all that a request of one tenant on one route needs.
type Plan struct {
	Tenant   string
	Preset   source.Preset
	Scheme   string // the name of the signature scheme, for logs
	Verifier signature.Verifier
	Parser   source.Parser
	Uses     SecretUses

	// Addresses are the ranges from which requests are let in; none is all.
	Addresses []netip.Prefix

	Methods []string // that are let in; none is POST alone

	MaxBody     int64 // bytes
	MinBodyRate int64 // bytes a second, after a grace; 0 for none
	Limit       *ratelimit.Limit
	EventID     source.IDFrom // none of its fields leaves it to the preset
	Idempotency Idempotency
	Breaker     *breaker.Breaker // nil lets every request through

	// ReceiverTimeout bounds the time until the receiver begins to answer; 0 does not.
	ReceiverTimeout time.Duration

	KeepToken bool // hands the sender's static token on
	Require   []string
	Signer    signature.Signer // nil hands on without a signature of our own
	Vars      map[string]string
	PublicURL string // without a slash at the end; "" for the request's own
	Deliver   []Target
	Test      bool

	// Keep is what of a call is stored, and nothing else of its request then; nil stores the whole request.
	Keep func(*call.Call) *call.Call

	// FindBy are fields by whose values the event is to be found again.
	FindBy []string

	// DropAudio says that no destination asks for the provider's own body, so that a recording in it is not kept.
	DropAudio bool

	// SyncEvents are types of events, besides the preset's, whose sender waits for what the answer says.
	SyncEvents []string

	// HandshakeToken is what the sender shows where it asks, before anything is signed, whether this address is ours; empty
	// where there is none. Secrets are those of a sender that wants an answer made with one.
	HandshakeToken string
	Secrets        []Secret

	// SignsURL says that the verifier looks at the URL. LimiterKey is the tenant's on this route, and CopiesKey that of the
	// bucket for copies.
	SignsURL              bool
	LimiterKey, CopiesKey string
}

// Idempotency says how copies of a request are treated.
type Idempotency struct {
	Off, Strict   bool
	TTL, Wait     time.Duration
	MaxReplayBody int64 // bytes
}

// Target is a destination that a route delivers to, where its condition holds; no condition always holds.
type Target struct {
	To        string
	Condition *condition.Condition
}

// State is what all routes of the process share, and what outlives a configuration.
type State struct {
	Answers   *idempotency.Cache
	Tenants   *ratelimit.Table
	Addresses *ratelimit.Table
	Strangers *ratelimit.Table

	// Unverified bounds the memory of bodies that are not verified yet; nil for no bound.
	Unverified *Budget
}

// Handler is what comes after the gateway on a request's way.
type Handler interface {
	ServeHTTP(http.ResponseWriter, *http.Request) error
}

// HandlerFunc is a Handler.
type HandlerFunc func(http.ResponseWriter, *http.Request) error

// ServeHTTP implements Handler.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) error { return f(w, r) }

// Server is what the server knows of a request that the request does not say.
type Server interface {
	// ClientIP is the client's address, through trusted proxies.
	ClientIP(*http.Request) string
	// Trusted reports whether the request came from a trusted proxy, so that its X-Forwarded-* headers count.
	Trusted(*http.Request) bool
	// OriginalURI is the request's URI before any handler changed it; "" if none has.
	OriginalURI(*http.Request) string
	// RequestID names the request in the answer and in logs.
	RequestID(*http.Request) string
	// Upstream is the host and port that a request was handed on to; "" if that is not known.
	Upstream(*http.Request) string
	// StatusOf is the status that an error of a Handler will be answered with.
	StatusOf(error) int
}

// Store makes events durable.
type Store interface {
	// AcceptAll stores the events of one request, each with a delivery to each of its destinations, of which those that turn
	// the event away are taken out; when it returns without an error all of them are on disk, and else none is.
	AcceptAll(ctx context.Context, events []*store.Event, destinations [][]string) ([]store.Accepted, error)
	// Event reads an event.
	Event(ctx context.Context, id string) (*store.Event, error)
	// CallerHash is what finds a caller's events again.
	CallerHash(number string) string
	// FieldHash is what finds events by a field again; false if there is no key to make it with.
	FieldHash(name, value string) (hash store.Subject, ok bool)
}

// Audit keeps the audit log.
type Audit interface {
	// Record makes a record durable.
	Record(ctx context.Context, l audit.Leaf) error
}

// Meter counts requests and measures them.
type Meter interface {
	Count(Outcome)
	Took(Stage, time.Duration)
}

// Stage is a part of a request's way.
type Stage uint8

// The stages: reading the body, verifying it, finding out which event it is, waiting for the first of several copies, and
// the receiver's part.
const (
	StageBody Stage = iota
	StageVerify
	StageParse
	StageWait
	StageNext
	Stages int = iota // how many there are
)

// Error is what Serve returns for the server to answer.
type Error struct {
	Status int
	Err    error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// plan finds the plan of a request's tenant; nil if there is no such tenant here.
func (rt *Route) plan(r *http.Request) *Plan {
	if rt.Single != nil {
		return rt.Single
	}
	name := rt.TenantOf(r)
	if p := rt.planNamed(r.Context(), name); p != nil {
		return p
	}
	if lower := strings.ToLower(name); lower != name { // hosts are written in any case
		return rt.planNamed(r.Context(), lower)
	}
	return nil
}

// planNamed finds a tenant's plan: what the configuration says first.
func (rt *Route) planNamed(ctx context.Context, name string) *Plan {
	if p, ok := rt.Plans[name]; ok || rt.Live == nil || rt.Faulty[name] {
		return p
	}
	p, _ := rt.Live(ctx, name)
	return p
}

// isFaulty reports whether a request for which there is no plan is for a tenant whose settings have a mistake.
func (rt *Route) isFaulty(r *http.Request) bool {
	if len(rt.Faulty) == 0 && rt.Live == nil {
		return false
	}
	name := rt.TenantOf(r)
	lower := strings.ToLower(name)
	if rt.Faulty[name] || rt.Faulty[lower] || rt.Live == nil {
		return rt.Faulty[name] || rt.Faulty[lower]
	}
	_, faulty := rt.Live(r.Context(), name)
	if !faulty && lower != name {
		_, faulty = rt.Live(r.Context(), lower)
	}
	return faulty
}

// planOf finds the plan of a stored event's tenant; nil if it was removed.
func (rt *Route) planOf(tenant string) *Plan {
	if rt.Single != nil {
		return rt.Single
	}
	return rt.planNamed(context.Background(), tenant)
}

// overloadStatus answers what a tenant's own excess deserves. Many senders never send again what was answered with a
// 4xx; to them a full bucket is told as 503, which they retry.
func (rt *Route) overloadStatus() int {
	if rt.Preset.RetriesClientErrors {
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}
