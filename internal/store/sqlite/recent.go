package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// RecentAttempts is store.Store's. A place is the row's number, so that no index is needed.
func (s *Store) RecentAttempts(ctx context.Context, before int64, limit int) (list []store.AttemptInfo, next int64, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, 0, err
	}
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT a.id, d.destination, d.tenant, a.number, a.at, a.took, a.status, a.reason, coalesce(a.warnings, ''), a.state
		FROM attempts a CROSS JOIN deliveries d ON d.event = a.event AND d.n = a.n WHERE a.id < ? ORDER BY a.id DESC LIMIT ?`, before, limit)
	if err != nil {
		return nil, 0, public(err)
	}
	defer rows.Close()
	var id, destination, tenant, at, took, state int64
	var warnings string
	for rows.Next() {
		var a store.AttemptInfo
		if err := rows.Scan(&id, &destination, &tenant, &a.Number, &at, &took, &a.Status, &a.Reason, &warnings, &state); err != nil {
			return nil, 0, public(err)
		}
		if warnings != "" {
			if err := json.Unmarshal([]byte(warnings), &a.Warnings); err != nil {
				return nil, 0, fmt.Errorf("%w (the warnings of an attempt)", ErrCorrupt)
			}
		}
		a.Destination, a.Tenant, a.State = s.names.Name(destination), s.names.Name(tenant), lanes.States[state]
		a.At, a.Took = fromNanos(at), time.Duration(took)
		list = append(list, a)
	}
	if len(list) == limit {
		next = id
	}
	return list, next, public(rows.Err())
}
