package sqlite

import (
	"context"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// mostCounted is how many of the newest are counted where it would take too long to count all.
const mostCounted = 20_000

// Groups is store.Store's.
func (s *Store) Groups(ctx context.Context, f store.Filter, limit int) (groups []store.Group, partial bool, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, false, err
	}
	c, err := s.conditions(ctx, &f)
	if err != nil || c.nothing() {
		return nil, false, public(err)
	}
	from, w := c.join(), c.deliveries()
	if c.few && len(c.event.terms) == 0 {
		from, w = "deliveries d "+c.index, c.hinted()
	}
	order, most := "d.event DESC, d.n DESC", mostCounted
	switch {
	case c.few: // all of them are counted, in any order
		order, most = "NULL", mostFew
	case c.inEvents:
		order = "e.seq DESC, d.n DESC"
	}
	ctx, end := s.search(ctx)
	defer end()
	rows, err := s.reader.QueryContext(ctx, `SELECT g.state, g.destination, g.reason, g.n, (SELECT received_at FROM events WHERE seq = g.first),
		(SELECT received_at FROM events WHERE seq = g.last), sum(g.n) OVER ()
		FROM (SELECT state, destination, reason, count(*) AS n, min(event) AS first, max(event) AS last
			FROM (SELECT d.state, d.destination, d.reason, d.event FROM `+from+" WHERE "+w.String()+" ORDER BY "+order+` LIMIT ?)
			GROUP BY state, destination, reason) g
		ORDER BY g.n DESC, g.destination, g.reason LIMIT ?`, append(w.args, most+1, limit)...)
	if err != nil {
		return nil, false, searched(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var g store.Group
		var state, destination, counted int64
		var oldest, newest *int64 // NULL if an event was erased in between
		if err := rows.Scan(&state, &destination, &g.Reason, &g.Deliveries, &oldest, &newest, &counted); err != nil {
			return nil, false, searched(ctx, err)
		}
		g.State, g.Destination = lanes.States[state], s.names.Name(destination)
		if oldest != nil && newest != nil {
			g.Oldest, g.Newest = fromNanos(*oldest), fromNanos(*newest)
		}
		partial = counted > int64(most)
		groups = append(groups, g)
	}
	store.SortGroups(groups)
	return groups, partial, searched(ctx, rows.Err())
}
