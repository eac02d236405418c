package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/leaves"
	"github.com/callgate/callgate/internal/store/sealed"
)

// finished is an attempt ready to be written.
type finished struct {
	*store.Attempt
	key      lanes.Key
	leased   lanes.Leased // its Seq is 0 if the delivery is not leased
	warnings any
	sent     any
	excerpt  sealed.Excerpt
}

// Finish is store.Store's. Deliveries that were erased meanwhile are passed over. A delivery that is not pending any
// more, since its lease ran out and another attempt settled it, keeps its state unless the late attempt delivered it.
// Pending without NextAt means due at once.
func (s *Store) Finish(ctx context.Context, results []store.Attempt) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if len(results) == 0 {
		return nil
	}
	list := make([]finished, len(results))
	for i := range results {
		a := &results[i]
		if lanes.StateNumber(a.State) < 0 {
			return errors.New("an attempt must leave its delivery pending, delivered or dead")
		}
		f := finished{Attempt: a}
		var err error
		if f.key, err = lanes.ParseKey(a.DeliveryID); err != nil && !(a.Audit.Returned || a.Audit.Lost) {
			return err
		}
		if len(a.Warnings) > 0 {
			text, err := json.Marshal(a.Warnings)
			if err != nil {
				return err
			}
			f.warnings = string(text)
		}
		if a.Sent != nil {
			text, err := json.Marshal(a.Sent)
			if err != nil {
				return err
			}
			f.sent = string(text)
		}
		if f.excerpt, err = sealed.PrepareExcerpt(ctx, s.seals, a, f.key, s.tenantOf, s.o.Log); err != nil {
			return public(err)
		}
		list[i] = f
	}
	keys := make([]lanes.Key, len(list))
	for i := range list {
		keys[i] = list[i].key
	}
	leased := s.queues.Leases(keys)
	for i := range list {
		list[i].leased = leased[list[i].key]
	}
	return s.write(ctx, false, func(b *batch) error {
		for i := range list {
			if err := b.record(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// sealExcerpt seals the excerpt of an attempt; nil if there is none.
func (b *batch) sealExcerpt(f *finished, c *lanes.Change, number int64) (excerpt, keyID []byte) {
	if len(f.Excerpt) == 0 {
		return nil, nil
	}
	if keyID = f.excerpt.KeyID(); b.lost(keyID) { // and with it what the excerpt would tell of
		return nil, nil
	}
	tenant, destination := b.s.names.Name(c.Tenant), b.s.names.Name(c.Destination)
	return f.excerpt.Seal(sealed.ExcerptPlace(f.key.String(), tenant, destination, number)), keyID
}

// record writes an attempt and moves its delivery on.
func (b *batch) record(f *finished) error {
	seq := f.leased.Seq
	if f.Audit.Returned || f.Audit.Lost {
		return b.noteAttempt(f, int64(f.Number), false)
	}
	if seq == 0 {
		var err error
		if seq, err = b.c.number("SELECT seq FROM events WHERE id = ?", f.key.Event[:]); err != nil {
			return err
		}
		if seq == 0 {
			return b.noteAttempt(f, int64(f.Number), true)
		}
	}
	c := lanes.Change{Key: f.key, From: none, To: int8(lanes.StateNumber(f.State)), Next: nanos(f.NextAt)}
	planned := c.Next
	moved, err := b.moveLeased(f, &c)
	if err != nil {
		return err
	}
	attempts := f.leased.Attempts
	if !moved {
		if err := b.c.query("SELECT state, destination, tenant, attempts FROM deliveries WHERE event = ? AND n = ?", func(v []driver.Value) error {
			c.From, c.Destination, c.Tenant, attempts = int8(v[0].(int64)), v[1].(int64), v[2].(int64), v[3].(int64)
			return nil
		}, seq, f.key.N); err != nil {
			return err
		}
		if c.From == none {
			return b.noteAttempt(f, int64(f.Number), true)
		}
	}
	number := int64(f.Number)
	if number == 0 {
		number = attempts + 1
	}
	if !f.Uncounted {
		attempts++
	}
	if f.State == store.Delivered && b.s.keeps.Load() {
		if _, err := b.c.exec("DELETE FROM notes WHERE key = ?", b.s.progressName(f.key)); err != nil {
			return err
		}
	}
	excerpt, keyID := b.sealExcerpt(f, &c, number)
	if _, err := b.c.exec(`INSERT INTO attempts (event, n, number, at, took, status, reason, warnings, remote_id, excerpt, key_id, state, next_at, sent)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, seq, f.key.N, number, nanos(f.At), int64(f.Took), f.Status, f.Reason,
		f.warnings, f.RemoteID, excerpt, keyID, lanes.StateNumber(f.State), planned, f.sent); err != nil {
		return err
	}
	if f.Audit.Destination == "" {
		f.Audit.Tenant, f.Audit.Destination = b.s.names.Name(c.Tenant), b.s.names.Name(c.Destination)
	}
	if err := b.noteAttempt(f, number, false); err != nil {
		return err
	}
	if c.From != pending && c.To != delivered {
		_, err := b.c.exec("UPDATE deliveries SET attempts = ?, updated_at = ? WHERE event = ? AND n = ?", attempts, b.now, seq, f.key.N)
		return err
	}
	if c.To == delivered {
		b.delivered(c.Tenant, seq)
	}
	if c.To != pending {
		b.ended = append(b.ended, numbered{seq, f.key.N})
	}
	if !moved {
		c.Next = b.nextOf(&c)
		_, err = b.c.exec(moveOn, moveArgs(f, &c, attempts, b.nowArg, seq)...)
	}
	b.changes = append(b.changes, c)
	return err
}

const moveOn = `UPDATE deliveries SET state = ?, next_at = ?, attempts = ?, updated_at = ?, last_status = ?, reason = ?,
	remote_id = CASE ? WHEN '' THEN remote_id ELSE ? END WHERE event = ? AND n = ?`

// moveArgs are the arguments of moveOn, with room for one more.
func moveArgs(f *finished, c *lanes.Change, attempts int64, now, seq any) []any {
	var remote any = f.RemoteID
	return append(make([]any, 0, 11), int64(c.To), c.Next, attempts, now, int64(f.Status), f.Reason, remote, remote, seq, f.key.N)
}

// nextOf is when a delivery is due after a change: never if it has ended, and at once if nobody says.
func (b *batch) nextOf(c *lanes.Change) int64 {
	if c.To != pending {
		return 0
	}
	return cmp.Or(c.Next, b.now)
}

// moveLeased moves a delivery on without reading it first, if it still is as it was when it was leased. So it nearly always
// is: what changes one meanwhile is somebody who sends it again, ends it or erases it, or an attempt whose lease ran out.
func (b *batch) moveLeased(f *finished, c *lanes.Change) (bool, error) {
	if f.leased.Seq == 0 {
		return false, nil
	}
	attempts, after := f.leased.Attempts, *c
	if !f.Uncounted {
		attempts++
	}
	after.Next = b.nextOf(c)
	n, err := b.c.exec(moveOn+" AND state = 0 AND attempts = ?", append(moveArgs(f, &after, attempts, b.nowArg, f.leased.Seq), f.leased.Attempts)...)
	if err != nil || n == 0 {
		return false, err
	}
	*c = after
	c.From, c.Destination, c.Tenant = pending, f.leased.Destination, f.leased.Tenant
	return true, nil
}

// Return is store.Store's. Leases are held in memory, so it writes nothing.
func (s *Store) Return(ctx context.Context, deliveryIDs []string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	s.queues.Return(deliveryIDs)
	return nil
}

// Pause is store.Store's.
func (s *Store) Pause(ctx context.Context, destination, reason string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.write(ctx, false, func(b *batch) error {
		_, err := b.c.exec(`INSERT INTO paused (destination, reason) VALUES (?, ?)
			ON CONFLICT (destination) DO UPDATE SET reason = excluded.reason`, destination, reason)
		b.after = append(b.after, func() { s.queues.SetPaused(destination, reason, true) })
		b.note(leaves.Flag(ctx, audit.Pause, destination, reason))
		return err
	})
}

// Resume is store.Store's.
func (s *Store) Resume(ctx context.Context, destination string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.write(ctx, false, func(b *batch) error {
		_, err := b.c.exec("DELETE FROM paused WHERE destination = ?", destination)
		b.after = append(b.after, func() { s.queues.SetPaused(destination, "", false) })
		b.note(leaves.Flag(ctx, audit.Resume, destination, ""))
		return err
	})
}

// Paused is store.Store's.
func (s *Store) Paused(ctx context.Context) (map[string]string, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	return s.queues.Paused(), nil
}
