package postgres

import (
	"context"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// mostGrouped is how many of the newest deliveries are counted at most.
const mostGrouped = 100_000

// Groups is store.Store's.
func (s *Store) Groups(ctx context.Context, f store.Filter, limit int) (groups []store.Group, partial bool, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, false, err
	}
	c, err := s.conditions(ctx, &f)
	if err != nil || c.nothing {
		return nil, false, public(err)
	}
	end, err := s.search(ctx)
	if err != nil {
		return nil, false, public(err)
	}
	defer end()
	rows, err := s.pool.Query(ctx, s.q(`SELECT g.state, g.destination, g.reason, count(*), min(g.received_at), max(g.received_at), (sum(count(*)) OVER ())::bigint
		FROM (SELECT d.state, d.destination, d.reason, e.received_at`+c.joined()+" ORDER BY d.event DESC, d.n DESC LIMIT "+c.arg(mostGrouped+1)+`) g
		GROUP BY g.state, g.destination, g.reason ORDER BY count(*) DESC, g.destination, g.reason LIMIT `+c.arg(limit)), c.args...)
	if err != nil {
		return nil, false, public(err)
	}
	defer rows.Close()
	type found struct {
		store.Group
		destination int64
	}
	var all []found
	for rows.Next() {
		var g found
		var state, oldest, newest, counted int64
		var reason string
		if err := rows.Scan(&state, &g.destination, &reason, &g.Deliveries, &oldest, &newest, &counted); err != nil {
			return nil, false, public(err)
		}
		g.State, g.Reason, g.Oldest, g.Newest = lanes.States[state], untext(reason), fromNanos(oldest), fromNanos(newest)
		partial = counted > mostGrouped
		all = append(all, g)
	}
	if err := rows.Err(); err != nil {
		return nil, false, public(err)
	}
	for _, g := range all {
		if g.Destination, err = s.name(ctx, g.destination); err != nil {
			return nil, false, public(err)
		}
		groups = append(groups, g.Group)
	}
	store.SortGroups(groups)
	return groups, partial, nil
}
