package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync/atomic"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/leaves"
)

// The audit log is written by the writer, as one bundle for all that a transaction records, when the transaction is about
// to be committed: what is recorded and its record are durable together, for the fsync that there is anyway. See
// store.Audited.

const (
	// leafBytes is about what a leaf takes, with its hashes and what lies beside it. It is counted for an event, and kept
	// free for every delivery that has no outcome yet.
	leafBytes = 512
)

// auditLog is the audit log of a store. All but the flags belongs to the writer.
type auditLog struct {
	on      atomic.Bool
	boot    string
	state   audit.State
	running bool
	batch   audit.Batch
	leaves  []audit.Leaf // of the transaction under way; kept for the next one's
	stored  []byte
}

// OpenAudit is store.Audited's.
func (s *Store) OpenAudit(boot string) (status store.AuditStatus, err error) {
	ctx := context.Background()
	if err := s.enter(ctx); err != nil {
		return status, err
	}
	err = s.write(ctx, false, func(b *batch) error {
		if status, err = readAuditStatus(b.c); err != nil || s.audit.on.Load() {
			return err
		}
		end, err := b.c.number("SELECT first + n FROM audit_bundles ORDER BY first DESC LIMIT 1")
		if err != nil {
			return err
		}
		if end != status.State.Size {
			return group.Refuse(fmt.Errorf("%w (%d records were counted, and there are %d)", store.ErrAuditDamaged, status.State.Size, end))
		}
		b.after = append(b.after, func() {
			s.audit.boot, s.audit.state, s.audit.running = boot, status.State, status.Running
			s.audit.on.Store(true)
		})
		return nil
	})
	status.On = err == nil
	return status, err
}

// note records something in the transaction under way, if the store keeps an audit log. Without At it happens now.
func (b *batch) note(l audit.Leaf) {
	if !b.s.audit.on.Load() {
		return
	}
	if l.At.IsZero() {
		l.At = fromNanos(b.now)
	}
	l.Boot = b.s.audit.boot
	b.leaves = append(b.leaves, l)
}

// writeAudit writes what the transaction has noted.
func (b *batch) writeAudit() error {
	if len(b.leaves) == 0 {
		return nil
	}
	log := &b.s.audit
	log.batch.Begin(&log.state)
	running := log.running
	for i := range b.leaves {
		l := &b.leaves[i]
		log.batch.Add(l)
		switch l.Kind {
		case audit.Start:
			running = true
		case audit.Stop:
			running = false
		}
	}
	if _, err := b.c.exec("INSERT INTO audit_bundles (first, n, at, lines) VALUES (?, ?, ?, ?)", log.batch.First, log.batch.Len(), b.now, log.batch.Lines); err != nil {
		return err
	}
	for i := range log.batch.Nodes {
		n := &log.batch.Nodes[i]
		if _, err := b.c.exec("INSERT INTO audit_nodes (level, n, hash) VALUES (?, ?, ?)", n.Level, n.N, n.Hash[:]); err != nil {
			return err
		}
	}
	state := log.batch.State()
	var err error
	if log.stored, err = state.AppendBinary(log.stored[:0]); err != nil {
		return err
	}
	if _, err := b.c.exec(`INSERT INTO audit_state (one, state, running, pruned) VALUES (1, ?, ?, 0)
		ON CONFLICT (one) DO UPDATE SET state = excluded.state, running = excluded.running`, log.stored, int64Of(running)); err != nil {
		return err
	}
	b.after = append(b.after, func() { log.state, log.running = state, running })
	return nil
}

func int64Of(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Record is store.Audited's.
func (s *Store) Record(ctx context.Context, leaves ...audit.Leaf) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if !s.audit.on.Load() {
		return store.ErrNoAudit
	}
	return s.write(ctx, false, func(b *batch) error {
		for _, l := range leaves {
			b.note(l)
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

// noteAccepted records an event with its destinations.
func (b *batch) noteAccepted(e *accepting, tenant int64) error {
	if !b.s.audit.on.Load() {
		return nil
	}
	if e.besideStored == nil { // the log was begun while the event was on its way
		beside, stored, err := b.s.beside(e.Event)
		if err != nil {
			return err
		}
		e.besideStored, e.subject = stored, beside.Subject()
	}
	if _, err := b.c.exec("INSERT INTO audit_beside (event, tenant, beside) VALUES (?, ?, ?)", e.id[:], tenant, e.besideStored); err != nil {
		return err
	}
	b.used += 2 * leafBytes
	b.room -= 2 * leafBytes
	b.note(leaves.Accepted(e.Event, e.destinations, e.subject))
	return nil
}

// noteAttempt records an attempt. erased tells that its delivery is gone, and with it the salt.
func (b *batch) noteAttempt(f *finished, number int64, erased bool) error {
	if !b.s.audit.on.Load() {
		return nil
	}
	l, err := leaves.Attempt(f.Attempt, f.key, number, erased, func() (audit.Salt, bool, error) { return b.salt(f.key.Event) })
	if err != nil {
		return err
	}
	b.note(l)
	return nil
}

// salt is that of an event which has one.
func (b *batch) salt(event [16]byte) (salt audit.Salt, found bool, err error) {
	err = b.c.query("SELECT beside FROM audit_beside WHERE event = ?", func(v []driver.Value) error {
		var beside audit.Beside
		stored, _ := v[0].([]byte)
		if err := beside.UnmarshalBinary(stored); err != nil {
			return err
		}
		salt, found = beside.Salt, true
		return nil
	}, event[:])
	return salt, found, err
}

// noteMoved records what an operator did to a delivery.
func (b *batch) noteMoved(ctx context.Context, kind audit.Kind, c *lanes.Change) {
	if b.s.audit.on.Load() {
		b.note(leaves.Moved(ctx, kind, b.s.names.Name(c.Tenant), b.s.names.Name(c.Destination), c.Key))
	}
}
