package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/store"
)

// isAsync reports whether the request is answered when it is stored. Events whose sender waits for what the answer says
// go on to the next handler.
func (rq *Request) isAsync() bool {
	return len(rq.plan.Deliver) > 0 && !rq.senderWaits()
}

// senderWaits reports whether the event's sender waits for what the answer says.
func (rq *Request) senderWaits() bool {
	typ := rq.identity.EventType
	return slices.Contains(rq.plan.Preset.Synchronous, typ) || slices.Contains(rq.plan.SyncEvents, typ)
}

// accept makes the event durable and answers 200: some senders take nothing else for success.
func (rq *Request) accept(w http.ResponseWriter) (*refusal, error) {
	names, err := rq.destinations()
	if err != nil {
		return malformed(err), nil
	}
	header := rq.storedHeader()
	if rq.leftOut != "" {
		header.Set(leftOutHeader, rq.leftOut)
	}
	a, refused := rq.persist(names, header)
	if refused != nil {
		return refused, nil
	}
	return nil, rq.answerAccepted(w, a)
}

// destinations are those whose conditions let the event through. A condition that fails lets it through too: an event
// too many does less harm than one that is lost.
func (rq *Request) destinations() ([]string, error) {
	names := make([]string, 0, len(rq.plan.Deliver))
	for _, t := range rq.plan.Deliver {
		if t.Condition != nil {
			c, err := rq.record()
			if err != nil {
				return nil, err
			}
			ok, err := t.Condition.Eval(rq.r.Context(), condition.Input{
				Call: c, Tenant: rq.plan.Tenant, Source: rq.route.Source, EventType: rq.identity.EventType,
			})
			if err != nil {
				rq.route.Log.Warn("a condition failed, so the event is delivered", zap.String("route", rq.route.Name),
					zap.String("destination", t.To), zap.Error(err))
			}
			if !ok {
				continue
			}
		}
		if !slices.Contains(names, t.To) {
			names = append(names, t.To)
		}
	}
	return names, nil
}

// storedHeader is what destinations may need of the request's header.
func (rq *Request) storedHeader() http.Header {
	h := make(http.Header)
	for _, name := range []string{"Content-Type", "Content-Encoding", "Traceparent"} {
		if v := rq.r.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	return h
}

// persist stores the event with a delivery to each destination. When it returns without a refusal the event is on disk.
func (rq *Request) persist(destinations []string, header http.Header) (stored store.Accepted, refused *refusal) {
	keep := rq.route.Store(rq.r.Context())
	if keep == nil {
		return store.Accepted{}, &refusal{outcome: storeUnavailable, retryAfter: time.Second, message: "the gateway is starting; send again later"}
	}
	rq.noteTrace(header)
	ev, err := rq.event(keep, header)
	if err != nil {
		return store.Accepted{}, malformed(err)
	}
	// A sender that goes away does not undo what is being written, so the outcome is waited for.
	began := time.Now()
	a, err := keep.Accept(context.WithoutCancel(rq.r.Context()), ev, destinations)
	defer func() { rq.traceStore(began, a.EventID, len(destinations), refused) }()
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, store.ErrFull):
		return a, &refusal{outcome: storeFull, cause: err, retryAfter: time.Minute, message: "the gateway's store is full; send again later"}
	default:
		return a, &refusal{outcome: storeUnavailable, cause: err, retryAfter: 5 * time.Second, message: "the gateway cannot store the event now; send again later"}
	}
}

func (rq *Request) event(keep Store, header http.Header) (*store.Event, error) {
	var record []byte
	var caller string
	// What cannot be read is stored without a record. Only a spooled request gets here so, and its receiver is to judge
	// the bytes, as it would have if it had worked.
	if c, err := rq.record(); err == nil {
		if record, err = c.Encode(); err != nil {
			return nil, err
		}
		caller = c.CallerNumber
	}
	id := ulid.Make()
	ev := &store.Event{
		ID: id.String(), Tenant: rq.plan.Tenant, Source: rq.route.Source, Route: rq.route.Name,
		EventType: rq.identity.EventType, EventID: rq.eventID, CallID: rq.identity.CallID,
		CallerHash: keep.CallerHash(caller), ReceivedAt: time.Now(),
		Method: rq.r.Method, URI: rq.r.URL.RequestURI(), Header: header, Body: rq.body, Record: record,
	}
	if rq.plan.Idempotency.Off {
		ev.Key = id // no two events are one
	} else {
		key := idempotency.NewKey(rq.route.Name, rq.plan.Tenant, rq.eventID)
		copy(ev.Key[:], key[:])
	}
	return ev, nil
}

// answerAccepted answers 200. A copy of an event that the store knows gets the first one's id.
func (rq *Request) answerAccepted(w http.ResponseWriter, a store.Accepted) error {
	rq.outcome = accepted
	body, err := json.Marshal(struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}{a.EventID, "accepted"})
	if err != nil {
		return err
	}
	body = append(body, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rq.remember(&idempotency.Answer{Status: http.StatusOK, Header: h, Body: body})
	if a.Duplicate {
		rq.outcome = replayed
		h.Set("Idempotency-Replayed", "true")
	}
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(body)
	return ignoreGone(rq.r, err)
}
