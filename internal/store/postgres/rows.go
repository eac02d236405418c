package postgres

import (
	"bytes"
	"slices"

	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
)

// row is a delivery, live or settled, as a transaction found it and as it leaves it.
type row struct {
	key                 lanes.Key
	day                 int64
	destination, tenant int64
	bucket              int
	was                 int8 // the state in which it was found
	state               int8 // lanes.None when it is to be deleted
	attempts            int64
	status              int
	next, updated       int64
	reason, remoteID    string
	touched             bool
}

const rowColumns = "r.event, r.n, r.day, r.destination, r.tenant, r.bucket, r.attempts, r.last_status, r.updated_at, r.reason, r.remote_id"

// change notes that a row goes into another state; it is due at next if that is pending.
func (t *tx) change(r *row, to int8, next int64, sooner bool) {
	t.changes = append(t.changes, lanes.Change{Destination: r.destination, Tenant: r.tenant, Bucket: r.bucket, Key: r.key, From: r.state, To: to, Next: next, Sooner: sooner})
	r.state, r.next, r.touched = to, next, true
}

func scanRow(rows pgx.Rows, state *int8, next *int64, r *row) error {
	err := rows.Scan(&r.key.Event, &r.key.N, &r.day, &r.destination, &r.tenant, &r.bucket, &r.attempts, &r.status, &r.updated, &r.reason, &r.remoteID, state, next)
	r.reason, r.remoteID = untext(r.reason), untext(r.remoteID)
	return err
}

func scanFound(rows pgx.Rows) (*row, error) {
	r := &row{}
	err := scanRow(rows, &r.was, &r.next, r)
	r.state = r.was
	return r, err
}

// find reads and locks the rows of deliveries, and keeps them in t.rows. In which day's table a settled one is, is known of
// those that are leased, and guessed of the others; one that moves from one table to the other meanwhile is looked for again.
func (t *tx) find(keys []lanes.Key, days map[lanes.Key]int64) error {
	missing := slices.DeleteFunc(slices.Clone(keys), func(k lanes.Key) bool { return t.rows[k] != nil })
	for _, query := range []string{liveByKey, settledByKeyNear, liveByKey, settledByKey} {
		if len(missing) == 0 {
			return nil
		}
		sortKeys(missing)
		missing = slices.Compact(missing)
		events, numbers, near := make([][16]byte, len(missing)), make([]int32, len(missing)), make([]int32, len(missing))
		for i, k := range missing {
			events[i], numbers[i] = k.Event, int32(k.N)
			d, ok := days[k]
			if !ok {
				d = idDay(k.Event)
			}
			near[i] = int32(d)
		}
		args := []any{events, numbers}
		if query == settledByKeyNear {
			args = append(args, near)
		}
		found, err := collect(t, scanFound, query, args...)
		if err != nil {
			return err
		}
		for _, r := range found {
			t.rows[r.key] = r
		}
		missing = slices.DeleteFunc(missing, func(k lanes.Key) bool { return t.rows[k] != nil })
	}
	return nil
}

const (
	// livePlace finds a row of what waits by its key q. With nearly all of that delivered the server may know of two indexes that
	// each lead to the only row there is, and of the two thousand pages of dead rows before it in one of them not: bounds and an
	// order, which only the other one has, leave it no choice.
	livePlace = "{s}.live l WHERE (l.event, l.n) >= (q.event, q.n) AND (l.event, l.n) <= (q.event, q.n) ORDER BY l.event, l.n"
	// One by one, in the order of the arguments, which is that of the keys.
	liveByKey = "SELECT " + rowColumns + `, 0::smallint, r.next_at FROM unnest($1::uuid[], $2::integer[]) AS q (event, n)
		CROSS JOIN LATERAL (SELECT * FROM ` + livePlace + ` FOR UPDATE) r`
	// What was found is locked, so that it is where it was.
	deleteLive = `DELETE FROM {s}.live WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM unnest($1::uuid[], $2::integer[]) AS q (event, n)
		CROSS JOIN LATERAL (SELECT l.ctid FROM ` + livePlace + `) r))`
	settledByKeyNear = "SELECT " + rowColumns + `, r.state, 0::bigint FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS q (event, n, day)
		JOIN {s}.settled r ON r.event = q.event AND r.n = q.n AND r.day >= q.day - 1 AND r.day <= q.day + 1 ORDER BY r.event, r.n FOR UPDATE OF r`
	settledByKey = "SELECT " + rowColumns + `, r.state, 0::bigint FROM unnest($1::uuid[], $2::integer[]) AS q (event, n)
		JOIN {s}.settled r ON r.event = q.event AND r.n = q.n ORDER BY r.event, r.n FOR UPDATE OF r`
	// By events, with all their deliveries.
	liveOf    = "SELECT " + rowColumns + `, 0::smallint, r.next_at FROM {s}.live r WHERE r.event = ANY ($1::uuid[]) ORDER BY r.event, r.n FOR UPDATE OF r`
	settledOf = "SELECT " + rowColumns + `, r.state, 0::bigint FROM {s}.settled r WHERE r.event = ANY ($1::uuid[]) AND r.day = ANY ($2::integer[])
		ORDER BY r.event, r.n FOR UPDATE OF r`
)

func sortKeys(keys []lanes.Key) {
	slices.SortFunc(keys, func(a, b lanes.Key) int {
		if c := bytes.Compare(a.Event[:], b.Event[:]); c != 0 {
			return c
		}
		return int(a.N - b.N)
	})
}

// idDay is the day of an event's id by itself.
func idDay(id [16]byte) int64 {
	return (int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])) / (24 * 60 * 60 * 1000)
}

// rowLists are rows in the form in which statements take them.
type rowLists struct {
	events                                        [][16]byte
	numbers, days, destinations, tenants, buckets []int32
	states                                        []int16
	attempts                                      []int64
	statuses                                      []int32
	nexts, updates                                []int64
	reasons, remoteIDs                            []string
}

func (l *rowLists) add(r *row) {
	l.events, l.numbers, l.days = append(l.events, r.key.Event), append(l.numbers, int32(r.key.N)), append(l.days, int32(r.day))
	l.destinations, l.tenants, l.buckets = append(l.destinations, int32(r.destination)), append(l.tenants, int32(r.tenant)), append(l.buckets, int32(r.bucket))
	l.states, l.attempts, l.statuses = append(l.states, int16(r.state)), append(l.attempts, r.attempts), append(l.statuses, int32(r.status))
	l.nexts, l.updates = append(l.nexts, r.next), append(l.updates, r.updated)
	l.reasons, l.remoteIDs = append(l.reasons, text(r.reason)), append(l.remoteIDs, text(r.remoteID))
}

func (l *rowLists) args() []any {
	return []any{l.events, l.numbers, l.days, l.destinations, l.tenants, l.buckets, l.states, l.attempts, l.statuses, l.nexts, l.updates, l.reasons, l.remoteIDs}
}

const listed = `unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::smallint[], $8::bigint[],
	$9::integer[], $10::bigint[], $11::bigint[], $12::text[], $13::text[])
	AS q (event, n, day, destination, tenant, bucket, state, attempts, last_status, next_at, updated_at, reason, remote_id)`

// writeRows queues what has become of the rows: some change where they are, some move to the other table.
func (t *tx) writeRows() error {
	var keys []lanes.Key
	for k, r := range t.rows {
		if r.touched {
			keys = append(keys, k)
		}
	}
	sortKeys(keys)
	var stay, settle, revive, mend rowLists
	var goneLive, goneSettled rowLists
	for _, k := range keys {
		r := t.rows[k]
		switch {
		case r.state == lanes.None && r.was == lanes.Pending:
			goneLive.add(r)
		case r.state == lanes.None:
			goneSettled.add(r)
		case r.was == lanes.Pending && r.state == lanes.Pending:
			stay.add(r)
		case r.was == lanes.Pending:
			settle.add(r)
		case r.state == lanes.Pending:
			revive.add(r)
		default:
			mend.add(r)
		}
		r.was, r.touched = r.state, false
		if r.state == lanes.None {
			delete(t.rows, k)
		}
	}
	deleteSettled := `DELETE FROM {s}.settled r USING unnest($1::uuid[], $2::integer[], $3::integer[]) AS q (event, n, day) WHERE r.event = q.event AND r.n = q.n AND r.day = q.day`
	for _, l := range []*rowLists{&goneLive, &settle} {
		if len(l.events) > 0 {
			t.queue(deleteLive, l.events, l.numbers)
		}
	}
	for _, l := range []*rowLists{&goneSettled, &revive} {
		if len(l.events) > 0 {
			t.queue(deleteSettled, l.events, l.numbers, l.days)
		}
	}
	if len(stay.events) > 0 {
		t.queue(`UPDATE {s}.live r SET attempts = q.attempts, last_status = q.last_status, next_at = q.next_at, updated_at = q.updated_at, reason = q.reason,
			remote_id = q.remote_id FROM (SELECT q.*, (SELECT l.ctid FROM `+livePlace+`) AS place FROM `+listed+` OFFSET 0) q WHERE r.ctid = q.place`, stay.args()...)
	}
	if len(settle.events) > 0 {
		t.queue(`INSERT INTO {s}.settled (event, n, day, destination, tenant, bucket, state, attempts, last_status, updated_at, reason, remote_id)
			SELECT event, n, day, destination, tenant, bucket, state, attempts, last_status, updated_at, reason, remote_id FROM `+listed, settle.args()...)
	}
	if len(revive.events) > 0 {
		t.queue(`INSERT INTO {s}.live (event, n, day, destination, tenant, bucket, attempts, last_status, next_at, updated_at, reason, remote_id)
			SELECT event, n, day, destination, tenant, bucket, attempts, last_status, next_at, updated_at, reason, remote_id FROM `+listed, revive.args()...)
	}
	if len(mend.events) > 0 {
		t.queue(`UPDATE {s}.settled r SET state = q.state, attempts = q.attempts, last_status = q.last_status, updated_at = q.updated_at, reason = q.reason,
			remote_id = q.remote_id FROM `+listed+` WHERE r.event = q.event AND r.n = q.n AND r.day = q.day`, mend.args()...)
	}
	t.attempts.queue(t)
	return nil
}
