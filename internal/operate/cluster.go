package operate

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Cluster is which gateways share the store, and which of them delivers to which destination.
type Cluster struct {
	// Shared tells that several gateways can share the store. Otherwise all that follows is empty but Vitals.
	Shared bool `json:"shared"`
	// Self is the id of the gateway that answers; empty while the others do not know of it. Now is the store's clock, and
	// ClockAhead how far that of this gateway's machine is ahead of it, in seconds; negative when it is behind.
	Self       string    `json:"self,omitempty"`
	Now        time.Time `json:"now,omitzero"`
	ClockAhead float64   `json:"clock_ahead_seconds"`

	Gateways []ClusterGateway `json:"gateways"`
	Lanes    []ClusterLane    `json:"lanes"`
	// Vitals is how the database is doing, if the store can tell.
	Vitals *store.Vitals `json:"vitals,omitempty"`
}

// ClusterGateway is a gateway that is there.
type ClusterGateway struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"`
	Started time.Time `json:"started,omitzero"`
	// Since is when it registered, and Until how long it is believed to be there if it is not heard of again.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Destinations counts those that its configuration has, and Lanes those lanes that it holds.
	Destinations int `json:"destinations"`
	Lanes        int `json:"lanes"`
}

// ClusterLane is a destination, or a shard of one, and who delivers to it.
type ClusterLane struct {
	store.LaneInfo
	// Holder is the name of the gateway's machine; empty when nobody delivers there.
	Holder string `json:"holder,omitempty"`
	// Pending is how many deliveries wait for the destination, all shards together, and OldestPending since when the first
	// of them does.
	Pending       int64     `json:"pending"`
	OldestPending time.Time `json:"oldest_pending,omitzero"`
}

// Cluster tells which gateways share the store, who holds which lanes, and how the database is doing.
func (s *Service) Cluster(ctx context.Context, a Actor) (*Cluster, error) {
	r := Record{Operation: "Cluster"}
	if _, err := s.permitDelivering(ctx, a, r); err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	c := &Cluster{Gateways: []ClusterGateway{}, Lanes: []ClusterLane{}}
	if v, ok := s.o.Store.(store.Vital); ok {
		vitals, err := v.Vitals(ctx)
		if err != nil {
			return nil, stored(err)
		}
		c.Vitals = &vitals
	}
	all, shared, err := s.o.Engine.Cluster(ctx)
	if err != nil {
		return nil, stored(err)
	}
	if c.Shared = shared; !shared {
		return c, nil
	}
	sum, err := s.o.Store.Stats(ctx)
	if err != nil {
		return nil, stored(err)
	}
	c.Self, c.Now, c.ClockAhead = all.Self, all.Now, -s.o.Engine.Skew().Seconds()
	held, names := map[string]int{}, map[string]string{}
	for _, l := range all.Lanes {
		held[l.Gateway]++
	}
	for _, g := range all.Gateways {
		names[g.ID] = g.Name
		n := len(g.Serves)
		for _, d := range g.Serves {
			if d.Destination == store.Maintenance {
				n--
			}
		}
		c.Gateways = append(c.Gateways, ClusterGateway{ID: g.ID, Name: g.Name, Version: g.Version, Started: g.Started, Since: g.Since, Until: g.Until,
			Destinations: n, Lanes: held[g.ID]})
	}
	queues := map[string]*store.DestinationStats{}
	for i := range sum.Destinations {
		queues[sum.Destinations[i].Destination] = &sum.Destinations[i]
	}
	for _, l := range all.Lanes {
		lane := ClusterLane{LaneInfo: l, Holder: names[l.Gateway]}
		if q := queues[l.Destination]; q != nil {
			lane.Pending, lane.OldestPending = q.Pending, q.OldestPending
		}
		c.Lanes = append(c.Lanes, lane)
	}
	return c, nil
}
