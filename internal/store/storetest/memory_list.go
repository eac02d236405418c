package storetest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// matchesEvent tells whether the fields of a filter that concern events match.
func matchesEvent(f *store.Filter, e *store.Event) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(f.Tenant, e.Tenant) && (f.Tenants == nil || slices.Contains(f.Tenants, e.Tenant)) && is(f.Source, e.Source) && is(f.EventType, e.EventType) && is(f.EventID, e.ID) &&
		is(f.CallID, e.CallID) && is(f.CallerHash, e.CallerHash) && (f.Subject == store.Subject{} || slices.Contains(e.Subjects, f.Subject)) &&
		(f.From.IsZero() || !e.ReceivedAt.Before(f.From)) && (f.To.IsZero() || e.ReceivedAt.Before(f.To))
}

// matchesDelivery tells whether the fields of a filter that concern deliveries match.
func matchesDelivery(f *store.Filter, d *memoryDelivery) bool {
	failed := func(a store.Attempt) bool { return a.Reason != "" && !a.At.Before(f.FailedSince) }
	if !f.FailedSince.IsZero() && !slices.ContainsFunc(d.attempts, failed) {
		return false
	}
	return (f.Destination == "" || f.Destination == d.Destination) && (f.State == "" || f.State == d.State) &&
		strings.Contains(d.Reason, f.Reason) && (f.DeliveryID == "" || f.DeliveryID == d.ID)
}

// matches tells whether an event matches, which with conditions on deliveries means that one of its deliveries does.
func (e *memoryEvent) matches(f *store.Filter) bool {
	if !matchesEvent(f, &e.Event) {
		return false
	}
	if f.Destination == "" && f.State == "" && f.Reason == "" && f.DeliveryID == "" && f.FailedSince.IsZero() {
		return true
	}
	return slices.ContainsFunc(e.deliveries, func(d *memoryDelivery) bool { return matchesDelivery(f, d) })
}

func pageLimit(p store.Page) int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 1000)
}

var errBefore = errors.New("the page's Before is not an id of this listing: pass the last id of the page before")

func (m *memory) Events(ctx context.Context, f store.Filter, p store.Page) ([]store.EventInfo, error) {
	if p.Before != "" {
		if _, err := ulid.ParseStrict(p.Before); err != nil {
			return nil, errBefore
		}
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var list []store.EventInfo
	for _, id := range slices.Backward(m.order) {
		e := m.events[id]
		if p.Before != "" && id >= p.Before || !e.matches(&f) {
			continue
		}
		info := store.EventInfo{ID: id, Tenant: e.Tenant, Source: e.Source, Route: e.Route, EventType: e.EventType,
			EventID: e.EventID, CallID: e.CallID, ReceivedAt: e.ReceivedAt, Bytes: e.bytes, Dropped: e.Dropped, States: map[store.State]int{}}
		for _, d := range e.deliveries {
			info.States[d.State]++
		}
		if list = append(list, info); len(list) == pageLimit(p) {
			break
		}
	}
	return list, nil
}

func (m *memory) Event(ctx context.Context, id string) (*store.Event, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	e := m.events[id]
	if e == nil {
		return nil, store.ErrNotFound
	}
	return cloneEvent(&e.Event), nil
}

func (m *memory) Deliveries(ctx context.Context, f store.Filter, p store.Page) ([]store.Delivery, error) {
	before, n := "", 0
	if p.Before != "" {
		event, number, ok := strings.Cut(p.Before, ".")
		var err error
		if n, err = strconv.Atoi(number); err != nil || !ok || n < 0 {
			return nil, errBefore
		}
		if _, err := ulid.ParseStrict(event); err != nil {
			return nil, errBefore
		}
		before = event
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	now := m.o.Now()
	var list []store.Delivery
	for _, id := range slices.Backward(m.order) {
		e := m.events[id]
		if before != "" && id > before || !matchesEvent(&f, &e.Event) {
			continue
		}
		for _, d := range slices.Backward(e.deliveries) {
			if id == before && d.n >= n || !matchesDelivery(&f, d) {
				continue
			}
			row := d.Delivery
			row.Leased = d.State == store.Pending && d.leased(now)
			if list = append(list, row); len(list) == pageLimit(p) {
				return list, nil
			}
		}
	}
	return list, nil
}

func (m *memory) Attempts(ctx context.Context, deliveryID string) ([]store.Attempt, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	d := m.delivery(deliveryID)
	if d == nil {
		return nil, store.ErrNotFound
	}
	return slices.Clone(d.attempts), nil
}

func (m *memory) Stats(ctx context.Context) (store.Stats, error) {
	if err := m.enter(ctx); err != nil {
		return store.Stats{}, err
	}
	defer m.mu.Unlock()
	s := store.Stats{Events: int64(len(m.events)), MaxBytes: m.o.MaxBytes, Expired: m.expired, Dropped: m.dropped}
	by := map[string]*store.DestinationStats{}
	of := func(destination string) *store.DestinationStats {
		if by[destination] == nil {
			by[destination] = &store.DestinationStats{Destination: destination}
		}
		return by[destination]
	}
	for _, e := range m.events {
		s.Bytes += e.size
	}
	for d := range m.all {
		q := of(d.Destination)
		switch d.State {
		case store.Pending:
			q.Pending++
			if q.OldestPending.IsZero() || d.CreatedAt.Before(q.OldestPending) {
				q.OldestPending = d.CreatedAt
			}
		case store.Delivered:
			q.Delivered++
		case store.Dead:
			q.Dead++
		}
	}
	for destination, reason := range m.paused {
		q := of(destination)
		q.Paused, q.PauseReason = true, reason
	}
	for _, destination := range slices.Sorted(maps.Keys(by)) {
		s.Destinations = append(s.Destinations, *by[destination])
	}
	return s, nil
}

func (m *memory) Replay(ctx context.Context, f store.Filter, now time.Time, every time.Duration, dryRun bool) (int, error) {
	n := 0
	return m.move(ctx, &f, dryRun, func(d *memoryDelivery) bool { return d.State != store.Pending && !d.event.Dropped }, func(d *memoryDelivery) {
		at := now.Add(time.Duration(n) * every)
		n++
		d.State, d.Attempts, d.NextAt, d.UpdatedAt, d.lease = store.Pending, 0, plain(at), plain(m.o.Now()), time.Time{}
	})
}

func (m *memory) SendNow(ctx context.Context, f store.Filter, now time.Time, dryRun bool) (int, error) {
	later := func(d *memoryDelivery) bool { return d.State == store.Pending && d.NextAt.After(now) }
	return m.move(ctx, &f, dryRun, later, func(d *memoryDelivery) { d.NextAt = plain(now) })
}

func (m *memory) Cancel(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	waits := func(d *memoryDelivery) bool { return d.State == store.Pending }
	return m.move(ctx, &f, dryRun, waits, func(d *memoryDelivery) {
		d.State, d.NextAt, d.UpdatedAt, d.Reason, d.lease = store.Dead, time.Time{}, plain(m.o.Now()), store.Cancelled, time.Time{}
	})
}

// move changes the deliveries that match, oldest event first, and counts them.
func (m *memory) move(ctx context.Context, f *store.Filter, dryRun bool, match func(*memoryDelivery) bool, change func(*memoryDelivery)) (int, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	count := 0
	defer func() { // when it is unlocked
		if count > 0 && !dryRun {
			store.Progress(ctx, count)
		}
	}()
	defer m.mu.Unlock()
	for d := range m.all {
		if !match(d) || !matchesEvent(f, &d.event.Event) || !matchesDelivery(f, d) {
			continue
		}
		if count++; !dryRun {
			change(d)
		}
	}
	return count, nil
}

func (m *memory) Erase(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	n := 0
	defer func() { // when it is unlocked
		if n > 0 && !dryRun {
			store.Progress(ctx, n)
		}
	}()
	defer m.mu.Unlock()
	n = m.remove(func(e *memoryEvent) bool { return e.matches(&f) }, len(m.events), dryRun)
	if n > 0 && !dryRun {
		clear(m.notes)
	}
	return n, nil
}

func (m *memory) Expire(ctx context.Context, r store.Retention, now time.Time, batch int) (expired store.Expired, err error) {
	if batch <= 0 {
		return expired, errors.New("expiring needs a batch of at least one event")
	}
	if err := m.enter(ctx); err != nil {
		return expired, err
	}
	defer m.mu.Unlock()
	m.forgetNotes(now)
	maps.DeleteFunc(m.keys, func(_ [16]byte, k memoryKey) bool { return now.Sub(k.at) >= m.o.Window })
	past := func(e *memoryEvent, kept time.Duration, isDead bool) bool {
		ended, hasDead := e.ReceivedAt, false
		for _, d := range e.deliveries {
			if d.State == store.Pending {
				return false
			}
			hasDead = hasDead || d.State == store.Dead
			if d.UpdatedAt.After(ended) {
				ended = d.UpdatedAt
			}
		}
		return kept > 0 && hasDead == isDead && ended.Before(now.Add(-kept))
	}
	expired.Done = int64(m.remove(func(e *memoryEvent) bool { return past(e, r.Done, false) }, batch, false))
	expired.Dead = int64(m.remove(func(e *memoryEvent) bool { return past(e, r.Dead, true) }, batch-int(expired.Done), false))
	m.expired.Done += expired.Done
	m.expired.Dead += expired.Dead
	return expired, nil
}

// remove deletes up to limit events that match, oldest first, and counts them. Their keys stay.
func (m *memory) remove(match func(*memoryEvent) bool, limit int, dryRun bool) int {
	count := 0
	kept := m.order[:0:0]
	for _, id := range m.order {
		if count < limit && match(m.events[id]) {
			if count++; !dryRun {
				delete(m.events, id)
				continue
			}
		}
		kept = append(kept, id)
	}
	m.order = kept
	return count
}

func (m *memory) Waiting(ctx context.Context) ([]store.Waiting, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	counts := map[[2]string]int64{}
	for d := range m.all {
		if d.State == store.Pending {
			counts[[2]string{d.Destination, d.Tenant}]++
		}
	}
	var list []store.Waiting
	for k, n := range counts {
		list = append(list, store.Waiting{Destination: k[0], Tenant: k[1], Pending: n})
	}
	slices.SortFunc(list, func(a, b store.Waiting) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Tenant, b.Tenant))
	})
	return list, nil
}

func (m *memory) Counts(ctx context.Context, tenants []string) ([]store.Count, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var list []store.Count
	for d := range m.all {
		if tenants != nil && !slices.Contains(tenants, d.Tenant) {
			continue
		}
		same := func(c store.Count) bool { return c.Destination == d.Destination && c.Tenant == d.Tenant }
		i := slices.IndexFunc(list, same)
		if i < 0 {
			i, list = len(list), append(list, store.Count{Destination: d.Destination, Tenant: d.Tenant})
		}
		switch d.State {
		case store.Pending:
			list[i].Pending++
		case store.Delivered:
			list[i].Delivered++
		case store.Dead:
			list[i].Dead++
		}
	}
	slices.SortFunc(list, func(a, b store.Count) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Tenant, b.Tenant))
	})
	return list, nil
}

// memoryAttempt is an attempt in the order in which they were recorded.
type memoryAttempt struct {
	delivery string
	store.AttemptInfo
}

func (m *memory) RecentAttempts(ctx context.Context, before int64, limit int) (list []store.AttemptInfo, next int64, err error) {
	if err := m.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()
	if before == 0 {
		before = int64(len(m.recorded)) + 1
	}
	for place := min(before, int64(len(m.recorded))+1) - 1; place > 0; place-- {
		a := &m.recorded[place-1]
		if m.delivery(a.delivery) == nil {
			continue
		}
		info := a.AttemptInfo
		info.Place = place
		if list = append(list, info); len(list) == limit {
			return list, place, nil
		}
	}
	return list, 0, nil
}

func (m *memory) Groups(ctx context.Context, f store.Filter, limit int) (groups []store.Group, partial bool, err error) {
	if err := m.enter(ctx); err != nil {
		return nil, false, err
	}
	defer m.mu.Unlock()
	for d := range m.all {
		if !matchesEvent(&f, &d.event.Event) || !matchesDelivery(&f, d) {
			continue
		}
		i := slices.IndexFunc(groups, func(g store.Group) bool {
			return g.State == d.State && g.Destination == d.Destination && g.Reason == d.Reason
		})
		if i < 0 {
			i = len(groups)
			groups = append(groups, store.Group{State: d.State, Destination: d.Destination, Reason: d.Reason, Oldest: d.CreatedAt})
		}
		groups[i].Deliveries++
		groups[i].Newest = d.CreatedAt
	}
	store.SortGroups(groups)
	return groups[:min(limit, len(groups))], false, nil
}
