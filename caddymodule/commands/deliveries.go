package commands

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

func fillDeliveries(cmd *cobra.Command) {
	var l listing
	cmd.Use = "deliveries [flags]"
	cmd.Long = `Lists deliveries of events to destinations, newest first: where they stand, how many attempts were made, when the
next one is due, and why the last one failed.` + revealHelp + exitCodes
	cmd.Example = `  callgate deliveries --state dead --failed-since 08:00
  callgate deliveries --destination crm --state pending --limit 0 --json
  callgate deliveries --event 01JC0Q4Z6W5P9G2N8S3T7V1X0Y`
	l.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		page := revealedPage{}
		out := cmd.OutOrStdout()
		t := l.admin.table(out, column{"RECEIVED", 3, 0}, column{"DELIVERY", 0, 0}, column{"TENANT", 2, 6}, column{"DESTINATION", 0, 6}, column{"STATE", 0, 0},
			column{"ATTEMPTS", 5, 0}, column{"NEXT", 0, 0}, column{"STATUS", 4, 0}, column{"REASON", 0, 12})
		if t.width >= 100 {
			t.columns[len(t.columns)-1].min = 30 // reasons are what one looks for
		}
		l.reveal.column(t)
		next, err := l.pages(func(r operate.Listing) (int, string, error) {
			var got operate.DeliveryPage
			if err := l.admin.ask(http.MethodPost, "/callgate/deliveries", r, &got); err != nil {
				return 0, "", err
			}
			for i := range got.Deliveries {
				d := &got.Deliveries[i]
				caller, err := l.callerOf(d.EventID)
				if err != nil {
					return 0, "", err
				}
				if l.admin.json {
					page.add(*d, caller)
					continue
				}
				t.row(l.reveal.cells(caller, l.admin.stamp(d.CreatedAt), d.ID, d.Tenant, d.Destination, stateOf(d), number(d.Attempts),
					l.admin.nextOf(d, t.width > 0), number(d.LastStatus), l.admin.shortened(reasonOf(d)))...)
			}
			return len(got.Deliveries), got.Next, nil
		})
		if err != nil {
			return err
		}
		if l.admin.json {
			return page.print(out, "deliveries", next)
		}
		return l.end(cmd, t, next)
	}
}

func stateOf(d *operate.DeliveryRow) string {
	if d.Leased {
		return "delivering"
	}
	return string(d.State)
}

// reasonOf is why a delivery waits, if there is more to say than for what, and what its last attempt met with.
func reasonOf(d *operate.DeliveryRow) string {
	switch {
	case d.WaitReason == "" || d.WaitReason == d.Reason:
		return d.Reason
	case d.Reason == "":
		return d.WaitReason
	}
	return d.WaitReason + "; its last attempt: " + d.Reason
}

// nextOf is when the next attempt is due, where there is going to be one, or else what it waits for. Where there is little
// room it is how long that is.
func (d *display) nextOf(r *operate.DeliveryRow, short bool) string {
	if r.State != store.Pending || r.Leased {
		return ""
	}
	switch r.WaitsFor {
	case operate.WaitConfiguration:
		return "not configured"
	case operate.WaitResume:
		return "when resumed"
	case operate.WaitHold:
		return "held"
	case operate.WaitGateway:
		return "gateway trouble"
	case operate.WaitBreaker:
		return "breaker open"
	case operate.WaitRetryAfter:
		return "told to wait"
	case operate.WaitTurn:
		return "now"
	}
	if short {
		return "in " + span(d.now(), r.NextAt)
	}
	return d.stamp(r.NextAt)
}
