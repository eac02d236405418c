package sqlite_test

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// An outcome is written over what the lease knows of its delivery, without reading it, and only if it still is like that.
func TestOutcomesOfWhatChangedWhileItWasLeased(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, s *sqlite.Store, event, delivery string)
		outcome   store.State
		state     store.State
		attempts  int
		gone      bool
	}{
		"nothing": {func(*testing.T, *sqlite.Store, string, string) {}, store.Delivered, store.Delivered, 2, false},
		"another attempt": {func(t *testing.T, s *sqlite.Store, _, delivery string) {
			if err := s.Finish(ctx, []store.Attempt{{DeliveryID: delivery, State: store.Pending}, {DeliveryID: delivery, State: store.Pending, Uncounted: true}}); err != nil {
				t.Error(err)
			}
		}, store.Pending, store.Pending, 3, false},
		"cancelled": {func(t *testing.T, s *sqlite.Store, event, _ string) {
			if n, err := s.Cancel(ctx, store.Filter{EventID: event, State: store.Pending}, false); n != 1 || err != nil {
				t.Error(n, err)
			}
		}, store.Pending, store.Dead, 2, false},
		"cancelled and delivered all the same": {func(t *testing.T, s *sqlite.Store, event, _ string) {
			if n, err := s.Cancel(ctx, store.Filter{EventID: event, State: store.Pending}, false); n != 1 || err != nil {
				t.Error(n, err)
			}
		}, store.Delivered, store.Delivered, 2, false},
		"erased": {func(t *testing.T, s *sqlite.Store, event, _ string) {
			if n, err := s.Erase(ctx, store.Filter{EventID: event}, false); n != 1 || err != nil {
				t.Error(n, err)
			}
		}, store.Delivered, "", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, sqlite.Options{})
			defer s.Close()
			a, err := s.Accept(ctx, randomEvent([]byte("{}")), []string{"crm"})
			if err != nil {
				t.Fatal(err)
			}
			delivery := a.Deliveries[0]
			if err := s.Finish(ctx, []store.Attempt{{DeliveryID: delivery, State: store.Pending}}); err != nil {
				t.Fatal(err)
			}
			if claimed, err := s.Claim(ctx, "crm", time.Now().Add(time.Second), time.Minute, 1, nil); err != nil || len(claimed) != 1 {
				t.Fatalf("%d claimed: %v", len(claimed), err)
			}
			c.meanwhile(t, s, a.EventID, delivery)
			if err := s.Finish(ctx, []store.Attempt{{DeliveryID: delivery, State: c.outcome, Status: 299, RemoteID: "r"}}); err != nil {
				t.Fatal(err)
			}
			list, err := s.Deliveries(ctx, store.Filter{EventID: a.EventID}, store.Page{Limit: 10})
			if err != nil || c.gone != (len(list) == 0) {
				t.Fatalf("%d deliveries: %v", len(list), err)
			}
			if c.gone {
				return
			}
			if d := list[0]; d.State != c.state || d.Attempts != c.attempts || d.Leased || d.Destination != "crm" || d.Tenant != "acme" {
				t.Errorf("%+v, want %s after %d attempts", d, c.state, c.attempts)
			}
		})
	}
}
