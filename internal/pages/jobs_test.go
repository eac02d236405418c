package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// TestEverythingThatMatches is counted, asked about, done by a job, and told of on a page that needs no script.
func TestEverythingThatMatches(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.crm.down.Store(true)
		for range 3 {
			d.accept("acme")
		}
		d.accept("beta")
		d.crm.down.Store(false)
		ask := d.as("otto", "act/replay?q=destination:crm+state:dead")
		if !says(t, ask, "4 deliveries will be sent again") || !says(t, ask, "destination:crm state:dead") {
			t.Fatalf("%s", text(t, ask.body))
		}
		got := d.follow("otto", "act/replay", url.Values{"q": {"destination:crm state:dead"}, "sure": {"yes"}})
		d.settle()
		if !strings.Contains(got.body, `<progress max="100"`) || !says(t, got, "Sending again") || got.status != 200 {
			t.Errorf("%s", text(t, got.body))
		}
		list := d.as("otto", "jobs")
		var job string
		for _, l := range links(list.body) {
			if strings.HasPrefix(l, "/ops/jobs/") {
				job = l
			}
		}
		got = d.as("otto", job)
		if !says(t, got, "4 of 4 deliveries put on its way again.") || got.header.Get("Refresh") != "" || strings.Contains(got.body, "/stop") {
			t.Errorf("at its end: %q %s", got.header.Get("Refresh"), text(t, got.body))
		}
		// Of those of others nothing is done, told or shown.
		if got := d.as("dora", "act/replay?q=state:delivered"); !says(t, got, "6 deliveries will be sent again") {
			t.Errorf("%s", text(t, got.body))
		}
		if got := d.as("dora", job); got.status != http.StatusNotFound {
			t.Errorf("a job of all for somebody who is bound: %d", got.status)
		}
		got = d.follow("dora", "act/replay", url.Values{"q": {"state:dead"}, "sure": {"yes"}})
		d.settle()
		if !says(t, got, "0 of 0 deliveries") {
			t.Errorf("%s", text(t, got.body))
		}
		got = d.post("erna", "act/erase", url.Values{"q": {"tenant:beta"}, "sure": {"yes"}})
		d.settle()
		left, err := d.service.Events(t.Context(), d.policy.Actor("ada", nil, "dashboard"), operate.Listing{})
		if err != nil || len(left.Events) != 3 {
			t.Errorf("%+v, %v", left, err)
		}
		if got.status != 200 || !says(t, got, "0 of 1 event erased so far") { // who may erase and no more sees no jobs
			t.Errorf("%d %s", got.status, text(t, got.body))
		}
	})
}

// TestATenantIsErasedWithItsDataKey if that is ticked, and it is offered for a whole tenant alone.
func TestATenantIsErasedWithItsDataKey(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.accept("acme")
		d.accept("beta")
		ada := d.policy.Actor("ada", nil, "dashboard")
		for _, tenant := range []string{"acme", "beta"} {
			if _, err := d.service.RotateDataKey(t.Context(), ada, operate.TenantChoice{Tenant: tenant}); err != nil {
				t.Fatal(err)
			}
		}
		for query, offers := range map[string]bool{"tenant:beta": true, "tenant:beta source:retell": false, "": false} {
			got := d.as("erna", "act/erase?q="+url.QueryEscape(query))
			if got.status != 200 || strings.Contains(got.body, `name="keys"`) != offers {
				t.Errorf("%q: %d %s", query, got.status, text(t, got.body))
			}
		}
		left := func() (tenants []string) {
			l, err := d.service.DataKeys(t.Context(), ada)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range l.Keys {
				if k.Destroyed.IsZero() && !slices.Contains(tenants, k.Tenant) {
					tenants = append(tenants, k.Tenant)
				}
			}
			return tenants
		}
		d.post("erna", "act/erase", url.Values{"q": {"tenant:acme"}, "sure": {"yes"}})
		d.settle()
		if got := left(); len(got) != 2 {
			t.Errorf("it was not ticked: %v", got)
		}
		d.post("erna", "act/erase", url.Values{"q": {"tenant:beta"}, "sure": {"yes"}, "keys": {"yes"}})
		d.settle()
		if got := left(); !slices.Equal(got, []string{"acme"}) {
			t.Errorf("keys of %v are left", got)
		}
		if l, err := d.service.Events(t.Context(), ada, operate.Listing{}); err != nil || len(l.Events) != 0 {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

// TestAJobInWords: every state says what is done and what to do.
func TestAJobInWords(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		q := &request{ui: d.ui, actor: d.policy.Actor("otto", nil, "dashboard")}
		hostile := "<script>alert(1)</script>\u202e"
		for state, says := range map[operate.JobState]string{
			operate.JobRunning: "5 of 10 deliveries cancelled so far.", operate.JobDone: "5 of 10 deliveries cancelled.", operate.JobStopped: "stopped it",
			operate.JobFailed: "Then it failed: <script>alert(1)</script>�. Begin it again for the rest.", operate.JobInterrupted: "At least 5 of 10",
		} {
			row := q.jobRow(&operate.Job{ID: "x", Operation: "cancel", State: state, Total: 10, Done: 5, StoppedBy: "", Error: hostile, By: hostile, StartedAt: time.Now()})
			if !strings.Contains(row.Says, says) || row.Share != 50 || row.Running != (state == operate.JobRunning) || (row.Stop != "") != row.Running || row.Mark.Word == "" {
				t.Errorf("%s: %+v", state, row)
			}
		}
	})
}
