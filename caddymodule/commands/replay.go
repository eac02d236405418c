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
	path   string
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
	if err := a.filter.settle(time.Now()); err != nil {
		return err
	}
	switch none := a.filter == (filter{}); {
	case none && !a.all:
		return errors.New("without a filter this would be for everything; give a filter, or --all if everything is meant")
	case !none && a.all:
		return errors.New("--all means no filter; give either --all or a filter")
	}
	selection := operate.Selection{Filter: a.filter.Filter, All: a.all, DryRun: true}
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
		_, err := fmt.Fprintf(out, "%s would be %s. Nothing was changed%s.\n", plural(n, a.one, a.many), a.done, hint)
		return err
	}
	selection.DryRun = false
	stop := a.report(cmd, n)
	var did T
	err := a.admin.ask(http.MethodPost, a.path, selection, &did)
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
	a := &action[operate.ReplayCount]{
		path: "/callgate/replay", one: "delivery", many: "deliveries", doing: "replaying", done: "replayed",
		counted: func(c operate.ReplayCount) int { return c.Deliveries },
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
  callgate replay --delivery 01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0 --state delivered --yes`
	a.filter.flags(cmd, "dead (the default), delivered, any")
	a.add(cmd)
}

func fillErase(cmd *cobra.Command) {
	a := &action[operate.EraseCount]{
		path: "/callgate/erase", one: "event", many: "events", doing: "erasing", done: "erased",
		counted: func(c operate.EraseCount) int { return c.Events },
		left:    func(s *operate.Statistics, _ *filter) int64 { return s.Events },
	}
	cmd.Use = "erase [flags]"
	cmd.Long = `Deletes events with all that belongs to them: what was said, deliveries, also waiting ones, and attempts. It cannot
be undone. A filter for deliveries, such as --destination, erases the whole events that have such a delivery. An
attempt that is under way cannot be called back, and what was delivered is still where it went.

Without --yes it only tells how many events there are.` + exitCodes
	cmd.Example = `  callgate erase --caller +15551234567
  callgate erase --caller +15551234567 --yes
  callgate erase --tenant acme --to 2026-01-01 --yes`
	a.filter.flags(cmd, "pending, delivered, dead")
	a.add(cmd)
}
