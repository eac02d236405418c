// Package storetest is the contract of store.Store in the form of tests, and an in-memory reference of it.
package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// Options set up a memory store. The zero value is usable.
type Options struct {
	// Window is how long a key may exist only once; 0 means 72 h.
	Window time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MaxBytes bounds what is stored, Tenant what each tenant may hold of it, and Tenants what those may that are named.
	MaxBytes int64
	Tenant   store.Quota
	Tenants  map[string]store.Quota
	// MaxEvents bounds the number of events, after which Accept answers store.ErrFull; 0 means no bound.
	MaxEvents int
	// Sealing says that the store keeps secrets of documents, as one with keys does.
	Sealing bool
}

// NewMemory returns a store that keeps everything in memory: simple enough to be obviously right, so that other
// implementations can be compared with it and other packages can be tested without a disk. It takes turns between
// tenants in the order of their names, and calls that delivery oldest which has been due longest.
func NewMemory(o Options) store.Store { return &memory{memoryState: newMemoryState(o)} }

func newMemoryState(o Options) *memoryState {
	m := &memoryState{
		o:      o,
		events: map[string]*memoryEvent{},
		keys:   map[[16]byte]memoryKey{},
		paused: map[string]string{},
		turn:   map[string]string{},
		notes:  map[[2]string]memoryNote{},

		documents: map[[2]string]*memoryDocument{},
	}
	m.o.Window = cmp.Or(m.o.Window, 72*time.Hour)
	if m.o.Now == nil {
		m.o.Now = time.Now
	}
	return m
}

// memory is an open store. Several may have the same state, as several programs do with a database.
type memory struct {
	*memoryState
	// closed and away are under mu. away tells that the state cannot be reached.
	closed, away bool
}

type memoryState struct {
	o      Options
	mu     sync.Mutex
	events map[string]*memoryEvent
	order  []string // event ids, ascending
	keys   map[[16]byte]memoryKey
	paused map[string]string
	turn   map[string]string // destination -> tenant served last

	notes map[[2]string]memoryNote

	documents map[[2]string]*memoryDocument // by kind and name

	recorded []memoryAttempt // all attempts, in the order in which they were recorded

	expired store.Expired
	dropped int64
}

type memoryEvent struct {
	store.Event
	size       int64
	bytes      int // of the body as it was received
	deliveries []*memoryDelivery
}

type memoryKey struct {
	id string
	at time.Time
}

type memoryDelivery struct {
	store.Delivery
	event    *memoryEvent
	n        int
	lease    time.Time
	by       *memory // who has the lease
	attempts []store.Attempt
	kept     []byte // how far it has come
}

// enter checks what every method checks. The caller holds the lock when it returns nil.
func (m *memory) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return store.ErrClosed
	}
	if m.away {
		m.mu.Unlock()
		return fmt.Errorf("%w: it is cut off by a test", store.ErrUnavailable)
	}
	return nil
}

func (m *memory) Accept(ctx context.Context, e *store.Event, destinations []string) (store.Accepted, error) {
	if _, err := ulid.ParseStrict(e.ID); err != nil {
		return store.Accepted{}, errors.New("the event's ID is not a ULID: make one with ulid.Make")
	}
	if err := m.enter(ctx); err != nil {
		return store.Accepted{}, err
	}
	defer m.mu.Unlock()
	return m.accept(e, destinations)
}

// AcceptAll undoes what it stored when one of the events is refused.
func (m *memory) AcceptAll(ctx context.Context, events []*store.Event, destinations [][]string) ([]store.Accepted, error) {
	for _, e := range events {
		if _, err := ulid.ParseStrict(e.ID); err != nil {
			return nil, errors.New("the event's ID is not a ULID: make one with ulid.Make")
		}
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	old, keys, order := maps.Clone(m.events), maps.Clone(m.keys), slices.Clone(m.order)
	all := make([]store.Accepted, len(events))
	for i, e := range events {
		var err error
		if all[i], err = m.accept(e, destinations[i]); err != nil {
			m.events, m.keys, m.order = old, keys, order
			return nil, err
		}
	}
	return all, nil
}

// accept is Accept with the lock held.
func (m *memory) accept(e *store.Event, destinations []string) (store.Accepted, error) {
	now := m.o.Now()
	if first, ok := m.keys[e.Key]; ok && now.Sub(first.at) < m.o.Window {
		return store.Accepted{EventID: first.id, Duplicate: true}, nil
	}
	if m.events[e.ID] != nil {
		return store.Accepted{}, errors.New("an event with this ID exists: make a new ULID for every request")
	}
	if m.o.MaxEvents > 0 && len(m.events) >= m.o.MaxEvents {
		return store.Accepted{}, fmt.Errorf("%w: %d events is the limit", store.ErrFull, m.o.MaxEvents)
	}
	size := memorySize(e, len(destinations))
	for {
		whose, refused := m.refuses(e.Tenant, size)
		if refused == nil {
			break
		}
		if !slices.ContainsFunc(whose, m.drop) {
			return store.Accepted{}, fmt.Errorf("%w: %w", store.ErrFull, refused)
		}
	}
	me := &memoryEvent{Event: *cloneEvent(e), size: size, bytes: len(e.Body)}
	me.Dropped = false
	if me.ReceivedAt.IsZero() {
		me.ReceivedAt = plain(now)
	}
	accepted := store.Accepted{EventID: e.ID}
	for n, destination := range destinations {
		d := &memoryDelivery{event: me, n: n, Delivery: store.Delivery{
			ID: fmt.Sprintf("%s.%d", e.ID, n), EventID: e.ID, Tenant: e.Tenant, Destination: destination,
			State: store.Pending, NextAt: me.ReceivedAt, CreatedAt: me.ReceivedAt, UpdatedAt: me.ReceivedAt,
		}}
		me.deliveries = append(me.deliveries, d)
		accepted.Deliveries = append(accepted.Deliveries, d.ID)
	}
	m.events[e.ID] = me
	at, _ := slices.BinarySearch(m.order, e.ID)
	m.order = slices.Insert(m.order, at, e.ID)
	m.keys[e.Key] = memoryKey{id: e.ID, at: now}
	return accepted, nil
}

// all yields the deliveries, oldest event first.
func (m *memory) all(yield func(*memoryDelivery) bool) {
	for _, id := range m.order {
		for _, d := range m.events[id].deliveries {
			if !yield(d) {
				return
			}
		}
	}
}

func (d *memoryDelivery) leased(now time.Time) bool { return now.Before(d.lease) }

func (m *memory) Claim(ctx context.Context, destination string, now time.Time, lease time.Duration, limit int, skip []string) ([]store.Claimed, error) {
	if lease <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.claim(destination, everything, now, lease, limit, skip), nil
}

// everything is all of a destination, as of a store that is not shared.
func everything(*store.Event) bool { return true }

// claim is Claim with the lock held, of those whose event is in a lane.
func (m *memory) claim(destination string, in func(*store.Event) bool, now time.Time, lease time.Duration, limit int, skip []string) []store.Claimed {
	if _, paused := m.paused[destination]; paused {
		return nil
	}
	due := map[string][]*memoryDelivery{}
	for d := range m.all {
		if d.Destination == destination && in(&d.event.Event) && d.State == store.Pending && !d.NextAt.After(now) && !d.leased(now) && !slices.Contains(skip, d.Tenant) {
			due[d.Tenant] = append(due[d.Tenant], d)
		}
	}
	for _, queue := range due {
		slices.SortStableFunc(queue, func(a, b *memoryDelivery) int { return a.NextAt.Compare(b.NextAt) })
	}
	tenants := slices.Sorted(maps.Keys(due))
	if last, ok := m.turn[destination]; ok {
		i, found := slices.BinarySearch(tenants, last)
		if found {
			i++
		}
		tenants = slices.Concat(tenants[i:], tenants[:i])
	}
	var claimed []store.Claimed
	for len(tenants) > 0 && len(claimed) < limit {
		tenant := tenants[0]
		d := due[tenant][0]
		due[tenant], tenants = due[tenant][1:], tenants[1:]
		if len(due[tenant]) > 0 {
			tenants = append(tenants, tenant)
		}
		d.lease, d.by = now.Add(lease), m
		m.turn[destination] = tenant
		c := store.Claimed{Delivery: d.Delivery, Event: cloneEvent(&d.event.Event)}
		c.Leased = true
		claimed = append(claimed, c)
	}
	return claimed
}

func (m *memory) ClaimOne(ctx context.Context, deliveryID string, now time.Time, lease time.Duration) (*store.Claimed, error) {
	if lease <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.claimOne(m.delivery(deliveryID), now, lease), nil
}

// claimOne is ClaimOne with the lock held; d may be nil.
func (m *memory) claimOne(d *memoryDelivery, now time.Time, lease time.Duration) *store.Claimed {
	if d == nil || d.State != store.Pending || d.NextAt.After(now) || d.leased(now) {
		return nil
	}
	if _, paused := m.paused[d.Destination]; paused {
		return nil
	}
	d.lease, d.by = now.Add(lease), m
	c := store.Claimed{Delivery: d.Delivery, Event: cloneEvent(&d.event.Event)}
	c.Leased = true
	return &c
}

func (m *memory) Next(ctx context.Context, destination string) (time.Time, error) {
	if err := m.enter(ctx); err != nil {
		return time.Time{}, err
	}
	defer m.mu.Unlock()
	return m.next(destination, everything), nil
}

// next is Next with the lock held, of those whose event is in a lane.
func (m *memory) next(destination string, in func(*store.Event) bool) (next time.Time) {
	if _, paused := m.paused[destination]; paused {
		return next
	}
	now := m.o.Now()
	for d := range m.all {
		if d.Destination == destination && in(&d.event.Event) && d.State == store.Pending && !d.leased(now) && (next.IsZero() || d.NextAt.Before(next)) {
			next = d.NextAt
		}
	}
	return next
}

// delivery finds a delivery by id, or returns nil.
func (m *memory) delivery(id string) *memoryDelivery {
	event, _, _ := strings.Cut(id, ".")
	if e := m.events[event]; e != nil {
		for _, d := range e.deliveries {
			if d.ID == id {
				return d
			}
		}
	}
	return nil
}

func (m *memory) Finish(ctx context.Context, results []store.Attempt) error {
	return m.finish(ctx, results, func(store.Hold) bool { return true })
}

// finish is Finish, where held tells whether a hold is one still.
func (m *memory) finish(ctx context.Context, results []store.Attempt, held func(store.Hold) bool) error {
	for _, a := range results {
		if a.State != store.Pending && a.State != store.Delivered && a.State != store.Dead {
			return errors.New("an attempt must leave its delivery pending, delivered or dead")
		}
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, a := range results {
		if a.Audit.Returned || a.Audit.Lost {
			continue // for the audit log, which there is none of
		}
		late := !held(a.Held)
		a.Audit, a.Held = store.AuditAttempt{}, store.Hold{}
		d := m.delivery(a.DeliveryID)
		if d == nil {
			continue // erased while it was under way
		}
		late = late && a.State != store.Delivered
		a.Number = cmp.Or(a.Number, d.Attempts+1)
		if !a.Uncounted && !late {
			d.Attempts++
		}
		a.Uncounted = false
		a.At, a.NextAt = plain(a.At), plain(a.NextAt)
		a.Warnings, a.Excerpt = slices.Clone(a.Warnings), bytes.Clone(a.Excerpt)
		if a.Sent != nil {
			sent := *a.Sent
			sent.Requests = slices.Clone(sent.Requests)
			a.Sent = &sent
		}
		d.attempts = append(d.attempts, a)
		m.recorded = append(m.recorded, memoryAttempt{d.ID, store.AttemptInfo{
			Destination: d.Destination, Tenant: d.Tenant, Number: a.Number, At: a.At, Took: a.Took, Status: a.Status, Reason: a.Reason,
			Warnings: a.Warnings, State: a.State,
		}})
		if late {
			continue // it is another gateway's by now
		}
		d.UpdatedAt = plain(m.o.Now())
		if a.State == store.Delivered {
			d.kept = nil
		}
		if d.State == store.Pending {
			d.lease = time.Time{}
		} else if a.State != store.Delivered {
			continue // a late attempt does not bring back what is settled
		}
		d.State, d.NextAt, d.LastStatus, d.Reason = a.State, time.Time{}, a.Status, a.Reason
		d.RemoteID = cmp.Or(a.RemoteID, d.RemoteID)
		if d.State == store.Pending {
			if d.NextAt = a.NextAt; a.NextAt.IsZero() {
				d.NextAt = d.UpdatedAt
			}
		}
	}
	return nil
}

func (m *memory) Return(ctx context.Context, deliveryIDs []string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, id := range deliveryIDs {
		if d := m.delivery(id); d != nil && d.by == m {
			d.lease = time.Time{}
		}
	}
	return nil
}

func (m *memory) Pause(ctx context.Context, destination, reason string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.paused[destination] = reason
	return nil
}

func (m *memory) Resume(ctx context.Context, destination string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.paused, destination)
	return nil
}

func (m *memory) Paused(ctx context.Context) (map[string]string, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return maps.Clone(m.paused), nil
}

func (m *memory) Rekey(ctx context.Context, progress func(done, total int)) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	total := len(m.events)
	m.mu.Unlock()
	if progress != nil {
		progress(total, total)
	}
	return nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// plain is a time as it comes back from a disk: UTC, without a monotonic reading.
func plain(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

func cloneEvent(e *store.Event) *store.Event {
	c := *e
	c.ReceivedAt = plain(e.ReceivedAt)
	c.Body, c.Record, c.Header = nil, nil, nil
	if len(e.Body) > 0 {
		c.Body = bytes.Clone(e.Body)
	}
	if len(e.Record) > 0 {
		c.Record = bytes.Clone(e.Record)
	}
	if len(e.Header) > 0 {
		c.Header = make(map[string][]string, len(e.Header))
		for name, values := range e.Header {
			c.Header[strings.Clone(name)] = slices.Clone(values)
		}
	}
	return &c
}
