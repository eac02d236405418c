package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
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
			Vars:         func(tenant string) map[string]string { return map[string]string{"owner_name": tenant + " Ltd"} },
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
			item.Traceparent != "00-abc-def-01" || string(item.Body) != `{"n":1}` || item.DeliveryID == "" {
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
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Breaker: noBreaker}})
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
		if len(r.spy.dead) != 1 || r.spy.dead[0].Status != 500 {
			t.Errorf("dead letters: %+v", r.spy.dead)
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
		if want := durations(0, 9, 36, 90, 360); !slices.Equal(f.times(), want) {
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

func TestPauseByResult(t *testing.T) {
	in(t, func(t *testing.T) {
		refused := destination.Result{Status: 401, Reason: "the token is refused: renew it", Pause: true}
		var renewed atomic.Bool
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if renewed.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{refused}
		})
		// The schedule has no second attempt, and yet the delivery must not die of a wrong token.
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(0)}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Second)
		for range 3 {
			r.accept("", "", "crm")
		}
		after(time.Hour)
		r.want("crm", 4, 0, 0)
		if s := r.status("crm"); !s.Paused || !strings.Contains(s.PauseReason, "renew") || len(f.calls()) != 1 {
			t.Errorf("%+v after %d calls", s, len(f.calls()))
		}
		if len(r.spy.paused) != 1 {
			t.Errorf("told of %q", r.spy.paused)
		}
		renewed.Store(true)
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.want("crm", 0, 4, 0)
	})
}

func TestGoneIsDeadAndPauses(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(destination.Result{Outcome: destination.Dead, Status: 410, Reason: "gone", Pause: true}))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		r.accept("", "", "crm")
		r.accept("", "", "crm")
		after(time.Hour)
		r.want("crm", 1, 0, 1)
	})
}

func TestPauseAndResume(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}, "ehr": {Destination: newFake(always(ok))}})
		defer r.close()
		if err := r.engine.Pause(t.Context(), "crm", "maintenance"); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			r.accept("", "", "crm", "ehr")
		}
		after(time.Hour)
		r.want("crm", 10, 0, 0)
		r.want("ehr", 0, 10, 0)
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.want("crm", 0, 10, 0)
		for _, a := range r.spy.attempts {
			if a.Item.Attempt != 1 {
				t.Error("waiting burnt an attempt")
			}
		}
		// Another process on the same store pauses and resumes.
		_ = r.store.Pause(t.Context(), "crm", "elsewhere")
		after(idleCheck + time.Second)
		if s := r.status("crm"); !s.Paused || s.PauseReason != "elsewhere" {
			t.Errorf("%+v", s)
		}
		r.accept("", "", "crm")
		_ = r.store.Resume(t.Context(), "crm")
		after(idleCheck + time.Second)
		r.want("crm", 0, 11, 0)
	})
}

func TestReplay(t *testing.T) {
	in(t, func(t *testing.T) {
		var mended atomic.Bool
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if mended.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{refusing}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		r.accept("", "", "crm")
		r.accept("", "", "crm")
		after(time.Minute)
		r.want("crm", 0, 0, 2)
		mended.Store(true)
		dead := store.Filter{Destination: "crm", State: store.Dead}
		if n, err := r.engine.Replay(t.Context(), dead, true); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		after(time.Minute)
		r.want("crm", 0, 0, 2)
		if n, err := r.engine.Replay(t.Context(), dead, false); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		r.want("crm", 0, 2, 0)
	})
}

// A destination that no configuration knows keeps its deliveries until one does.
func TestUnknownDestinationWaits(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: newFake(always(ok))}})
		defer r.close()
		r.accept("", "", "crm", "later")
		after(24 * time.Hour)
		r.want("crm", 0, 1, 0)
		r.want("later", 1, 0, 0)
		if s := r.status("later"); s.Known || s.Pending != 1 {
			t.Errorf("%+v", s)
		}
		r.engine.Attach(&Snapshot{Destinations: map[string]Config{"later": {Destination: newFake(always(ok))}}})
		synctest.Wait()
		r.want("later", 0, 1, 0)
	})
}

func TestFilters(t *testing.T) {
	in(t, func(t *testing.T) {
		urgent, err := condition.Compile(`call.first_name == "caller 1"`)
		if err != nil {
			t.Fatal(err)
		}
		broken, err := condition.Compile(`int(call.first_name) == 1`)
		if err != nil {
			t.Fatal(err)
		}
		crm := func(c Config) Config { c.Destination = newFake(always(ok)); return c }
		r := newRig(t, Options{}, map[string]Config{
			"all": crm(Config{}), "leads": crm(Config{EventTypes: []string{"x", "le*"}}), "calls": crm(Config{EventTypes: []string{"call_*"}}),
			"first": crm(Config{Condition: urgent}), "broken": crm(Config{Condition: broken}),
		})
		defer r.close()
		r.accept("", "", "all", "leads", "calls", "first", "broken", "parked")
		r.accept("", "", "calls", "first", "all")
		r.accept("", "", "calls")
		synctest.Wait()
		r.want("all", 0, 2, 0)
		r.want("leads", 0, 1, 0)
		r.want("calls", 0, 0, 0)
		r.want("first", 0, 1, 0)
		r.want("broken", 0, 1, 0)
		r.want("parked", 1, 0, 0)
	})
}

func TestPanicIsARetry(t *testing.T) {
	in(t, func(t *testing.T) {
		n := 0
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			switch n++; n {
			case 1:
				panic("the caller's secret")
			case 2:
				return nil
			default:
				return append(same(len(items), ok), ok, ok)
			}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Hour)
		d := r.only("crm")
		attempts, _ := r.store.Attempts(t.Context(), d.ID)
		if d.State != store.Delivered || len(attempts) != 3 {
			t.Fatalf("%+v, %+v", d, attempts)
		}
		if !strings.Contains(attempts[0].Reason, "panicked") || strings.Contains(attempts[0].Reason, "secret") ||
			!strings.Contains(attempts[1].Reason, "0 of 1") {
			t.Errorf("%+v", attempts)
		}
	})
}

func TestUnreadableRecordIsDead(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		panics := func(c *call.Call) *call.Call { panic(fmt.Sprint("no ", c.FirstName)) }
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}, "min": {Destination: f, Minimize: panics}})
		defer r.close()
		e := newEvent(1, "", "")
		e.Record = []byte(`{"caller_number": 5`)
		if _, err := r.engine.Accept(t.Context(), e, []string{"crm"}); err != nil {
			t.Fatal(err)
		}
		e = newEvent(2, "", "")
		if _, err := r.engine.Accept(t.Context(), e, []string{"min"}); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		r.want("crm", 0, 0, 1)
		r.want("min", 0, 0, 1)
		if len(f.calls()) != 0 || len(r.spy.dead) != 2 {
			t.Errorf("%d calls, %d dead letters", len(f.calls()), len(r.spy.dead))
		}
	})
}

func TestTimeout(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(time.Hour, ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Breaker: noBreaker, Schedule: ListSchedule(0, time.Second)}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Hour)
		if want := durations(0, 31); !slices.Equal(f.times(), want) {
			t.Errorf("attempts at %v, want %v", f.times(), want)
		}
		r.want("crm", 0, 0, 1)
	})
}

func TestTestModeSendsNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		r := newRig(t, Options{}, nil)
		defer r.close()
		r.engine.Attach(&Snapshot{TestMode: true, Destinations: map[string]Config{"crm": {Destination: f}}})
		r.accept("", "", "crm")
		synctest.Wait()
		r.want("crm", 0, 1, 0)
		if len(f.calls()) != 0 || len(r.spy.rendered) != 1 || !r.spy.attempts[0].TestMode || !r.status("crm").TestMode {
			t.Errorf("%d sent, %+v rendered", len(f.calls()), r.spy.rendered)
		}
		attempts, _ := r.store.Attempts(t.Context(), r.only("crm").ID)
		if len(attempts) != 1 || len(attempts[0].Warnings) != 1 || !strings.Contains(attempts[0].Warnings[0], "none sent") {
			t.Errorf("%+v", attempts)
		}
	})
}

func TestDuplicateIsNotDeliveredTwice(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		first := newEvent(1, "", "")
		second := newEvent(1, "", "")
		_, _ = r.engine.Accept(t.Context(), first, []string{"crm"})
		a, err := r.engine.Accept(t.Context(), second, []string{"crm"})
		after(time.Minute)
		if err != nil || !a.Duplicate || a.EventID != first.ID || len(f.calls()) != 1 {
			t.Errorf("%+v, %v, %d calls", a, err, len(f.calls()))
		}
	})
}

func TestConfigValidate(t *testing.T) {
	f := newFake(always(ok))
	tests := map[string]Config{
		"no destination":    {},
		"concurrency":       {Destination: f, Concurrency: -1},
		"rate":              {Destination: f, Rate: -1},
		"a batch cannot":    {Destination: f, BatchWait: time.Hour},
		"event type":        {Destination: f, EventTypes: []string{"[a"}},
		"first retry delay": {Destination: f, Schedule: Schedule{Delays: durations(5)}},
	}
	for want, c := range tests {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (&Config{Destination: f}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"short", "short"}, {"two\r\nlines", "two lines"}, {"0123456789abc", "0123456…"}, {"012345éé789", "012345…"},
	} {
		if got := clip(tt.in, 10); got != tt.want {
			t.Errorf("clip(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
