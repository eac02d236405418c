package pages

import (
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

var clusterPages = []page{
	{methods: get, pattern: "cluster", operation: "Cluster", section: "destinations", serve: (*request).cluster},
}

// clusterPage is who shares the store, who delivers where, and how the database is doing.
type clusterPage struct {
	*operate.Cluster
	Gateways []gatewayRow
	Lanes    []laneRow
	Database []databaseRow
	Standbys []standbyRow
	Warnings []string
}

type gatewayRow struct {
	operate.ClusterGateway
	// Self tells that this gateway answers. Heard is how long ago it was heard of.
	Self  bool
	Heard string
}

type laneRow struct {
	operate.ClusterLane
	Mark mark
	// Part is which of its parts it is; empty if it is whole.
	Part string
}

type databaseRow struct{ Name, Says string }

type standbyRow struct {
	Mark                  mark
	Name, State, Sync, Is string
}

// cluster shows how the gateways stand that share the store.
func (q *request) cluster() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	c, err := s.Cluster(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	data := clusterPage{Cluster: c}
	for _, g := range c.Gateways {
		row := gatewayRow{ClusterGateway: g, Self: g.ID == c.Self}
		if ago := store.TTL - g.Until.Sub(c.Now); !g.Until.IsZero() {
			row.Heard = lasted(max(0, ago.Round(time.Second))) + " ago"
		}
		data.Gateways = append(data.Gateways, row)
	}
	for _, l := range c.Lanes {
		if l.Destination == store.Maintenance {
			continue // which is of no destination
		}
		row := laneRow{ClusterLane: l, Mark: mark{"ok", "delivered to"}}
		if l.Gateway == "" {
			row.Mark = mark{"wait", "nobody yet"}
		}
		if l.Shards > 1 {
			row.Part = fmt.Sprintf("%d of %d", l.Shard+1, l.Shards)
		}
		data.Lanes = append(data.Lanes, row)
	}
	if c.Vitals != nil {
		data.vitals(c.Vitals)
	}
	return q.show("cluster", "Gateways", data)
}

// vitals puts into words how the database is doing.
func (p *clusterPage) vitals(v *store.Vitals) {
	add := func(name, format string, args ...any) {
		p.Database = append(p.Database, databaseRow{name, fmt.Sprintf(format, args...)})
	}
	p.Warnings = v.Warnings
	add("Server", "%s, tables of version %d", v.Server, v.Schema)
	add("Connections", "%s of %s", count(v.Connections), count(v.MaxConnections))
	add("What waits", "%s, and %s that are not cleared away", plural(int(v.LiveRows), "row"), plural(int(v.DeadRows), "dead one"))
	switch {
	case v.OldestHolder == "":
		add("Oldest snapshot", "none is held")
	case v.OldestTransaction > 0:
		add("Oldest snapshot", "of %s, for %s and %s", v.OldestHolder, lasted(v.OldestTransaction), plural(int(v.XminAge), "transaction"))
	default:
		add("Oldest snapshot", "of %s, for %s", v.OldestHolder, plural(int(v.XminAge), "transaction"))
	}
	if v.LogEvents > 0 {
		add("Write-ahead log", "%s for an event with its deliveries", size(max(0, v.LogBytes/v.LogEvents)))
	}
	if v.Synchronous {
		add("Standby", "a call is acknowledged when a standby has it too")
	} else {
		add("Standby", "commits wait for none: what was acknowledged last is lost with this server")
	}
	for _, b := range v.Standbys {
		row := standbyRow{mark{"ok", "follows"}, b.Name, b.State, b.Sync, fmt.Sprintf("%s behind", size(b.LagBytes))}
		if b.State != "streaming" {
			row.Mark = mark{"wait", "catches up"}
		}
		if b.Lag > 0 {
			row.Is += ", " + took(float64(b.Lag)/float64(time.Millisecond))
		}
		p.Standbys = append(p.Standbys, row)
	}
}
