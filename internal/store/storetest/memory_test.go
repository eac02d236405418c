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
