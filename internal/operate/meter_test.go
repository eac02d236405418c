package operate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// noon is a time at which a slot begins.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// atNoon is a meter of an empty store, with its clock.
func atNoon(t *testing.T) (*Meter, *time.Time) {
	now := noon
	return NewMeter(t.Context(), storetest.NewMemory(storetest.Options{}), func() time.Time { return now }), &now
}

func took(at time.Time, number int, lasted time.Duration, warnings ...string) store.AttemptInfo {
	return store.AttemptInfo{Destination: "crm", Tenant: "acme", Number: number, At: at, Took: lasted, Status: 200, Warnings: warnings, State: store.Delivered}
}

func met(at time.Time, number, status int) store.AttemptInfo {
	return store.AttemptInfo{Destination: "crm", Tenant: "acme", Number: number, At: at, Took: time.Millisecond, Status: status, Reason: fmt.Sprint("HTTP ", status), State: store.Pending}
}

func (m *Meter) seen(t *testing.T, window string, tenants ...string) view {
	t.Helper()
	v, _ := m.look("crm", scope{tenants, tenants != nil}, windows[window])
	return v
}

func TestQuantilesAreNearAndTheThresholdIsExact(t *testing.T) {
	for _, lasted := range []time.Duration{2 * time.Millisecond, 80 * time.Millisecond, 400 * time.Millisecond, 1900 * time.Millisecond, 4 * time.Second, 20 * time.Second, 2 * time.Minute} {
		var c counts
		for range 100 {
			a := took(noon, 1, lasted)
			c.count(&a)
		}
		for _, share := range []float64{.5, .95} {
			if got := c.quantile(share); got < lasted*100/142 || got > lasted*142/100 {
				t.Errorf("%v of attempts of %s: %s", share, lasted, got)
			}
		}
	}
	for lasted, slow := range map[time.Duration]bool{SlowAttempt: false, SlowAttempt - 1: false, SlowAttempt + time.Millisecond: true} {
		var c counts
		for i := range 100 {
			a := took(noon, 1, time.Second)
			if i >= 94 { // the 95th of a hundred is one of them
				a.Took = lasted
			}
			c.count(&a)
		}
		if got := c.quantile(.95); got > SlowAttempt != slow {
			t.Errorf("attempts of %s: %s", lasted, got)
		}
	}
	var none counts
	if none.quantile(.95) != 0 || binOf(-time.Second) != 0 || binOf(24*time.Hour) != bins-1 {
		t.Error("the ends of the scale")
	}
}

// TestWindowsEndNow: what is older than a window is in none, and a slot that comes round again begins with nothing.
func TestWindowsEndNow(t *testing.T) {
	m, now := atNoon(t)
	for _, ago := range []time.Duration{0, 54 * time.Minute, 56 * time.Minute, 22 * time.Hour, 25 * time.Hour, 6 * 24 * time.Hour, 8 * 24 * time.Hour} {
		m.Attempt(took(noon.Add(-ago), 1, time.Second))
	}
	for window, want := range map[string]uint32{"hour": 2, "day": 4, "week": 6} {
		v := m.seen(t, window)
		var inBuckets uint32
		for i := range v.buckets {
			inBuckets += v.buckets[i].attempts
		}
		if v.attempts != want || inBuckets != want {
			t.Errorf("%s: %d attempts, %d in buckets; want %d", window, v.attempts, inBuckets, want)
		}
	}
	if v := m.seen(t, "hour"); len(v.buckets) != 12 || v.buckets[11].attempts != 1 || v.buckets[0].attempts != 1 {
		t.Errorf("%+v", v.buckets)
	}
	if v := m.seen(t, "week"); len(v.buckets) != 28 {
		t.Errorf("%d buckets of the week", len(v.buckets))
	}
	*now = now.Add(7*24*time.Hour + time.Minute)
	m.Attempt(took(*now, 1, time.Second))
	m.Attempt(took(noon, 1, time.Second)) // in the same slots, and over
	for _, window := range []string{"hour", "day", "week"} {
		if v := m.seen(t, window); v.attempts != 1 {
			t.Errorf("a week later, %s: %d attempts", window, v.attempts)
		}
	}
	if since := windows["day"].since(noon.Add(90 * time.Minute)); !since.Equal(noon.Add(-22 * time.Hour)) {
		t.Errorf("the day begins at %s", since)
	}
}

func TestSinceWhenItFails(t *testing.T) {
	m, _ := atNoon(t)
	m.Attempt(met(noon, 1, 500))
	m.Attempt(took(noon.Add(time.Minute), 2, time.Second))
	if f := m.seen(t, "hour").failing; f.count != 0 {
		t.Errorf("after a delivery: %+v", f)
	}
	m.Attempt(met(noon.Add(2*time.Minute), 1, 503))
	m.Attempt(met(noon.Add(3*time.Minute), 1, 404))
	want := failing{noon.Add(2 * time.Minute), 2, 404, "HTTP 404"}
	if v := m.seen(t, "hour"); v.failing != want || v.taken {
		t.Errorf("%+v, want %+v", v.failing, want)
	}
}

// TestWhatWasBeforeIsCountedAsIfItHadBeenSeen: a process that begins later says the same of the same attempts.
func TestWhatWasBeforeIsCountedAsIfItHadBeenSeen(t *testing.T) {
	for name, all := range map[string][]store.AttemptInfo{
		"failing":         {took(noon, 1, time.Second), met(noon.Add(time.Minute), 1, 503), met(noon.Add(2*time.Minute), 2, 404)},
		"recovered":       {met(noon, 1, 503), met(noon.Add(time.Minute), 2, 503), took(noon.Add(2*time.Minute), 3, time.Second, "slow")},
		"never delivered": {met(noon, 1, 503), met(noon.Add(time.Minute), 2, 404)},
		"with warnings":   {took(noon, 1, time.Second, "a"), took(noon, 1, time.Second, "a", "b"), took(noon.Add(time.Minute), 1, time.Second)},
	} {
		for begins := range len(all) + 1 {
			live, _ := atNoon(t)
			later, _ := atNoon(t)
			for i := range all {
				live.Attempt(all[i])
			}
			for i := begins; i < len(all); i++ {
				later.Attempt(all[i])
			}
			for i := begins - 1; i >= 0; i-- {
				later.count(&all[i], true)
			}
			slices.SortFunc(live.whole["crm"].warnings, func(a, b warned) int { return slices.Compare([]byte(a.text), []byte(b.text)) })
			slices.SortFunc(later.whole["crm"].warnings, func(a, b warned) int { return slices.Compare([]byte(a.text), []byte(b.text)) })
			if a, b := live.seen(t, "day"), later.seen(t, "day"); !reflect.DeepEqual(a, b) {
				t.Errorf("%s, from the %dth on: %+v\nseen: %+v", name, begins, b, a)
			}
		}
	}
}

// TestAWarningEndsWithItsCause: it is told of while the last deliveries have it.
func TestAWarningEndsWithItsCause(t *testing.T) {
	m, _ := atNoon(t)
	const text = "lead_source: no such property"
	for i := range 5 {
		m.Attempt(took(noon.Add(time.Duration(i)*time.Second), 1, time.Second, text))
	}
	for range currentWarning - 1 {
		m.Attempt(took(noon.Add(time.Minute), 1, time.Second))
	}
	if w := m.seen(t, "hour").warnings; len(w) != 1 || w[0].text != text || w[0].count != 5 || !w[0].first.Equal(noon) {
		t.Errorf("%+v", w)
	}
	m.Attempt(took(noon.Add(time.Minute), 1, time.Second))
	if w := m.seen(t, "hour").warnings; len(w) != 0 {
		t.Errorf("mended: %+v", w)
	}
	for i := range 3 * maxWarnings {
		m.Attempt(took(noon.Add(time.Minute), 1, time.Second, fmt.Sprint("value ", i)))
	}
	if n := len(m.whole["crm"].warnings); n > maxWarnings {
		t.Errorf("%d warnings are remembered", n)
	}
}

func TestTenantsAreCountedApart(t *testing.T) {
	m, _ := atNoon(t)
	m.Attempt(took(noon, 1, time.Second))
	other := met(noon, 1, 404)
	other.Tenant = "beta"
	m.Attempt(other)
	for _, tt := range []struct {
		tenants             []string
		attempts, delivered uint32
		failing             int64
	}{{nil, 2, 1, 1}, {[]string{"acme"}, 1, 1, 0}, {[]string{"beta"}, 1, 0, 1}, {[]string{"acme", "beta"}, 2, 1, 1}, {[]string{"gamma"}, 0, 0, 0}} {
		if v := m.seen(t, "hour", tt.tenants...); v.attempts != tt.attempts || v.counts.delivered != tt.delivered || v.failing.count != tt.failing {
			t.Errorf("%v: %+v", tt.tenants, v)
		}
	}
	for i := range maxPairs + 1 {
		m.Accepted(fmt.Sprint("t", i))
	}
	m.Copied("r", "acme", "one")
	v, missing := m.look("", scope{}, windows["day"])
	if v.accepted != maxPairs+1 || v.copies != 1 || missing {
		t.Errorf("%+v, %v", v, missing)
	}
	if _, missing = m.look("", scope{[]string{fmt.Sprint("t", maxPairs)}, true}, windows["day"]); !missing || len(m.pairs) != maxPairs {
		t.Errorf("one tenant too many: %v, %d", missing, len(m.pairs))
	}
}

// refusing is a store whose attempts cannot be read for a while.
type refusing struct {
	store.Store
	fails error
	reads int
}

func (r *refusing) RecentAttempts(ctx context.Context, before int64, limit int) ([]store.AttemptInfo, int64, error) {
	if r.reads++; r.fails != nil && before != 0 {
		return nil, 0, r.fails
	}
	return r.Store.RecentAttempts(ctx, before, limit)
}

// TestTheStoreIsReadOnce, and again from where it stopped after an error.
func TestTheStoreIsReadOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		for range 30 {
			g.accept("acme")
		}
		r := &refusing{Store: g.store, fails: errors.New("the disk is gone")}
		m := NewMeter(t.Context(), r, nil)
		v := func() view { return m.seen(t, "hour") }
		m.catchUp(t.Context())
		synctest.Wait()
		if m.countedSince(noon.AddDate(-50, 0, 0)).IsZero() {
			t.Error("it counts what it could not read")
		}
		r.fails = nil
		m.Attempt(took(time.Now(), 1, time.Second))
		m.catchUp(t.Context())
		synctest.Wait()
		reads := r.reads
		m.catchUp(t.Context())
		if n := v().attempts; n != 31 || r.reads != reads || !m.countedSince(noon.AddDate(-50, 0, 0)).IsZero() {
			t.Errorf("%d attempts, %d reads", n, r.reads)
		}
	})
}
