package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
)

// Note is store.Store's.
func (s *Store) Note(ctx context.Context, destination, name string, value []byte, until time.Time) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	key, value, err := sealed.Note(s.o.Keys, destination, name, value)
	if err != nil {
		return err
	}
	now := s.nowNanos()
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec("DELETE FROM {s}.notes WHERE until <= $1 AND until <> 0", now); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO {s}.notes (key, value, until) VALUES ($1, $2, $3)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until`, key, value, nanos(until)); err != nil {
			return err
		}
		n, err := t.number("SELECT count(*) FROM {s}.notes")
		if err != nil || n <= store.MaxNotes {
			return err
		}
		_, err = t.exec("DELETE FROM {s}.notes WHERE key IN (SELECT key FROM {s}.notes ORDER BY until LIMIT $1)", n-store.MaxNotes)
		return err
	})
}

// Noted is store.Store's.
func (s *Store) Noted(ctx context.Context, destination, name string) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	key := sealed.NoteKey(s.o.Keys, destination, name)
	var value []byte
	err := s.pool.QueryRow(ctx, s.q("SELECT value FROM {s}.notes WHERE key = $1 AND until > $2"), key, s.nowNanos()).Scan(&value)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, public(err)
	}
	return sealed.OpenNote(s.o.Keys, key, destination, value)
}

// Forget is store.Store's.
func (s *Store) Forget(ctx context.Context, destination, name string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	key := sealed.NoteKey(s.o.Keys, destination, name)
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec("DELETE FROM {s}.notes WHERE key = $1", key)
		return err
	})
}

// forgetNotes deletes the notes that end up to a time, or all with 0.
func (s *Store) forgetNotes(ctx context.Context, until int64) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec("DELETE FROM {s}.notes WHERE until <= $1 OR $1 = 0", until)
		return err
	})
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
	s.keeps.Store(true)
	err = s.keep(ctx, k, value)
	for tries := 0; errors.Is(err, errKeyLost) && tries < 3; tries++ {
		err = s.keep(ctx, k, value)
	}
	return err
}

// keep seals what is kept of a delivery, and writes it. After errKeyLost there is a new key.
func (s *Store) keep(ctx context.Context, k lanes.Key, value []byte) error {
	var keyID []byte
	if len(value) > 0 && s.o.Keys != nil {
		sealer, err := s.deliverySealer(ctx, k)
		if err != nil {
			return keyError(err)
		}
		value, keyID = sealer.Seal(value, sealed.ProgressPlace(k)), sealer.StoredID()
	}
	gone := false
	err := s.write(ctx, func(t *tx) error {
		if gone = false; len(value) == 0 {
			_, err := t.exec("DELETE FROM {s}.progress WHERE event = $1 AND n = $2", k.Event, k.N)
			return err
		}
		if err := t.find([]lanes.Key{k}, nil); err != nil {
			return err
		}
		if gone = t.rows[k] == nil; gone {
			return nil
		}
		if err := t.knowKeys(keyID); err != nil {
			return err
		}
		if t.keyLost(keyID) {
			return group.Refuse(errKeyLost)
		}
		_, err := t.exec(`INSERT INTO {s}.progress (event, n, value, sealed) VALUES ($1, $2, $3, $4)
			ON CONFLICT (event, n) DO UPDATE SET value = excluded.value, sealed = excluded.sealed`, k.Event, k.N, value, s.o.Keys != nil)
		return err
	})
	if errors.Is(err, errKeyLost) {
		if tenant, err := s.tenantOf(ctx, k); err == nil {
			s.seals.Forget(tenant)
		}
	}
	if err == nil && gone {
		err = fmt.Errorf("delivery %w", store.ErrNotFound)
	}
	return err
}

// Kept is store.Store's. What was kept without a seal, where there are keys now, counts as nothing, and the other way round.
func (s *Store) Kept(ctx context.Context, deliveryID string) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	k, err := lanes.ParseKey(deliveryID)
	if err != nil {
		return nil, nil
	}
	var value []byte
	err = s.pool.QueryRow(ctx, s.q("SELECT value FROM {s}.progress WHERE event = $1 AND n = $2 AND sealed = $3"), k.Event, k.N, s.o.Keys != nil).Scan(&value)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
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
	s.keeps.Store(true)
	return value, nil
}

// deliverySealer seals what is kept of a delivery.
func (s *Store) deliverySealer(ctx context.Context, k lanes.Key) (seal.Sealer, error) {
	return sealed.DeliverySealer(ctx, s.seals, k, s.tenantOf)
}
