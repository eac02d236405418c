package operate

import (
	"context"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/store"
)

// maxGroups is how many groups facets have at most.
const maxGroups = 100

// Facets are what a filter matches, counted by what a page can be narrowed by.
type Facets struct {
	// States counts deliveries by state, and Destinations by destination and state, both by name.
	States       map[store.State]int64 `json:"states"`
	Destinations []DestinationCount    `json:"destinations"`
	// Groups are deliveries that wait or are dead by destination and reason, the largest group first.
	Groups []store.Group `json:"groups"`
	// Partial tells that only the newest deliveries are counted, since there are more than can be in a moment.
	Partial bool `json:"partial,omitempty"`
}

// DestinationCount counts the deliveries to a destination.
type DestinationCount struct {
	Destination string `json:"destination"`
	Pending     int64  `json:"pending"`
	Delivered   int64  `json:"delivered"`
	Dead        int64  `json:"dead"`
}

// Facets counts the deliveries that a filter matches by state, destination and reason.
func (s *Service) Facets(ctx context.Context, a Actor, f Filter) (*Facets, error) {
	r := f.record("Facets")
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	filters, err := s.compile(ctx, sc, &f)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	out := &Facets{States: map[store.State]int64{}, Destinations: []DestinationCount{}, Groups: []store.Group{}}
	simple := Filter{Destination: f.Destination, Tenant: f.Tenant, State: f.State} == f
	if simple { // which is known without counting
		counts, err := s.o.Store.Counts(ctx, filters[0].Tenants)
		if err != nil {
			return nil, stored(err)
		}
		for _, c := range counts {
			if (f.Destination == "" || f.Destination == c.Destination) && (f.Tenant == "" || f.Tenant == c.Tenant) {
				out.add(c.Destination, f.State, c.Pending, c.Delivered, c.Dead)
			}
		}
		filters = notDelivered(filters[0])
	}
	for _, f := range filters {
		groups, partial, err := s.o.Store.Groups(ctx, f, maxGroups)
		if err != nil {
			return nil, stored(err)
		}
		out.Partial = out.Partial || partial
		for _, g := range groups {
			if !simple {
				n := map[store.State]int64{g.State: g.Deliveries}
				out.add(g.Destination, "", n[store.Pending], n[store.Delivered], n[store.Dead])
			}
			if g.State != store.Delivered {
				out.Groups = append(out.Groups, g)
			}
		}
	}
	store.SortGroups(out.Groups)
	out.Groups = out.Groups[:min(len(out.Groups), maxGroups)]
	slices.SortFunc(out.Destinations, func(a, b DestinationCount) int { return strings.Compare(a.Destination, b.Destination) })
	return out, nil
}

// notDelivered are the filters of what waits and of what is dead, as far as a filter matches it.
func notDelivered(f store.Filter) (list []store.Filter) {
	for _, state := range []store.State{store.Dead, store.Pending} {
		if f.State == "" || f.State == state {
			g := f
			g.State = state
			list = append(list, g)
		}
	}
	return list
}

// add adds deliveries to a destination: those in a state, unless that is empty.
func (f *Facets) add(destination, state string, pending, delivered, dead int64) {
	of := func(s store.State, n int64) int64 {
		if state != "" && state != string(s) {
			return 0
		}
		f.States[s] += n
		return n
	}
	c := DestinationCount{destination, of(store.Pending, pending), of(store.Delivered, delivered), of(store.Dead, dead)}
	if c.Pending+c.Delivered+c.Dead == 0 {
		return
	}
	i := slices.IndexFunc(f.Destinations, func(d DestinationCount) bool { return d.Destination == destination })
	if i < 0 {
		f.Destinations = append(f.Destinations, c)
		return
	}
	d := &f.Destinations[i]
	d.Pending, d.Delivered, d.Dead = d.Pending+c.Pending, d.Delivered+c.Delivered, d.Dead+c.Dead
}
