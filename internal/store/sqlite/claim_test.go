package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// With thousands of tenants a Claim reads the queues of a few. Next, which reads those it knows nothing of, took seconds
// when a Claim made it forget all the others.
func TestClaimForgetsNothingOfTenantsWithoutATurn(t *testing.T) {
	s, err := Open(Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const tenants = 20
	for i := range tenants {
		id := ulid.Make()
		e := &store.Event{ID: id.String(), Key: id, Tenant: fmt.Sprint("tenant ", i), ReceivedAt: time.Now()}
		if _, err := s.Accept(t.Context(), e, []string{"crm"}); err != nil {
			t.Fatal(err)
		}
	}
	unknown := func() (n int) {
		s.queues.mu.Lock()
		defer s.queues.mu.Unlock()
		for _, l := range s.queues.lanes {
			for _, q := range l.order {
				if !q.headKnown {
					n++
				}
			}
		}
		return n
	}
	if _, err := s.Next(t.Context(), "crm"); err != nil || unknown() != 0 {
		t.Fatal(unknown(), err)
	}
	for round := range tenants / 5 {
		c, err := s.Claim(t.Context(), "crm", time.Now(), time.Minute, 5, nil)
		if err != nil || len(c) != 5 {
			t.Fatal(len(c), err)
		}
		if n := unknown(); n != 0 {
			t.Fatalf("after %d claims the heads of %d queues are not known", round+1, n)
		}
	}
	if at, err := s.Next(t.Context(), "crm"); err != nil || !at.IsZero() {
		t.Errorf("next at %s, %v", at, err)
	}
}

// A Claim may read what a commit has made before the queues know of the commit. What it got is its own all the same: the
// commit, when it is told of, must not hand it out a second time.
func TestClaimBetweenACommitAndItsNews(t *testing.T) {
	for name, from := range map[string]int8{"accepted": none, "replayed": dead} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(Options{Path: filepath.Join(t.TempDir(), "store.db")})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			id := ulid.Make()
			e := &store.Event{ID: id.String(), Key: id, ReceivedAt: time.Now()}
			if _, err := s.Accept(t.Context(), e, []string{"crm"}); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			claim := func(at time.Time) int {
				t.Helper()
				list, err := s.Claim(t.Context(), "crm", at, time.Minute, 10, nil)
				if err != nil {
					t.Fatal(err)
				}
				return len(list)
			}
			// The commit is known of already, so what it counts is taken back before it is told of again.
			s.queues.mu.Lock()
			l, q := (*lane)(nil), (*queue)(nil)
			for _, l = range s.queues.lanes {
				for _, q = range l.order {
					q.count[pending], q.headKnown = 1, false
				}
			}
			s.queues.mu.Unlock()
			if n := claim(now); n != 1 {
				t.Fatalf("%d claimed", n)
			}
			s.queues.mu.Lock()
			q.count[pending]--
			if from > none {
				q.count[from]++
			}
			s.queues.live--
			s.queues.mu.Unlock()
			s.queues.apply(&s.names, []change{{destination: q.destination, tenant: q.tenant, key: deliveryKey{id, 0}, from: from, to: pending, next: nanos(now)}})
			if n := claim(now); n != 0 {
				t.Errorf("what was claimed is handed out again: %d", n)
			}
			if n := claim(now.Add(2 * time.Minute)); n != 1 {
				t.Errorf("%d claimed when the lease has run out", n)
			}
		})
	}
}
