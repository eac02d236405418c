package caddymodule

import (
	"context"
	"fmt"
	"time"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/store"
)

// notes are a destination's in the store, and how far its deliveries have come there; the store is opened after the destination was made.
type notes struct {
	destination string
	of          func() *dispatcher
}

func (n notes) store() (store.Store, error) {
	d := n.of()
	if d == nil {
		return nil, fmt.Errorf("%w: it is not open yet", store.ErrUnavailable)
	}
	return d.store, nil
}

// Note implements guest.Notes.
func (n notes) Note(ctx context.Context, name string, value []byte, until time.Time) error {
	s, err := n.store()
	if err != nil {
		return err
	}
	return s.Note(ctx, n.destination, name, value, until)
}

// Noted implements guest.Notes.
func (n notes) Noted(ctx context.Context, name string) ([]byte, error) {
	s, err := n.store()
	if err != nil {
		return nil, err
	}
	return s.Noted(ctx, n.destination, name)
}

// Forget implements guest.Notes.
func (n notes) Forget(ctx context.Context, name string) error {
	s, err := n.store()
	if err != nil {
		return err
	}
	return s.Forget(ctx, n.destination, name)
}

// Keep implements guest.Progress.
func (n notes) Keep(ctx context.Context, deliveryID string, value []byte) error {
	s, err := n.store()
	if err != nil {
		return err
	}
	return s.Keep(ctx, deliveryID, value)
}

// Kept implements guest.Progress.
func (n notes) Kept(ctx context.Context, deliveryID string) ([]byte, error) {
	s, err := n.store()
	if err != nil {
		return nil, err
	}
	return s.Kept(ctx, deliveryID)
}

// Interface guards
var (
	_ guest.Notes    = notes{}
	_ guest.Progress = notes{}
)
