package delivery

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// TestRetentionOfTheDead holds that what a receiver has refused stays when what was delivered goes.
func TestRetentionOfTheDead(t *testing.T) {
	in(t, func(t *testing.T) {
		s := storetest.NewMemory(storetest.Options{})
		r := newRig(t, Options{Store: s}, nil)
		defer r.close()
		crm, ehr := Config{Destination: newFake(always(ok))}, Config{Destination: newFake(always(refusing))}
		r.engine.Attach(&Snapshot{Retention: 24 * time.Hour, RetentionDead: 72 * time.Hour, Destinations: map[string]Config{"crm": crm, "ehr": ehr}})
		r.accept("", "", "crm")
		refused := r.accept("", "", "crm", "ehr")
		expired := func() store.Expired {
			t.Helper()
			stats, err := s.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return stats.Expired
		}
		after(71 * time.Hour)
		if n := expired(); n != (store.Expired{Done: 1}) {
			t.Errorf("after 71 hours %+v expired", n)
		}
		if _, err := s.Event(t.Context(), refused); err != nil {
			t.Errorf("what was refused: %v", err)
		}
		after(2 * time.Hour)
		if n := expired(); n != (store.Expired{Done: 1, Dead: 1}) {
			t.Errorf("after 73 hours %+v expired", n)
		}
	})
}
