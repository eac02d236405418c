package commands

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/operate"
)

func fillStats(cmd *cobra.Command) {
	var a admin
	cmd.Use = "stats [flags]"
	cmd.Long = `Shows how much the store holds and how each destination stands: what waits and since when, what was delivered and
what is dead, whether it is paused and what its breaker says.` + exitCodes
	cmd.Example = `  callgate stats
  callgate stats --config Caddyfile --json`
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var s operate.Statistics
		if err := a.ask(http.MethodGet, "/callgate/stats", nil, &s); err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if a.json {
			return printJSON(out, s)
		}
		size := humanize.IBytes(uint64(max(0, s.Bytes)))
		if s.MaxBytes > 0 {
			size += " of " + humanize.IBytes(uint64(s.MaxBytes))
		}
		fmt.Fprintf(out, "%s in the store, %s\n", plural(int(s.Events), "event", "events"), size)
		if s.Audit != nil {
			a.auditLine(out, s.Audit)
		}
		if len(s.Destinations) == 0 {
			return nil
		}
		fmt.Fprintln(out)
		t := a.table(out, column{"DESTINATION", 0, 8}, column{"STATE", 0, 8}, column{"PENDING", 0, 0}, column{"SINCE", 1, 0},
			column{"IN FLIGHT", 3, 0}, column{"DELIVERED", 2, 0}, column{"DEAD", 0, 0}, column{"BREAKER", 0, 0})
		for i := range s.Destinations {
			d := &s.Destinations[i]
			t.row(d.Name, a.standing(d), fmt.Sprint(d.Pending), a.sinceOf(d.OldestPending, t.width > 0), fmt.Sprint(d.InFlight),
				fmt.Sprint(d.Delivered), fmt.Sprint(d.Dead), d.Breaker)
		}
		return t.print(cmd)
	}
}

// auditLine says how the audit log stands, and who does not take its checkpoints.
func (a *display) auditLine(out io.Writer, s *auditor.Status) {
	fmt.Fprintf(out, "%s in the audit log, %d of them in the last checkpoint\n", plural(int(s.Records), "record", "records"), s.Checkpoint)
	for _, sink := range s.Sinks {
		if !sink.FailingSince.IsZero() {
			fmt.Fprintf(out, "checkpoints are not taken by %s since %s: %s\n", sink.Name, a.stamp(sink.FailingSince), sink.Error)
		}
	}
}

// sinceOf is since when something waits or, where there is little room, for how long.
func (a *display) sinceOf(t time.Time, short bool) string {
	if short && !t.IsZero() {
		return span(t, a.now()) + " ago"
	}
	return a.stamp(t)
}

// standing is what keeps a destination's deliveries, if anything does.
func (a *display) standing(d *delivery.DestinationStatus) string {
	switch {
	case d.Paused && d.PauseReason != "":
		return "paused: " + a.shortened(d.PauseReason)
	case d.Paused:
		return "paused"
	case d.Held != "":
		return "held: " + a.shortened(d.Held)
	case !d.Known:
		return "not configured"
	case d.Trouble != "":
		return "the gateway is in trouble: " + a.shortened(d.Trouble)
	case d.HeldUntil.After(time.Time{}):
		return "asked to wait until " + a.stamp(d.HeldUntil)
	default:
		return "ready"
	}
}
