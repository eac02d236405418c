package delivery

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

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

// A record that is still in memory is given to each attempt as a copy of its own.
func TestRecordsInMemoryAreCopied(t *testing.T) {
	ev := &store.Event{Source: "nextphone", Call: &call.Call{Provider: "nextphone", Params: map[string]any{"name": "Mike"}}}
	c, err := readRecord(ev)
	if err != nil || !reflect.DeepEqual(c, ev.Call) {
		t.Fatalf("%+v, %v", c, err)
	}
	c.Params["name"] = "Una"
	if again, _ := readRecord(ev); again.Params["name"] != "Mike" {
		t.Errorf("an attempt sees what another has changed: %v", again.Params)
	}
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
		{"01234567890", "0123456…"}, {"0世世世世", "0世世…"}, {"世世世世", "世世…"}, {"01234é67890", "01234é…"}, {"😀😀😀", "😀…"},
		{strings.Repeat("\x80", 11), strings.Repeat("\x80", 4) + "…"},
	} {
		if got := clip(tt.in, 10); got != tt.want {
			t.Errorf("clip(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
