package operate

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// metering hands a meter what the engine does.
type metering struct {
	delivery.NopObserver
	m *Meter
}

func (o metering) Accepted(_ context.Context, e *store.Event, a store.Accepted, _ []string) {
	if a.Duplicate {
		o.m.Copied(e.Route, e.Tenant, e.EventID)
		return
	}
	o.m.Accepted(e.Tenant)
}

func (o metering) AttemptFinished(a delivery.Attempted) { o.m.Attempt(AttemptInfo(&a)) }

// metered is inBubble with a meter, whose destination crm is tried again soon.
func metered(t *testing.T, test func(t *testing.T, g *gateway)) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{t: t, store: storetest.NewMemory(storetest.Options{}), crm: new(receiver)}
		m := NewMeter(t.Context(), g.store, nil)
		g.engine = delivery.New(delivery.Options{Store: g.store, Observer: metering{m: m}})
		g.engine.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{
			"crm": {Destination: g.crm, Schedule: delivery.ListSchedule(0, time.Minute, time.Hour)}, "log": {Destination: new(receiver)},
		}})
		defer g.engine.Close(context.Background())
		g.Service = New(Options{Store: g.store, Engine: g.engine, Meter: m})
		test(t, g)
	})
}

func (g *gateway) overview(t *testing.T, a Actor, window string) *Overview {
	t.Helper()
	o, err := g.Overview(t.Context(), a, OverviewChoice{Window: window})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// needed are the kinds of needs, in their order, each with what it is of.
func needed(o *Overview) (list []string) {
	for _, n := range o.Needs {
		list = append(list, string(n.Kind)+" "+n.Destination+n.Tenant)
	}
	return list
}

func TestOverviewTellsWhatNeedsSomebody(t *testing.T) {
	metered(t, func(t *testing.T, g *gateway) {
		g.accept("acme")
		o := g.overview(t, somebody, "")
		if o.Window != "day" || len(o.Needs) != 0 || o.Accepted != 1 || len(o.Destinations) != 2 || o.Destinations[0].Succeeded != 1 || *o.Destinations[0].SuccessRate != 100 || *o.Destinations[0].FirstTryRate != 100 || len(o.Destinations[0].Buckets) != 24 {
			t.Errorf("%+v", o)
		}
		time.Sleep(time.Hour)
		g.crm.slow.Store(true) // answers 503
		since := time.Now()
		g.accept("acme")
		g.accept("beta")
		time.Sleep(2 * time.Minute) // each is tried twice
		synctest.Wait()
		o = g.overview(t, somebody, "hour")
		crm := o.Destinations[0]
		if crm.Attempted != 4 || crm.Succeeded != 0 || crm.Retries != 2 || *crm.SuccessRate != 0 || crm.Pending != 2 || !crm.OldestPending.Equal(since) {
			t.Errorf("%+v", crm)
		}
		want := []Need{{Kind: NeedNotTaken, Destination: "crm", Since: since.UTC(), Count: 2, Status: 503, Reason: "try later"}}
		if !reflect.DeepEqual(o.Needs, want) {
			t.Errorf("%+v\nwant %+v", o.Needs, want)
		}
		g.crm.slow.Store(false)
		g.crm.down.Store(true) // answers 400, which is for good
		if _, err := g.SendNow(t.Context(), somebody, Selection{All: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := g.Pause(t.Context(), somebody, "log", "they move"); err != nil {
			t.Fatal(err)
		}
		g.Service.o.Faulty = func() []string { return []string{"gamma"} }
		o = g.overview(t, somebody, "week")
		if got, want := needed(o), []string{"not_taken crm", "dead crm", "faulty_tenant gamma", "paused log"}; !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if o.Needs[1].Count != 2 || o.Needs[3].Reason != "they move" {
			t.Errorf("%+v", o.Needs)
		}
		// For those who are bound it has what is theirs.
		if got, want := needed(g.overview(t, boundTo("acme"), "")), []string{"not_taken crm", "dead crm", "paused log"}; !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		o = g.overview(t, boundTo("acme"), "")
		if o.Store != nil || o.Accepted != 2 || o.Destinations[0].Dead != 1 || o.Needs[1].Count != 1 || o.Needs[2].Reason != "" {
			t.Errorf("%+v", o)
		}
		// A process that begins now says the same of what was before.
		g.Service.o.Meter = NewMeter(t.Context(), g.store, nil)
		again := g.overview(t, somebody, "week")
		if got, want := needed(again), []string{"not_taken crm", "dead crm", "faulty_tenant gamma", "paused log"}; !reflect.DeepEqual(got, want) || !again.CountedSince.IsZero() {
			t.Errorf("%v, want %v", got, want)
		}
		if d := again.Destinations[0]; d.Attempted != 7 || d.Succeeded != 1 || d.Buried != 2 {
			t.Errorf("%+v", d)
		}
		if _, err := g.Overview(t.Context(), somebody, OverviewChoice{Window: "year"}); !errors.Is(err, ErrBadRequest) {
			t.Error(err)
		}
	})
}

// TestThresholdsOfTheGuide are judged by the last hour, and only where there is enough to judge by.
func TestThresholdsOfTheGuide(t *testing.T) {
	judge := func(n int, also func(m *Meter)) (low, slow, spike bool) {
		m, _ := atNoon(t)
		for range n {
			m.Attempt(took(noon, 1, time.Second))
		}
		also(m)
		v := m.seen(t, "day")
		d := destinationView(&delivery.DestinationStatus{Name: "crm"}, &v)
		return d.LowSuccess, d.Slow, d.RetrySpike
	}
	some := func(n int, a store.AttemptInfo) func(*Meter) {
		return func(m *Meter) {
			for range n {
				m.Attempt(a)
			}
		}
	}
	for name, tt := range map[string]struct {
		n                int
		also             func(*Meter)
		low, slow, spike bool
	}{
		"well":                    {100, some(0, store.AttemptInfo{}), false, false, false},
		"95 in a hundred succeed": {95, some(5, met(noon, 1, 503)), false, false, false},
		"94 in a hundred succeed": {94, some(6, met(noon, 1, 503)), true, false, false},
		"too few":                 {10, some(6, met(noon, 1, 503)), false, false, false},
		"one in ten is slow":      {90, some(10, took(noon, 1, 6*time.Second)), false, true, false},
		"retries":                 {95, some(5, took(noon, 2, time.Second)), false, false, true},
		"few retries":             {95, some(4, took(noon, 2, time.Second)), false, false, false},
		"retries as always": {90, func(m *Meter) {
			some(10, took(noon, 2, time.Second))(m)
			for range 10 {
				m.Attempt(took(noon.Add(-3*time.Hour), 1, time.Second))
				m.Attempt(took(noon.Add(-3*time.Hour), 2, time.Second))
			}
		}, false, false, false},
	} {
		if low, slow, spike := judge(tt.n, tt.also); low != tt.low || slow != tt.slow || spike != tt.spike {
			t.Errorf("%s: low %v, slow %v, spike %v", name, low, slow, spike)
		}
	}
}

func TestNeedsOfTheStoreAndOfRotations(t *testing.T) {
	n := needs{now: noon}
	for _, s := range []StoreView{
		{DiskBytes: 100 << 30, DiskFree: 2 << 30}, {DiskBytes: 1 << 30, DiskFree: 200 << 20}, {}, {Bytes: 8, MaxBytes: 10}, {Bytes: 1 << 40},
	} {
		n.ofStore(&s)
	}
	old, recent := noon.Add(-48*time.Hour), noon.Add(-time.Hour)
	n.ofRotation(recent, &Rotation{Tenant: "young", Secrets: []SecretUse{{Secret: 1}, {Secret: 2, LastUsed: recent}}})
	n.ofRotation(old, &Rotation{Tenant: "both", Secrets: []SecretUse{{Secret: 1, LastUsed: recent}, {Secret: 2, LastUsed: recent}}})
	n.ofRotation(old, &Rotation{Tenant: "silent", Secrets: []SecretUse{{Secret: 1, LastUsed: old}, {Secret: 2}}})
	if len(n.list) != 0 {
		t.Errorf("%+v", n.list)
	}
	n.ofRotation(old, &Rotation{Tenant: "acme", Source: "retell", Secrets: []SecretUse{{Secret: 1, LastUsed: recent}, {Secret: 2, LastUsed: old}}})
	n.ofStore(&StoreView{Bytes: 9, MaxBytes: 10, DiskBytes: 1 << 30, DiskFree: 100 << 20})
	want := []Need{
		{Kind: NeedDiskLow, Value: 100 << 20, Threshold: math.Floor((1 << 30) / 10)}, {Kind: NeedStoreFull, Value: 9, Threshold: 10},
		{Kind: NeedSecretUnused, Tenant: "acme", Source: "retell", Name: "2", Since: old},
	}
	if got := n.sorted(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
