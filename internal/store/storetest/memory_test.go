package storetest

import (
	"errors"
	"testing"

	"github.com/callgate/callgate/internal/store"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, Harness{Open: func(t testing.TB, o Options) store.Store { return NewMemory(o) }})
}

func TestMemoryIsBounded(t *testing.T) {
	b := &bench{T: t, s: NewMemory(Options{MaxEvents: 2})}
	b.accept(b.event("a"))
	b.accept(b.event("a"))
	if _, err := b.s.Accept(ctx, b.event("a"), nil); !errors.Is(err, store.ErrFull) {
		t.Errorf("a third event of two: %v", err)
	}
}

func TestMemoryIsShared(t *testing.T) {
	RunShared(t, SharedHarness{
		Open: func(t testing.TB, o Options) func() store.Shared {
			db := NewDatabase(o)
			return func() store.Shared { return db.Open() }
		},
		Lose: func(t testing.TB, s store.Shared) { s.(*SharedMemory).LoseAnswers(1) },
		Cut:  func(t testing.TB, s store.Shared, away bool) { s.(*SharedMemory).Cut(away) },
	})
}

// A memory store on a database of its own keeps the contract of any store.
func TestSharedMemoryKeepsTheContract(t *testing.T) {
	Run(t, Harness{Open: func(t testing.TB, o Options) store.Store { return NewDatabase(o).Open() }})
}
