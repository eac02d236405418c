package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/jsonscan"
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

// accept makes the event durable, or all that the request has, and answers 200: some senders take nothing else for success.
func (rq *Request) accept(w http.ResponseWriter) (*refusal, error) {
	events := rq.events
	if len(events) == 0 {
		events = []*Request{rq}
	}
	header := rq.storedHeader()
	if rq.leftOut != "" {
		header.Set(leftOutHeader, rq.leftOut)
	}
	names := make([][]string, len(events))
	for i, one := range events {
		var err error
		if names[i], err = one.destinations(); err != nil {
			return malformed(err), nil
		}
	}
	all, refused := rq.persistAll(events, names, header)
	if refused != nil {
		return refused, nil
	}
	return nil, rq.answerAccepted(w, all...)
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
	names := [...]string{"Content-Type", "Content-Encoding", "Traceparent"}
	values := make([]string, 0, len(names))
	for _, name := range names {
		if v := rq.r.Header.Get(name); v != "" {
			values = append(values, v)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	return h
}

// noteVerified stores with the header by which scheme and which secret the request was verified, for those who look at the
// event later.
func (rq *Request) noteVerified(h http.Header) {
	v := store.Verified{Scheme: rq.plan.Scheme, Form: rq.result.Form, Secret: rq.result.Secret + 1}
	h[store.VerifiedHeader] = []string{v.String()}
}

// persist stores the event with a delivery to each destination. When it returns without a refusal the event is on disk.
func (rq *Request) persist(destinations []string, header http.Header) (store.Accepted, *refusal) {
	all, refused := rq.persistAll([]*Request{rq}, [][]string{destinations}, header)
	if refused != nil {
		return store.Accepted{}, refused
	}
	return all[0], nil
}

// persistAll is persist for the events of one request, of which either all are on disk, or none is.
func (rq *Request) persistAll(events []*Request, destinations [][]string, header http.Header) (all []store.Accepted, refused *refusal) {
	keep := rq.route.Store(rq.r.Context())
	if keep == nil {
		return nil, &refusal{outcome: storeUnavailable, retryAfter: time.Second, message: "the gateway is starting; send again later"}
	}
	rq.noteTrace(header)
	rq.noteVerified(header)
	stored := make([]*store.Event, len(events))
	for i, one := range events {
		own := header
		if one != rq {
			own = partHeader(header)
		}
		var err error
		if stored[i], err = one.event(keep, own); err != nil {
			return nil, malformed(err)
		}
	}
	if rq.traced {
		began, deliveries := time.Now(), 0
		for _, to := range destinations {
			deliveries += len(to)
		}
		defer func() {
			id := ""
			if len(all) > 0 {
				id = all[0].EventID
			}
			rq.traceStore(began, id, deliveries, refused)
		}()
	}
	// A sender that goes away does not undo what is being written, so the outcome is waited for.
	ctx := context.WithoutCancel(rq.r.Context())
	all, err := keep.AcceptAll(ctx, stored, destinations)
	switch {
	case err == nil:
		return all, nil
	case errors.Is(err, store.ErrRecord):
		return nil, malformed(err)
	case errors.Is(err, store.ErrFull):
		return nil, &refusal{outcome: storeFull, cause: err, retryAfter: time.Minute, message: "the gateway's store is full; send again later"}
	default:
		return nil, &refusal{outcome: storeUnavailable, cause: err, retryAfter: 5 * time.Second, message: "the gateway cannot store the event now; send again later"}
	}
}

func (rq *Request) event(keep Store, header http.Header) (*store.Event, error) {
	var record *call.Call
	var caller string
	var subjects []store.Subject
	uri, body := rq.r.URL.RequestURI(), rq.body
	// What cannot be read is stored without a record. Only a spooled request gets here so, and its receiver is to judge
	// the bytes, as it would have if it had worked.
	switch c, err := rq.record(); {
	case err == nil:
		caller, subjects = keep.CallerHash(c.CallerNumber), subjectsOf(c, rq.plan.FindBy, keep)
		if rq.plan.Keep != nil {
			kept := rq.plan.Keep(c)
			if caller == c.CallerNumber { // there is no key to make a hash of it
				caller = kept.CallerNumber
			}
			c, uri, body = kept, rq.r.URL.EscapedPath(), nil
		}
		record = c // from here on nobody changes it
	case rq.plan.Keep != nil: // which of the bytes may be stored cannot be told
		return nil, err
	}
	id := ulid.Make()
	ev := &store.Event{
		ID: id.String(), Tenant: rq.plan.Tenant, Source: rq.route.Source, Route: rq.route.Name,
		EventType: rq.identity.EventType, EventID: rq.eventID, CallID: rq.identity.CallID,
		CallerHash: caller, Subjects: subjects, ReceivedAt: time.Now(),
		Method: rq.r.Method, URI: uri, Header: header, Body: body, Call: record,
	}
	if rq.plan.Idempotency.Off {
		ev.Key = id // no two events are one
	} else {
		key := idempotency.NewKey(rq.route.Name, rq.plan.Tenant, rq.eventID)
		copy(ev.Key[:], key[:])
	}
	return ev, nil
}

// maxSubjects bounds by how many values an event can be found.
const maxSubjects = 32

// subjectsOf are the hashes by which a call is found again.
func subjectsOf(c *call.Call, fields []string, keep Store) (subjects []store.Subject) {
	add := func(name string, v any) {
		switch v := v.(type) {
		case map[string]any, []any, nil:
		default:
			hash, ok := keep.FieldHash(name, fmt.Sprint(v))
			if ok && len(subjects) < maxSubjects && !slices.Contains(subjects, hash) {
				subjects = append(subjects, hash)
			}
		}
	}
	for _, name := range fields {
		v, _ := c.Lookup(name)
		name = call.Canonical(name)
		if list, ok := v.([]any); ok {
			for _, one := range list {
				add(name, one)
			}
			continue
		}
		add(name, v)
	}
	return subjects
}

// answerAccepted answers 200. A copy of an event that the store knows gets the first one's id. Of several events the answer
// has the ids of all, and it is a copy's where all of them are.
func (rq *Request) answerAccepted(w http.ResponseWriter, all ...store.Accepted) error {
	rq.outcome = accepted
	body := make([]byte, 0, 64+40*(len(all)-1))
	body = jsonscan.AppendString(append(body, `{"id":`...), all[0].EventID)
	body = append(body, `,"status":"accepted"`...)
	duplicate := true
	for i, a := range all {
		duplicate = duplicate && a.Duplicate
		if len(all) == 1 {
			break
		}
		between := ","
		if i == 0 {
			between = `,"events":[`
		}
		body = jsonscan.AppendString(append(body, between...), a.EventID)
	}
	if len(all) > 1 {
		body = append(body, ']')
	}
	body = append(body, "}\n"...)
	h := w.Header()
	values := []string{"application/json", strconv.Itoa(len(body))}
	h["Content-Type"], h["Content-Length"] = values[:1:1], values[1:]
	rq.remember(&idempotency.Answer{Status: http.StatusOK, Header: h, Body: body})
	if duplicate {
		rq.outcome = replayed
		h.Set("Idempotency-Replayed", "true")
	}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return ignoreGone(rq.r, err)
}
