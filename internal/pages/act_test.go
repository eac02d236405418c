package pages

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// dead is how many deliveries are dead.
func (d *desk) dead() int {
	d.t.Helper()
	list, err := d.store.Deliveries(d.t.Context(), store.Filter{State: store.Dead}, store.Page{Limit: 1000})
	if err != nil {
		d.t.Fatal(err)
	}
	return len(list)
}

// fields are the hidden fields of a question.
func fields(body string) url.Values {
	v := url.Values{}
	for _, part := range strings.Split(body, `<input type="hidden" name="`)[1:] {
		name, rest, _ := strings.Cut(part, `"`)
		_, rest, _ = strings.Cut(rest, `value="`)
		value, _, _ := strings.Cut(rest, `"`)
		v.Add(name, strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&#43;", "+").Replace(value))
	}
	return v
}

func TestNothingIsDoneBeforeItIsConfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.dispatch.down.Store(true)
		id := d.accept("acme")
		d.dispatch.down.Store(false)
		ask := d.as("otto", "act/replay?event="+id+"&back=/ops/events/"+id)
		if !says(t, ask, "1 delivery will be sent again") || !says(t, ask, "Also 1 delivery that arrived") || d.dead() != 1 {
			t.Fatalf("%d %s", ask.status, text(t, ask.body))
		}
		if d.settle(); d.dead() != 1 {
			t.Error("it was done by a question")
		}
		// Without sure a form asks too, as the one of the chosen lines does.
		again := d.post("otto", "act/replay", url.Values{"event": {id}, "back": {"/ops/events"}})
		if again.status != 200 || fields(again.body).Get("sure") != "yes" || d.dead() != 1 {
			t.Errorf("%d %s", again.status, text(t, again.body))
		}
		done := d.follow("otto", "act/replay", fields(ask.body))
		if d.settle(); !says(t, done, "1 delivery will be sent again now.") || d.dead() != 0 {
			t.Errorf("%d are dead; %s", d.dead(), text(t, done.body))
		}
		if got := d.as("otto", "events/"+id); !says(t, got, "dispatch: delivered after it was sent again") || !says(t, got, "crm: delivered at the first try") {
			t.Error(text(t, got.body))
		}
		if got := d.as("otto", "act/replay?event="+id); !says(t, got, "nothing to send again") || !says(t, got, "Also 2 deliveries") {
			t.Error(text(t, got.body))
		}
		twice := fields(d.as("otto", "act/replay?event="+id).body)
		twice.Set("delivered", "yes")
		if got := d.follow("otto", "act/replay", twice); !says(t, got, "2 deliveries will be sent again now.") {
			t.Error(text(t, got.body))
		}
	})
}

func TestWhatWaitsIsSentNowOrCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.dispatch.slow.Store(true)
		a, b := d.accept("acme"), d.accept("acme")
		d.dispatch.slow.Store(false)
		if got := d.as("otto", "deliveries?q=state:waiting"); !says(t, got, "503 Service Unavailable: try later") {
			t.Error(text(t, got.body))
		}
		d.follow("otto", "act/send", fields(d.as("otto", "act/send?event="+a).body))
		d.settle()
		got := d.follow("otto", "act/cancel", fields(d.as("otto", "act/cancel?event="+b).body))
		if !says(t, got, "1 delivery will not be sent") {
			t.Error(text(t, got.body))
		}
		for id, want := range map[string]string{a: "dispatch: delivered at the 2nd try", b: "dispatch: cancelled"} {
			if got := d.as("vera", "events/"+id); !says(t, got, want) {
				t.Errorf("want %s: %s", want, text(t, got.body))
			}
		}
	})
}

func TestChosenOnesAreErasedForGood(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		a, b, c := d.accept("acme"), d.accept("acme"), d.accept("beta")
		ask := d.post("ada", "act/erase", url.Values{"event": {a, b}})
		if !says(t, ask, "2 events will be deleted") || !strings.Contains(ask.body, `class="grave"`) {
			t.Fatal(text(t, ask.body))
		}
		d.follow("ada", "act/erase", fields(ask.body))
		for id, status := range map[string]int{a: 404, b: 404, c: 200} {
			if got := d.as("ada", "events/"+id); got.status != status {
				t.Errorf("%d, want %d", got.status, status)
			}
		}
		if got := d.post("ada", "act/erase", url.Values{"sure": {"yes"}}); got.status != http.StatusBadRequest || !says(t, got, "Nothing was chosen") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

func TestEverythingThatMatchesIsWhatTheSearchFinds(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.dispatch.down.Store(true)
		for range 3 {
			d.accept("acme")
		}
		d.accept("beta")
		d.dispatch.down.Store(false)
		list := d.as("otto", "deliveries")
		if !says(t, list, "Why they are dead") || !says(t, list, "404 Not Found: no handler for /jobs") {
			t.Error(text(t, list.body))
		}
		ask := d.as("otto", "act/replay?q="+url.QueryEscape("tenant:acme destination:dispatch"))
		if !says(t, ask, "3 deliveries will be sent again") || !says(t, ask, "tenant:acme destination:dispatch") {
			t.Fatal(text(t, ask.body))
		}
		d.follow("otto", "act/replay", fields(ask.body))
		if d.settle(); d.dead() != 1 {
			t.Errorf("%d are dead", d.dead())
		}
		// Without a search it is everything, which is said.
		ask = d.as("otto", "act/replay?q=")
		if !says(t, ask, "everything there is") || !says(t, ask, "1 delivery will be sent again") {
			t.Error(text(t, ask.body))
		}
		d.follow("otto", "act/replay", fields(ask.body))
		if d.settle(); d.dead() != 0 {
			t.Errorf("%d are dead", d.dead())
		}
	})
}

// TestAGroupOfDeadLettersIsFoundByItsReason: whatever stands in it.
func TestAGroupOfDeadLettersIsFoundByItsReason(t *testing.T) {
	for _, reason := range []string{"no handler", `it said "no" and: 'why'?`, strings.Repeat("ä", 300), `"`, "tenant:beta since:2h", ""} {
		part := partOf(reason)
		if !strings.Contains(reason, part) || len(part) > 200 || reason != "" && reason != `"` && part == "" {
			t.Errorf("%q: %q", reason, part)
		}
		if part == "" {
			continue
		}
		terms, err := parseSearch(term{"reason", "reason", part}.String())
		if err != nil || len(terms) != 1 || terms[0].value != part {
			t.Errorf("%q is read as %+v, %v", part, terms, err)
		}
	}
}

func TestWhoIsBoundToTenantsActsOnTheirsOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.dispatch.down.Store(true)
		mine, other := d.accept("acme"), d.accept("beta")
		d.dispatch.down.Store(false)
		if got := d.as("dora", "events"); !strings.Contains(got.body, mine) || strings.Contains(got.body, other) || strings.Contains(got.body, "beta") {
			t.Error(text(t, got.body))
		}
		if got := d.as("dora", "events/"+other); got.status != 404 {
			t.Errorf("%d", got.status)
		}
		if got := d.as("dora", "act/replay?q="); !says(t, got, "1 delivery will be sent again") {
			t.Error(text(t, got.body))
		}
		if got := d.post("dora", "act/replay", url.Values{"event": {other}, "sure": {"yes"}}); got.status == 303 {
			d.settle()
		}
		if d.dead() != 2 {
			t.Error("another tenant's delivery was sent again")
		}
		if got := d.as("dora", "destinations/crm/pause"); got.status != 403 || !says(t, got, "bound to tenants") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
		if got := d.as("dora", "destinations"); strings.Contains(got.body, "/pause") {
			t.Error("there is a button for what is refused")
		}
	})
}

func TestPausesHaveAReasonAndAnEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		page := d.follow("otto", "destinations/crm/pause", url.Values{"reason": {"the CRM moves <b>"}})
		if !says(t, page, "crm is paused") || !says(t, page, "Somebody paused it: The CRM moves <b>") {
			t.Error(text(t, page.body))
		}
		id := d.accept("acme")
		if got := d.as("vera", "events/"+id); !says(t, got, "paused by hand: the CRM moves <b>") {
			t.Error(text(t, got.body))
		}
		if got := d.as("vera", "destinations/crm"); strings.Contains(got.body, "/resume") {
			t.Error("a viewer has a button for what they may not")
		}
		if got := d.as("otto", "destinations/crm/resume"); !says(t, got, "The 1 call that wait") && !says(t, got, "1 call") {
			t.Error(text(t, got.body))
		}
		page = d.follow("otto", "destinations/crm/resume", url.Values{})
		if d.settle(); !says(t, page, "crm goes on.") {
			t.Error(text(t, page.body))
		}
		if got := d.as("vera", "events/"+id); !says(t, got, "crm: delivered at the first try") || !strings.Contains(got.body, `href="/ops/destinations/crm"`) {
			t.Error(text(t, got.body))
		}
		for _, path := range []string{"destinations/crn", "destinations/crn/pause"} {
			if got := d.as("otto", path); got.status != 404 {
				t.Errorf("%s: %d", path, got.status)
			}
		}
		if got := d.post("otto", "destinations/crn/pause", url.Values{}); got.status != 404 {
			t.Errorf("%d", got.status)
		}
	})
}

func TestActionsLeadBackIntoTheDashboardOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		q := &request{ui: d.ui}
		for address, want := range map[string]string{
			"/ops/events?q=x": "/ops/events?q=x", "/ops/events?note=abc&q=x": "/ops/events?q=x", "/ops/": "/ops/",
			"https://evil.example/ops/": "", "//evil.example/ops/": "", "/elsewhere": "", "": "", "/ops/../admin": "", "/ops/%2e%2e/admin": "", "/ops/\\evil": "", "javascript:alert(1)": "",
		} {
			if got := q.local(address, ""); got != want {
				t.Errorf("%q leads to %q, want %q", address, got, want)
			}
		}
	})
}

func TestAnErrorOnTheWaySaysWhatWasDone(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.dispatch.down.Store(true)
		id := d.accept("acme")
		d.dispatch.down.Store(false)
		got := d.post("otto", "act/replay", url.Values{"event": {id, strings.Repeat("x", 600)}, "sure": {"yes"}})
		if got.status != http.StatusBadRequest || !says(t, got, "1 delivery will be sent again now. Then it stopped: event must be a text") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

// TestRevealing: with a reason that is recorded before, to those who may, in the answer alone.
func TestRevealing(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		id := d.accept("acme")
		if got := d.as("vera", "events/"+id); strings.Contains(got.body, "/reveal") {
			t.Error("a viewer has a button for what they may not")
		}
		if got := d.as("ron", "events/"+id); !strings.Contains(got.body, `href="/ops/events/`+id+`/reveal"`) {
			t.Error("who may reveal has no button")
		}
		if got := d.as("rita", ""); got.header.Get("Location") != "/ops/reveal" {
			t.Errorf("who may only reveal begins at %q", got.header.Get("Location"))
		}
		if got := d.post("rita", "reveal", url.Values{"event": {" " + strings.ToLower(id)}}); got.header.Get("Location") != "/ops/events/"+id+"/reveal" {
			t.Errorf("%d %s", got.status, got.header)
		}
		ask := d.as("ron", "events/"+id+"/reveal")
		if hit := found(ask.body); hit != "" || !says(t, ask, "Why do you look?") {
			t.Errorf("%s: %s", hit, text(t, ask.body))
		}
		for _, reason := range []string{"", " ", "a\nb", strings.Repeat("x", 201)} {
			if got := d.post("ron", "events/"+id+"/reveal", url.Values{"reason": {reason}}); got.status != 400 || found(got.body) != "" {
				t.Errorf("%q: %d", reason, got.status)
			}
		}
		got := d.post("ron", "events/"+id+"/reveal", url.Values{"reason": {"the customer asks"}})
		if got.status != 200 || !says(t, got, "Michaela") || !says(t, got, "+15559876543") || !says(t, got, "123 Maple Street") || !says(t, got, "because: the customer asks") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
		if got.header.Get("Refresh") != "300; url=/ops/events/"+id || got.header.Get("Cache-Control") != "no-store" || !strings.Contains(got.body, `data-gone="300"`) {
			t.Errorf("%v", got.header)
		}
		if !strings.Contains(d.log.String(), "the customer asks") {
			t.Error("the reason is not in the log")
		}
		file := d.post("ron", "events/"+id+"/reveal", url.Values{"reason": {"the customer asks"}, "as": {"file"}})
		if !strings.Contains(file.header.Get("Content-Disposition"), "attachment") || !strings.Contains(file.body, "Michaela") || file.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", file.status, file.header)
		}
		if got := d.post("vera", "events/"+id+"/reveal", url.Values{"reason": {"I want to"}}); got.status != 403 || found(got.body) != "" {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

func TestNotesAreSaidForAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		to := d.post("otto", "destinations/crm/pause", url.Values{"reason": {"x"}}).header.Get("Location")
		if !says(t, d.as("otto", to), "crm is paused. Its calls wait.") {
			t.Error("it is not said")
		}
		time.Sleep(2 * noteKept)
		if says(t, d.as("otto", to), "crm is paused. Its calls wait.") {
			t.Error("it is said for ever")
		}
	})
}

// TestErasingWithoutSeeing: who may only erase says what, is told how much it is, and gets nothing to see of it.
func TestErasingWithoutSeeing(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		id := d.accept("acme")
		if got := d.as("erna", ""); got.header.Get("Location") != "/ops/erase" {
			t.Errorf("%d %v", got.status, got.header)
		}
		ask := d.post("erna", "act/erase", url.Values{"q": {"caller:+15559876543"}})
		if !says(t, ask, "1 event will be deleted") || !says(t, ask, "caller +1 ••• ••• 6543") || found(ask.body) != "" {
			t.Fatalf("%d %s", ask.status, text(t, ask.body))
		}
		done := d.post("erna", "act/erase", fields(ask.body))
		d.settle()
		for hops := 0; done.status == 303 && hops < 4; hops++ {
			done = d.as("erna", done.header.Get("Location"))
		}
		if got := d.as("ada", "events/"+id); got.status != 404 {
			t.Errorf("%d: it is there still; %d %s", got.status, done.status, text(t, done.body))
		}
		if got := d.post("erna", "act/erase", url.Values{"q": {""}, "sure": {"no"}}); !says(t, got, "everything there is") {
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}
