package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// pollEvery is how often it is looked at what others have changed, heldEvery how often at what they have stored, and
	// clockEvery at what time it is there.
	pollEvery  = time.Second
	heldEvery  = 2 * time.Second
	clockEvery = 30 * time.Second
	// careEvery is how often tables for the days to come are made, and counts of writers that are gone added up.
	careEvery = 10 * time.Minute
)

// runPoll looks now and then at what others have changed.
func (s *Store) runPoll() {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	var held, clock time.Time
	failing := false
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-t.C:
			ctx, cancel := context.WithTimeout(s.ctx, 2*connectTimeout)
			err := s.poll(ctx)
			if err == nil && now.Sub(held) >= heldEvery && s.tuning.bounded() {
				held = now
				err = s.loadHeld(ctx, s.pool)
			}
			if err == nil && now.Sub(clock) >= clockEvery {
				clock = now
				err = s.readClock(ctx, s.pool)
			}
			cancel()
			if err != nil && !failing && s.ctx.Err() == nil {
				s.o.Log("the store's database cannot be asked", public(err))
			} else if err == nil && failing {
				s.o.Log("the store's database answers again", nil)
				s.lanes.Stale(nil, 0)
			}
			failing = err != nil
		}
	}
}

func (s *Store) poll(ctx context.Context) error {
	if err := s.lookAtVersions(ctx, s.pool); err != nil {
		return err
	}
	return s.wake.look(ctx, nil)
}

// runCare does what has to be done now and then, and soon after the start.
func (s *Store) runCare() {
	for wait := time.Duration(0); ; wait = careEvery {
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := s.care(s.ctx); err != nil && s.ctx.Err() == nil {
			s.o.Log("keeping the store's tables", public(err))
		}
	}
}

func (s *Store) care(ctx context.Context) error {
	conn, err := s.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer drop(conn)
	if err := s.days.load(ctx, s, conn); err != nil {
		return err
	}
	today := dayOf(s.nowNanos())
	for d := today - 1; d <= today+int64(s.o.DaysAhead); d++ {
		if err := s.makeDay(ctx, conn, d); err != nil {
			return err
		}
	}
	return s.addUp(ctx, conn)
}

// addUp adds what writers have counted that are gone to the rows of number 0.
func (s *Store) addUp(ctx context.Context, conn *pgx.Conn) error {
	now := s.nowNanos()
	if _, err := conn.Exec(ctx, s.q("UPDATE {s}.writers SET until = $2 WHERE id = ANY ($1::bigint[]) AND until < $2"),
		append(s.counting(), s.signer), now+int64(writerLives)); err != nil {
		return err
	}
	mine, err := s.job(ctx, conn, "counts", time.Minute)
	if err != nil || !mine {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, query := range []string{
			"DELETE FROM {s}.writers WHERE until < $1::bigint",
			"DELETE FROM {s}.signs g WHERE $1::bigint > 0 AND NOT EXISTS (SELECT 1 FROM {s}.writers w WHERE w.id = g.writer)",
			`WITH d AS (DELETE FROM {s}.counts c WHERE c.writer <> 0 AND $1::bigint > 0 AND NOT EXISTS (SELECT 1 FROM {s}.writers w WHERE w.id = c.writer) RETURNING *)
				INSERT INTO {s}.counts AS c (writer, destination, tenant, pending, delivered, dead)
				SELECT 0, destination, tenant, sum(pending), sum(delivered), sum(dead) FROM d GROUP BY destination, tenant ORDER BY destination, tenant
				ON CONFLICT (writer, destination, tenant) DO UPDATE SET pending = c.pending + excluded.pending, delivered = c.delivered + excluded.delivered, dead = c.dead + excluded.dead`,
			`WITH d AS (DELETE FROM {s}.held c WHERE c.writer <> 0 AND $1::bigint > 0 AND NOT EXISTS (SELECT 1 FROM {s}.writers w WHERE w.id = c.writer) RETURNING *)
				INSERT INTO {s}.held AS h (writer, tenant, events, bytes, total)
				SELECT 0, tenant, sum(events), sum(bytes), sum(total) FROM d GROUP BY tenant ORDER BY tenant
				ON CONFLICT (writer, tenant) DO UPDATE SET events = h.events + excluded.events, bytes = h.bytes + excluded.bytes, total = h.total + excluded.total`,
			`WITH d AS (DELETE FROM {s}.counters c WHERE c.writer <> 0 AND $1::bigint > 0 AND NOT EXISTS (SELECT 1 FROM {s}.writers w WHERE w.id = c.writer) RETURNING *)
				INSERT INTO {s}.counters AS c (writer, name, value) SELECT 0, name, sum(value) FROM d GROUP BY name ORDER BY name
				ON CONFLICT (writer, name) DO UPDATE SET value = c.value + excluded.value`,
		} {
			if _, err := tx.Exec(ctx, s.q(query), now); err != nil {
				return err
			}
		}
		return nil
	})
}
