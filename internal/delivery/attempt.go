package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/store"
	"go.uber.org/zap"
)

// Bounds of what is kept of an attempt.
const (
	maxReason   = 500
	maxWarnings = 20
	maxExcerpt  = 4096
)

// attempt is one call of Deliver with all that belongs to it.
type attempt struct {
	lane    *lane
	terms   *terms
	tenure  *tenure
	batch   []store.Claimed
	breaker func(breaker.Outcome)
	// probe tells that the attempt finds out whether the receiver is back. A failure takes nothing from the schedule.
	probe bool
	// sent is what left in the attempt, and digest a SHA-256 over its bodies.
	sent   *store.Sent
	digest [sha256.Size]byte

	// The outcome, for the recorder.
	records  []store.Attempt
	returned []string
	failing  []Attempted
	dead     []Attempted
	pause    string

	// one is where batch, items and records lie if there is only one delivery, as mostly.
	one struct {
		claimed [1]store.Claimed
		item    [1]destination.Item
		record  [1]store.Attempt
	}
}

// tenants yields those of the batch that have a name, each once.
func (a *attempt) tenants(yield func(string) bool) {
	for i := range a.batch {
		tenant, before := a.batch[i].Tenant, false
		for j := range i {
			before = before || a.batch[j].Tenant == tenant
		}
		if tenant != "" && !before && !yield(tenant) {
			return
		}
	}
}

func (a *attempt) run() {
	e := a.lane.e
	at := e.o.Now()
	items, readable := a.one.item[:0], a.batch[:0]
	if len(a.batch) > 1 { // one alone stays where it is
		items, readable = make([]destination.Item, 0, len(a.batch)), make([]store.Claimed, 0, len(a.batch))
	}
	a.records = a.one.record[:0]
	for _, c := range a.batch {
		item, err := a.item(c)
		switch {
		case errors.Is(err, errNoTenant):
			a.returned = append(a.returned, c.ID) // a configuration without it was loaded since it was claimed
			continue
		case err != nil:
			a.finish(c, item, destination.Result{Outcome: destination.Dead, Reason: err.Error()}, at, 0, fate{})
			continue
		}
		items, readable = append(items, item), append(readable, c)
	}
	judged := judgement{health: breaker.Neither}
	if len(items) > 0 {
		var results []destination.Result
		var rendered []destination.Request
		spans := a.trace(items)
		if a.terms.snapshot.TestMode {
			results, rendered = a.preview(items)
		} else {
			results = a.deliver(items)
		}
		now := e.o.Now()
		took := now.Sub(at)
		closed := a.tenure.ctx.Err() != nil
		judged = a.lane.judge(a, readable, results, now, closed)
		for i, r := range results {
			back := r.Outcome == destination.Retry && (closed || r.Own)
			done := a.finish(readable[i], items[i], r, at, took, fate{returned: back, spared: judged.spared[i]})
			if spans != nil {
				a.endSpan(spans[i], &done)
			}
			if rendered != nil && i == 0 {
				e.o.Observer.Rendered(done, rendered)
			}
		}
	}
	a.breaker(judged.health)
	a.lane.tell(&judged)
	if a.pause != "" {
		e.pauseItself(a.lane.name, a.pause)
	}
	e.recorder.add(a)
}

var errNoTenant = errors.New("the configuration does not know the tenant")

// fate is what the circumstances make of a failed delivery.
type fate struct {
	// returned tells that the attempt counts for nothing, and is made again under the same number.
	returned bool
	// spared tells that the failure takes nothing from the delivery's schedule, nor ends it.
	spared bool
}

// item is what the destination gets of a delivery.
func (a *attempt) item(c store.Claimed) (item destination.Item, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("preparing a delivery panicked", p)
			err = fmt.Errorf("preparing the call record failed: report this with the log, then replay the delivery")
		}
	}()
	ev := c.Event
	header := http.Header(ev.Header)
	item = destination.Item{
		DeliveryID: c.ID, EventID: c.EventID, Attempt: c.Attempts + 1, Tenant: c.Tenant, ReceivedAt: ev.ReceivedAt,
		Source: ev.Source, EventType: ev.EventType, Body: ev.Body, ContentType: header.Get("Content-Type"), ContentEncoding: header.Get("Content-Encoding"),
		Traceparent: header.Get("Traceparent"),
	}
	var known bool
	if item.Vars, known = a.terms.vars(c.Tenant); !known {
		return item, errNoTenant
	}
	if f, ok := a.terms.Destination.(destination.Forwarder); ok && f.Forwards() && a.terms.Minimize == nil {
		return item, nil
	}
	if item.Call, err = readRecord(ev); err != nil {
		return item, err
	}
	if a.terms.Minimize != nil {
		item.Call = a.terms.Minimize(item.Call)
	}
	return item, nil
}

// readRecord reads the stored call record. An event without one, such as a request kept for its route, has the
// little that its row says.
func readRecord(ev *store.Event) (*call.Call, error) {
	if ev.Call != nil {
		return ev.Call.Clone(), nil // the store gives the same one to every destination of the event
	}
	if len(ev.Record) == 0 {
		return &call.Call{Provider: ev.Source, EventType: ev.EventType, EventID: ev.EventID, ID: ev.CallID}, nil
	}
	c, err := call.Decode(ev.Record)
	if err != nil {
		// The decoder's text may quote the record.
		return nil, fmt.Errorf("the stored call record cannot be read (%T): it was written by another version or is damaged", err)
	}
	return c, nil
}

// deliver calls the destination and answers with exactly one result for each item, whatever it does.
func (a *attempt) deliver(items []destination.Item) (results []destination.Result) {
	ctx, cancel := context.WithTimeout(a.tenure.ctx, a.terms.Timeout)
	defer cancel()
	ctx, record := outbound.Recorded(ctx)
	defer func() {
		a.sent, a.digest = a.lane.e.hashes.sentOf(record, len(items)), digestOf(record)
		if p := recover(); p != nil {
			a.logPanic("a destination panicked", p)
			results = same(len(items), destination.Result{Reason: "the destination panicked: see the log", Unhealthy: true})
			return
		}
		if n := len(results); n != len(items) {
			results = append(results, same(max(0, len(items)-n), destination.Result{
				Reason: fmt.Sprintf("the destination answered for %d of %d deliveries: report this", n, len(items)),
			})...)[:len(items)]
		}
	}()
	return a.terms.Destination.Deliver(ctx, items)
}

// preview renders what would be sent.
func (a *attempt) preview(items []destination.Item) (results []destination.Result, requests []destination.Request) {
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("a destination's preview panicked", p)
			results, requests = same(len(items), destination.Result{Reason: "the destination panicked: see the log"}), nil
		}
	}()
	requests, err := a.terms.Destination.Preview(items)
	if err != nil {
		return same(len(items), destination.Result{Outcome: destination.Dead, Reason: "test mode: " + err.Error()}), nil
	}
	note := fmt.Sprintf("test mode: %d requests rendered, none sent", len(requests))
	return same(len(items), destination.Result{Outcome: destination.Delivered, Warnings: []string{note}}), requests
}

func same(n int, r destination.Result) []destination.Result {
	results := make([]destination.Result, n)
	for i := range results {
		results[i] = r
	}
	return results
}

// finish decides what a result makes of a delivery, notes it for the recorder and tells the observer.
func (a *attempt) finish(c store.Claimed, item destination.Item, r destination.Result, at time.Time, took time.Duration, f fate) Attempted {
	e := a.lane.e
	done := Attempted{
		Destination: a.lane.name, Item: item,
		Source: c.Event.Source, Route: c.Event.Route, EventType: c.Event.EventType, CallID: c.Event.CallID,
		CreatedAt: c.CreatedAt, At: at, Took: took, Outcome: r.Outcome, Status: r.Status, Reason: clip(r.Reason, maxReason),
		RetryAfter: r.RetryAfter, RemoteID: r.RemoteID, TestMode: a.terms.snapshot.TestMode,
	}
	for _, w := range r.Warnings[:min(len(r.Warnings), maxWarnings)] {
		done.Warnings = append(done.Warnings, clip(w, maxReason))
	}
	record := store.Attempt{
		DeliveryID: c.ID, Number: item.Attempt, At: at, Took: took, Status: r.Status, State: store.Pending, Sent: a.sent, Held: a.tenure.hold,
		Audit: store.AuditAttempt{Tenant: c.Tenant, Destination: a.lane.name, Kind: a.terms.Kind, Digest: a.digest, Test: a.terms.snapshot.TestMode},
	}
	if f.returned {
		done.Returned, done.State = true, store.Pending
		a.returned = append(a.returned, c.ID)
		if a.sent != nil { // it counts for nothing, and somebody may have got it
			record.Audit.Returned = true
			a.records = append(a.records, record)
		}
		e.o.Observer.AttemptFinished(done)
		return done
	}
	a.decide(&done, r, &c, f.spared)
	if r.Pause && a.pause == "" {
		a.pause = done.Reason
		if a.pause == "" {
			a.pause = "the receiver asked to be left alone"
		}
	}
	record.Reason, record.Warnings, record.RemoteID = done.Reason, done.Warnings, r.RemoteID
	record.State, record.NextAt, record.Uncounted = done.State, done.NextAt, done.Uncounted
	if a.terms.KeepExcerpt && len(r.Excerpt) > 0 {
		record.Excerpt = r.Excerpt[:min(len(r.Excerpt), maxExcerpt)]
	}
	a.records = append(a.records, record)
	switch {
	case done.State == store.Dead:
		a.dead = append(a.dead, done)
	case done.State == store.Pending && item.Attempt == failingAfter && !done.Uncounted:
		a.failing = append(a.failing, done)
	}
	e.o.Observer.AttemptFinished(done)
	return done
}

// decide turns an outcome into the delivery's next state.
func (a *attempt) decide(done *Attempted, r destination.Result, c *store.Claimed, spared bool) {
	e, made := a.lane.e, c.Attempts+1
	switch {
	case r.Outcome == destination.Delivered:
		done.State, done.Reason = store.Delivered, ""
		return
	case spared:
	case r.Outcome == destination.Dead:
		done.State = store.Dead
		if done.Reason == "" {
			done.Reason = "the receiver refused it for good"
		}
		return
	}
	if done.Reason == "" {
		done.Reason = "not delivered, and the destination did not say why"
	}
	now := e.o.Now()
	after := min(max(r.RetryAfter, 0), a.terms.RetryAfterMax)
	wait, ok := a.terms.Schedule.Next(made, e.o.Rand())
	switch {
	case spared:
		done.State, done.Uncounted, done.NextAt = store.Pending, true, now.Add(after)
		if r.Unsent && after == 0 {
			done.NextAt = c.NextAt // it stays the first in the queue
		}
	case ok:
		done.State, done.NextAt = store.Pending, now.Add(max(wait, after))
	case r.Pause:
		// The operator is asked to mend the destination, and then this one goes out with all the others.
		done.State, done.NextAt = store.Pending, now.Add(after)
	case r.Spent:
		// The schedule is for receivers that fail, and shorter than the day that such a limit is for.
		done.State, done.NextAt = store.Pending, now.Add(max(after, spentWait))
	default:
		done.State = store.Dead
		done.Reason = clip(fmt.Sprintf("gave up after %d attempts: %s", made, done.Reason), maxReason)
	}
	if after > 0 && (r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable) {
		a.lane.hold(now.Add(min(after, maxHold)))
	}
}

// hold keeps the whole destination waiting, as a receiver that is too busy for one request is for the next.
func (l *lane) hold(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.holdUntil) {
		l.holdUntil = until
	}
}

// logPanic logs where a panic came from. Its value may hold anything, so only the runtime's own errors are quoted.
func (a *attempt) logPanic(what string, p any) {
	text := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		text = err.Error()
	}
	a.lane.e.log.Error(what, zap.String("destination", a.lane.name), zap.String("panic", text), zap.Stack("stack"))
}

// clip bounds a text to one line of n bytes.
func clip(s string, n int) string {
	if strings.ContainsAny(s, "\r\n") {
		s = strings.Join(strings.Fields(s), " ")
	}
	if len(s) <= n {
		return s
	}
	end := n - len("…")
	// The cut goes before the character that it would split. In text that is not UTF-8 there may be none to find.
	for i := 1; i < utf8.UTFMax && !utf8.RuneStart(s[end]); i++ {
		end--
	}
	return s[:end] + "…"
}
