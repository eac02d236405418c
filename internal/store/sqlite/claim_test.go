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
