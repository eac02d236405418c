package gateway

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
)

// handedOn is the record of a request that is handed on to the receiver its sender waits for. Requests that are stored have
// their records from the store.
type handedOn struct {
	rq    *Request
	leaf  audit.Leaf
	began time.Time
}

// auditForward records, where the route wants it beforehand, that the request is about to be handed on. The answer is nil
// where nothing is recorded.
func (rq *Request) auditForward() (*handedOn, *refusal) {
	rt := rq.route
	if rt.Audit == nil {
		return nil, nil
	}
	h := &handedOn{rq: rq, leaf: audit.Leaf{
		Kind: audit.SyncForward, Tenant: rq.plan.Tenant, Route: rt.Name, Source: rt.Source, Event: ulid.Make().String(),
		To: []audit.Recipient{{Name: rt.Name, Kind: "receiver"}}, Bytes: max(0, rq.r.ContentLength),
	}}
	if rt.AuditFirst {
		if err := rt.Audit.Record(context.WithoutCancel(rq.r.Context()), h.leaf); err != nil {
			return nil, &refusal{outcome: storeUnavailable, cause: err, retryAfter: 5 * time.Second,
				message: "the gateway cannot record the request now, so it is not handed on; send again later"}
		}
	}
	h.began = time.Now()
	return h, nil
}

// done records what came of it. The receiver has the request by now: that no record can be made is told, and changes
// nothing for the sender.
func (h *handedOn) done(status int) {
	if h == nil {
		return
	}
	rq, l := h.rq, h.leaf
	l.Kind, l.Status, l.TookMS = audit.SyncOutcome, status, time.Since(h.began).Milliseconds()
	l.To = []audit.Recipient{{Name: rq.route.Name, Kind: "receiver", Host: rq.upstream()}}
	switch rq.outcome {
	case forwarded:
		l.Outcome = audit.OutcomeOK
	case upstreamRefused:
		l.Outcome = "refused"
	case clientGone:
		l.Outcome = "sender_gone"
	default:
		l.Outcome = "failed"
	}
	if err := rq.route.Audit.Record(context.WithoutCancel(rq.r.Context()), l); err != nil {
		rq.route.Log.Error("a request was handed on, and no record of it could be kept", zap.String("route", rq.route.Name),
			zap.String("id", l.Event), zap.Error(err))
	}
}
