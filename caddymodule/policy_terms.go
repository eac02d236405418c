package caddymodule

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/ratelimit"
	"go.uber.org/zap"
)

// RateLimit is a token bucket.
type RateLimit struct {
	// Rate is a number of requests and the time that they may come in, such as "20/s", "100/10s", "600/min" or "1000/h"; or
	// "off".
	Rate string `json:"rate"`

	// Burst is how many requests may come at once. Default: the number in Rate.
	Burst int `json:"burst,omitempty"`

	// BurstQueue is how many more may come at once on a route that delivers: they are stored, and delivered at the
	// destinations' pace. Default: 1000.
	BurstQueue int `json:"burst_queue,omitempty"`
}

// compile reads the setting; nil is no limit.
func (r *RateLimit) compile() (*ratelimit.Limit, error) {
	if r == nil {
		return &ratelimit.Limit{PerSecond: 100, Burst: 200}, nil
	}
	if r.Rate == "off" {
		if r.Burst != 0 || r.BurstQueue != 0 {
			return nil, fmt.Errorf("rate_limit off takes no burst")
		}
		return nil, nil
	}
	n, per, err := grammar.ParseRate(r.Rate)
	if err != nil {
		return nil, fmt.Errorf("rate_limit %w, or off", err)
	}
	for _, n := range []int{r.Burst, r.BurstQueue} {
		if n < 0 || n > 1e9 {
			return nil, fmt.Errorf("rate_limit burst %d is out of range: give 1 or more", n)
		}
	}
	l := &ratelimit.Limit{PerSecond: n / per.Seconds(), Burst: r.Burst}
	if l.Burst == 0 {
		l.Burst = int(math.Ceil(n))
	}
	return l, nil
}

// Idempotency says how copies of a request are treated. The first request of an event is carried out; a copy that
// arrives meanwhile waits for it; a copy that arrives later gets the same answer again, with the header
// Idempotency-Replayed. Only answers of the 2xx class are remembered, so that a sender's retry after a failure runs.
type Idempotency struct {
	// Off carries out every request, copies too.
	Off bool `json:"off,omitempty"`

	// Strict refuses a request with 422 that has the id of an earlier one and another body. Otherwise it is treated
	// as a copy, and logged.
	Strict bool `json:"strict,omitempty"`

	// TTL is how long answers are remembered. Default: 72h, longer than any provider's retries.
	TTL caddy.Duration `json:"ttl,omitempty"`

	// Wait is how long a copy waits for the first request before it is answered with 503. Default: 10s.
	Wait caddy.Duration `json:"wait,omitempty"`

	// MaxReplayBody is how many bytes of an answer's body are remembered; of a larger one, only status and headers
	// are. Default: 64 KiB.
	MaxReplayBody int64 `json:"max_replay_body,omitempty"`
}

func (i *Idempotency) compile() (v gateway.Idempotency, err error) {
	if i != nil {
		v = gateway.Idempotency{Off: i.Off, Strict: i.Strict, TTL: time.Duration(i.TTL), Wait: time.Duration(i.Wait), MaxReplayBody: i.MaxReplayBody}
	}
	if v.TTL < 0 || v.Wait < 0 || v.MaxReplayBody < 0 {
		return v, fmt.Errorf("idempotency: ttl, wait and max_replay_body cannot be negative")
	}
	if v.TTL == 0 {
		v.TTL = 72 * time.Hour
	}
	if v.Wait == 0 {
		v.Wait = 10 * time.Second
	}
	if v.MaxReplayBody == 0 {
		v.MaxReplayBody = 64 << 10
	}
	return v, nil
}

// EventID names the one place where the id of an event is found. A request that has none there is told from others by
// the hash of what was signed.
type EventID struct {
	// Header is the name of a request header that the scheme signs as the message's id (id_header of hmac, Webhook-Id of
	// standard-webhooks), or of any where the sender shows a token. Another one is refused when the configuration is
	// loaded: whoever has seen one request could send it again under a new id.
	Header string `json:"header,omitempty"`

	// JSONPath leads to a string or number in the body (RFC 9535), such as $.event.id; into forms and XML too.
	JSONPath string `json:"jsonpath,omitempty"`

	// JSONPaths are those of an id that is made of several parts, such as the type of the event and the call's id. A request
	// that lacks one of them is told from others by the hash.
	JSONPaths []string `json:"jsonpaths,omitempty"`

	// Body takes the hash of the body always.
	Body bool `json:"body,omitempty"`
}

// Breaker stops requests to a receiver that keeps failing, answers 503 with Retry-After in its place, and lets single
// probes through until it recovers. Answers of the 5xx class, refused connections and timeouts count as failures.
type Breaker struct {
	// Off lets every request through.
	Off bool `json:"off,omitempty"`

	// Failures in a row, within Window, open the breaker. Default: 5.
	Failures int `json:"failures,omitempty"`

	// Ratio of failures within Window opens it too, once there were MinRequests. Default: 0.5.
	Ratio float64 `json:"ratio,omitempty"`

	// MinRequests is how many requests the ratio needs. Default: 20.
	MinRequests int `json:"min_requests,omitempty"`

	// Window is how far Failures and Ratio look back. Default: 10s.
	Window caddy.Duration `json:"window,omitempty"`

	// OpenFor is how long the breaker stays open before it lets probes through. Default: 10s.
	OpenFor caddy.Duration `json:"open_for,omitempty"`

	// Probes is how many requests may try a half-open breaker at once, and how many must succeed to close it.
	// Default: 1.
	Probes int `json:"probes,omitempty"`

	// PerTenant gives each tenant a breaker of its own. Default: on where the tenant is found in the request, off where all
	// requests are of one. What makes a receiver fail is often something that a tenant sends, and a breaker that all share
	// would let one tenant, or two that agreed on it, stop the calls of all others by provoking five failures. The price is
	// that each tenant finds out for itself when a receiver that all share is down: as many requests as Failures, and
	// one probe in OpenFor.
	PerTenant bool `json:"per_tenant,omitempty"`

	// Shared makes one breaker for all tenants of the route, for a receiver that must be spared when it is down and
	// tenants that trust each other. Tenants share it only where all their settings are the same.
	Shared bool `json:"shared,omitempty"`
}

func (b *Breaker) settings() (breaker.Settings, error) {
	if b == nil {
		return breaker.Settings{}.WithDefaults(), nil
	}
	if b.PerTenant && b.Shared {
		return breaker.Settings{}, fmt.Errorf("breaker: per_tenant and shared exclude each other")
	}
	if b.Failures < 0 || b.Ratio < 0 || b.Ratio > 1 || b.MinRequests < 0 || b.Window < 0 || b.OpenFor < 0 || b.Probes < 0 {
		return breaker.Settings{}, fmt.Errorf("breaker: numbers and durations cannot be negative, and ratio lies between 0 and 1")
	}
	return breaker.Settings{
		ConsecutiveFailures: b.Failures,
		FailureRatio:        b.Ratio,
		MinRequests:         b.MinRequests,
		Window:              time.Duration(b.Window),
		OpenFor:             time.Duration(b.OpenFor),
		Probes:              b.Probes,
	}.WithDefaults(), nil
}

// warnOfLiteralSecrets tells of secrets that stand in the configuration as they are: /config and the file it came from
// show them to whoever may read these.
func (p *Policy) warnOfLiteralSecrets(logger *zap.Logger, where, name string) {
	warnOfLiterals(logger, where, name, p.keys()...)
}

// keys are the secrets of a policy as they are written.
func (p *Policy) keys() []string {
	keys := append(slices.Clone(p.Secrets), p.HandshakeToken)
	if p.Sign != nil {
		keys = append(keys, p.Sign.Secret)
	}
	if p.StoreFields != nil {
		keys = append(keys, p.StoreFields.HashKey)
	}
	return keys
}

// literals is how many of some secrets are written out.
func literals(secrets ...string) (n int) {
	for _, s := range secrets {
		if s != "" && !strings.Contains(s, "{") {
			n++
		}
	}
	return n
}

// warnOfLiterals tells how many of some secrets are written out.
func warnOfLiterals(logger *zap.Logger, where, name string, secrets ...string) {
	if n := literals(secrets...); n > 0 {
		logger.Warn("a secret is written in the configuration; use {env.NAME} or {file.PATH}, so that only the gateway sees it",
			zap.String("in", where), zap.String("name", name), zap.Int("secrets", n))
	}
}
