package gateway

import (
	"net/netip"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/callgate/callgate/internal/repeats"
)

// quiet keeps strangers and floods from writing the log: the first line of a kind is written, others within a second are
// counted. What is counted here is counted by the metrics too, exactly.
type quiet struct {
	once      sync.Once
	refusals  *repeats.Log[lineKind]
	forgotten *repeats.Log[string] // by tenant
}

// lineKind is what makes two lines equal: what became of the requests, and the network that they came from.
type lineKind struct {
	outcome Outcome
	from    netip.Addr
}

// Kinds of lines that a route remembers; a refusal's kind occupies about 200 bytes.
const refusalKinds, forgottenKinds = 4096, 256

func (rt *Route) lines() *repeats.Log[lineKind] {
	rt.quiet.once.Do(func() {
		rt.quiet.refusals = repeats.New(refusalKinds, func(k lineKind, c repeats.Counts) {
			fields := append(suppressed(c), zap.String("route", rt.Name), zap.String("source", rt.Source))
			if c.Same > 0 {
				fields = append(fields, zap.Stringer("reason", k.outcome), zap.Stringer("network", k.from))
			}
			rt.Log.Log(levelOf(k.outcome), "more requests like those logged before", fields...)
		})
		rt.quiet.forgotten = repeats.New(forgottenKinds, func(tenant string, c repeats.Counts) {
			rt.logForgotten(tenant, c)
		})
	})
	return rt.quiet.refusals
}

func (rq *Request) lineKind(o Outcome) lineKind {
	return lineKind{o, network(rq.route.Server.ClientIP(rq.r))}
}

// suppressed are the fields that tell what was counted and not written.
func suppressed(c repeats.Counts) []zap.Field {
	fields := make([]zap.Field, 0, 14)
	if c.Same > 0 {
		fields = append(fields, zap.Uint64("suppressed", c.Same))
	}
	if c.Others > 0 {
		fields = append(fields, zap.Uint64("suppressed_others", c.Others))
	}
	return fields
}

// log writes a refused request down. It holds who sent it and why it was refused, and nothing of what was sent: an
// address, names from the configuration and reasons that never quote the request. Of refusals for one reason of one
// network (an IPv4 address, an IPv6 /64) one line a second is written, which tells how many were not.
func (rq *Request) log(f *refusal) {
	rt, level := rq.route, levelOf(f.outcome)
	if !rt.Log.Core().Enabled(level) {
		return
	}
	counts, ok := rt.lines().Line(rq.lineKind(f.outcome))
	if !ok {
		return
	}
	c := rt.Log.Check(level, "request refused")
	if c == nil {
		return
	}
	fields := append(suppressed(counts),
		zap.Stringer("reason", f.outcome),
		zap.Int("status", f.status),
		zap.String("client_ip", rt.Server.ClientIP(rq.r)),
		zap.String("request_id", rt.Server.RequestID(rq.r)),
		zap.String("route", rt.Name),
		zap.String("source", rt.Source))
	if rq.plan != nil {
		fields = append(fields, zap.String("tenant", rq.plan.Tenant), zap.String("scheme", rq.plan.Scheme))
	}
	if rq.plan != nil && rq.plan == rt.Nobody {
		fields = append(fields, zap.Bool("unknown_tenant", true))
	}
	if f.field != "" {
		fields = append(fields, zap.String("field", f.field))
	}
	if f.cause != nil {
		fields = append(fields, zap.NamedError("cause", f.cause))
	}
	c.Write(fields...)
}

func levelOf(o Outcome) zapcore.Level {
	if outcomeTable[o].security || o == replayed || o == pending { // pending: of all kinds
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}

// warnOfForgotten tells that a key had to go before its time.
func (rt *Route) warnOfForgotten(tenant string) {
	rt.lines()
	if counts, ok := rt.quiet.forgotten.Line(tenant); ok {
		counts.Same++
		rt.logForgotten(tenant, counts)
	}
}

func (rt *Route) logForgotten(tenant string, c repeats.Counts) {
	rt.Log.Warn("events are forgotten before their idempotency ttl, so that copies of them would be carried out again; "+
		"give idempotency_cache more keys, or this tenant's idempotency a shorter ttl",
		zap.String("route", rt.Name), zap.String("tenant", tenant), zap.Uint64("events", c.Same+c.Others))
}

// warnOfLacking tells that of a request with several events some were not taken: the others must not wait for them.
func (rt *Route) warnOfLacking(tenant string, events int, field string) {
	rt.Log.Warn("events of a request are left out, since they lack a required field; the others are accepted",
		zap.String("route", rt.Name), zap.String("tenant", tenant), zap.Int("events", events), zap.String("field", field))
}
