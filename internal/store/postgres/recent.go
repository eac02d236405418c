package postgres

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
)

// RecentAttempts is store.Store's. A place is an attempt's number, which gateways take from one sequence.
func (s *Store) RecentAttempts(ctx context.Context, before int64, limit int) (list []store.AttemptInfo, next int64, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, 0, err
	}
	if before == 0 {
		before = math.MaxInt64
	}
	type found struct {
		store.AttemptInfo
		id, destination, tenant, at, took, state int64
		warnings                                 string
	}
	rows, err := s.pool.Query(ctx, s.q(`SELECT a.id, d.destination, d.tenant, a.number, a.at, a.took, a.status, a.reason, coalesce(a.warnings, ''), a.state
		FROM {s}.attempts a CROSS JOIN LATERAL (SELECT l.destination, l.tenant FROM {s}.live l WHERE l.event = a.event AND l.n = a.n
			UNION ALL SELECT r.destination, r.tenant FROM {s}.settled r WHERE r.event = a.event AND r.n = a.n AND r.day = a.day LIMIT 1) d
		WHERE a.id < $1 ORDER BY a.id DESC LIMIT $2`), before, limit)
	if err != nil {
		return nil, 0, public(err)
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (f found, err error) {
		err = r.Scan(&f.id, &f.destination, &f.tenant, &f.Number, &f.at, &f.took, &f.Status, &f.Reason, &f.warnings, &f.state)
		return f, err
	})
	if err != nil {
		return nil, 0, public(err)
	}
	for _, f := range all {
		if f.warnings != "" && json.Unmarshal([]byte(untext(f.warnings)), &f.Warnings) != nil {
			return nil, 0, errRecord
		}
		if f.Destination, err = s.name(ctx, f.destination); err == nil {
			f.Tenant, err = s.name(ctx, f.tenant)
		}
		if err != nil {
			return nil, 0, public(err)
		}
		f.Reason, f.At, f.Took, f.State = untext(f.Reason), fromNanos(f.at), time.Duration(f.took), lanes.States[f.state]
		f.Place = f.id
		list = append(list, f.AttemptInfo)
		next = f.id
	}
	if len(all) < limit {
		next = 0
	}
	return list, next, nil
}
