package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/oklog/ulid/v2"
)

// where is a condition under construction. The arguments of all conditions of a statement are numbered together.
type where struct {
	terms []string
}

// conditions are a filter in SQL: on events e and on deliveries d.
type conditions struct {
	event, delivery where
	args            []any
	// nothing tells that no row can match: a name that no row refers to, an id that does not exist.
	nothing bool
	// inEvents tells that there are conditions on columns that only events have.
	inEvents bool
	state    store.State
	// few tells that the deliveries that match are few and have an index.
	few bool
}

// arg adds an argument and gives what stands for it.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func (w *where) add(term string) { w.terms = append(w.terms, term) }

func (w *where) String() string {
	if len(w.terms) == 0 {
		return "true"
	}
	return strings.Join(w.terms, " AND ")
}

// slack is how many days the day of an event's id may lie from the day on which it was received: one for a clock that goes
// wrong, as far as a day is taken from an id, and one for what lies around midnight.
const slack = 2

func (s *Store) conditions(ctx context.Context, f *store.Filter) (c *conditions, err error) {
	c = &conditions{state: f.State}
	name := func(column, value string, w *where) error {
		if value == "" {
			return nil
		}
		id, ok, err := s.id(ctx, value)
		c.nothing = c.nothing || !ok
		w.add(column + " = " + c.arg(id))
		return err
	}
	if f.EventID != "" {
		id, err := ulid.ParseStrict(f.EventID)
		c.nothing = c.nothing || err != nil
		c.event.add("e.id = " + c.arg([16]byte(id)))
	}
	if f.DeliveryID != "" {
		key, err := lanes.ParseKey(f.DeliveryID)
		c.nothing = c.nothing || err != nil
		c.few = true
		c.delivery.add("d.event = " + c.arg(key.Event) + " AND d.n = " + c.arg(key.N))
	}
	if err := name("e.tenant", f.Tenant, &c.event); err != nil {
		return nil, err
	}
	if f.Tenants != nil {
		var ids []int64
		for _, tenant := range f.Tenants {
			id, ok, err := s.id(ctx, tenant)
			if err != nil {
				return nil, err
			}
			if ok {
				ids = append(ids, id)
			}
		}
		c.nothing = c.nothing || len(ids) == 0
		c.event.add("e.tenant = ANY (" + c.arg(ids) + "::integer[])")
	}
	if err := name("d.destination", f.Destination, &c.delivery); err != nil {
		return nil, err
	}
	for column, value := range map[string]string{"source": f.Source, "event_type": f.EventType, "call_id": f.CallID, "caller_hash": f.CallerHash} {
		if value != "" {
			c.inEvents = true
			c.event.add("e." + column + " = " + c.arg(text(value)))
		}
	}
	if f.CallerHash != "" {
		c.event.add("e.caller_hash <> ''") // which the index has
	}
	if f.Subject != (store.Subject{}) {
		c.inEvents = true
		c.event.add("(e.id, e.day) IN (SELECT s.event, s.day FROM {s}.subjects s WHERE s.hash = " + c.arg([16]byte(f.Subject)) + ")")
	}
	if !f.From.IsZero() {
		c.inEvents = true
		c.event.add("e.received_at >= " + c.arg(f.From.UnixNano()) + " AND e.day >= " + c.arg(dayOf(f.From.UnixNano())-slack))
	}
	if !f.To.IsZero() {
		c.inEvents = true
		c.event.add("e.received_at < " + c.arg(f.To.UnixNano()) + " AND e.day <= " + c.arg(dayOf(f.To.UnixNano())+slack))
	}
	if f.State != "" {
		n := lanes.StateNumber(f.State)
		c.nothing = c.nothing || n < 0
		c.delivery.add("d.state = " + strconv.FormatInt(n, 10))
		c.few = c.few || f.State == store.Dead && f.Destination != ""
	}
	if f.Reason != "" {
		c.delivery.add("strpos(d.reason, " + c.arg(text(f.Reason)) + ") > 0")
	}
	if !f.FailedSince.IsZero() {
		// A delivery is changed when an attempt at it has ended, which is quicker to look at than its attempts.
		since := c.arg(f.FailedSince.UnixNano())
		c.delivery.add(`d.updated_at >= ` + since + ` AND EXISTS (SELECT 1 FROM {s}.attempts a WHERE a.event = d.event AND a.n = d.n AND a.day = d.day
			AND a.at >= ` + since + ` AND a.reason <> '')`)
	}
	return c, nil
}

const (
	liveRows    = "SELECT event, n, day, destination, tenant, bucket, 0::smallint AS state, attempts, last_status, next_at, updated_at, reason, remote_id FROM {s}.live"
	settledRows = "SELECT event, n, day, destination, tenant, bucket, state, attempts, last_status, 0::bigint, updated_at, reason, remote_id FROM {s}.settled"
)

// deliveries is the table of deliveries that can match.
func (c *conditions) deliveries() string {
	switch c.state {
	case store.Pending:
		return "(" + liveRows + ")"
	case store.Delivered, store.Dead:
		return "(" + strings.Replace(settledRows, "0::bigint", "0::bigint AS next_at", 1) + ")"
	}
	return "(" + liveRows + " UNION ALL " + settledRows + ")"
}

// events is the condition for events: conditions on deliveries mean that one delivery of the event meets them.
func (c *conditions) events() string {
	w := where{terms: append([]string(nil), c.event.terms...)}
	if len(c.delivery.terms) > 0 {
		if c.few {
			w.add("(e.id, e.day) IN (SELECT d.event, d.day FROM " + c.deliveries() + " d WHERE " + c.delivery.String() + ")")
		} else {
			w.add("EXISTS (SELECT 1 FROM " + c.deliveries() + " d WHERE d.event = e.id AND d.day = e.day AND " + c.delivery.String() + ")")
		}
	}
	return w.String()
}

// joined is from where, and under which condition, deliveries d are read that match, with their events e.
func (c *conditions) joined() string {
	w := where{terms: append(append([]string(nil), c.event.terms...), c.delivery.terms...)}
	return " FROM " + c.deliveries() + " d JOIN {s}.events e ON e.id = d.event AND e.day = d.day WHERE " + w.String()
}
