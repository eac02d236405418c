package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// The methods of store.Store that a shared one does something besides in: it tells the other gateways, and looks at epochs.

// Accept is store.Store's.
func (m *SharedMemory) Accept(ctx context.Context, e *store.Event, destinations []string) (store.Accepted, error) {
	a, err := m.memory.Accept(ctx, e, destinations)
	if err == nil && !a.Duplicate {
		m.tell(nil, store.Hint{Destinations: destinations})
	}
	if err == nil {
		err = m.lost()
	}
	if err != nil {
		return store.Accepted{}, err
	}
	return a, nil
}

// AcceptAll is store.Store's.
func (m *SharedMemory) AcceptAll(ctx context.Context, events []*store.Event, destinations [][]string) ([]store.Accepted, error) {
	all, err := m.memory.AcceptAll(ctx, events, destinations)
	for i := range all {
		if !all[i].Duplicate {
			m.tell(nil, store.Hint{Destinations: destinations[i]})
		}
	}
	if err == nil {
		err = m.lost()
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// lost is the error in place of an answer that is to be lost.
func (m *SharedMemory) lost() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lose == 0 {
		return nil
	}
	m.lose--
	return fmt.Errorf("%w: the answer was lost by a test", store.ErrUnavailable)
}

// Finish is store.Store's.
func (m *SharedMemory) Finish(ctx context.Context, results []store.Attempt) error {
	return m.finish(ctx, results, func(h store.Hold) bool { return h == (store.Hold{}) || m.holdsStill(h) })
}

// holdsStill tells whether nobody has taken a lane since, even if it was given up. The caller holds mu.
func (m *SharedMemory) holdsStill(h store.Hold) bool {
	l := m.db.lanes[h.Lane]
	return l != nil && l.Epoch == h.Epoch
}

// Pause is store.Store's.
func (m *SharedMemory) Pause(ctx context.Context, destination, reason string) error {
	err := m.memory.Pause(ctx, destination, reason)
	m.tell(err, store.Hint{Paused: true})
	return err
}

// Resume is store.Store's.
func (m *SharedMemory) Resume(ctx context.Context, destination string) error {
	err := m.memory.Resume(ctx, destination)
	m.tell(err, store.Hint{Paused: true})
	return err
}

// Replay is store.Store's.
func (m *SharedMemory) Replay(ctx context.Context, f store.Filter, now time.Time, every time.Duration, dryRun bool) (int, error) {
	n, err := m.memory.Replay(ctx, f, now, every, dryRun)
	m.moved(err, f, n, dryRun)
	return n, err
}

// SendNow is store.Store's.
func (m *SharedMemory) SendNow(ctx context.Context, f store.Filter, now time.Time, dryRun bool) (int, error) {
	n, err := m.memory.SendNow(ctx, f, now, dryRun)
	m.moved(err, f, n, dryRun)
	return n, err
}

// moved tells of deliveries that were made due.
func (m *SharedMemory) moved(err error, f store.Filter, n int, dryRun bool) {
	switch {
	case n == 0 || dryRun:
	case f.Destination != "":
		m.tell(err, store.Hint{Destinations: []string{f.Destination}})
	default:
		m.tell(err, store.Hint{All: true})
	}
}

// Cancel is store.Store's.
func (m *SharedMemory) Cancel(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	n, err := m.memory.Cancel(ctx, f, dryRun)
	if n > 0 && !dryRun {
		m.tell(err, store.Hint{Flush: true})
	}
	return n, err
}

// Erase is store.Store's.
func (m *SharedMemory) Erase(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	n, err := m.memory.Erase(ctx, f, dryRun)
	if n > 0 && !dryRun {
		m.tell(err, store.Hint{Flush: true})
	}
	return n, err
}

// AddDocument is store.Documents'.
func (m *SharedMemory) AddDocument(ctx context.Context, d *store.Document) error {
	err := m.memory.AddDocument(ctx, d)
	if d.State != store.Draft {
		m.tell(err, store.Hint{Documents: true})
	}
	return err
}

// PublishDocument is store.Documents'.
func (m *SharedMemory) PublishDocument(ctx context.Context, kind, name string, version int, by string, at time.Time) error {
	err := m.memory.PublishDocument(ctx, kind, name, version, by, at)
	m.tell(err, store.Hint{Documents: true})
	return err
}

// ForgetDocument is store.Documents'.
func (m *SharedMemory) ForgetDocument(ctx context.Context, kind, name string) error {
	err := m.memory.ForgetDocument(ctx, kind, name)
	m.tell(err, store.Hint{Documents: true})
	return err
}
