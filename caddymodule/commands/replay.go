package commands

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

// action is a command that changes much at once: it counts first, and acts with --yes.
type action[T any] struct {
	admin  admin
	filter filter
	all    bool
	yes    bool
	// rate is how fast it goes, where that can be said.
	rate string
	// keepSubject is for erasing.
	keepSubject bool
	path        string
	// counted reads the answer; one and many name what is counted.
	counted   func(T) int
	one, many string
	// doing and done say what becomes of them.
	doing, done string
	// left is what shrinks in the statistics while the work goes on.
	left func(*operate.Statistics, *filter) int64
}

func (a *action[T]) add(cmd *cobra.Command) {
	a.admin.add(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&a.all, "all", false, "without any filter: everything")
	fl.BoolVarP(&a.yes, "yes", "y", false, "do it; without this it is only counted")
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.run(cmd) }
}

func (a *action[T]) run(cmd *cobra.Command) error {
	if err := a.filter.settle(a.admin.now()); err != nil {
		return err
	}
	switch none := a.filter == (filter{}); {
	case none && !a.all:
		return errors.New("without a filter this would be for everything; give a filter, or --all if everything is meant")
	case !none && a.all:
		return errors.New("--all means no filter; give either --all or a filter")
	}
	rate, err := operate.ParseRate(a.rate)
	if err != nil {
		return fmt.Errorf("--rate: %w", err)
	}
	selection := struct {
		operate.Selection
		Rate        string `json:"rate,omitempty"`
		KeepSubject bool   `json:"keep_subject,omitempty"`
	}{operate.Selection{Filter: a.filter.Filter, All: a.all, DryRun: true}, a.rate, a.keepSubject}
	var counted T
	if err := a.admin.ask(http.MethodPost, a.path, selection, &counted); err != nil {
		return err
	}
	n := a.counted(counted)
	out := cmd.OutOrStdout()
	if !a.yes {
		if a.admin.json {
			return printJSON(out, counted)
		}
		hint := ""
		if n > 0 {
			hint = fmt.Sprintf("; add --yes to have %s %s", map[bool]string{true: "it", false: "them"}[n == 1], a.done)
		}
		over := ""
		if rate > 0 && n > 1 {
			over = ", over " + time.Duration(float64(n-1)/rate*float64(time.Second)).Round(time.Second).String()
		}
		_, err := fmt.Fprintf(out, "%s would be %s%s. Nothing was changed%s.\n", plural(n, a.one, a.many), a.done, over, hint)
		return err
	}
	selection.DryRun = false
	stop := a.report(cmd, n)
	var did T
	err = a.admin.ask(http.MethodPost, a.path, selection, &did)
	stop()
	if err != nil {
		return err
	}
	if a.admin.json {
		return printJSON(out, did)
	}
	_, err = fmt.Fprintf(out, "%s %s.\n", plural(a.counted(did), a.one, a.many), a.done)
	return err
}

// reportEvery is how often work that takes long is told of.
const reportEvery = 2 * time.Second

// report tells how far the work is while it goes on, by what the statistics count.
func (a *action[T]) report(cmd *cobra.Command, total int) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		began := time.Now()
		first := int64(-1)
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
			}
			var s operate.Statistics
			if err := a.admin.ask(http.MethodGet, "/callgate/stats", nil, &s); err != nil {
				continue // what counts is the answer that is waited for
			}
			now := a.left(&s, &a.filter)
			if first < 0 {
				first = now
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s %s: %s so far, some %d of them since the last %s\n", a.doing,
				plural(total, a.one, a.many), time.Since(began).Round(time.Second), max(0, first-now), reportEvery)
			first = now
		}
	}()
	return func() { close(end); <-ended }
}

func fillReplay(cmd *cobra.Command) {
	a := &action[operate.DeliveryCount]{
		path: "/callgate/replay", one: "delivery", many: "deliveries", doing: "replaying", done: "replayed",
		counted: func(c operate.DeliveryCount) int { return c.Deliveries },
		left: func(s *operate.Statistics, f *filter) (n int64) {
			for _, d := range s.Destinations {
				if f.Destination == "" || f.Destination == d.Name {
					n += d.Dead
					if f.State != "" && f.State != "dead" {
						n += d.Delivered
					}
				}
			}
			return n
		},
	}
	cmd.Use = "replay [flags]"
	cmd.Long = `Sends deliveries again, from the start of their schedule: dead ones or, with --state, delivered ones (which the
receiver then gets twice, with the same id) or any. Without --yes it only tells how many there are.` + exitCodes
	cmd.Example = `  callgate replay --destination crm
  callgate replay --destination crm --from 2026-01-31T08:00:00Z --to 2026-01-31T09:30:00Z --yes
  callgate replay --destination crm --rate 5/s --yes
  callgate replay --delivery 01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0 --state delivered --yes`
	a.filter.flags(cmd, "dead (the default), delivered, any")
	cmd.Flags().StringVar(&a.rate, "rate", "", "how many fall due in a time, oldest first, such as 5/s, 30/min or 100/10s (default: all at once, at the destination's own pace)")
	a.add(cmd)
}

// waitingLeft is what shrinks while waiting deliveries are dealt with.
func waitingLeft(s *operate.Statistics, f *filter) (n int64) {
	for _, d := range s.Destinations {
		if f.Destination == "" || f.Destination == d.Name {
			n += d.Pending
		}
	}
	return n
}

func fillRetry(cmd *cobra.Command) {
	a := &action[operate.DeliveryCount]{
		path: "/callgate/retry", one: "delivery", many: "deliveries", doing: "sending", done: "sent now",
		counted: func(c operate.DeliveryCount) int { return c.Deliveries }, left: waitingLeft,
	}
	cmd.Use = "retry [flags]"
	cmd.Aliases = []string{"send-now"}
	cmd.Long = `Sends deliveries now that wait for their next attempt, as after a receiver was mended. They keep the attempts made. A
destination that is paused is resumed with resume, and one with an open breaker is tried when the breaker says so.
Without --yes it only tells how many there are. Dead and delivered ones are sent again with replay.` + exitCodes
	cmd.Example = `  callgate retry --destination crm
  callgate retry --destination crm --yes
  callgate retry --delivery 01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0 --yes`
	a.filter.flags(cmd, "pending (the only one that waits)")
	a.add(cmd)
}

func fillCancel(cmd *cobra.Command) {
	a := &action[operate.DeliveryCount]{
		path: "/callgate/cancel", one: "delivery", many: "deliveries", doing: "cancelling", done: "cancelled",
		counted: func(c operate.DeliveryCount) int { return c.Deliveries }, left: waitingLeft,
	}
	cmd.Use = "cancel [flags]"
	cmd.Long = `Takes back deliveries that wait, as after a mistaken replay: they are dead, with a reason that says so, and replay sends
them after all. An attempt under way cannot be called back. Without --yes it only tells how many there are.` + exitCodes
	cmd.Example = `  callgate cancel --destination crm
  callgate cancel --destination crm --tenant acme --yes`
	a.filter.flags(cmd, "pending (the only one that waits)")
	a.add(cmd)
}

func fillErase(cmd *cobra.Command) {
	a := &action[operate.EventCount]{
		path: "/callgate/erase", one: "event", many: "events", doing: "erasing", done: "erased",
		counted: func(c operate.EventCount) int { return c.Events },
		left:    func(s *operate.Statistics, _ *filter) int64 { return s.Events },
	}
	cmd.Use = "erase [flags]"
	cmd.Long = `Deletes events with all that belongs to them: what was said, deliveries, also waiting ones, and attempts. It cannot
be undone. A filter for deliveries, such as --destination, erases the whole events that have such a delivery. An
attempt that is under way cannot be called back, and what was delivered is still where it went.

The audit log goes on telling that something was sent, but no longer about whom: what led from its records to the caller
goes too. Where you have to account for disclosures (45 CFR 164.528) say --keep-subject: then the caller's pseudonym stays
beside the log, a keyed hash, and callgate audit query --caller still finds what was sent about them.

Without --yes it only tells how many events there are.` + exitCodes
	cmd.Example = `  callgate erase --caller +15551234567
  callgate erase --caller +15551234567 --yes
  callgate erase --by patient_id=PT-10023
  callgate erase --caller +15551234567 --keep-subject --yes
  callgate erase --tenant acme --to 2026-01-01 --yes`
	a.filter.flags(cmd, "pending, delivered, dead")
	cmd.Flags().BoolVar(&a.keepSubject, "keep-subject", false, "let the audit log still answer what was sent about the caller")
	a.add(cmd)
}
