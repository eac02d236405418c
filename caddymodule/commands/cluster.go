package commands

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// clockTold is how far a machine's clock may be from the database's before it is said.
const clockTold = 0.5

func fillCluster(cmd *cobra.Command) {
	var a admin
	cmd.Use = "cluster [flags]"
	cmd.Long = `Shows the gateways that share a store, which of them delivers to which destination, and how the database is doing.

A destination is delivered to by one gateway at a time. EPOCH goes up whenever it changes hands; a lane that nobody holds
is taken within seconds by a gateway whose configuration has the destination. "heard of" is how long ago a gateway sent its
last sign of life: after 15 seconds without one the others take its destinations over.` + exitCodes
	cmd.Example = `  callgate cluster
  callgate cluster --config Caddyfile --json`
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var c operate.Cluster
		if err := a.ask(http.MethodGet, adminPath+"cluster", nil, &c); err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if a.json {
			return printJSON(out, c)
		}
		if !c.Shared {
			_, err := fmt.Fprintln(out, "The gateway has its store alone: several gateways share one on PostgreSQL only.")
			return err
		}
		return a.printCluster(cmd, &c)
	}
}

func (a *admin) printCluster(cmd *cobra.Command, c *operate.Cluster) error {
	out := cmd.OutOrStdout()
	t := a.table(out, column{"GATEWAY", 0, 8}, column{"ID", 2, 8}, column{"VERSION", 3, 0}, column{"SINCE", 1, 0}, column{"HEARD OF", 0, 0}, column{"LANES", 0, 0})
	for _, g := range c.Gateways {
		name := g.Name
		if g.ID == c.Self {
			name += " (this one)"
		}
		t.row(name, g.ID, g.Version, a.stamp(g.Since), heardOf(&g, c.Now), fmt.Sprint(g.Lanes))
	}
	if err := t.print(cmd); err != nil {
		return err
	}
	if c.ClockAhead > clockTold || c.ClockAhead < -clockTold {
		fmt.Fprintf(out, "the clock of the gateway that answers is %.1fs ahead of the database's: set it right, as with NTP\n", c.ClockAhead)
	}
	fmt.Fprintln(out)
	t = a.table(out, column{"DESTINATION", 0, 8}, column{"SHARD", 2, 0}, column{"GATEWAY", 0, 8}, column{"EPOCH", 1, 0}, column{"HELD SINCE", 3, 0},
		column{"PENDING", 0, 0}, column{"OLDEST", 0, 0})
	for _, l := range c.Lanes {
		if l.Destination == store.Maintenance {
			continue // which is of no destination
		}
		shard, holder := "", l.Holder
		if l.Shards > 1 {
			shard = fmt.Sprintf("%d of %d", l.Shard+1, l.Shards)
		}
		if l.Gateway == "" {
			holder = "nobody"
		}
		t.row(l.Destination, shard, holder, fmt.Sprint(l.Epoch), a.stamp(l.Since), fmt.Sprint(l.Pending), a.sinceOf(l.OldestPending, t.width > 0))
	}
	if err := t.print(cmd); err != nil {
		return err
	}
	if c.Vitals != nil {
		fmt.Fprintln(out)
		printVitals(out, c.Vitals)
	}
	return nil
}

// heardOf is how long ago a gateway sent its last heartbeat.
func heardOf(g *operate.ClusterGateway, now time.Time) string {
	ago := store.TTL - g.Until.Sub(now)
	if g.Until.IsZero() || now.IsZero() {
		return ""
	}
	return fmt.Sprintf("%.0fs ago", max(0, ago.Seconds()))
}

// printVitals says how the database is doing.
func printVitals(out io.Writer, v *store.Vitals) {
	fmt.Fprintf(out, "%s, %d of %d connections\n", plain(v.Server), v.Connections, v.MaxConnections)
	held := "no old snapshot is held"
	if v.OldestTransaction > 0 || v.OldestHolder != "" {
		held = fmt.Sprintf("the oldest snapshot is held for %s, %d transactions, by %s", v.OldestTransaction.Round(time.Second), v.XminAge, plain(v.OldestHolder))
	}
	fmt.Fprintf(out, "%d rows wait, %d dead ones are not cleared away; %s\n", v.LiveRows, v.DeadRows, held)
	if v.LogEvents > 0 {
		fmt.Fprintf(out, "%s of write-ahead log for an event\n", humanize.IBytes(uint64(max(0, v.LogBytes/v.LogEvents))))
	}
	if !v.Synchronous {
		fmt.Fprintln(out, "commits wait for no standby: what was acknowledged last is lost with the primary")
	}
	for _, s := range v.Standbys {
		fmt.Fprintf(out, "standby %s: %s, %s, %s behind (%s)\n", plain(s.Name), plain(s.State), plain(s.Sync), humanize.IBytes(uint64(max(0, s.LagBytes))), s.Lag.Round(time.Millisecond))
	}
	for _, w := range v.Warnings {
		fmt.Fprintln(out, plain(w))
	}
}
