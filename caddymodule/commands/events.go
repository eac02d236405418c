package commands

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// listing is what events and deliveries have in common.
type listing struct {
	admin  admin
	filter filter
	before string
	limit  int
	reveal reveal
}

func (l *listing) add(cmd *cobra.Command) {
	l.filter.flags(cmd, "pending, delivered, dead")
	cmd.Flags().StringVar(&l.before, "before", "", "go on after this id, the last one of the page before")
	cmd.Flags().IntVarP(&l.limit, "limit", "n", 50, "how many at most; 0 for all")
	l.reveal.add(cmd)
	l.admin.add(cmd)
	cmd.Args = cobra.NoArgs
}

// pages goes through the pages of a listing. one asks for a page and tells how many rows it had, and what comes next.
func (l *listing) pages(one func(operate.Listing) (rows int, next string, err error)) (next string, err error) {
	if l.limit < 0 {
		return "", fmt.Errorf("--limit is a number of rows, or 0 for all")
	}
	if err := l.reveal.check(l.limit); err != nil {
		return "", err
	}
	if err := l.filter.settle(l.admin.now()); err != nil {
		return "", err
	}
	r := operate.Listing{Filter: l.filter.Filter, Before: l.before}
	for left := l.limit; ; {
		r.Limit = operate.MaxRows
		if l.limit > 0 {
			r.Limit = min(left, operate.MaxRows)
		}
		n, next, err := one(r)
		left -= n
		if err != nil || next == "" || l.limit > 0 && left <= 0 {
			return next, err
		}
		r.Before = next
	}
}

// end prints a listing's table, and tells people that the listing goes on.
func (l *listing) end(cmd *cobra.Command, t *table, next string) error {
	err := t.print(cmd)
	if err == nil && next != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "There are more: go on with --before %s, or see all with --limit 0.\n", next)
	}
	return err
}

func fillEvents(cmd *cobra.Command) {
	var l listing
	cmd.Use = "events [flags]"
	cmd.Long = `Lists the events that the gateway has accepted, newest first, and how many deliveries of each are pending, delivered
and dead. What callers said is not shown; see --reveal, and show --reveal.` + revealHelp + exitCodes
	cmd.Example = `  callgate events --tenant acme --from 2h
  callgate events --from "yesterday 18:00" --to 08:00
  callgate events --caller +15551234567 --limit 0 --json
  callgate events --destination crm --failed-since today`
	l.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		page := revealedPage{}
		out := cmd.OutOrStdout()
		t := l.admin.table(out, column{"RECEIVED", 0, 0}, column{"EVENT", 0, 0}, column{"TENANT", 0, 6}, column{"SOURCE", 1, 6}, column{"TYPE", 2, 8},
			column{"CALL", 3, 10}, column{"BYTES", 4, 0}, column{"DELIVERIES", 0, 16})
		l.reveal.column(t)
		next, err := l.pages(func(r operate.Listing) (int, string, error) {
			var got operate.EventPage
			if err := l.admin.ask(http.MethodPost, "/callgate/events", r, &got); err != nil {
				return 0, "", err
			}
			for i := range got.Events {
				e := &got.Events[i]
				caller, err := l.callerOf(e.ID)
				if err != nil {
					return 0, "", err
				}
				if l.admin.json {
					page.add(*e, caller)
					continue
				}
				t.row(l.reveal.cells(caller, l.admin.stamp(e.ReceivedAt), e.ID, e.Tenant, e.Source, e.EventType, e.CallID, number(e.Bytes), states(e.States))...)
			}
			return len(got.Events), got.Next, nil
		})
		if err != nil {
			return err
		}
		if l.admin.json {
			return page.print(out, "events", next)
		}
		return l.end(cmd, t, next)
	}
}

// states are the counts of an event's deliveries, the troublesome first.
func states(counts map[store.State]int) string {
	var s []string
	for _, state := range []store.State{store.Dead, store.Pending, store.Delivered} {
		if n := counts[state]; n > 0 {
			s = append(s, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(s, ", ")
}
