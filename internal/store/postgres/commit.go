package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/jackc/pgx/v5"
)

type acceptRequest = group.Request[*accepting]

// runAccepts is the writer that accepts.
func (s *Store) runAccepts() {
	defer s.accepts.End()
	var taken []*acceptRequest
	carry := func() {
		if taken = group.Take(taken); len(taken) > 0 {
			started := time.Now()
			s.acceptBatch(taken, started.Add(s.o.Patience))
			if s.o.Committed != nil {
				s.o.Committed(len(taken), time.Since(started))
			}
			s.acceptor.renew()
		}
		clear(taken[:cap(taken)]) // without this the bodies of the largest batch would stay in memory
	}
	for {
		taken = taken[:0]
		select {
		case r := <-s.accepts.Requests:
			taken = s.accepts.Gather(append(taken, r))
			carry()
		case <-s.accepts.Closing:
			for {
				if taken = s.accepts.Gather(taken[:0]); len(taken) == 0 {
					return
				}
				carry()
			}
		}
	}
}

// acceptBatch carries requests out and answers them.
func (s *Store) acceptBatch(rs []*acceptRequest, until time.Time) {
	group.Fail(rs, nil)
	s.acceptSome(s.withRoom(rs, until), until)
	for _, r := range rs {
		r.Answer()
	}
}

// acceptSome carries requests out, until all are answered or the time is over. If one of them is at fault the others get
// another try without it.
func (s *Store) acceptSome(rs []*acceptRequest, until time.Time) {
	if len(rs) == 0 {
		return
	}
	w := s.acceptor
	wait := 10 * time.Millisecond
	maybe := false // something was sent of which nobody knows how it ended
	for {
		err := w.ensure(until)
		if err == nil {
			err = w.run(func(ctx context.Context, conn *pgx.Conn) error { return s.acceptOnce(ctx, conn, rs) })
		}
		why := judge(err)
		switch {
		case why == committed:
			return
		case why == atFault && len(rs) > 1:
			half := len(rs) / 2
			s.acceptSome(rs[:half], until)
			s.acceptSome(rs[half:], until)
			return
		case idTaken(err):
			group.Fail(rs, errSameID)
			return
		case why == atFault:
			group.Fail(rs, public(err))
			return
		case missingDay(err):
			s.makeDays(rs)
		case placeTaken(err):
			s.audit.forget()
		case why == unknown:
			maybe = true
			s.audit.forget()
		case why == refused && !spent(err):
			group.Fail(rs, s.giveUp(err, maybe))
			return
		}
		if time.Now().Add(wait).After(until) || s.ctx.Err() != nil || everybodyLeft(rs) {
			group.Fail(rs, s.giveUp(err, maybe))
			return
		}
		time.Sleep(wait)
		wait = min(2*wait, 500*time.Millisecond)
	}
}

func everybodyLeft(rs []*acceptRequest) bool {
	for _, r := range rs {
		if !r.Left() {
			return false
		}
	}
	return true
}

// giveUp is the error of requests that could not be carried out in time.
func (s *Store) giveUp(err error, maybe bool) error {
	if maybe {
		return unconfirmed(err)
	}
	if err = public(err); judge(err) == unknown {
		return unconfirmed(err)
	}
	return err
}

// makeDays makes the tables of days that are missing, which are made ahead otherwise.
func (s *Store) makeDays(rs []*acceptRequest) {
	err := s.acceptor.run(func(ctx context.Context, conn *pgx.Conn) error {
		if err := s.days.load(ctx, s, conn); err != nil {
			return err
		}
		today := dayOf(s.nowNanos())
		need := map[int64]bool{today - 1: true, today: true}
		for _, r := range rs {
			for _, e := range r.Do.events {
				need[e.day] = true
			}
		}
		for d := range need {
			if err := s.makeDay(ctx, conn, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.o.Log("making tables for new days", public(err))
	}
}

// acceptOnce carries requests out in one transaction. It can be repeated.
func (s *Store) acceptOnce(ctx context.Context, conn *pgx.Conn, rs []*acceptRequest) error {
	b := newAcceptBatch(s, rs)
	if err := b.clash(); err != nil {
		return err
	}
	if err := s.addNames(ctx, conn, b.nameList...); err != nil {
		return err
	}
	if err := b.number(); err != nil {
		return err
	}
	if err := s.addPairs(ctx, conn, b.pairs); err != nil {
		return err
	}
	audited := s.audit.on.Load()
	if !audited {
		if err := b.accept(ctx, conn); err != nil {
			return err
		}
		if s.acceptor.warned.Load() {
			return errWarned
		}
		b.committed()
		return nil
	}
	return b.audited(ctx, conn)
}

// holdKeys has the data keys of the batch stand until its transaction ends; it fails with errKeyLost if one does not any more.
func (b *acceptBatch) holdKeys(send *pgx.Batch) {
	send.Queue(shareKeysSQL, b.s.keysLock())
	send.Queue(b.s.q(standSQL), b.dataKeys)
}

// accept carries the batch out, in one transaction and with one question to the server.
func (b *acceptBatch) accept(ctx context.Context, conn *pgx.Conn) error {
	if len(b.dataKeys) == 0 {
		rows, err := b.s.acceptor.query(ctx, conn, b.statement(), b.args)
		if err != nil {
			return err
		}
		return b.read(rows)
	}
	send := &pgx.Batch{}
	b.holdKeys(send)
	before := send.Len()
	send.Queue(b.statement(), b.args...)
	return b.results(conn.SendBatch(ctx, send), before)
}

// results reads what became of the statement of accepting, which comes after others.
func (b *acceptBatch) results(results pgx.BatchResults, before int) error {
	var err error
	for range before {
		if _, err = results.Exec(); err != nil {
			break
		}
	}
	if err == nil {
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			err = b.read(rows)
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}

// audited carries the batch out with its leaves in the audit log. Both writers append to it, so that each waits until the
// other one's transaction has ended.
func (b *acceptBatch) audited(ctx context.Context, conn *pgx.Conn) (err error) {
	send := &pgx.Batch{}
	send.Queue("BEGIN")
	if len(b.dataKeys) > 0 {
		// Before the log is held: whoever destroys keys waits for it while no other can write with them.
		b.holdKeys(send)
		if err := conn.SendBatch(ctx, send).Close(); err != nil {
			rollback(ctx, conn)
			return err
		}
		send = &pgx.Batch{}
	}
	log := &b.s.audit
	log.mu.Lock()
	defer log.mu.Unlock()
	if err := log.know(ctx, b.s, conn); err != nil {
		rollback(ctx, conn)
		return err
	}
	before := send.Len()
	b.kind.audited = true
	send.Queue(b.statement(), append(b.args, b.besideIDs, b.besides)...)
	if err := b.results(conn.SendBatch(ctx, send), before); err != nil {
		rollback(ctx, conn)
		return err
	}
	send = &pgx.Batch{}
	appended, err := log.queue(send, b.leaves(), b.now, b.s.q)
	if err != nil {
		rollback(ctx, conn)
		return err
	}
	send.Queue("COMMIT")
	if err := sendAll(ctx, conn, send); err != nil {
		return err
	}
	if b.s.acceptor.warned.Load() {
		return errWarned
	}
	log.appended(appended)
	b.committed()
	return nil
}

// rollback ends a transaction, if the connection still works.
func rollback(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() {
		return
	}
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		drop(conn)
	}
}

// sendAll sends statements of which the last one is COMMIT, and ends the transaction if one of them fails.
func sendAll(ctx context.Context, conn *pgx.Conn, send *pgx.Batch) error {
	results := conn.SendBatch(ctx, send)
	for i := range send.Len() {
		tag, err := results.Exec()
		if err == nil && i == send.Len()-1 && tag.String() != "COMMIT" {
			err = fmt.Errorf("%w: the transaction was rolled back (%s)", store.ErrUnavailable, tag)
		}
		if err != nil {
			_ = results.Close() // says the same
			rollback(ctx, conn)
			return err
		}
	}
	return results.Close()
}
