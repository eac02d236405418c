package operate

import (
	"fmt"
	"testing"
	"time"
)

func needsAtTheDoor(m *Meter, now time.Time, tenants ...string) []Need {
	n := needs{now: now}
	m.refusals(scope{tenants, tenants != nil}, &n)
	return n.sorted()
}

// TestWhoIsShutOut: three requests with a wrong signature and none that is right; what came before does not count.
func TestWhoIsShutOut(t *testing.T) {
	m, now := atNoon(t)
	wrong := func(code string) { m.Refused("nextphone", "calls", "acme", code, false) }
	wrong("signature_invalid")
	wrong("signature_invalid")
	if got := needsAtTheDoor(m, *now); len(got) != 0 {
		t.Errorf("after two: %+v", got)
	}
	*now = now.Add(time.Minute)
	wrong("signature_invalid")
	got := needsAtTheDoor(m, *now)
	if len(got) != 1 || got[0] != (Need{Kind: NeedShutOut, Tenant: "acme", Source: "nextphone", Name: "calls", Since: noon, Count: 3, Reason: "signature_invalid"}) {
		t.Errorf("%+v", got)
	}
	if got := needsAtTheDoor(m, *now, "beta"); len(got) != 0 {
		t.Errorf("told to those of another tenant: %+v", got)
	}
	m.Verified("nextphone", "other", "acme")
	if got := needsAtTheDoor(m, *now); len(got) != 1 {
		t.Error("another route has another secret")
	}
	m.Verified("nextphone", "calls", "acme")
	if got := needsAtTheDoor(m, *now); len(got) != 0 || m.door.suspects.Load() != 0 {
		t.Errorf("understood again: %+v, %d", got, m.door.suspects.Load())
	}
	for _, code := range []string{"malformed", "too_large", "unknown_tenant", "in_flight"} { // a stranger's
		for range 5 {
			wrong(code)
		}
	}
	if got := needsAtTheDoor(m, *now); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAuthenticRequestsThatAreRefused(t *testing.T) {
	m, now := atNoon(t)
	refuse := func(code string) { m.Refused("retell", "calls", "acme", code, true) }
	refuse("in_flight")
	refuse("store_full")
	if got := needsAtTheDoor(m, *now); len(got) != 0 {
		t.Errorf("what passes needs nobody: %+v", got)
	}
	refuse("field_missing")
	*now = now.Add(50 * time.Minute)
	refuse("field_missing")
	*now = now.Add(50 * time.Minute)
	if got := needsAtTheDoor(m, *now); len(got) != 1 || got[0].Kind != NeedRefused || got[0].Count != 2 || !got[0].Since.Equal(noon) {
		t.Errorf("%+v", got)
	}
	*now = now.Add(11 * time.Minute)
	if got := needsAtTheDoor(m, *now); len(got) != 0 {
		t.Errorf("an hour later: %+v", got)
	}
	refuse("field_missing")
	if got := needsAtTheDoor(m, *now); len(got) != 1 || got[0].Count != 1 || !got[0].Since.Equal(*now) {
		t.Errorf("it begins anew: %+v", got)
	}
	v, _ := m.look("", scope{}, windows["day"])
	if got := refusalCounts(&v.counts); len(got) != 3 || got[0] != (RefusalCount{"field_missing", 3}) {
		t.Errorf("%+v", got)
	}
}

func TestTheDoorRemembersSoManyAndNoMore(t *testing.T) {
	m, now := atNoon(t)
	for i := range maxCopied + 5 {
		m.Copied("calls", "acme", fmt.Sprint(i))
	}
	if len(m.door.copied) != maxCopied || len(m.door.order) != maxCopied {
		t.Errorf("%d events", len(m.door.copied))
	}
	if first, last := m.copies("calls", "acme", "0"), m.copies("calls", "acme", fmt.Sprint(maxCopied)); first.Count != 0 || last.Count != 1 || !last.Since.Equal(noon) {
		t.Errorf("%+v, %+v", first, last)
	}
	for i := range maxSenders + 5 {
		*now = now.Add(time.Second)
		m.Refused("nextphone", "calls", fmt.Sprint("t", i), "signature_invalid", false)
	}
	if len(m.door.refused) != maxSenders || m.door.suspects.Load() != maxSenders {
		t.Errorf("%d senders, %d suspects", len(m.door.refused), m.door.suspects.Load())
	}
	if m.door.refused[sender{"nextphone", "calls", "t0", "signature_invalid", false}] != nil {
		t.Error("it forgot another than the one that is the longest ago")
	}
}
