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
next one is due, and why the last one failed.` + exitCodes
	cmd.Example = `  callgate deliveries --state dead
  callgate deliveries --destination crm --state pending --limit 0 --json
  callgate deliveries --event 01JC0Q4Z6W5P9G2N8S3T7V1X0Y`
	l.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		page := operate.DeliveryPage{Deliveries: []store.Delivery{}}
		out, t := cmd.OutOrStdout(), table{}
		if !l.admin.json {
			t = newTable(out, "RECEIVED", "DELIVERY", "TENANT", "DESTINATION", "STATE", "ATTEMPTS", "NEXT", "STATUS", "REASON")
		}
		next, err := l.pages(func(r operate.Listing) (int, string, error) {
			var got operate.DeliveryPage
			if err := l.admin.ask(http.MethodPost, "/callgate/deliveries", r, &got); err != nil {
				return 0, "", err
			}
			for i := range got.Deliveries {
				if d := &got.Deliveries[i]; !l.admin.json {
					t.row(stamp(d.CreatedAt), d.ID, d.Tenant, d.Destination, stateOf(d), number(d.Attempts), nextOf(d),
						number(d.LastStatus), shortened(d.Reason))
				}
			}
			if l.admin.json {
				page.Deliveries = append(page.Deliveries, got.Deliveries...)
			}
			return len(got.Deliveries), got.Next, nil
		})
		if err != nil {
			return err
		}
		if l.admin.json {
			page.Next = next
			return printJSON(out, page)
		}
		if err := t.end(); err != nil {
			return err
		}
		more(cmd, next)
		return nil
	}
}

func stateOf(d *store.Delivery) string {
	if d.Leased {
		return "delivering"
	}
	return string(d.State)
}

// nextOf is when the next attempt is due, where there is going to be one.
func nextOf(d *store.Delivery) string {
	if d.State != store.Pending || d.Leased {
		return ""
	}
	return stamp(d.NextAt)
}
