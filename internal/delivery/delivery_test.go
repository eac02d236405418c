package delivery

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

func TestDeliversAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(destination.Result{Outcome: destination.Delivered, Status: 201, RemoteID: "c1", Warnings: []string{"a property was dropped"}, Excerpt: []byte("answer")}))
		minimized := func(c *call.Call) *call.Call { return &call.Call{ID: c.ID} }
		r := newRig(t, Options{}, nil)
		defer r.close()
		r.engine.Attach(&Snapshot{
			Destinations: map[string]Config{"crm": {Destination: f, Minimize: minimized}},
			Vars: func(tenant string) (map[string]string, bool) {
				return map[string]string{"owner_name": tenant + " Ltd"}, true
			},
		})
		after(time.Minute)
		event := r.accept("acme", "call-1", "crm")
		synctest.Wait()
		calls := f.calls()
		if len(calls) != 1 || calls[0].at != time.Minute {
			t.Fatalf("%+v", calls)
		}
		item := calls[0].items[0]
		if item.EventID != event || item.Attempt != 1 || item.Tenant != "acme" || item.Vars["owner_name"] != "acme Ltd" ||
			item.Call.ID != "call-1" || item.Call.FirstName != "" || item.ContentType != "application/json" ||
			item.Source != "test" || item.EventType != "lead" || item.Traceparent != "00-abc-def-01" || string(item.Body) != `{"n":1}` || item.DeliveryID == "" {
			t.Errorf("%+v", item)
		}
		d := r.only("crm")
		if d.State != store.Delivered || d.Attempts != 1 || d.LastStatus != 201 || d.RemoteID != "c1" || d.Reason != "" {
			t.Errorf("%+v", d)
		}
		attempts, _ := r.store.Attempts(t.Context(), d.ID)
		if len(attempts) != 1 || attempts[0].Number != 1 || len(attempts[0].Warnings) != 1 || attempts[0].Excerpt != nil {
			t.Errorf("%+v", attempts)
		}
		if len(r.spy.attempts) != 1 || r.spy.accepted != 1 || r.spy.attempts[0].State != store.Delivered {
			t.Errorf("%+v", r.spy.attempts)
		}
	})
}

func TestRetriesOnSchedule(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(failing))
		guide := ListSchedule(durations(0, 10, 30, 60, 300)...)
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Breaker: noBreaker, Schedule: guide}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Hour)
		if want := durations(0, 10, 40, 100, 400); !slices.Equal(f.times(), want) {
			t.Errorf("attempts at %v, want %v", f.times(), want)
		}
		for i, s := range f.calls() {
			if s.items[0].Attempt != i+1 {
				t.Errorf("attempt %d calls itself %d", i+1, s.items[0].Attempt)
			}
		}
		r.want("crm", 0, 0, 1)
		if d := r.only("crm"); d.Attempts != 5 || d.Reason != "gave up after 5 attempts: 500" || d.LastStatus != 500 {
			t.Errorf("%+v", d)
		}
		if len(r.spy.dead) != 1 || r.spy.dead[0].Status != 500 || len(r.spy.failing) != 0 {
			t.Errorf("dead letters: %+v, failing: %+v", r.spy.dead, r.spy.failing)
		}
	})
}

// Without a schedule of its own a delivery outlives an outage of three days. After the guide's five steps somebody is told.
func TestDefaultScheduleOutlivesAnOutage(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(failing))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Breaker: noBreaker}})
		defer r.close()
		r.accept("", "", "crm")
		after(400*time.Second - 1)
		if len(r.spy.toldFailing()) != 0 {
			t.Errorf("failing after %d attempts", len(f.calls()))
		}
		after(71*time.Hour - 400*time.Second + 1)
		r.want("crm", 1, 0, 0)
		if want := durations(0, 10, 40, 100, 400, 1000, 2200, 4600, 8200, 11800); !slices.Equal(f.times()[:10], want) {
			t.Errorf("attempts at %v, want %v", f.times()[:10], want)
		}
		if n := r.spy.toldFailing(); len(n) != 1 || n[0].Item.Attempt != 5 || n[0].State != store.Pending || n[0].At.Sub(f.start) != 400*time.Second {
			t.Errorf("told of %+v as failing, want the fifth attempt", n)
		}
		after(2 * time.Hour)
		r.want("crm", 0, 0, 1)
		if len(r.spy.dead) != 1 || len(r.spy.failing) != 1 {
			t.Errorf("%d dead letters, told %d times of failing", len(r.spy.dead), len(r.spy.failing))
		}
	})
}

func TestJitterIsApplied(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(failing))
		r := newRig(t, Options{Rand: func() float64 { return 0 }}, map[string]Config{"crm": {Destination: f, Breaker: noBreaker}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Hour)
		if want := durations(0, 9, 36, 90, 360, 900, 1980); !slices.Equal(f.times(), want) {
			t.Errorf("attempts at %v, want %v", f.times(), want)
		}
	})
}

func TestRefusalIsDeadAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(refusing))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, KeepExcerpt: true}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Hour)
		r.want("crm", 0, 0, 1)
		if len(f.calls()) != 1 || r.only("crm").Reason != refusing.Reason || len(r.spy.dead) != 1 {
			t.Errorf("%d calls, %+v", len(f.calls()), r.only("crm"))
		}
		if r.status("crm").Breaker != "closed" {
			t.Error("a refusal of one record counted against the receiver")
		}
	})
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration
		limit time.Duration
		want  time.Duration
	}{
		{"longer than the schedule", 45 * time.Second, 0, 45 * time.Second},
		{"shorter than the schedule", time.Second, 0, 10 * time.Second},
		{"beyond the bound", time.Hour, 20 * time.Second, 20 * time.Second},
		{"beyond the default bound", 1000 * time.Hour, 0, time.Hour},
		{"negative", -time.Hour, 0, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				first := true
				f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
					if first {
						first = false
						return []destination.Result{{Status: 429, Reason: "busy", RetryAfter: tt.after}}
					}
					return []destination.Result{ok}
				})
				r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, RetryAfterMax: tt.limit}})
				defer r.close()
				r.accept("", "", "crm")
				after(2 * time.Hour)
				if got := f.times(); len(got) != 2 || got[1] != tt.want {
					t.Errorf("attempts at %v, want the second at %v", got, tt.want)
				}
			})
		})
	}
}

// A receiver that is too busy for one delivery is left alone by the others too, and they burn no attempt.
// A limit that is counted by the day outlasts every schedule, and no delivery is given up for it; a receiver that is
// only busy is given up as ever.
func TestSpentLimitGivesNothingUp(t *testing.T) {
	for _, spent := range []bool{true, false} {
		in(t, func(t *testing.T) {
			start := time.Now()
			f := newFake(func(context.Context, []destination.Item) []destination.Result {
				if left := 16*time.Hour - time.Since(start); left > 0 {
					return []destination.Result{{Status: 429, Reason: "the limit of the day", RetryAfter: left, Spent: spent}}
				}
				return []destination.Result{ok}
			})
			r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(durations(0, 10, 30, 60, 300)...)}})
			defer r.close()
			for range 3 {
				r.accept("", "", "crm")
			}
			after(24 * time.Hour)
			if spent {
				r.want("crm", 0, 3, 0)
			} else {
				r.want("crm", 0, 0, 3)
			}
			if n := len(f.calls()); n > 3*20 {
				t.Errorf("%d attempts in a day", n)
			}
		})
	}
}

func TestRetryAfterHoldsTheDestination(t *testing.T) {
	in(t, func(t *testing.T) {
		n := 0
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if n++; n == 1 {
				return []destination.Result{{Status: 429, Reason: "busy", RetryAfter: 20 * time.Second}}
			}
			return []destination.Result{ok}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Second)
		if r.status("crm").HeldUntil.IsZero() {
			t.Error("the status does not tell of the hold")
		}
		for range 5 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		r.want("crm", 0, 6, 0)
		for _, at := range f.times()[1:] {
			if at != 20*time.Second {
				t.Errorf("attempts at %v", f.times())
				break
			}
		}
	})
}
