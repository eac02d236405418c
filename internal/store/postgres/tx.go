package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
)

// tx is a transaction under way and what will have to be changed in memory once it is committed. Nothing in memory changes
// before, so that it can be rolled back and carried out again.
type tx struct {
	s    *Store
	w    *writer
	conn *pgx.Conn
	ctx  context.Context // the connection's, which never ends
	now  int64
	send *pgx.Batch // what goes with the commit

	rows     map[lanes.Key]*row
	attempts attemptRows
	changes  []lanes.Change
	held     map[int64]held
	counters map[string]int64
	leaves   []audit.Leaf
	after    []func()
	signs    map[string]bool     // what others are to look at
	keys     map[seal.KeyID]bool // data keys, and whether they stand
	settled  bool                // a delivery has ended well
	taken    []store.Hold        // the lanes of destinations of which an attempt was made in a lane
	numbered bool                // its number goes with the commit
	log      bool                // the audit log is held
	appended audit.State
}

// counter names.
const (
	expiredDone  = "expired_done"
	expiredDead  = "expired_dead"
	droppedCount = "dropped"
)

// beginSQL begins a transaction that finds rows by their keys. Of a table that is empty most of the time the server makes plans
// that read all of it, and keeps them when it is full of dead rows that nobody may clear away; or it makes one each time, since
// what it knows says that the last one was cheaper. See also livePlace.
const beginSQL = `BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
	SET LOCAL enable_material = off; SET LOCAL enable_sort = off; SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan`

// transact carries f out in a transaction of a writer.
func (s *Store) transact(w *writer, f func(*tx) error) error {
	var t *tx
	err := w.run(func(ctx context.Context, conn *pgx.Conn) error {
		t = &tx{s: s, w: w, conn: conn, ctx: ctx, now: s.nowNanos(), send: &pgx.Batch{}, rows: map[lanes.Key]*row{}, held: map[int64]held{},
			counters: map[string]int64{}, signs: map[string]bool{}, keys: map[seal.KeyID]bool{}}
		defer t.release()
		if _, err := conn.Exec(ctx, beginSQL); err != nil {
			return err
		}
		err := f(t)
		if err == nil {
			err = t.finish()
		}
		if err != nil {
			rollback(ctx, conn)
			return err
		}
		if err := sendAll(ctx, conn, t.send); err != nil {
			return err
		}
		if w.warned.Load() {
			return errWarned
		}
		t.committed()
		return nil
	})
	switch {
	case judge(err) != unknown || t == nil:
		return err
	case !t.numbered:
		return errRolledBack // it was never told to commit
	}
	return s.settle(w, t, err)
}

// settle finds out whether a transaction has taken place of which nobody knows: its writer's row has its number then. Reading
// it waits for the transaction if that is still under way, and for the standby.
func (s *Store) settle(w *writer, t *tx, err error) error {
	if err := w.ensure(now().Add(s.o.Patience)); err != nil {
		return unconfirmed(err)
	}
	took := false
	asked := w.run(func(ctx context.Context, conn *pgx.Conn) error {
		var last int64
		err := conn.QueryRow(ctx, s.q(`WITH x AS MATERIALIZED (SELECT `+syncSQL+` AS sync) UPDATE {s}.writers SET until = $2 FROM x WHERE id = $1 RETURNING batch`), w.id.Load(), t.now+int64(writerLives)).Scan(&last)
		took = last == w.batch
		return err
	})
	switch {
	case asked != nil:
		return unconfirmed(err)
	case took:
		if t.log {
			s.audit.forget()
		}
		t.committed()
		return nil
	}
	return errRolledBack
}

// collect reads rows within the transaction.
func collect[T any](t *tx, scan func(pgx.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.conn.Query(t.ctx, t.s.q(query), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (T, error) { return scan(rows) })
}

// exec carries a statement out and tells how many rows it has changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	tag, err := t.conn.Exec(t.ctx, t.s.q(query), args...)
	return tag.RowsAffected(), err
}

// flush carries out what is queued.
func (t *tx) flush() error {
	if t.send.Len() == 0 {
		return nil
	}
	results := t.conn.SendBatch(t.ctx, t.send)
	t.send = &pgx.Batch{}
	return results.Close()
}

// number reads one number; 0 if there is no row.
func (t *tx) number(query string, args ...any) (n int64, err error) {
	err = t.conn.QueryRow(t.ctx, t.s.q(query), args...).Scan(&n)
	if err == pgx.ErrNoRows {
		return 0, nil
	}
	return n, err
}

// queue has a statement go with the commit.
func (t *tx) queue(query string, args ...any) { t.send.Queue(t.s.q(query), args...) }

// note records something in the audit log, if one is kept. Without At it happens now.
func (t *tx) note(l audit.Leaf) {
	if !t.s.audit.on.Load() {
		return
	}
	t.leaves = append(t.leaves, l)
}

// count adds to a counter.
func (t *tx) count(name string, n int64) { t.counters[name] += n }

// hold changes what a tenant has stored.
func (t *tx) hold(tenant, events, bytes, total int64) {
	h := t.held[tenant]
	t.held[tenant] = held{h.events + events, h.bytes + bytes, h.total + total}
}

// finish queues what is gathered over a transaction.
func (t *tx) finish() error {
	if err := t.writeRows(); err != nil {
		return err
	}
	t.writeCounts()
	for _, name := range sortedKeys(t.counters) {
		if n := t.counters[name]; n != 0 {
			t.queue(`INSERT INTO {s}.counters AS c (writer, name, value) VALUES ($1, $2, $3) ON CONFLICT (writer, name) DO UPDATE SET value = c.value + excluded.value`, t.w.id.Load(), name, n)
		}
	}
	for _, name := range sortedKeys(t.signs) {
		t.queue(signSQL, t.s.signer, name)
	}
	if len(t.leaves) > 0 {
		log := &t.s.audit
		log.mu.Lock()
		t.log = true
		if err := log.know(t.ctx, t.s, t.conn); err != nil {
			return err
		}
		var err error
		if t.appended, err = log.queue(t.send, t.leaves, t.now, t.s.q); err != nil {
			return err
		}
	}
	t.w.batch++
	t.numbered = true
	t.queue(`WITH x AS (SELECT `+syncSQL+`) INSERT INTO {s}.writers AS w (id, batch, until) SELECT $1, $2, $3 FROM x
		ON CONFLICT (id) DO UPDATE SET batch = excluded.batch`, t.w.id.Load(), t.w.batch, t.now+int64(writerLives))
	t.send.Queue("COMMIT")
	return nil
}

// release lets go of the audit log.
func (t *tx) release() {
	if t.log {
		t.s.audit.mu.Unlock()
	}
}

// writeCounts queues how the numbers of deliveries and of what tenants hold have changed, in order.
func (t *tx) writeCounts() {
	sums := map[pair][3]int64{}
	for i := range t.changes {
		c := &t.changes[i]
		p := pair{c.Destination, c.Tenant}
		sum := sums[p]
		if c.From != lanes.None {
			sum[c.From]--
		}
		if c.To != lanes.None {
			sum[c.To]++
		}
		sums[p] = sum
	}
	var keys []pair
	for p, sum := range sums {
		if sum != [3]int64{} {
			keys = append(keys, p)
		}
	}
	slices.SortFunc(keys, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.destination, b.destination), cmp.Compare(a.tenant, b.tenant))
	})
	if len(keys) > 0 {
		var destinations, tenants, n0, n1, n2 []int64
		for _, p := range keys {
			sum := sums[p]
			destinations, tenants = append(destinations, p.destination), append(tenants, p.tenant)
			n0, n1, n2 = append(n0, sum[0]), append(n1, sum[1]), append(n2, sum[2])
		}
		t.queue(`INSERT INTO {s}.counts AS c (writer, destination, tenant, pending, delivered, dead)
			SELECT $1, * FROM unnest($2::integer[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[])
			ON CONFLICT (writer, destination, tenant) DO UPDATE SET pending = c.pending + excluded.pending,
			delivered = c.delivered + excluded.delivered, dead = c.dead + excluded.dead`, t.w.id.Load(), destinations, tenants, n0, n1, n2)
	}
	for _, tenant := range sortedKeys(t.held) {
		if h := t.held[tenant]; h != (held{}) {
			t.queue(`INSERT INTO {s}.held AS h (writer, tenant, events, bytes, total) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (writer, tenant) DO UPDATE SET events = h.events + excluded.events, bytes = h.bytes + excluded.bytes, total = h.total + excluded.total`,
				t.w.id.Load(), tenant, h.events, h.bytes, h.total)
		}
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// committed takes over what is durable now.
func (t *tx) committed() {
	s := t.s
	if t.log {
		s.audit.appended(t.appended)
	}
	for tenant, h := range t.held {
		s.room.add(t.w.id.Load(), tenant, h.events, h.bytes)
	}
	if t.settled {
		s.room.look()
	}
	s.lanes.Apply(t.changes)
	var destinations []string
	first := int64(lanes.Never)
	for i := range t.changes {
		if c := &t.changes[i]; c.To == lanes.Pending && (c.From != lanes.Pending || c.Sooner) {
			first = min(first, c.Next)
			if name := s.names.Name(c.Destination); !slices.Contains(destinations, name) {
				destinations = append(destinations, name)
			}
		}
	}
	s.wake.destinations(destinations, first)
	for name := range t.signs {
		s.wake.sign(name)
	}
	for _, f := range t.after {
		f()
	}
}
