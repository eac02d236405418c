package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

func TestRekey(t *testing.T) {
	for name, first := range map[string]*seal.Ring{"from another key": ring(t, keyA), "from none": nil} {
		path := filepath.Join(t.TempDir(), "store.db")
		s := openStore(t, sqlite.Options{Path: path, Keys: first})
		var events []*store.Event
		var deliveries []string
		for range 1100 {
			events = append(events, secretEvent())
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, e := range events {
			wg.Go(func() {
				a, err := s.Accept(ctx, e, []string{"crm"})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				deliveries = append(deliveries, a.Deliveries...)
				mu.Unlock()
			})
		}
		wg.Wait()
		if err := s.Finish(ctx, []store.Attempt{{DeliveryID: deliveries[0], State: store.Dead, Excerpt: []byte(secret)}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}

		both := ring(t, keyB)
		if first != nil {
			both = ring(t, keyB, keyA)
		}
		s = openStore(t, sqlite.Options{Path: path, Keys: both})
		var seen []string
		for range 2 { // the second has nothing to do
			if err := s.Rekey(ctx, func(done, total int) { seen = append(seen, fmt.Sprint(done, "/", total)) }); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(seen, " "); got != "0/1101 500/1101 1000/1101 1100/1101 1101/1101 0/0" {
			t.Errorf("%s: progress %s", name, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if onDisk(t, path, secret) {
			t.Errorf("%s: the content stands on the disk", name)
		}

		s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
		for _, e := range events[:50] {
			got, err := s.Event(ctx, e.ID)
			if err != nil || !bytes.Equal(got.Body, e.Body) || !bytes.Equal(got.Record, e.Record) || got.URI != e.URI || got.Header["X-Caller"][0] != secret {
				t.Fatalf("%s: after it: %+v, %v", name, got, err)
			}
		}
		if a, err := s.Attempts(ctx, deliveries[0]); err != nil || string(a[0].Excerpt) != secret {
			t.Errorf("%s: the excerpt: %v", name, err)
		}
		s.Close()
	}
	s := openStore(t, sqlite.Options{})
	if err := s.Rekey(ctx, nil); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without keys: %v", err)
	}
}

// The oldest and the newest event have the new key when a Rekey was stopped, and those in between the old one.
func TestOpenAfterAStoppedRekey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	accept := func(n int) {
		t.Helper()
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if _, err := s.Accept(ctx, secretEvent(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	reopen := func(keys ...string) error {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := sqlite.Open(sqlite.Options{Path: path, Keys: ring(t, keys...)})
		if err == nil {
			s = again
			t.Cleanup(func() { again.Close() })
		}
		return err
	}
	accept(700)
	if err := reopen(keyB, keyA); err != nil {
		t.Fatal(err)
	}
	accept(1)
	stopped, stop := context.WithCancel(ctx)
	if err := s.Rekey(stopped, func(done, _ int) {
		if done > 0 {
			stop()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := reopen(keyB); !errors.Is(err, seal.ErrNoKey) {
		t.Fatalf("without the key of the events that are left: %v", err)
	}
	if err := reopen(keyB, keyA); err != nil {
		t.Fatal(err)
	}
	if err := s.Rekey(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := reopen(keyB); err != nil {
		t.Error(err)
	}
}

// Rekey holds a batch of payloads in memory, so large ones go in smaller batches.
func TestRekeyOfLargePayloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	body := noise(5 << 20)
	for range 9 {
		if _, err := s.Accept(ctx, randomEvent(body), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	var seen []string
	if err := s.Rekey(ctx, func(done, total int) { seen = append(seen, fmt.Sprint(done, "/", total)) }); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, " "); got != "0/9 4/9 8/9 9/9" {
		t.Errorf("progress %s", got)
	}
}
