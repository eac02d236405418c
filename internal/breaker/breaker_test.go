package breaker

import (
	"testing"
	"testing/synctest"
	"time"
)

// report lets a request through and reports what became of it; it fails the test when the breaker refuses.
func report(t *testing.T, b *Breaker, outcomes ...Outcome) {
	t.Helper()
	for i, o := range outcomes {
		done, wait := b.Allow()
		if done == nil {
			t.Fatalf("request %d was refused for %s", i+1, wait)
		}
		done(o)
	}
}

func TestConsecutiveFailuresOpenIt(t *testing.T) {
	b := New(Settings{ConsecutiveFailures: 3}, nil)
	report(t, b, Failure, Failure, Success, Failure, Failure)
	if b.State() != Closed {
		t.Fatal("opened by failures that a success had interrupted")
	}
	report(t, b, Failure)
	if done, _ := b.Allow(); done != nil || b.State() != Open {
		t.Fatal("still closed after three failures in a row")
	}
}

func TestARatioOfFailuresOpensIt(t *testing.T) {
	b := New(Settings{ConsecutiveFailures: -1, FailureRatio: 0.5, MinRequests: 10}, nil)
	for range 4 {
		report(t, b, Success, Failure)
	}
	report(t, b, Success)
	if b.State() != Closed {
		t.Fatal("opened below the minimum of requests")
	}
	report(t, b, Failure)
	if b.State() != Open {
		t.Fatal("half of ten requests failed and it is still closed")
	}
}

func TestOldFailuresLeaveTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Settings{ConsecutiveFailures: -1, FailureRatio: 0.5, MinRequests: 4, Window: 10 * time.Second}, nil)
		report(t, b, Failure, Failure, Failure)
		time.Sleep(11 * time.Second)
		report(t, b, Success, Success, Success, Failure)
		if b.State() != Closed {
			t.Fatal("failures from before the window counted")
		}
	})
}

// TestRequestsLongerThanTheWindowCount: a receiver that hangs is not found out in any other way.
func TestRequestsLongerThanTheWindowCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Settings{ConsecutiveFailures: 3, Window: 10 * time.Second, OpenFor: time.Minute}, nil)
		var inFlight []func(Outcome)
		for range 3 {
			done, _ := b.Allow()
			inFlight = append(inFlight, done)
			time.Sleep(time.Second)
		}
		time.Sleep(30 * time.Second)
		for i, done := range inFlight {
			if done(Failure); (b.State() == Open) != (i == 2) {
				t.Fatalf("%s after %d failures", b.State(), i+1)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(61 * time.Second)
		for _, want := range []State{Open, Closed} { // probes take as long
			done, _ := b.Allow()
			if done == nil {
				t.Fatal("no probe is let through")
			}
			time.Sleep(30 * time.Second)
			outcome := Success
			if want == Open {
				outcome = Failure
			}
			if done(outcome); b.State() != want {
				t.Fatalf("after a probe: %s, want %s", b.State(), want)
			}
			time.Sleep(61 * time.Second)
		}
		if done, _ := b.Allow(); done == nil {
			t.Error("still refuses after it has closed")
		}
	})
}

func TestRequestsThatProveNothingDoNotCount(t *testing.T) {
	b := New(Settings{ConsecutiveFailures: 2}, nil)
	report(t, b, Failure, Neither, Neither, Neither)
	if b.State() != Closed {
		t.Fatal("a client that went away counted as a failure")
	}
}

func TestAProbeDecidesWhetherItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []State
		b := New(Settings{ConsecutiveFailures: 1, OpenFor: 30 * time.Second}, func(_, to State) { changes = append(changes, to) })
		report(t, b, Failure)
		time.Sleep(10 * time.Second)
		if done, wait := b.Allow(); done != nil || wait != 20*time.Second {
			t.Fatalf("wait = %s; want the 20s until the next probe", wait)
		}
		time.Sleep(20*time.Second + 1)
		probe, _ := b.Allow()
		if probe == nil {
			t.Fatal("no probe after OpenFor")
		}
		if second, wait := b.Allow(); second != nil || wait < time.Second {
			t.Fatalf("a second probe at once, or a wait of %s", wait)
		}
		probe(Failure)
		if b.State() != Open {
			t.Fatal("a failed probe did not open it again")
		}
		time.Sleep(30*time.Second + 1)
		probe, _ = b.Allow()
		probe(Neither) // the prober went away: the next one may try
		report(t, b, Success)
		if b.State() != Closed {
			t.Fatal("a successful probe did not close it")
		}
		want := []State{Open, HalfOpen, Open, HalfOpen, Closed}
		if len(changes) != len(want) {
			t.Fatalf("changes = %v, want %v", changes, want)
		}
		for i := range want {
			if changes[i] != want[i] {
				t.Fatalf("changes = %v, want %v", changes, want)
			}
		}
	})
}
