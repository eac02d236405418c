package delivery

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// A process that starts while a destination is held knows of it: it probes, and takes nothing from the calls that wait.
func TestHoldOutlastsARestart(t *testing.T) {
	for name, why := range map[string]destination.Result{
		"the road is wrong": {Status: 404, Reason: "404: there is nothing at the URL", Astray: true},
		"all refused alike": {Outcome: destination.Dead, Status: 400, Reason: "property x is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				var up atomic.Bool
				f := newFake(func(context.Context, []destination.Item) []destination.Result {
					if up.Load() {
						return []destination.Result{ok}
					}
					return []destination.Result{why}
				})
				s := storetest.NewMemory(storetest.Options{})
				config := map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(0)}}
				r := newRig(t, Options{Store: s}, config)
				const calls = 100
				for range calls {
					r.accept("", "", "crm")
				}
				after(time.Minute)
				held, dead := r.status("crm").Held, r.states("crm")[store.Dead]
				if held == "" || dead > sameAfter {
					t.Fatalf("held %q, %d dead", held, dead)
				}
				r.close()

				for range 5 { // as a supervisor that restarts it again and again
					r = newRig(t, Options{Store: s}, config)
					after(25 * time.Second)
					if s := r.status("crm"); s.Held != held || s.Dead != int64(dead) {
						t.Fatalf("after a restart: %+v, want it held, and %d dead", s, dead)
					}
					if want := []string{"crm: " + held}; !slices.Equal(r.spy.paused, want) {
						t.Errorf("told %q, want %q", r.spy.paused, want)
					}
					r.close()
				}
				if n := len(f.calls()); n > sameAfter+20 {
					t.Errorf("%d attempts, want a few probes of each process", n)
				}

				up.Store(true)
				r = newRig(t, Options{Store: s}, config)
				defer r.close()
				after(time.Minute)
				r.want("crm", 0, calls-dead, dead)
				if s := r.status("crm"); s.Held != "" || !slices.Equal(r.spy.resumed, []string{"crm"}) {
					t.Errorf("%+v, told %q", s, r.spy.resumed)
				}
				if note, err := s.Noted(t.Context(), "crm", holdNote); note != nil || err != nil {
					t.Errorf("still noted: %s, %v", note, err)
				}
			})
		})
	}
}

// What an operator resumes is not held again by the next process, and what is held after that is.
func TestResumedHoldIsForgotten(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		lost := destination.Result{Status: 404, Reason: "404", Astray: true}
		f := newFake(always(lost))
		config := map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(0, time.Hour, time.Hour)}}
		r := newRig(t, Options{Store: s}, config)
		for range 20 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		if r.status("crm").Held == "" {
			t.Fatal("not held")
		}
		r.engine.Pause(t.Context(), "crm", "mending it")
		after(time.Minute)
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		if note, err := s.Noted(t.Context(), "crm", holdNote); note != nil || err != nil {
			t.Errorf("still noted: %s, %v", note, err)
		}
		after(time.Minute)
		if note, err := s.Noted(t.Context(), "crm", holdNote); !strings.Contains(string(note), "404") || err != nil {
			t.Errorf("held again, and noted is %s, %v", note, err)
		}
		r.close()
		synctest.Wait()
	})
}

// An erasure takes notes with it. The next probe renews that of a hold.
func TestHoldIsNotedAnew(t *testing.T) {
	in(t, func(t *testing.T) {
		s := storetest.NewMemory(storetest.Options{})
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: newFake(always(destination.Result{Status: 404, Reason: "404", Astray: true}))}})
		defer r.close()
		for range 20 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		if err := s.Forget(t.Context(), "crm", holdNote); err != nil {
			t.Fatal(err)
		}
		after(2 * lastProbe)
		if note, err := s.Noted(t.Context(), "crm", holdNote); note == nil || err != nil {
			t.Errorf("noted is %s, %v", note, err)
		}
	})
}
