package operate

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// pass lets time pass, and everything happen that is due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func deliveryOf(t *testing.T, g *gateway, event, destination string) store.Delivery {
	t.Helper()
	list, err := g.store.Deliveries(t.Context(), store.Filter{EventID: event, Destination: destination}, store.Page{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

func TestWaitingDeliveriesAreSentNowOrTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.slow.Store(true)
		first, second := g.accept("acme"), g.accept("beta")
		g.crm.slow.Store(false)
		pass(time.Minute)
		acme := Selection{Filter: Filter{Tenant: "acme", Destination: "crm"}}
		dry := acme
		dry.DryRun = true
		if n, err := g.SendNow(t.Context(), somebody, dry); err != nil || *n != (DeliveryCount{true, 1}) {
			t.Errorf("%+v, %v", n, err)
		}
		pass(time.Second)
		if d := deliveryOf(t, g, first, "crm"); d.State != store.Pending {
			t.Errorf("a dry run sent it: %+v", d)
		}
		if n, err := g.SendNow(t.Context(), somebody, acme); err != nil || *n != (DeliveryCount{false, 1}) {
			t.Errorf("%+v, %v", n, err)
		}
		if n, err := g.Cancel(t.Context(), somebody, Selection{Filter: Filter{State: "pending", Tenant: "beta"}}); err != nil || n.Deliveries != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		pass(time.Second)
		if d := deliveryOf(t, g, first, "crm"); d.State != store.Delivered || d.Attempts != 2 {
			t.Errorf("not sent: %+v", d)
		}
		if d := deliveryOf(t, g, second, "crm"); d.State != store.Dead || d.Reason != store.Cancelled {
			t.Errorf("not cancelled: %+v", d)
		}
		for _, wrong := range []Selection{{}, {Filter: Filter{State: "dead"}}, {Filter: Filter{State: "any"}}} {
			_, err := g.SendNow(t.Context(), somebody, wrong)
			_, err2 := g.Cancel(t.Context(), somebody, wrong)
			if !errors.Is(err, ErrBadRequest) || !errors.Is(err2, ErrBadRequest) {
				t.Errorf("%+v: %v, %v", wrong, err, err2)
			}
		}
	})
}

func TestAReplayKeepsToItsRate(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.down.Store(true)
		for range 4 {
			g.accept("acme")
		}
		g.crm.down.Store(false)
		g.crm.at = nil
		began := time.Now()
		n, err := g.Replay(t.Context(), somebody, ReplaySelection{Rate: "30/min", Selection: Selection{Filter: Filter{Destination: "crm"}}})
		if err != nil || n.Deliveries != 4 {
			t.Fatalf("%+v, %v", n, err)
		}
		pass(time.Minute)
		if len(g.crm.at) != 4 {
			t.Fatalf("sent at %v", g.crm.at)
		}
		for i, at := range g.crm.at {
			if d := at.Sub(began); d < time.Duration(2*i)*time.Second || d > time.Duration(2*i+1)*time.Second {
				t.Errorf("number %d was sent after %s", i+1, d)
			}
		}
		if _, err := g.Replay(t.Context(), somebody, ReplaySelection{Rate: "fast", Selection: Selection{All: true}}); !errors.Is(err, ErrBadRequest) || !strings.Contains(err.Error(), "5/s") {
			t.Error(err)
		}
	})
}
