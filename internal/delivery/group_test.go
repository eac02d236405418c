package delivery

import (
	"slices"
	"testing"
	"time"
)

// busiest is the largest number of requests in any time of a length.
func busiest(at []time.Duration, in time.Duration) (most int) {
	slices.Sort(at)
	for i := range at {
		n := 0
		for _, x := range at[i:] {
			if x < at[i]+in {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// Destinations that write to one account share its pace, by the lowest of their rates.
func TestAGroupSharesAPace(t *testing.T) {
	in(t, func(t *testing.T) {
		a, b, alone := newFake(always(ok)), newFake(always(ok)), newFake(always(ok))
		r := newRig(t, Options{}, map[string]Config{
			"a":     {Destination: a, Rate: 9, Burst: 10, RateGroup: "portal"},
			"b":     {Destination: b, Rate: 50, RateGroup: "portal"},
			"alone": {Destination: alone, Rate: 9, Burst: 10},
		})
		defer r.close()
		for range 300 {
			r.accept("", "", "a", "b", "alone")
		}
		after(30 * time.Second)
		all := slices.Concat(a.times(), b.times())
		if n := busiest(all, 10*time.Second); n > 100 {
			t.Errorf("%d requests in 10 s with one account", n)
		}
		if n := len(all); n < 270 {
			t.Errorf("%d requests in 30 s at 9/s", n)
		}
		if x, y := len(a.times()), len(b.times()); x < 60 || y < 60 {
			t.Errorf("%d and %d requests: one has starved the other", x, y)
		}
		if n := len(alone.times()); n < 270 {
			t.Errorf("%d requests to the one that is in no group", n)
		}
		after(time.Minute)
		r.want("a", 0, 300, 0)
		r.want("b", 0, 300, 0)
	})
}

// A group that comes with a new configuration does not begin with a full bucket: its destinations had one each.
func TestAGroupThatComesLater(t *testing.T) {
	in(t, func(t *testing.T) {
		a, b := newFake(always(ok)), newFake(always(ok))
		of := func(group string) map[string]Config {
			return map[string]Config{"a": {Destination: a, Rate: 5, Burst: 10, RateGroup: group}, "b": {Destination: b, Rate: 5, Burst: 10, RateGroup: group}}
		}
		r := newRig(t, Options{}, of(""))
		defer r.close()
		for range 200 {
			r.accept("", "", "a", "b")
		}
		after(10 * time.Second)
		before := len(a.times()) + len(b.times())
		detach := r.engine.Attach(&Snapshot{Destinations: of("portal")})
		after(10 * time.Second)
		if n := len(a.times()) + len(b.times()) - before; n < 48 || n > 51 {
			t.Errorf("%d requests in 10 s of the group at 5/s", n)
		}
		if !r.engine.Change(r.engine.current().Snapshot, "b", &Config{Destination: b, Rate: 5, Burst: 10}) {
			t.Fatal("not attached")
		}
		before = len(a.times()) + len(b.times())
		after(10 * time.Second)
		if n := len(a.times()) + len(b.times()) - before; n < 98 || n > 112 {
			t.Errorf("%d requests in 10 s of the two at 5/s each", n)
		}
		detach()
		after(time.Minute)
		r.want("a", 0, 200, 0)
	})
}

func TestAGroupIsHeldTogether(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		both := func() map[string]Config {
			return map[string]Config{"a": {Destination: f, Rate: 9, Burst: 10, RateGroup: "portal"}, "b": {Destination: f, Rate: 9, Burst: 10, RateGroup: "portal"}}
		}
		g := newGang(t, 3, Options{}, both())
		defer g.close()
		for i := range 600 {
			g.members[i%3].accept("", "", "a", "b")
		}
		for range 3 {
			after(10 * time.Second)
			x, _ := g.holder("a")
			if y, _ := g.holder("b"); x != y {
				t.Fatal("the group is parted")
			}
			x.shared.Cut(true)
			after(17 * time.Second)
			x.shared.Cut(false)
		}
		after(4 * time.Minute)
		if n := busiest(f.times(), 10*time.Second); n > 100 {
			t.Errorf("%d requests in 10 s", n)
		}
		g.members[0].want("a", 0, 600, 0)
		g.members[0].want("b", 0, 600, 0)
	})
}

// During a rolling change one gateway knows of the group and the other does not.
func TestAGroupOfWhichOneGatewayKnows(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		of := func(group string) map[string]Config {
			return map[string]Config{"a": {Destination: f, Rate: 9, Burst: 10, RateGroup: group}, "b": {Destination: f, Rate: 9, Burst: 10, RateGroup: group}}
		}
		g := newGang(t, 0, Options{}, nil)
		defer g.close()
		g.join(Options{}, of(""))
		after(2 * time.Second)
		for range 300 {
			g.members[0].accept("", "", "a", "b")
		}
		after(3 * time.Second)
		g.join(Options{}, of("portal"))
		after(3 * time.Second)
		if x, _ := g.holder("a"); x != g.members[1] {
			t.Error("the group is not with the gateway that knows of it")
		}
		start := time.Since(f.start)
		after(5 * time.Minute)
		var later []time.Duration
		for _, at := range f.times() {
			if at > start {
				later = append(later, at)
			}
		}
		if n := busiest(later, 10*time.Second); n > 100 {
			t.Errorf("%d requests in 10 s", n)
		}
		g.members[0].want("a", 0, 300, 0)
	})
}

func TestConfigsOfSharedDestinations(t *testing.T) {
	f := newFake(always(ok))
	for what, c := range map[string]Config{
		"too many shards":           {Destination: f, Shards: 65},
		"fewer than none":           {Destination: f, Shards: -1},
		"shards of a group":         {Destination: f, Shards: 2, RateGroup: "portal"},
		"a burst of less than each": {Destination: f, Shards: 8, Rate: 5},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for _, c := range []Config{{Destination: f, Shards: 64}, {Destination: f, Shards: 1, RateGroup: "portal"}, {Destination: f, Shards: 8, Rate: 8}} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}
