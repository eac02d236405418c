package delivery

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
)

// TestChangeOfOneDestination gives, changes and takes one destination while another goes on.
func TestChangeOfOneDestination(t *testing.T) {
	in(t, func(t *testing.T) {
		done := always(destination.Result{Outcome: destination.Delivered})
		crm, first, second := newFake(done), newFake(done), newFake(done)
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: crm}})
		defer r.close()
		s := r.engine.current().Snapshot
		r.accept("acme", "", "acme/crm")
		after(time.Hour)
		r.want("acme/crm", 1, 0, 0) // nobody knows it yet

		if !r.engine.Change(s, "acme/crm", &Config{Destination: first}) {
			t.Fatal("the snapshot is not attached")
		}
		after(time.Second)
		r.want("acme/crm", 0, 1, 0)
		r.engine.Change(s, "acme/crm", &Config{Destination: second, EventTypes: []string{"call_*"}})
		r.accept("acme", "", "acme/crm", "crm") // which the filter turns away from one of them
		after(time.Second)
		if len(first.calls()) != 1 || len(second.calls()) != 0 || len(crm.calls()) != 1 {
			t.Errorf("calls %d %d %d", len(first.calls()), len(second.calls()), len(crm.calls()))
		}
		r.engine.Change(s, "acme/crm", nil)
		r.accept("acme", "", "acme/crm")
		after(time.Hour)
		r.want("acme/crm", 1, 1, 0)
		if list, err := r.engine.Stranded(t.Context()); err != nil || len(list) != 1 || list[0].Destination != "acme/crm" {
			t.Errorf("stranded %+v, %v", list, err)
		}
		r.accept("", "", "crm")
		after(time.Second)
		r.want("crm", 0, 2, 0)
		if r.engine.Change(new(Snapshot), "crm", nil) {
			t.Error("a snapshot that is not attached was changed")
		}
	})
}
