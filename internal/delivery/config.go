package delivery

import (
	"context"
	"fmt"
	"path"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// Defaults of a Config.
const (
	DefaultConcurrency   = 4
	DefaultTimeout       = 30 * time.Second
	DefaultRetryAfterMax = time.Hour
)

// Snapshot is what one configuration says about delivering. It must not be changed once attached.
type Snapshot struct {
	// Destinations by name. Deliveries to a name that is not here stay pending until a configuration knows it.
	Destinations map[string]Config
	// Vars gives a tenant's variables for templates, and whether there is such a tenant: the deliveries of one that
	// there is not are kept and not made. It is not asked for deliveries without a tenant. nil means that there are
	// variables for none, and that every tenant is known. It must be safe for concurrent use and quick, and the maps that
	// it returns must not change.
	Vars func(tenant string) (vars map[string]string, known bool)
	// TestMode renders every request through Destination.Preview and sends none. The deliveries count as
	// delivered, with a warning that says so.
	TestMode bool
	// Retention is how long an event is kept after its last delivery, and RetentionDead how long one that has a dead
	// delivery; 0 keeps it until it is erased. What has a delivery that waits is kept.
	Retention, RetentionDead time.Duration
	// Tracer makes a span of each attempt. nil traces nothing.
	Tracer trace.Tracer
	// Released, if set, is called once: when the snapshot is detached and the last attempt made with it has ended.
	// It must not block.
	Released func()
}

// Config is one destination with the terms on which it is delivered to. Zero fields take the defaults.
type Config struct {
	Destination destination.Destination
	// Kind is the kind of the destination, such as hubspot, for the audit log.
	Kind string
	// Schedule is when to try again after a failure. Default: DefaultSchedule, which outlives an outage of three days.
	Schedule Schedule
	// Concurrency is how many attempts run at once. At 1 the events of one call arrive in their order: a later one
	// waits while an earlier one is to be tried again. Default 4.
	Concurrency int
	// TenantConcurrency is how many of them one tenant may hold, so that its slow deliveries leave room for the
	// others. It does not concern deliveries without a tenant. Default: three quarters of Concurrency, at least 1.
	TenantConcurrency int
	// Rate is how many attempts may start per second, with at most Burst at once; waiting for it costs no attempt.
	// Rate 0 means no limit. Burst defaults to Rate, at least 1. A batch is one attempt.
	Rate  float64
	Burst int
	// RateGroup names what counts the attempts, such as the account that several destinations write to: they share one
	// rate, the lowest of theirs, and one burst. Where gateways share a store one of them has the whole group.
	RateGroup string
	// Shards divides the destination among gateways that share a store, by calls, for a receiver that one of them cannot
	// serve. Each shard has a lane of its own with Rate and Burst divided and the other terms as they are. Default 1, at
	// most store.MaxShards; without a shared store it changes nothing.
	Shards int
	// BatchWait is how long to wait for a batch to fill. Default 0: whatever is due goes at once.
	BatchWait time.Duration
	// Timeout bounds one attempt. Default 30 s.
	Timeout time.Duration
	// Breaker says when the destination is left alone for a while; deliveries wait then and no attempt is burnt.
	Breaker breaker.Settings
	// RetryAfterMax bounds how long a receiver's Retry-After is obeyed. Default 1 h.
	RetryAfterMax time.Duration
	// KeepExcerpt keeps the beginning of the receiver's answers with the attempts.
	KeepExcerpt bool
	// Minimize reduces the record to what the destination may see. It must return a new record if it changes
	// anything. nil passes the record on as it is.
	Minimize func(*call.Call) *call.Call
	// EventTypes are the provider's event types that the destination takes, as patterns of path.Match
	// ("call_*"). Empty means all.
	EventTypes []string
	// Condition decides at Accept whether an event goes to the destination; nil means always. An event whose
	// condition fails to be evaluated is delivered.
	Condition *condition.Condition
}

// vars are a tenant's variables, and whether the configuration has it.
func (t *terms) vars(tenant string) (map[string]string, bool) {
	if t.snapshot.Vars == nil {
		return nil, true
	}
	vars, known := t.snapshot.Vars(tenant)
	return vars, known || tenant == ""
}

// Validate reports what is wrong with a configuration.
func (c *Config) Validate() error {
	switch {
	case c.Destination == nil:
		return fmt.Errorf("no destination is given: name a type such as http or hubspot")
	case c.Concurrency < 0, c.TenantConcurrency < 0, c.Burst < 0:
		return fmt.Errorf("concurrency and burst must not be negative: leave them out for the defaults")
	case c.Rate < 0, c.Timeout < 0, c.BatchWait < 0, c.RetryAfterMax < 0:
		return fmt.Errorf("rate, timeout, batch wait and the Retry-After bound must not be negative: leave them out for the defaults")
	case c.Shards < 0 || c.Shards > store.MaxShards:
		return fmt.Errorf("a destination has 1 to %d shards", store.MaxShards)
	case c.Shards > 1 && c.RateGroup != "":
		return fmt.Errorf("shards are for a receiver that bears more than one gateway sends, and a rate group is for one that counts requests: choose one")
	case c.Shards > 1 && c.Rate > 0 && c.withDefaults().Burst < c.Shards:
		return fmt.Errorf("a rate with a burst of %d cannot be divided into %d shards: raise the burst, or have fewer shards", c.withDefaults().Burst, c.Shards)
	case c.BatchWait > maxBatchWait:
		return fmt.Errorf("a batch cannot wait longer than %s: a lead is worth most in its first minute", maxBatchWait)
	}
	for _, p := range c.EventTypes {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("event type pattern %q: %w: see the syntax of path.Match, or name the type in full", p, err)
		}
	}
	return c.Schedule.Validate()
}

// maxBatchWait keeps leases short.
const maxBatchWait = 5 * time.Minute

func (c Config) withDefaults() Config {
	if c.Schedule.isZero() {
		c.Schedule = DefaultSchedule()
	}
	if c.Concurrency <= 0 {
		c.Concurrency = DefaultConcurrency
	}
	if c.TenantConcurrency <= 0 {
		c.TenantConcurrency = max(1, c.Concurrency-max(1, c.Concurrency/4))
	}
	c.TenantConcurrency = min(c.TenantConcurrency, c.Concurrency)
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.RetryAfterMax <= 0 {
		c.RetryAfterMax = DefaultRetryAfterMax
	}
	if c.Rate > 0 && c.Burst <= 0 {
		c.Burst = max(1, int(c.Rate))
	}
	c.BatchWait = min(max(c.BatchWait, 0), maxBatchWait)
	return c
}

// takes reports whether the destination's filters let an event through. read decodes the event's record when a
// condition needs it.
func (c *Config) takes(ctx context.Context, e *store.Event, read func() (*call.Call, error)) (bool, error) {
	if !c.takesType(e.EventType) {
		return false, nil
	}
	if c.Condition == nil {
		return true, nil
	}
	record, err := read()
	if err != nil {
		return true, err
	}
	return c.Condition.Eval(ctx, condition.Input{Call: record, Tenant: e.Tenant, Source: e.Source, EventType: e.EventType})
}

func (c *Config) takesType(eventType string) bool {
	for _, p := range c.EventTypes {
		if ok, err := path.Match(p, eventType); ok && err == nil {
			return true
		}
	}
	return len(c.EventTypes) == 0
}
