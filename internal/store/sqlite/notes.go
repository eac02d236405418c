package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
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
	now := nanos(s.o.Now())
	return s.write(ctx, false, func(b *batch) error {
		if _, err := b.c.exec(`INSERT INTO notes (key, value, until) VALUES (?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until`, key, value, nanos(until)); err != nil {
			return err
		}
		return b.boundNotes(now)
	})
}

// boundNotes makes room after a note was written. Counting them reads them all, so that it is done only when there may be too
// many: at most one more than when they were counted last, for each that was written since.
func (b *batch) boundNotes(now int64) error {
	b.notes++
	if b.notes > store.MaxNotes {
		if _, err := b.c.exec("DELETE FROM notes WHERE until <= ? AND length(key) = 32", now); err != nil {
			return err
		}
		n, err := b.c.number("SELECT count(*) FROM notes WHERE length(key) = 32")
		if err != nil {
			return err
		}
		if n > store.MaxNotes {
			if _, err := b.c.exec("DELETE FROM notes WHERE key IN (SELECT key FROM notes WHERE length(key) = 32 ORDER BY until LIMIT ?)", n-store.MaxNotes); err != nil {
				return err
			}
		}
		b.notes = min(n, store.MaxNotes)
	}
	notes := b.notes
	b.after = append(b.after, func() { b.s.notes = notes })
	return nil
}

// Noted is store.Store's.
func (s *Store) Noted(ctx context.Context, destination, name string) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	key := sealed.NoteKey(s.o.Keys, destination, name)
	var value []byte
	err := s.reader.QueryRowContext(ctx, "SELECT value FROM notes WHERE key = ? AND until > ?", key, nanos(s.o.Now())).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
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
	return s.write(ctx, false, func(b *batch) error {
		_, err := b.c.exec("DELETE FROM notes WHERE key = ?", key)
		return err
	})
}

// forgetNotes deletes the notes that end up to a time, or all.
func (s *Store) forgetNotes(ctx context.Context, until int64) error {
	return s.write(ctx, false, func(b *batch) error {
		_, err := b.c.exec("DELETE FROM notes WHERE until <= ? AND length(key) = 32", until)
		return err
	})
}
