package caddymodule

import (
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/callgate/callgate/caddymodule/grammar"
)

// However a span of the rate's length is laid, no more start in it than the rate says, and after a while about as many do.
func TestARateHoldsInEverySpan(t *testing.T) {
	for _, d := range []Destination{{Rate: "1/s"}, {Rate: "5/s"}, {Rate: "9/s"}, {Rate: "19/s"}, {Rate: "100/10s"}, {Rate: "600/min"},
		{Rate: "1000/h"}, {Rate: "100/10s", Shards: 10}} {
		perSecond, burst, _, err := d.terms()
		if err != nil {
			t.Fatal(err)
		}
		n, per, err := grammar.ParseRate(d.Rate)
		if err != nil {
			t.Fatal(err)
		}
		limiter := rate.NewLimiter(rate.Limit(perSecond), burst)
		began := time.Unix(1_800_000_000, 0)
		var starts []time.Time
		for now := began; now.Before(began.Add(5 * per)); {
			r := limiter.ReserveN(now, 1)
			now = now.Add(r.DelayFrom(now))
			starts = append(starts, now)
		}
		for i, first := range starts {
			// The limiter counts in fractions of a token, and may be early by a nanosecond.
			if j := i + int(n); j < len(starts) && starts[j].Sub(first) < per-time.Microsecond {
				t.Errorf("%s, shards %d: %d starts within %s from %s", d.Rate, d.Shards, int(n)+1, starts[j].Sub(first), first.Sub(began))
				break
			}
		}
		if least := 5 * n * 0.8; float64(len(starts)) < least {
			t.Errorf("%s, shards %d: %d starts in five spans, want %g at least", d.Rate, d.Shards, len(starts), least)
		}
	}
	d := Destination{Rate: "90/10s", Burst: 10}
	if perSecond, burst, _, err := d.terms(); perSecond != 9 || burst != 10 || err != nil {
		t.Errorf("a burst that is written: %g, %d, %v", perSecond, burst, err)
	}
	d = Destination{Rate: "5/s", Shards: 5}
	if perSecond, burst, _, err := d.terms(); perSecond != 5 || burst != 0 || err != nil {
		t.Errorf("with as many shards: %g, %d, %v", perSecond, burst, err)
	}
}
