package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
)

// begin makes the store ready, or leaves somebody behind who does it as soon as the database can be reached. The error is one
// that a person has to mend.
func (s *Store) begin() error {
	first := make(chan error, 1)
	s.running.Go(func() {
		s.reach(func(err error) {
			select {
			case first <- err:
			default:
			}
		})
	})
	select {
	case err := <-first:
		if err == nil {
			return nil
		}
		if lasting(err) || isSealError(err) || errors.Is(err, store.ErrAuditDamaged) {
			s.stop()
			s.running.Wait()
			return openError(err)
		}
		s.o.Log("the store's database cannot be used yet; it is tried again, and meanwhile nothing is accepted", openError(err))
	case <-time.After(openPatience):
		s.o.Log("the store's database has not answered yet; meanwhile nothing is accepted", store.ErrUnavailable)
	}
	return nil
}

// reach prepares the store, again and again until it works, and tells what came of each try.
func (s *Store) reach(tell func(error)) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := s.prepare(s.ctx)
		if err == nil {
			s.open.Store(true)
			s.reached.Store(true)
			s.start()
			if err := s.logVitals(s.ctx, new(store.Vitals)); err != nil {
				s.o.Log("the database does not say what its log takes", public(err))
			}
			tell(nil)
			return
		}
		why := openError(err)
		s.notOpen.Store(&why)
		tell(err)
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)): // not all gateways at once
		}
	}
}

// start has everything run that an open store does by itself.
func (s *Store) start() {
	s.running.Go(s.runAccepts)
	s.running.Go(s.runChanges)
	s.running.Go(s.runPoll)
	s.running.Go(s.wake.listen)
	s.running.Go(s.wake.tell)
	s.running.Go(s.runCare)
}

// prepare looks at the server, brings the tables up to date and loads what is held in memory.
func (s *Store) prepare(ctx context.Context) error {
	conn, err := s.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var version string
	if err := conn.QueryRow(ctx, "SHOW server_version_num").Scan(&version); err != nil {
		return err
	}
	if n, err := strconv.Atoi(version); err != nil || n < 140000 {
		return fmt.Errorf("%w (it says %s)", ErrOld, version)
	}
	if err := s.migrate(ctx, conn); err != nil {
		return err
	}
	if err := s.grant(ctx, conn); err != nil {
		return err
	}
	var half bool
	if err := conn.QueryRow(ctx, s.q("SELECT EXISTS (SELECT 1 FROM {s}.moved WHERE NOT done)")).Scan(&half); err != nil {
		return err
	}
	if half && !s.o.importing {
		return ErrHalfMoved
	}
	if err := s.readClock(ctx, conn); err != nil {
		return err
	}
	if err := s.days.load(ctx, s, conn); err != nil {
		return err
	}
	today := dayOf(s.nowNanos())
	for d := today - 1; d <= today+1; d++ {
		if err := s.makeDay(ctx, conn, d); err != nil {
			return err
		}
	}
	if err := s.lookAtVersions(ctx, conn); err != nil {
		return err
	}
	return s.load(ctx, conn)
}

// load reads what is held in memory.
func (s *Store) load(ctx context.Context, conn *pgx.Conn) error {
	if err := s.loadNames(ctx, conn, 0); err != nil {
		return err
	}
	for _, w := range []*writer{s.acceptor, s.recorder} {
		id, err := w.register(ctx, conn)
		if err != nil {
			return err
		}
		w.count(id)
	}
	s.signer = s.recorder.id.Load()
	if err := s.wake.begin(ctx, conn); err != nil {
		return err
	}
	if err := s.loadPaused(ctx, conn); err != nil {
		return err
	}
	if err := s.loadHeld(ctx, conn); err != nil {
		return err
	}
	var keeps bool
	if err := conn.QueryRow(ctx, s.q("SELECT EXISTS (SELECT 1 FROM {s}.progress)")).Scan(&keeps); err != nil {
		return err
	}
	s.keeps.Store(keeps)
	if err := s.checkRing(ctx, conn); err != nil {
		return err
	}
	return s.loadDataKeys(ctx, conn)
}

// readClock finds out what the database's clock is ahead of this machine's.
func (s *Store) readClock(ctx context.Context, conn querier) error {
	before := time.Now()
	var there int64
	if err := conn.QueryRow(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&there); err != nil {
		return err
	}
	took := time.Since(before)
	offset := time.UnixMicro(there).Sub(before.Add(took / 2))
	last := time.Duration(s.clock.offset.Swap(int64(offset)))
	if d := max(offset, -offset); d > tellSkew && max(last, -last) <= tellSkew {
		s.o.Log("the clocks of this machine and the database's differ", fmt.Errorf("by %s: have both follow a time server. What is due and for how long leases last goes by the database's", offset.Round(time.Millisecond)))
	}
	return nil
}

// tellSkew is how far clocks may differ without a word.
const tellSkew = 2 * time.Second

// openError gives an error of opening the meaning it has for an operator.
func openError(err error) error {
	if text := securing(err); text != "" {
		return fmt.Errorf("%s: %w", text, err)
	}
	switch code(err) {
	case "28P01", "28000":
		return fmt.Errorf("the database refuses the user or the password: %w", err)
	case "3D000":
		return fmt.Errorf("there is no such database: make one with CREATE DATABASE: %w", err)
	case "42501":
		return fmt.Errorf("%w (%w)", ErrRights, err)
	case "25006":
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case "53300":
		return fmt.Errorf("the database has too many connections: raise max_connections, or give each gateway fewer: %w", err)
	case "53100":
		return fmt.Errorf("%w: make room on the database's disk (%w)", store.ErrFull, err)
	}
	return err
}

// loadPaused reads which destinations are paused.
func (s *Store) loadPaused(ctx context.Context, conn querier) error {
	rows, err := conn.Query(ctx, s.q("SELECT destination, reason FROM {s}.paused"))
	if err != nil {
		return err
	}
	paused := map[string]string{}
	var destination, reason string
	if _, err := pgx.ForEachRow(rows, []any{&destination, &reason}, func() error {
		paused[untext(destination)] = untext(reason)
		return nil
	}); err != nil {
		return err
	}
	s.lanes.SetAllPaused(paused)
	return nil
}

// lane finds the lane that is all of a destination.
func (s *Store) lane(destination string) *lanes.Lane { return s.lanes.Lane(destination) }
