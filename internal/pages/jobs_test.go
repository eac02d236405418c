package pages

import (
	"net/http"
	"net/url"
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
