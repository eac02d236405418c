package pages

import (
	"context"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// vital is a shared store that knows how its database is doing.
type vital struct{ *storetest.SharedMemory }

func (vital) Vitals(context.Context) (store.Vitals, error) {
	return store.Vitals{Server: "PostgreSQL 15.8", Schema: 4, OldestTransaction: 20 * time.Minute, OldestHolder: "backend 4711 (pg_<dump>)", XminAge: 1234, DeadRows: 5, LiveRows: 1,
		LogBytes: 35840, LogEvents: 10, Connections: 14, MaxConnections: 100, Synchronous: true, Warnings: []string{"end what backend 4711 does"},
		Standbys: []store.Standby{{Name: "b", State: "streaming", Sync: "quorum", Lag: 3 * time.Millisecond, LagBytes: 2048}, {Name: "c", State: "catchup", Sync: "async", LagBytes: 1 << 30}}}, nil
}

func TestThePageOfTheClusterSaysWhoDeliversWhere(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		if got := d.as("vera", "cluster"); !says(t, got, "This gateway has its store alone") {
			t.Error(text(t, got.body))
		}
		db := storetest.NewDatabase(storetest.Options{})
		for _, name := range []string{"north", "south"} {
			s := vital{db.Open()}
			e := delivery.New(delivery.Options{Store: s, Name: name, Version: "v1.2"})
			defer e.Close(context.Background())
			e.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{"crm": {Destination: d.crm}, "big": {Destination: d.dispatch, Shards: 2}}})
			d.service = operate.New(operate.Options{Store: s, Engine: e})
		}
		time.Sleep(5 * time.Second)
		got := d.as("vera", "cluster")
		for _, want := range []string{"north v1.2", "south (this one) v1.2", "big 1 of 2 delivered to", "crm delivered to", "PostgreSQL 15.8, tables of version 4", "14 of 100", "1 row, and 5 dead ones",
			"of backend 4711 (pg_<dump>), for 20 minutes and 1,234 transactions", "3.5 KiB for an event", "a standby has it too", "Standby b follows streaming, quorum, 2.0 KiB behind, 3 ms",
			"Standby c catches up catchup, async, 1.0 GiB behind", "End what backend 4711 does."} {
			if !says(t, got, want) {
				t.Errorf("it does not say %q: %s", want, text(t, got.body))
			}
		}
	})
}
