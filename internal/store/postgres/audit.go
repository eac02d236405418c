package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/jackc/pgx/v5"
)

// Each gateway keeps an audit log of its own, by its name: a common one would have every gateway wait for the commits of all
// others. What a transaction records goes with it, as one bundle. The gateway's two writers append to the same log, and take
// turns while one is kept. See store.Audited.

// auditLog is the audit log of a gateway.
type auditLog struct {
	on   atomic.Bool
	boot string

	// mu is held from when a bundle's place is known until its transaction has ended.
	mu      sync.Mutex
	id      int32
	state   audit.State
	running bool
	next    bool        // running after the transaction under way
	known   atomic.Bool // state is what the database has
	batch   audit.Batch
}

// forget has the state be read again: nobody knows whether the last bundle is there.
func (l *auditLog) forget() { l.known.Store(false) }

const auditStatusSQL = "SELECT id, state, running, pruned, checkpoint FROM {s}.audit_logs WHERE name = $1"

// readAudit reads where the gateway's log stands; id is 0 if there is none.
func (s *Store) readAudit(ctx context.Context, conn querier, lock string) (id int32, status store.AuditStatus, err error) {
	var state []byte
	err = conn.QueryRow(ctx, s.q(auditStatusSQL+lock), text(s.o.Gateway)).Scan(&id, &state, &status.Running, &status.Pruned, &status.Checkpoint)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, store.AuditStatus{}, nil
	}
	if err == nil && status.State.UnmarshalBinary(state) != nil {
		err = fmt.Errorf("%w: its state cannot be read", store.ErrAuditDamaged)
	}
	return id, status, err
}

// OpenAudit is store.Audited's.
func (s *Store) OpenAudit(boot string) (status store.AuditStatus, err error) {
	ctx := context.Background()
	if err := s.enter(ctx); err != nil {
		return status, err
	}
	err = s.write(ctx, func(t *tx) error {
		var empty audit.State
		none, err := empty.MarshalBinary()
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO {s}.audit_logs (name, state, running, pruned) VALUES ($1, $2, false, 0) ON CONFLICT DO NOTHING`, text(s.o.Gateway), none); err != nil {
			return err
		}
		var id int32
		if id, status, err = s.readAudit(t.ctx, t.conn, " FOR UPDATE"); err != nil || s.audit.on.Load() {
			return err
		}
		end, err := t.number("SELECT first + n FROM {s}.audit_bundles WHERE log = $1 ORDER BY first DESC LIMIT 1", id)
		if err != nil {
			return err
		}
		if end != status.State.Size {
			return fmt.Errorf("%w (%d records were counted, and there are %d)", store.ErrAuditDamaged, status.State.Size, end)
		}
		t.after = append(t.after, func() {
			l := &s.audit
			l.mu.Lock()
			defer l.mu.Unlock()
			l.boot, l.id, l.state, l.running = boot, id, status.State, status.Running
			l.known.Store(true)
			l.on.Store(true)
		})
		return nil
	})
	status.On = err == nil
	return status, err
}

// know reads the state anew if it is not known. The caller holds mu.
func (l *auditLog) know(ctx context.Context, s *Store, conn querier) error {
	if l.known.Load() {
		return nil
	}
	id, status, err := s.readAudit(ctx, conn, "")
	if err != nil {
		return err
	}
	l.id, l.state, l.running = id, status.State, status.Running
	l.known.Store(true)
	return nil
}

// queue has the leaves of a transaction be written with it, and gives the state that the log has after it. The caller holds mu.
func (l *auditLog) queue(send *pgx.Batch, list []audit.Leaf, now int64, q func(string) string) (audit.State, error) {
	if len(list) == 0 {
		return l.state, nil
	}
	l.batch.Begin(&l.state)
	running := l.running
	for i := range list {
		leaf := &list[i]
		if leaf.At.IsZero() {
			leaf.At = fromNanos(now)
		}
		leaf.Boot = l.boot
		l.batch.Add(leaf)
		switch leaf.Kind {
		case audit.Start:
			running = true
		case audit.Stop:
			running = false
		}
	}
	lines := append([]byte(nil), l.batch.Lines...)
	send.Queue(q("INSERT INTO {s}.audit_bundles (log, first, n, at, lines) VALUES ($1, $2, $3, $4, $5)"), l.id, l.batch.First, l.batch.Len(), now, lines)
	var levels []int32
	var numbers []int64
	var hashes [][]byte
	for i := range l.batch.Nodes {
		n := &l.batch.Nodes[i]
		levels, numbers, hashes = append(levels, int32(n.Level)), append(numbers, n.N), append(hashes, append([]byte(nil), n.Hash[:]...))
	}
	if len(levels) > 0 {
		send.Queue(q("INSERT INTO {s}.audit_nodes (log, level, n, hash) SELECT $1, * FROM unnest($2::integer[], $3::bigint[], $4::bytea[])"), l.id, levels, numbers, hashes)
	}
	state := l.batch.State()
	stored, err := state.MarshalBinary()
	if err != nil {
		return state, err
	}
	// Another process with this gateway's name cannot fork the log: its bundle's place is taken, so that nothing is written.
	send.Queue(q("UPDATE {s}.audit_logs SET state = $2, running = $3 WHERE id = $1"), l.id, stored, running)
	l.next = running
	return state, nil
}

// appended takes over what is durable. The caller holds mu.
func (l *auditLog) appended(state audit.State) {
	if state.Size > l.state.Size {
		l.state, l.running = state, l.next
	}
}

// Record is store.Audited's.
func (s *Store) Record(ctx context.Context, leaves ...audit.Leaf) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if !s.audit.on.Load() {
		return store.ErrNoAudit
	}
	return s.write(ctx, func(t *tx) error {
		for _, l := range leaves {
			t.note(l)
		}
		return nil
	})
}

// beside makes what lies beside the leaves of an event. The caller is noted by a keyed hash only: without a key, what finds
// a caller is the number itself.
func (s *Store) beside(e *store.Event) (beside audit.Beside, stored []byte, err error) {
	if !s.audit.on.Load() {
		return beside, nil, nil
	}
	beside.Salt = audit.NewSalt()
	if s.o.Keys != nil {
		beside.Pseudonym = e.CallerHash
	}
	stored, err = beside.MarshalBinary()
	return beside, stored, err
}

// salt is that of an event which has one.
func (t *tx) salt(event [16]byte) (salt audit.Salt, found bool, err error) {
	var stored []byte
	err = t.conn.QueryRow(t.ctx, t.s.q("SELECT beside FROM {s}.audit_beside WHERE event = $1"), event).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		return salt, false, nil
	}
	var beside audit.Beside
	if err == nil {
		err = beside.UnmarshalBinary(stored)
	}
	return beside.Salt, err == nil, err
}
