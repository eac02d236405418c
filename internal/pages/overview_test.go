package pages

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// TestEveryNeedIsPutIntoWords: also the kinds that are added.
func TestEveryNeedIsPutIntoWords(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for _, kind := range operate.NeedKinds() {
			if sentences[kind] == nil {
				t.Errorf("there are no words for %s", kind)
				continue
			}
			for _, name := range []string{"vera", "ada"} {
				q := &request{ui: d.ui, actor: d.policy.Actor(name, nil, "dashboard")}
				n := operate.Need{Kind: kind, Destination: "crm", Tenant: "acme", Source: "nextphone", Name: "1", Since: time.Now(), Count: 41, Status: 404, Reason: "no handler", Value: 12, Threshold: 95}
				l := q.need(&n)
				if l.What == "" || l.Then == "" || l.Mark.Shape == "" || l.Mark.Word == "" || strings.Contains(l.What+l.Then, "%!") {
					t.Errorf("%s: %+v", kind, l)
				}
				for _, do := range l.Do {
					if name == "vera" && do.Ask {
						t.Errorf("%s: a viewer is asked to %s", kind, do.Name)
					}
				}
			}
		}
	})
}

func TestTheOverviewSaysWhatHappenedAndWhatToDo(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.accept("acme")
		if got := d.as("vera", ""); !says(t, got, "All is well") || !says(t, got, "Every call got where it should") || !says(t, got, "1 call accepted") {
			t.Error(text(t, got.body))
		}
		d.dispatch.down.Store(true)
		for range 3 {
			d.accept("acme")
		}
		d.dispatch.down.Store(false)
		d.faulty = []string{"north<side"}
		d.follow("otto", "destinations/crm/pause", map[string][]string{"reason": {"we move"}})
		got := d.as("otto", "?window=hour")
		for _, want := range []string{
			"Three things need you", "dispatch answers 404 Not Found since 00:00:00 UTC. 3 deliveries given up. The calls are kept until somebody sends them again. Was its address changed? no handler for /jobs See why Send again",
			"dispatch takes nothing 1", "crm is paused by hand. No call waits for it. we move", "Resume",
			"north<side is left out, because there is a mistake in its settings", "in the last hour", "By 5 minutes",
		} {
			if !says(t, got, want) {
				t.Errorf("it does not say %q: %s", want, text(t, got.body))
			}
		}
		if list := d.as("otto", "destinations"); !says(t, list, "dispatch takes nothing") {
			t.Errorf("the list of destinations says otherwise: %s", text(t, list.body))
		}
		if strings.Count(got.body, `class="button first"`) != 1 {
			t.Error("there is not one likely next step")
		}
		if got := d.as("vera", ""); strings.Contains(got.body, "data-ask") {
			t.Error("a viewer has buttons")
		}
		if got := d.as("dora", ""); strings.Contains(got.body, "north") || strings.Contains(got.body, "The store has") {
			t.Errorf("who is bound to tenants sees what is of others: %s", text(t, got.body))
		}
		if got := d.as("vera", "?window=year"); got.status != 400 {
			t.Errorf("%d", got.status)
		}
	})
}

func TestADestinationIsShownWithoutItsSecrets(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.dispatch.down.Store(true)
		d.accept("acme")
		got := d.as("otto", "destinations/crm")
		for _, want := range []string{"crm hubspot", "well", "1 of 1 attempt delivered, 100 %", "to.token $HUBSPOT_TOKEN", "hash_key set, 20 characters", "Pause…"} {
			if !says(t, got, want) {
				t.Errorf("it does not say %q: %s", want, text(t, got.body))
			}
		}
		got = d.as("otto", "destinations/dispatch")
		for _, want := range []string{"It lives in the store", "Send again what is dead", "Dead 1"} {
			if !says(t, got, want) {
				t.Errorf("it does not say %q: %s", want, text(t, got.body))
			}
		}
	})
}

func TestHints(t *testing.T) {
	for status, want := range map[int]string{404: "address", 401: "valid", 503: "mend", 0: "reached", 422: "change", 429: "pace"} {
		if !strings.Contains(hint(status), want) {
			t.Errorf("%d: %s", status, hint(status))
		}
	}
	for n, want := range map[int]string{0: "All is well", 1: "One thing needs you", 2: "Two things need you", 12: "12 things need you"} {
		if needed(n) != want {
			t.Errorf("%d: %s", n, needed(n))
		}
	}
	if none(0) != "No call waits for it." || none(1) != "1 call waits and is not lost." || none(41) != "41 calls wait, none is lost." {
		t.Error("waiting calls are not counted right")
	}
}

func TestSparklinesDrawWhatWasTaken(t *testing.T) {
	for _, c := range []struct {
		buckets []operate.Bucket
		want    spark
	}{
		{nil, spark{Label: "nothing was sent"}},
		{make([]operate.Bucket, 4), spark{Label: "nothing was sent"}},
		{[]operate.Bucket{{Attempted: 4, Succeeded: 4}, {}, {Attempted: 2, Succeeded: 0}, {Attempted: 2, Succeeded: 1}}, spark{
			"at worst 0 % were taken, at last 50 %", "M3.0 3.0L27.0 3.0", "M63.0 25.0L87.0 25.0M93.0 14.0L117.0 14.0M87.0 25.0L93.0 14.0",
		}},
		{[]operate.Bucket{{Attempted: 1, Succeeded: 1}, {Attempted: 1, Succeeded: 1}}, spark{"everything was taken", "M6.0 3.0L54.0 3.0M66.0 3.0L114.0 3.0M54.0 3.0L66.0 3.0", ""}},
	} {
		if got := sparkOf(c.buckets); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %+v, want %+v", c.buckets, got, c.want)
		}
	}
}
