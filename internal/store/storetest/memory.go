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
	// DataKeys says that tenants have data keys.
	DataKeys bool
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

	dataKeys memoryKeys

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
	if e.Call != nil {
		record, err := e.AppendRecord(nil)
		if err != nil {
			return store.Accepted{}, err
		}
		written := *e
		written.Record, written.Call, e = record, nil, &written
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
	m.ensureDataKey(e.Tenant)
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
