package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/oklog/ulid/v2"
)

// where is a condition under construction.
type where struct {
	terms []string
	args  []any
	// nothing tells that no row can match: a name that no row refers to, an id that does not exist.
	nothing bool
}

func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return "1"
	}
	return strings.Join(w.terms, " AND ")
}

// conditions are a filter in SQL: on events e and on deliveries d.
type conditions struct {
	event, delivery where
	// tenants are those of the filter, which stand in both tables; nil for all.
	tenants []any
	// inEvents tells that there are conditions on columns that only events have.
	inEvents bool
	// few tells that so few deliveries meet the conditions that it is quicker to find all of them by an index, which hint
	// makes SQLite use, than to look through everything in the order of a listing until a page is full.
	few   bool
	hint  where
	index string // which one, where SQLite has to be told
	// fewEvents, if it is not empty, says behind the number of an event that it is one of so few.
	fewEvents where
}

// ofTenants adds the filter's tenants to a condition on their column. A plus sign before it keeps SQLite from looking for all
// that is theirs and sorting it.
func (c *conditions) ofTenants(column string, w *where) {
	if c.tenants != nil {
		w.add(column+" IN (?"+strings.Repeat(", ?", len(c.tenants)-1)+")", c.tenants...)
	}
}

func (s *Store) conditions(ctx context.Context, f *store.Filter) (c conditions, err error) {
	name := func(column, value string, w *where) {
		if value == "" {
			return
		}
		id, ok := s.names.ID(value)
		if !ok {
			w.nothing = true
		}
		w.add(column+" = ?", id)
	}
	if f.EventID != "" {
		id, err := ulid.ParseStrict(f.EventID)
		seq := int64(0)
		if err == nil {
			if seq, err = s.seqOf(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
				return c, err
			}
		}
		c.event.nothing = seq == 0
		c.event.add("e.seq = ?", seq)
	}
	if f.DeliveryID != "" {
		key, err := lanes.ParseKey(f.DeliveryID)
		seq := int64(0)
		if err == nil {
			if seq, err = s.seqOf(ctx, key.Event); err != nil && !errors.Is(err, store.ErrNotFound) {
				return c, err
			}
		}
		c.delivery.nothing = seq == 0
		c.delivery.add("d.event = ? AND d.n = ?", seq, key.N)
	}
	if !s.tenantsOf(f, &c) {
		c.event.nothing = true
	}
	// Only the dead have an index in the order of listings. The one of what is due would have to be sorted, a million
	// rows for one page; the plus sign keeps SQLite from choosing it.
	column := "+d.destination"
	if f.State == store.Dead {
		column = "d.destination"
	}
	name(column, f.Destination, &c.delivery)
	for column, value := range map[string]string{"source": f.Source, "event_type": f.EventType} {
		if value != "" {
			c.inEvents = true
			c.event.add("e."+column+" = ?", value)
		}
	}
	for column, value := range map[string]string{"call_id": f.CallID, "caller_hash": f.CallerHash} {
		if value != "" {
			c.inEvents = true
			if err := s.byPart(ctx, f, column, value, &c.event); err != nil {
				return c, err
			}
		}
	}
	if f.Subject != (store.Subject{}) {
		c.inEvents = true
		c.event.add("e.seq IN (SELECT s.seq FROM subjects s WHERE s.hash = ?)", f.Subject[:])
	}
	if !f.From.IsZero() {
		c.inEvents = true
		c.event.add("e.received_at >= ?", f.From.UnixNano())
	}
	if !f.To.IsZero() {
		c.inEvents = true
		c.event.add("e.received_at < ?", f.To.UnixNano())
	}
	if f.State != "" {
		n := lanes.StateNumber(f.State)
		c.delivery.nothing = c.delivery.nothing || n < 0
		// The number stands in the text so that SQLite can use the index of that state.
		c.delivery.add("d.state = " + [...]string{"-1", "0", "1", "2"}[n+1])
	}
	if f.Reason != "" {
		c.delivery.add("d.reason <> '' AND instr(d.reason, ?) > 0", f.Reason)
	}
	if !f.FailedSince.IsZero() {
		// A delivery is changed when an attempt at it has ended, which is quicker to look at than its attempts.
		since := f.FailedSince.UnixNano()
		c.delivery.add(`d.updated_at >= ? AND EXISTS (SELECT 1 FROM attempts a WHERE a.event = d.event AND a.n = d.n
			AND a.at >= ? AND a.reason <> '')`, since, since)
	}
	return c, s.whetherFew(ctx, f, &c)
}

func (c *conditions) nothing() bool { return c.event.nothing || c.delivery.nothing }

// events is the condition for events: conditions on deliveries mean that one delivery of the event meets them.
func (c *conditions) events() where {
	w := where{terms: slices.Clone(c.event.terms), args: slices.Clone(c.event.args)}
	c.ofTenants("+e.tenant", &w)
	c.ofFew("e.seq", &w)
	if len(c.delivery.terms) == 0 {
		return w
	}
	if c.few {
		d := c.hinted()
		w.add("e.seq IN (SELECT d.event FROM deliveries d "+c.index+" WHERE "+d.String()+")", d.args...)
	} else {
		w.add("EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.seq AND "+c.delivery.String()+")", c.delivery.args...)
	}
	return w
}

// deliveries is the condition for deliveries joined with their events.
func (c *conditions) deliveries() where {
	w := where{}
	w.terms = append(append(w.terms, c.event.terms...), c.delivery.terms...)
	w.args = append(append(w.args, c.event.args...), c.delivery.args...)
	if c.inEvents { // it begins with them
		c.ofTenants("+e.tenant", &w)
		c.ofFew("e.seq", &w)
	} else {
		c.ofTenants("+d.tenant", &w)
		c.ofFew("d.event", &w)
	}
	return w
}

// ofFew adds that an event is one of few.
func (c *conditions) ofFew(column string, w *where) {
	if len(c.fewEvents.terms) > 0 {
		w.add(column+c.fewEvents.String(), c.fewEvents.args...)
	}
}

// hinted is the condition for deliveries alone, so that few are found by an index.
func (c *conditions) hinted() where {
	w := where{terms: slices.Concat(c.delivery.terms, c.hint.terms), args: slices.Concat(c.delivery.args, c.hint.args)}
	c.ofTenants("d.tenant", &w)
	return w
}

// join names the tables, the one to begin with first.
func (c *conditions) join() string {
	if c.inEvents {
		return "events e CROSS JOIN deliveries d ON d.event = e.seq"
	}
	return "deliveries d CROSS JOIN events e ON e.seq = d.event"
}

// seqOf finds an event's number, or store.ErrNotFound.
func (s *Store) seqOf(ctx context.Context, id [16]byte) (seq int64, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT seq FROM events WHERE id = ?", id[:]).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, store.ErrNotFound
	}
	return seq, err
}

// seqBefore turns the id that a page ends with into a number: the event's own, or if it is gone the one that follows
// the newest older event.
func (s *Store) seqBefore(ctx context.Context, id [16]byte) (int64, error) {
	seq, err := s.seqOf(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return seq, err
	}
	err = s.reader.QueryRowContext(ctx, "SELECT seq + 1 FROM events WHERE id < ? ORDER BY id DESC LIMIT 1", id[:]).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}
