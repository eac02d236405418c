package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// mostFew is how many deliveries or events are found by an index and sorted. To look through more of them would take longer
// than to look through everything, of which they are then so large a part that a page is soon full. Those of tenants lie
// between those of others, from the newest on, so that a page is full sooner.
const mostFew, mostFewOfTenants = 100_000, 10_000

// tenantsOf notes the tenants of a filter; false if nothing can be of them.
func (s *Store) tenantsOf(f *store.Filter, c *conditions) bool {
	if f.Tenant == "" && f.Tenants == nil {
		return true
	}
	names := f.Tenants
	if f.Tenant != "" {
		if names != nil && !slices.Contains(names, f.Tenant) {
			names = nil
		} else {
			names = []string{f.Tenant}
		}
	}
	for _, name := range names {
		if id, ok := s.names.ID(name); ok {
			c.tenants = append(c.tenants, id)
		}
	}
	if len(c.tenants) == 0 {
		c.tenants = []any{-1}
		return false
	}
	return true
}

// whetherFew finds out whether few deliveries or events meet the conditions, and by which index they are found: deliveries of
// a state by their numbers, which are in memory, and others by counting them up to a bound.
func (s *Store) whetherFew(ctx context.Context, f *store.Filter, c *conditions) error {
	if f.DeliveryID != "" || f.EventID != "" || f.CallID != "" || f.CallerHash != "" || f.Subject != (store.Subject{}) || c.nothing() {
		return nil // which is quicker still
	}
	if f.State == store.Dead || f.State == store.Pending {
		n, destinations := s.numberOf(f, c)
		switch {
		case n == 0:
			c.delivery.nothing = true
			return nil
		case n <= mostFew:
			c.few = true
			c.hint.add("d.destination IN (?"+strings.Repeat(", ?", len(destinations)-1)+")", destinations...)
			return nil
		}
	}
	if f.Reason != "" {
		c.few, c.index = true, "INDEXED BY deliveries_reason"
		return nil
	}
	if !f.FailedSince.IsZero() {
		const from, where = "attempts a INDEXED BY attempts_failed", "a.at >= ? AND a.reason <> ''"
		since := nanos(f.FailedSince)
		few, err := s.fewOf(ctx, mostFew, from, where, []any{since})
		if err != nil {
			return err
		}
		if few {
			c.few = true
			c.hint.add("(d.event, d.n) IN (SELECT a.event, a.n FROM "+from+" WHERE "+where+")", since)
			return nil
		}
	}
	return s.whetherFewEvents(ctx, f, c)
}

// whetherFewEvents is whetherFew for what only events have: the time and the tenants.
func (s *Store) whetherFewEvents(ctx context.Context, f *store.Filter, c *conditions) error {
	var w where
	index, most := "", mostFew
	switch {
	case !f.From.IsZero() || !f.To.IsZero():
		index = "events_received"
		if !f.From.IsZero() {
			w.add("x.received_at >= ?", nanos(f.From))
		}
		if !f.To.IsZero() {
			w.add("x.received_at < ?", nanos(f.To))
		}
	case c.tenants != nil:
		index, most = "events_tenant", mostFewOfTenants
		c.ofTenants("x.tenant", &w)
	default:
		return nil
	}
	from := "events x INDEXED BY " + index
	few, err := s.fewOf(ctx, most, from, w.String(), w.args)
	if few && err == nil {
		c.fewEvents.add(" IN (SELECT x.seq FROM "+from+" WHERE "+w.String()+")", w.args...)
	}
	return err
}

// fewOf reports whether few rows of a table meet a condition.
func (s *Store) fewOf(ctx context.Context, most int, from, where string, args []any) (bool, error) {
	n := 0
	err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+from+" WHERE "+where+" LIMIT ?)", append(slices.Clip(args), most+1)...).Scan(&n)
	return n <= most, err
}

// numberOf is how many deliveries there are in a state of a filter, and to which destinations. It knows of destinations and
// tenants only.
func (s *Store) numberOf(f *store.Filter, c *conditions) (n int64, destinations []any) {
	state := lanes.StateNumber(f.State)
	s.queues.Each(func(l *lanes.Lane, q *lanes.Queue) {
		if f.Destination != "" && f.Destination != l.Name || c.tenants != nil && !slices.Contains(c.tenants, any(q.Tenant)) || q.Count[state] == 0 {
			return
		}
		n += q.Count[state]
		if !slices.Contains(destinations, any(q.Destination)) {
			destinations = append(destinations, q.Destination)
		}
	})
	return n, destinations
}

// byPart adds a condition on a column of events that has an index by the parts of time in which they were received.
func (s *Store) byPart(ctx context.Context, f *store.Filter, column, value string, w *where) error {
	var first, last int64
	err := s.reader.QueryRowContext(ctx, "SELECT coalesce((SELECT min(received_at) FROM events), 0), coalesce((SELECT max(received_at) FROM events), 0)").Scan(&first, &last)
	if err != nil {
		return err
	}
	if !f.From.IsZero() {
		first = max(first, f.From.UnixNano())
	}
	if !f.To.IsZero() {
		last = min(last, f.To.UnixNano())
	}
	index := map[string]string{"call_id": "events_call", "caller_hash": "events_caller"}[column]
	w.add(`e.seq IN (WITH RECURSIVE part (n) AS (SELECT ? UNION ALL SELECT n + 1 FROM part WHERE n < ?)
		SELECT x.seq FROM part CROSS JOIN events x INDEXED BY `+index+` WHERE x.received_at >> 42 = part.n AND x.`+column+` = ? AND x.`+column+` <> '')`,
		first>>42, last>>42, value)
	return nil
}
