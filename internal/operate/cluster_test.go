package operate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

func TestClusterTellsWhoIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storetest.NewDatabase(storetest.Options{})
		var services []*Service
		for _, name := range []string{"one", "two"} {
			s := vital{db.Open()}
			e := delivery.New(delivery.Options{Store: s, Name: name, Version: "v1"})
			defer e.Close(context.Background())
			e.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{"crm": {Destination: new(receiver)}, "big": {Destination: new(receiver), Shards: 4}}})
			services = append(services, New(Options{Store: s, Engine: e}))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		c, err := services[0].Cluster(t.Context(), somebody)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Shared || len(c.Gateways) != 2 || len(c.Lanes) != 6 || c.Vitals == nil || c.Vitals.XminAge != 7 || c.ClockAhead != 0 {
			t.Fatalf("%+v", c)
		}
		other, err := services[1].Cluster(t.Context(), somebody)
		if err != nil || other.Self == c.Self || other.Self == "" {
			t.Errorf("%+v, %v", other, err)
		}
		lanes := 0
		for _, g := range c.Gateways {
			lanes += g.Lanes
			if g.Destinations != 2 || g.Version != "v1" || g.Lanes < 2 {
				t.Errorf("%+v", g)
			}
		}
		for _, l := range c.Lanes {
			if l.Holder == "" || l.Epoch == 0 {
				t.Errorf("%+v", l)
			}
		}
		if lanes != 6 {
			t.Errorf("%d lanes are held", lanes)
		}
	})
}

// vital is a store that knows how its database is doing.
type vital struct{ *storetest.SharedMemory }

func (vital) Vitals(context.Context) (store.Vitals, error) { return store.Vitals{XminAge: 7}, nil }

func TestClusterOfOneGatewayAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		c, err := g.Cluster(t.Context(), somebody)
		if err != nil || c.Shared || len(c.Gateways) != 0 || c.Vitals != nil {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
