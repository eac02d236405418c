package delivery

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// forwarder is a fake that may not look at the call.
type forwarder struct{ *fake }

func (forwarder) Forwards() bool { return true }

// TestRecordsAreReadForWhoLooksAtThem, and for what keeps fields of them back.
func TestRecordsAreReadForWhoLooksAtThem(t *testing.T) {
	in(t, func(t *testing.T) {
		forwards, reduced, reads := forwarder{newFake(always(ok))}, forwarder{newFake(always(ok))}, newFake(always(ok))
		r := newRig(t, Options{}, map[string]Config{
			"forwards": {Destination: forwards}, "reads": {Destination: reads},
			"reduced": {Destination: reduced, Minimize: func(c *call.Call) *call.Call { return &call.Call{ID: c.ID} }},
		})
		defer r.close()
		r.accept("", "c1", "forwards", "reads", "reduced")
		after(time.Second)
		got := func(f *fake) destination.Item { return f.calls()[0].items[0] }
		if i := got(forwards.fake); i.Call != nil || string(i.Body) != `{"n":1}` || i.ContentType != "application/json" {
			t.Errorf("forwarded %+v", i)
		}
		if c := got(reads).Call; c == nil || c.FirstName != "caller 1" {
			t.Errorf("read %+v", c)
		}
		if c := got(reduced.fake).Call; c == nil || c.ID != "c1" || c.FirstName != "" {
			t.Errorf("reduced %+v", c)
		}
	})
}
