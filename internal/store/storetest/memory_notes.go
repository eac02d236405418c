package storetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// memoryNote is a note by its destination and name.
type memoryNote struct {
	value []byte
	until time.Time
}

func (m *memory) Note(ctx context.Context, destination, name string, value []byte, until time.Time) error {
	if len(value) == 0 || len(value) > store.MaxNote {
		return store.ErrNoteSize
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.forgetNotes(m.o.Now())
	m.notes[[2]string{destination, name}] = memoryNote{bytes.Clone(value), until}
	for len(m.notes) > store.MaxNotes {
		delete(m.notes, slices.MinFunc(slices.Collect(maps.Keys(m.notes)), func(a, b [2]string) int {
			return m.notes[a].until.Compare(m.notes[b].until)
		}))
	}
	return nil
}

func (m *memory) Noted(ctx context.Context, destination, name string) ([]byte, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	n, ok := m.notes[[2]string{destination, name}]
	if !ok || !n.until.After(m.o.Now()) {
		return nil, nil
	}
	return bytes.Clone(n.value), nil
}

func (m *memory) Forget(ctx context.Context, destination, name string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.notes, [2]string{destination, name})
	return nil
}

func (m *memory) forgetNotes(now time.Time) {
	maps.DeleteFunc(m.notes, func(_ [2]string, n memoryNote) bool { return !n.until.After(now) })
}

func (m *memory) Keep(ctx context.Context, deliveryID string, value []byte) error {
	if len(value) > store.MaxNote {
		return store.ErrNoteSize
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	d := m.delivery(deliveryID)
	switch {
	case d != nil:
		d.kept = bytes.Clone(value)
	case len(value) > 0:
		return fmt.Errorf("delivery %w", store.ErrNotFound)
	}
	return nil
}

func (m *memory) Kept(ctx context.Context, deliveryID string) ([]byte, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if d := m.delivery(deliveryID); d != nil && len(d.kept) > 0 {
		return bytes.Clone(d.kept), nil
	}
	return nil, nil
}
