package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

func TestANameThatDoesNotExistIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.accept("old") // of a tenant that the configuration has no more
		many := make([]string, 300)
		for i := range many {
			many[i] = fmt.Sprintf("clinic-%03d", i)
		}
		names := Names{Tenants: []string{"beta", "acme"}, Sources: many}
		g.Service = New(Options{Store: g.store, Engine: g.engine, Names: func() Names { return names }})
		for _, tt := range []struct {
			f    Filter
			says string // empty if the name exists
		}{
			{Filter{Tenant: "acme"}, ""},
			{Filter{Tenant: "old"}, ""},
			{Filter{Tenant: "acne"}, "there is no such tenant; there are: acme, beta"},
			{Filter{Destination: "crm"}, ""},
			{Filter{Destination: "crn"}, "there is no such destination; there are: crm, log"},
			{Filter{Source: "clinic-007"}, ""},
			{Filter{Source: "retell"}, ""}, // something is stored of it
			{Filter{Source: "clinik-007"}, "there is no such source; of the 300 that there are, spelt most like it: clinic-007, clinic-000, clinic-001"},
		} {
			_, events := g.Events(t.Context(), somebody, Listing{Filter: tt.f})
			_, deliveries := g.Deliveries(t.Context(), somebody, Listing{Filter: tt.f})
			_, replay := g.Replay(t.Context(), somebody, ReplaySelection{Selection: Selection{Filter: tt.f, DryRun: true}})
			_, erase := g.Erase(t.Context(), somebody, EraseSelection{Selection: Selection{Filter: tt.f, DryRun: true}})
			for i, err := range []error{events, deliveries, replay, erase} {
				if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, ErrNotFound) || err.Error() != tt.says) {
					t.Errorf("%d of %+v: %v", i, tt.f, err)
				}
			}
		}
		names = Names{}
		if _, err := g.Events(t.Context(), somebody, Listing{Filter: Filter{Tenant: "x"}}); err == nil || !strings.Contains(err.Error(), "none at all") {
			t.Error(err)
		}
	})
}

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"crm", "crm"}: 0, {"crm", "CRM"}: 0, {"crm", "crn"}: 1, {"crm", "rm"}: 1, {"crm", "crms"}: 1, {"kitten", "sitting"}: 3,
		{"", "abc"}: 3, {"abc", ""}: 3,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}

func TestAWaitingDeliverySaysWhatItWaitsFor(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		s := New(Options{Store: g.store, Engine: g.engine})
		now := time.Now()
		due, later := store.Delivery{Destination: "crm", State: store.Pending, NextAt: now.Add(-time.Minute)}, store.Delivery{State: store.Pending, NextAt: now.Add(time.Hour)}
		for _, tt := range []struct {
			d       store.Delivery
			at      *delivery.DestinationStatus
			unknown string
			want    Wait
			reason  string
		}{
			{d: due, want: WaitConfiguration, reason: `destination "crm" is not configured`},
			{d: due, at: &delivery.DestinationStatus{}, want: WaitConfiguration, reason: `destination "crm" is not configured`},
			{d: due, at: &delivery.DestinationStatus{Known: true, Paused: true, PauseReason: "tea"}, unknown: `tenant "old" is not configured`, want: WaitConfiguration, reason: `tenant "old" is not configured`},
			{d: due, at: &delivery.DestinationStatus{Known: true, Trouble: "no descriptors", Breaker: "open", HeldUntil: now.Add(time.Second)}, want: WaitGateway, reason: "no descriptors"},
			{d: later, at: &delivery.DestinationStatus{Known: true, Paused: true, PauseReason: "tea"}, want: WaitResume, reason: "tea"},
			{d: later, at: &delivery.DestinationStatus{Known: true, Held: "404", HeldUntil: now.Add(time.Minute)}, want: WaitHold, reason: "404"},
			{d: later, at: &delivery.DestinationStatus{Known: true, Breaker: "open"}, want: WaitSchedule},
			{d: due, at: &delivery.DestinationStatus{Known: true, Breaker: "open"}, want: WaitBreaker},
			{d: due, at: &delivery.DestinationStatus{Known: true, Breaker: "half-open"}, want: WaitBreaker},
			{d: due, at: &delivery.DestinationStatus{Known: true, Breaker: "closed", HeldUntil: now.Add(time.Minute)}, want: WaitRetryAfter},
			{d: due, at: &delivery.DestinationStatus{Known: true, Breaker: "closed", HeldUntil: now.Add(-time.Minute)}, want: WaitTurn},
		} {
			if got, reason := s.waitsFor(&tt.d, tt.at, tt.unknown); got != tt.want || reason != tt.reason {
				t.Errorf("%+v at %+v: %s (%s), want %s (%s)", tt.d, tt.at, got, reason, tt.want, tt.reason)
			}
		}
		// What the engine says of itself counts: a delivery that failed waits for its schedule, and then for the pause.
		g.crm.slow.Store(true)
		id := g.accept("acme")
		waits := func() Wait {
			t.Helper()
			page, err := g.Deliveries(t.Context(), somebody, Listing{Filter: Filter{Event: id, Destination: "crm"}})
			if err != nil || len(page.Deliveries) != 1 {
				t.Fatal(page, err)
			}
			e, err := g.Event(t.Context(), somebody, id)
			if err != nil || e.Deliveries[0].WaitsFor != page.Deliveries[0].WaitsFor || e.Deliveries[1].WaitsFor != "" {
				t.Errorf("%+v, %v", e, err)
			}
			return page.Deliveries[0].WaitsFor
		}
		if w := waits(); w != WaitSchedule {
			t.Errorf("waits for %s", w)
		}
		if _, err := g.Pause(t.Context(), somebody, "crm", "tea"); err != nil {
			t.Fatal(err)
		}
		if w := waits(); w != WaitResume {
			t.Errorf("waits for %s", w)
		}
	})
}

// TestAStrandedDeliverySaysWhichNameIsGone: a delivery waits for what the next configuration does not know, is held, or meets
// the gateway's own trouble, and its row says so in the listing and by itself.
func TestAStrandedDeliverySaysWhichNameIsGone(t *testing.T) {
	for name, tt := range map[string]struct {
		answer       destination.Result
		destinations []string // of the configuration that follows; nil leaves the first
		tenants      []string
		want         Wait
		reason       string
	}{
		"its destination is gone": {answer: destination.Result{Status: 503}, destinations: []string{"log"}, tenants: []string{"acme"},
			want: WaitConfiguration, reason: `destination "crm" is not configured`},
		"its tenant is gone": {answer: destination.Result{Status: 503}, destinations: []string{"crm", "log"}, tenants: []string{"acme-clinic"},
			want: WaitConfiguration, reason: `tenant "acme" is not configured`},
		"its destination is held": {answer: destination.Result{Status: 404, Reason: "404: nothing is there", Astray: true}, want: WaitHold, reason: "404: nothing is there"},
		"the gateway has no descriptors": {answer: destination.Result{Reason: "no file descriptors", Own: true, Unsent: true},
			want: WaitGateway, reason: "no file descriptors"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, g *gateway) {
				snapshot := func(tenants []string, destinations ...string) *delivery.Snapshot {
					s := &delivery.Snapshot{Destinations: map[string]delivery.Config{}, Vars: func(tenant string) (map[string]string, bool) {
						return nil, slices.Contains(tenants, tenant)
					}}
					for _, d := range destinations {
						s.Destinations[d] = delivery.Config{Destination: answering(tt.answer), Schedule: delivery.ListSchedule(0, time.Hour)}
					}
					return s
				}
				g.engine.Attach(snapshot([]string{"acme"}, "crm", "log"))
				id := g.accept("acme")
				for range 4 {
					g.accept("acme") // what is held is held for several
				}
				if tt.destinations != nil {
					g.engine.Attach(snapshot(tt.tenants, tt.destinations...))
				}
				pass(time.Second)
				page, err := g.Deliveries(t.Context(), somebody, Listing{Filter: Filter{Event: id, Destination: "crm"}})
				if err != nil || len(page.Deliveries) != 1 {
					t.Fatal(page, err)
				}
				row := page.Deliveries[0]
				if row.WaitsFor != tt.want || !strings.Contains(row.WaitReason, tt.reason) {
					t.Errorf("it waits for %q (%s), want %q (%s)", row.WaitsFor, row.WaitReason, tt.want, tt.reason)
				}
				e, err := g.Event(t.Context(), somebody, id)
				if err != nil || e.Deliveries[0].WaitsFor != row.WaitsFor || e.Deliveries[0].WaitReason != row.WaitReason {
					t.Errorf("by itself: %+v, %v", e, err)
				}
			})
		})
	}
}

// answering is a destination that answers everything alike.
type answering destination.Result

func (a answering) Deliver(_ context.Context, items []destination.Item) []destination.Result {
	out := make([]destination.Result, len(items))
	for i := range out {
		out[i] = destination.Result(a)
	}
	return out
}
func (answering) Preview([]destination.Item) ([]destination.Request, error) { return nil, nil }
func (answering) MaxBatch() int                                             { return 1 }

func TestAReplaysAttemptsAreMarked(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.slow.Store(true)
		id := g.accept("acme")
		pass(2 * time.Hour)
		pass(2 * time.Hour)
		for _, state := range []string{"dead", "delivered"} {
			g.crm.slow.Store(false)
			n, err := g.Replay(t.Context(), somebody, ReplaySelection{Selection: Selection{Filter: Filter{Destination: "crm", State: state}}})
			if err != nil || n.Deliveries != 1 {
				t.Fatalf("%+v, %v", n, err)
			}
			pass(time.Second)
		}
		e, err := g.Event(t.Context(), somebody, id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range e.Deliveries[0].History {
			got = append(got, fmt.Sprintf("%d.%d %s", a.Replay, a.Number, a.State))
		}
		if s := strings.Join(got, ", "); s != "0.1 pending, 0.2 pending, 0.3 dead, 1.1 delivered, 2.1 delivered" {
			t.Error(s)
		}
		if e.Deliveries[0].Attempts != 1 {
			t.Errorf("%d attempts since the replay", e.Deliveries[0].Attempts)
		}
	})
	// An attempt that only tried whether the receiver is back has the number of the next one, and is no replay.
	tried := history([]store.Attempt{{Number: 1, State: store.Pending}, {Number: 2, State: store.Pending}, {Number: 2, State: store.Pending}, {Number: 1, State: store.Pending}})
	for i, want := range []int{0, 0, 0, 1} {
		if tried[i].Replay != want {
			t.Errorf("attempt %d is of replay %d", i, tried[i].Replay)
		}
	}
}

// TestWhoMaySeeAnEventSeesWhatItHasAndNothingThatWasSaid: fields are masked here, not by whoever shows them.
func TestWhoMaySeeAnEventSeesWhatItHasAndNothingThatWasSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		e := &store.Event{
			ID: "01JC0Q4Z6W5P9G2N8S3T7V1X0Y", Tenant: "acme", Source: "retell", EventType: "call_ended", CallID: "c", CallerHash: "+15559876543",
			ReceivedAt: time.Now(), Body: []byte("private words"), Header: map[string][]string{store.VerifiedHeader: {"scheme=retell;form=raw;secret=2"}, "X-Odd": {"private"}},
			Record: []byte(`{"provider":"retell","caller_number":"+15559876543","message":"private words","urgent":true,"callback_requested":false}`),
		}
		if _, err := g.engine.Accept(t.Context(), e, []string{"crm"}); err != nil {
			t.Fatal(err)
		}
		got, err := g.Event(t.Context(), somebody, e.ID)
		want := []call.Masked{{Name: "caller_number", Shown: "+1 ••• ••• 6543"}, {Name: "message", Shown: "2 words"}, {Name: "urgent", Shown: "yes", Clear: true}, {Name: "callback_requested", Shown: "no", Clear: true}}
		if err != nil || !slices.Equal(got.Call, want) || got.Content != nil || *got.Verified != (store.Verified{Scheme: "retell", Form: "raw", Secret: 2}) {
			t.Errorf("%+v, %v", got, err)
		}
		got, err = g.RevealEvent(t.Context(), somebody, e.ID, "a test")
		if err != nil || got.Content == nil || len(got.Content.Header) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		for callers, want := range map[bool]string{false: "", true: "+1 ••• ••• 6543"} {
			page, err := g.Events(t.Context(), somebody, Listing{Callers: callers})
			if err != nil || len(page.Events) != 1 || page.Callers[e.ID] != want {
				t.Errorf("%+v, %v", page, err)
			}
		}
	})
}
