package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
)

// What is kept of a delivery stands among the notes, under the delivery itself: its event, its number, and whether it is
// sealed. So it goes with the event, and is told by its length from what destinations note for minutes under a hash.
const progressKey = 16 + 8 + 1

// progressName is the key under which something is kept of a delivery. What was kept before the store had keys is not found
// any more, so that nobody who can write to the file can put a plain one in the place of one that is sealed.
func (s *Store) progressName(k lanes.Key) []byte {
	name := binary.BigEndian.AppendUint64(append(make([]byte, 0, progressKey), k.Event[:]...), uint64(k.N))
	if s.o.Keys != nil {
		return append(name, 1)
	}
	return append(name, 0)
}

// Keep is store.Store's.
func (s *Store) Keep(ctx context.Context, deliveryID string, value []byte) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if len(value) > store.MaxNote {
		return store.ErrNoteSize
	}
	k, err := lanes.ParseKey(deliveryID)
	if err != nil {
		return fmt.Errorf("delivery %w", store.ErrNotFound)
	}
	name := s.progressName(k)
	if len(value) > 0 && s.o.Keys != nil {
		sealer, err := s.deliverySealer(ctx, k)
		if err != nil {
			return keyError(err)
		}
		value = sealer.Seal(value, sealed.ProgressPlace(k))
	}
	s.keeps.Store(true)
	gone := false
	err = s.write(ctx, false, func(b *batch) error {
		if gone = false; len(value) == 0 {
			_, err := b.c.exec("DELETE FROM notes WHERE key = ?", name)
			return err
		}
		n, err := b.c.number("SELECT count(*) FROM deliveries d JOIN events e ON e.seq = d.event WHERE e.id = ? AND d.n = ?", k.Event[:], k.N)
		if err != nil {
			return err
		}
		if gone = n == 0; gone {
			return nil
		}
		_, err = b.c.exec(`INSERT INTO notes (key, value, until) VALUES (?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, name, value, int64(math.MaxInt64))
		return err
	})
	if err == nil && gone {
		err = fmt.Errorf("delivery %w", store.ErrNotFound)
	}
	return err
}

// Kept is store.Store's.
func (s *Store) Kept(ctx context.Context, deliveryID string) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	k, err := lanes.ParseKey(deliveryID)
	if err != nil {
		return nil, nil
	}
	var value []byte
	err = s.reader.QueryRowContext(ctx, "SELECT value FROM notes WHERE key = ?", s.progressName(k)).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, public(err)
	case s.o.Keys != nil:
		sealer := s.seals.Opener(ctx)
		if value, err = sealer.Open(value, sealed.ProgressPlace(k)); errors.Is(err, seal.ErrDestroyed) {
			err = nil
		}
		return value, keyError(err)
	}
	return value, nil
}

// deliverySealer seals what is kept of a delivery.
func (s *Store) deliverySealer(ctx context.Context, k lanes.Key) (seal.Sealer, error) {
	return sealed.DeliverySealer(ctx, s.seals, k, s.tenantOf)
}

// removeProgress deletes what is kept of an event's deliveries.
func (b *batch) removeProgress(event [16]byte) error {
	last := append(event[:len(event):len(event)], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	_, err := b.c.exec("DELETE FROM notes WHERE key >= ? AND key <= ? AND length(key) = ?", event[:], last, progressKey)
	return err
}

// rekeyProgress seals what is kept of deliveries again, some hundreds at a time: in little time, since it is little. Of a
// tenant's only, unless which is of all.
func (s *Store) rekeyProgress(ctx context.Context, which *resealing) error {
	type row struct {
		key, old, new []byte
		event         lanes.Key
	}
	for after := []byte{}; ; {
		var list []row
		read := 0
		err := s.each(ctx, "SELECT key, value FROM notes WHERE key > ? AND length(key) = ? ORDER BY key LIMIT ?", func(rows *sql.Rows) error {
			var r row
			if err := rows.Scan(&r.key, &r.old); err != nil {
				return err
			}
			read++
			after = r.key
			if r.key[progressKey-1] == 0 {
				return nil
			}
			k := lanes.Key{Event: [16]byte(r.key[:16]), N: int64(binary.BigEndian.Uint64(r.key[16:]))}
			r.event = k
			list = append(list, r)
			return nil
		}, after, progressKey, step)
		if err != nil || read == 0 {
			return err
		}
		for i := range list {
			if list[i].new, err = s.resealProgress(ctx, list[i].event, list[i].old, which); err != nil {
				return fmt.Errorf("delivery %s: %w", list[i].event, err)
			}
		}
		if err := s.write(ctx, false, func(b *batch) error {
			for _, r := range list {
				if r.new == nil {
					continue
				}
				// One that changed meanwhile was sealed with the first key already.
				if _, err := b.c.exec("UPDATE notes SET value = ? WHERE key = ? AND value = ?", r.new, r.key, r.old); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
}

// resealProgress is what is kept of a delivery, sealed again; nil if it is to stay as it is.
func (s *Store) resealProgress(ctx context.Context, k lanes.Key, old []byte, which *resealing) ([]byte, error) {
	if which.one {
		if tenant, err := s.tenantOf(ctx, k); err != nil || tenant != which.tenant {
			return nil, passOver(err)
		}
	}
	opener := s.seals.Opener(ctx)
	plain, err := opener.Open(old, sealed.ProgressPlace(k))
	if err != nil {
		return nil, passOver(err)
	}
	sealer, err := s.deliverySealer(ctx, k)
	if err != nil {
		return nil, passOver(err)
	}
	return sealer.Seal(plain, sealed.ProgressPlace(k)), nil
}

// passOver is nil for what is gone, and needs not be sealed again.
func passOver(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, seal.ErrDestroyed) {
		return nil
	}
	return err
}

// loadProgress finds out whether something is kept of any delivery.
func (s *Store) loadProgress() error {
	n, err := s.writer.number("SELECT count(*) FROM notes WHERE length(key) = ?", progressKey)
	s.keeps.Store(n > 0)
	return err
}
