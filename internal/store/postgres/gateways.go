package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/store"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

var _ store.Shared = (*Store)(nil)

// clockSQL is what time it is: the database's word, unless a test has a clock of its own, which is an argument.
const clockSQL = "coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000)"

// fixed is the time of a test's clock; nil if the database's counts.
func (s *Store) fixed() *int64 {
	if s.clock.fixed == nil {
		return nil
	}
	n := s.clock.fixed().UnixNano()
	return &n
}

// transaction has f carried out in a transaction of a connection for reading. The clock is given to f. Unless it is to last, the
// commit waits for no standby: who is there is said again every few seconds, and with a standby that hangs everybody would
// count as gone.
func (s *Store) transaction(ctx context.Context, last bool, f func(ctx context.Context, tx pgx.Tx, now int64) error) error {
	return s.read(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var now int64
			var sync *string
			if err := tx.QueryRow(ctx, "SELECT "+clockSQL+", CASE WHEN NOT $2::boolean THEN set_config('synchronous_commit', 'off', true) END", s.fixed(), last).Scan(&now, &sync); err != nil {
				return err
			}
			return f(ctx, tx, now)
		})
	})
}

// me is this gateway's id; empty if it is not registered.
func (s *Store) me() string {
	s.mine.mu.Lock()
	defer s.mine.mu.Unlock()
	return s.mine.id
}

// Heartbeat is store.Shared's.
func (s *Store) Heartbeat(ctx context.Context, p store.Presence) (m store.Meeting, err error) {
	if err := s.enter(ctx); err != nil {
		return m, err
	}
	if p.TTL <= 0 {
		return m, errors.New("a heartbeat has to last for a while")
	}
	var serves *string
	if p.Serves != nil {
		data, err := json.Marshal(p.Serves)
		if err != nil {
			return m, err
		}
		t := text(string(data))
		serves = &t
	}
	self := s.me()
	came := false
	err = s.transaction(ctx, false, func(ctx context.Context, tx pgx.Tx, now int64) error {
		m = store.Meeting{Self: self, Now: fromNanos(now)}
		came = false
		tag, err := tx.Exec(ctx, s.q("UPDATE {s}.gateways SET name = $3, version = $4, until = $5, serves = coalesce($6::jsonb, serves) WHERE id = $1 AND until > $2"),
			self, now, text(p.Name), text(p.Version), now+int64(p.TTL), serves)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			came = true
			m.Self = ulid.Make().String()
			if _, err := tx.Exec(ctx, s.q(`INSERT INTO {s}.gateways (id, name, version, started, since, until, serves, knows) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)`),
				m.Self, text(p.Name), text(p.Version), nanos(p.Started), now, now+int64(p.TTL), serves, s.knows); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, s.q("UPDATE {s}.lanes SET owner = NULL WHERE owner = $1"), self); err != nil {
				return err
			}
			// What is long gone nobody asks for.
			if _, err := tx.Exec(ctx, s.q("DELETE FROM {s}.gateways WHERE until < $1"), now-forgotten*int64(p.TTL)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, s.q(signSQL), s.signer, "lanes"); err != nil {
				return err
			}
		}
		m.Gateways, err = s.gateways(ctx, tx, now)
		for _, g := range m.Gateways {
			if g.ID == m.Self {
				m.Unknown = g.Serves == nil
			}
		}
		return err
	})
	if err != nil {
		return store.Meeting{}, err
	}
	if came {
		s.mine.become(s, m.Self)
		s.wake.sign("lanes")
	}
	return m, nil
}

// forgotten is after how many times its TTL a gateway that was not heard of is taken off the list.
const forgotten = 20

// gateways lists those that are there.
func (s *Store) gateways(ctx context.Context, conn querier, now int64) ([]store.Gateway, error) {
	rows, err := conn.Query(ctx, s.q(`SELECT id, name, version, started, since, until, serves::text FROM {s}.gateways WHERE until > $1 ORDER BY id COLLATE "C"`), now)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (g store.Gateway, err error) {
		var started, since, until int64
		var serves *string
		if err := r.Scan(&g.ID, &g.Name, &g.Version, &started, &since, &until, &serves); err != nil {
			return g, err
		}
		g.Name, g.Version = untext(g.Name), untext(g.Version)
		g.Started, g.Since, g.Until = fromNanos(started), fromNanos(since), fromNanos(until)
		if serves != nil {
			g.Serves = []store.Served{}
			err = json.Unmarshal([]byte(untext(*serves)), &g.Serves)
		}
		return g, err
	})
}

// Leave is store.Shared's.
func (s *Store) Leave(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	self := s.me()
	if self == "" {
		return nil
	}
	err := s.transaction(ctx, false, func(ctx context.Context, tx pgx.Tx, _ int64) error {
		if _, err := tx.Exec(ctx, s.q("DELETE FROM {s}.gateways WHERE id = $1"), self); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, s.q("UPDATE {s}.lanes SET owner = NULL WHERE owner = $1"), self); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, s.q(signSQL), s.signer, "lanes")
		return err
	})
	if err != nil {
		return err
	}
	s.mine.become(s, "")
	s.wake.sign("lanes")
	return nil
}

// Cluster is store.Shared's.
func (s *Store) Cluster(ctx context.Context) (c store.Cluster, err error) {
	if err := s.enter(ctx); err != nil {
		return c, err
	}
	err = s.transaction(ctx, false, func(ctx context.Context, tx pgx.Tx, now int64) error {
		c = store.Cluster{Self: s.me(), Now: fromNanos(now)}
		if c.Gateways, err = s.gateways(ctx, tx, now); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, s.q(`SELECT l.destination, l.shard, l.shards, l.epoch, l.since, coalesce(g.id, '') FROM {s}.lanes l
			LEFT JOIN {s}.gateways g ON g.id = l.owner AND g.until > $1 ORDER BY l.destination COLLATE "C", l.shards, l.shard`), now)
		if err != nil {
			return err
		}
		c.Lanes, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (l store.LaneInfo, err error) {
			var since int64
			err = r.Scan(&l.Destination, &l.Shard, &l.Shards, &l.Epoch, &since, &l.Gateway)
			l.Destination, l.Since = untext(l.Destination), fromNanos(since)
			return l, err
		})
		return err
	})
	return c, err
}

// checkLane tells whether there can be such a lane.
func checkLane(l store.Lane) error {
	if l.Shards < 1 || l.Shards > store.MaxShards || l.Shard < 0 || l.Shard >= l.Shards {
		return fmt.Errorf("there is no shard %d of %d", l.Shard, l.Shards)
	}
	return nil
}
