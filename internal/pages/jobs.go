package pages

import (
	"net/http"

	"github.com/callgate/callgate/internal/operate"
)

var jobPages = []page{
	{methods: get, pattern: "jobs", operation: "Jobs", section: "deliveries", serve: (*request).jobs},
	{methods: get, pattern: "jobs/{id}", operation: "Job", section: "deliveries", serve: (*request).job},
	{methods: getPost, pattern: "jobs/{id}/stop", operation: "StopJob", section: "deliveries", serve: (*request).stopJob},
}

// begin begins to do something to everything that a search finds, and leads to the page that tells how far it is.
func (q *request) begin(s *operate.Service, operation string, f operate.Filter, c *choice) error {
	sel := operate.Selection{Filter: f}
	if c.Delivered && operation == "replay" {
		sel.State = operate.AnyEnded
	}
	sel.All = sel.Filter == operate.Filter{}
	var job *operate.Job
	var err error
	switch operation {
	case "erase":
		job, err = s.StartErasure(q.ctx(), q.actor, operate.EraseSelection{Selection: sel, DestroyKey: c.Keys})
	default:
		if operation == "send" {
			operation = "retry"
		}
		job, err = s.StartJob(q.ctx(), q.actor, operate.JobSelection{Operation: operation, ReplaySelection: operate.ReplaySelection{Selection: sel}})
	}
	if err != nil {
		return err
	}
	if !q.may("Job") { // and cannot come back to see how far it is
		row := q.jobRow(job)
		return q.show("job", row.Title, row)
	}
	return q.redirect(q.link("jobs", job.ID))
}

// jobRow is a job as a page shows it.
type jobRow struct {
	operate.Job
	Mark mark
	// Title says what it does, and Says how it stands, in words.
	Title, Says string
	// Share is how much of it is done, in per cent.
	Share int
	// Running tells that it goes on, and Stop is the address at which it is stopped, for those who may.
	Running bool
	Stop    string
}

// jobWords say what jobs do, what their number is of, and what they have done to that.
var jobWords = map[string]struct{ title, of, done string }{
	"replay": {"Sending again", "delivery", "put on its way again"},
	"retry":  {"Sending now", "delivery", "put on its way now"},
	"cancel": {"Cancelling", "delivery", "cancelled"},
	"erase":  {"Erasing", "event", "erased"},
}

func (q *request) jobRow(j *operate.Job) jobRow {
	words := jobWords[j.Operation]
	row := jobRow{Job: *j, Title: words.title, Running: j.State == operate.JobRunning}
	if j.Total > 0 {
		row.Share = min(100*j.Done/j.Total, 100)
	}
	done := count(j.Done) + " of " + plural(j.Total, words.of) + " " + words.done
	switch j.State {
	case operate.JobRunning:
		row.Mark, row.Says = mark{"wait", "running"}, done+" so far. It goes on in the gateway; this page need not stay open."
		if q.may("StopJob") && j.StoppedBy == "" {
			row.Stop = q.link("jobs", j.ID, "stop")
		}
	case operate.JobDone:
		row.Mark, row.Says = mark{"ok", "done"}, done+"."
	case operate.JobStopped:
		row.Mark, row.Says = mark{"off", "stopped"}, done+" until "+plain(j.StoppedBy)+" stopped it. What is done stays done."
	case operate.JobFailed:
		row.Mark, row.Says = mark{"dead", "failed"}, done+". Then it failed: "+sentence(plain(j.Error))+" Begin it again for the rest."
	case operate.JobInterrupted:
		row.Mark, row.Says = mark{"dead", "interrupted"}, "At least "+done+" when the gateway was stopped. Begin it again for the rest."
	}
	return row
}

// jobs lists what is and was done to everything that matched something.
func (q *request) jobs() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	list, err := s.Jobs(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	var rows []jobRow
	for i := range list.Jobs {
		rows = append(rows, q.jobRow(&list.Jobs[i]))
	}
	return q.show("jobs", "Done to many", struct{ Rows []jobRow }{rows})
}

// refreshAfter is after how many seconds a page whose job runs asks again by itself, with scripts or without.
const refreshAfter = "2"

// job tells how far one is.
func (q *request) job() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	j, err := s.Job(q.ctx(), q.actor, q.args[0])
	if err != nil {
		return err
	}
	row := q.jobRow(j)
	if row.Running {
		q.w.Header().Set("Refresh", refreshAfter)
	}
	return q.show("job", row.Title, row)
}

// stopJob asks whether one is to be stopped, and stops it.
func (q *request) stopJob() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	back := q.link("jobs", q.args[0])
	if q.r.Method != http.MethodPost {
		j, err := s.Job(q.ctx(), q.actor, q.args[0])
		if err != nil {
			return err
		}
		row := q.jobRow(j)
		return q.show("ask", "Stop it?", question{Title: "Stop it?", Text: row.Says + " What is done by then stays done.", Button: "Stop", Nothing: !row.Running,
			Action: q.link("jobs", j.ID, "stop"), Back: back})
	}
	if _, err := s.StopJob(q.ctx(), q.actor, q.args[0]); err != nil {
		return err
	}
	return q.redirect(back)
}
