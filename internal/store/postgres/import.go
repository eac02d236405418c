package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/jackc/pgx/v5"
)

// Import is a store into which another one is carried over. See store.Importer.
type Import struct {
	s    *Store
	conn *pgx.Conn
	log  int32 // the audit log that the other one's becomes
}

var _ store.Importer = (*Import)(nil)

// ErrOccupied means that there is something in the tables that does not come from the store that is to be carried over.
var ErrOccupied = errors.New("the database's schema has something in it that does not come from this store as it is now: name another schema, or drop this one (DROP SCHEMA … CASCADE) if nothing in it is needed")

// OpenImport opens or makes the store into which another one is to be carried over. Unlike Open it does not wait for a database
// that is away. The audit log of the other store becomes that of Options.Gateway.
func OpenImport(o Options) (*Import, error) {
	o.importing = true
	s, err := Open(o)
	if err != nil {
		return nil, err
	}
	i := &Import{s: s}
	if err = s.enter(s.ctx); err == nil {
		i.conn, err = s.dial(s.ctx, nil)
	}
	if err != nil {
		return nil, errors.Join(public(err), s.Close())
	}
	return i, nil
}

// Close closes the store.
func (i *Import) Close() error {
	drop(i.conn)
	return i.s.Close()
}

// CheckVacant tells whether another store could be carried over, without making anything: there is a database, and in the
// schema nothing but what was carried over from an origin before.
func CheckVacant(ctx context.Context, o Options, origin string) error {
	s, err := newStore(o)
	if err != nil {
		return err
	}
	defer s.stop()
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	conn, err := s.dial(ctx, nil)
	if err != nil {
		return openError(err)
	}
	defer drop(conn)
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.schema+".moved").Scan(&there); err != nil || !there {
		return openError(err)
	}
	_, _, err = s.vacant(ctx, conn, origin)
	return err
}

// vacant finds how far an origin was carried over before; place is nil if nothing was, and there is nothing else.
func (s *Store) vacant(ctx context.Context, conn querier, origin string) (place *string, done bool, err error) {
	var from string
	err = conn.QueryRow(ctx, s.q("SELECT origin, place, done FROM {s}.moved")).Scan(&from, &place, &done)
	switch {
	case err == nil && from != origin:
		return nil, false, ErrOccupied
	case err == nil || !errors.Is(err, pgx.ErrNoRows):
		return place, done, err
	}
	for _, table := range []string{"events", "keys", "documents", "paused", "notes", "progress", "audit_logs", "data_keys"} {
		var there, occupied bool
		if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.schema+"."+table).Scan(&there); err != nil {
			return nil, false, err
		}
		if !there { // the tables are of an older version
			continue
		}
		if err := conn.QueryRow(ctx, s.q("SELECT EXISTS (SELECT 1 FROM {s}."+table+")")).Scan(&occupied); err != nil {
			return nil, false, err
		}
		if occupied {
			return nil, false, ErrOccupied
		}
	}
	return nil, false, nil
}

// Begin is store.Importer's.
func (i *Import) Begin(ctx context.Context, o *store.Origin) (from string, done bool, err error) {
	s := i.s
	if o.Sealed != (s.o.Keys != nil) {
		return "", false, errors.New("what is carried over has to be opened with the same encryption_key on both sides")
	}
	err = i.atomic(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", s.o.Schema+" moving"); err != nil {
			return err
		}
		if err := s.requirePacked(ctx, tx); err != nil { // what is carried over may be
			return err
		}
		var place *string
		if place, done, err = s.vacant(ctx, tx, o.Fingerprint); err != nil {
			return err
		}
		if place == nil {
			return i.first(ctx, tx, o)
		}
		from = *place
		if o.Log == nil {
			return nil
		}
		err := tx.QueryRow(ctx, s.q("SELECT id FROM {s}.audit_logs WHERE name = $1"), text(s.o.Gateway)).Scan(&i.log)
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.New("it was begun with the audit log becoming that of a gateway of another name: name that one with --gateway")
		}
		return err
	})
	return from, done, public(err)
}

// first notes what is going to be carried over, and what holds of all of it.
func (i *Import) first(ctx context.Context, tx pgx.Tx, o *store.Origin) error {
	s := i.s
	if _, err := tx.Exec(ctx, s.q("INSERT INTO {s}.moved (origin, place, done) VALUES ($1, '', false)"), o.Fingerprint); err != nil {
		return err
	}
	if o.LastAttempt > 0 {
		if _, err := tx.Exec(ctx, "SELECT setval($1::regclass, $2)", s.schema+".attempt_ids", o.LastAttempt); err != nil {
			return err
		}
	}
	if o.Sealed {
		if err := (sealing{o.SealedEvent, o.SealedAttempt}).write(ctx, s, tx); err != nil {
			return err
		}
	}
	for name, n := range o.Counters {
		if n == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, s.q("INSERT INTO {s}.counters (writer, name, value) VALUES (0, $1, $2)"), name, n); err != nil {
			return err
		}
	}
	if o.Log == nil {
		return nil
	}
	return tx.QueryRow(ctx, s.q("INSERT INTO {s}.audit_logs (name, state, running, pruned, checkpoint) VALUES ($1, $2, $3, $4, $5) RETURNING id"),
		text(s.o.Gateway), o.Log.State, o.Log.Running, o.Log.Pruned, o.Log.Checkpoint).Scan(&i.log)
}

// atomic carries f out in a transaction. When it is interrupted nothing is cancelled: a commit that is has taken place without
// its standby.
func (i *Import) atomic(ctx context.Context, f func(pgx.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := i.conn.Begin(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	if _, err = tx.Exec(context.WithoutCancel(ctx), "SELECT "+syncSQL); err == nil {
		err = f(tx)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
	}
	return tx.Commit(context.WithoutCancel(ctx))
}

// Import is store.Importer's.
func (i *Import) Import(ctx context.Context, p *store.Portion) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := i.prepare(ctx, p); err != nil {
		return public(err)
	}
	return public(i.atomic(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, i.s.q("UPDATE {s}.moved SET place = $2 WHERE place = $1 AND NOT done"), p.From, p.To)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return errors.New("somebody else carries the store over at the same time: end one of the two, and start the other again")
		}
		for _, f := range []func(context.Context, pgx.Tx, *store.Portion) error{i.events, i.keys, i.documents, i.audit, i.rest, i.dataKeys} {
			if err := f(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	}))
}

// prepare makes the names and the tables of days that a portion needs. They do no harm if it does not come to it.
func (i *Import) prepare(ctx context.Context, p *store.Portion) error {
	var names []string
	var pairs []pair
	need := map[int64]bool{}
	for j := range p.Events {
		e := &p.Events[j]
		names = append(names, e.Tenant)
		for k := range e.Deliveries {
			names = append(names, e.Deliveries[k].Destination)
		}
		need[dayMoved(e)], need[dayOf(e.Accepted)] = true, true
	}
	for j := range p.Keys {
		need[dayOf(p.Keys[j].At)] = true
	}
	for j := range p.Beside {
		names = append(names, p.Beside[j].Tenant)
	}
	if err := i.s.addNames(ctx, i.conn, names...); err != nil {
		return err
	}
	for j := range p.Events {
		e := &p.Events[j]
		for k := range e.Deliveries {
			pairs = append(pairs, pair{i.id(e.Deliveries[k].Destination), i.id(e.Tenant)})
		}
	}
	if err := i.s.addPairs(ctx, i.conn, pairs); err != nil {
		return err
	}
	for _, d := range sortedKeys(need) {
		if err := i.s.makeDay(ctx, i.conn, d); err != nil {
			return fmt.Errorf("making the tables of %s: %w", time.Unix(0, d*day).UTC().Format(time.DateOnly), err)
		}
	}
	return nil
}

// dayMoved is the day of an event, as Accept would have given it.
func dayMoved(e *store.MovedEvent) int64 { return clampDay(e.ID, dayOf(e.Accepted)) }

// id is the number of a name that has one.
func (i *Import) id(name string) int64 {
	id, _ := i.s.names.ID(name)
	return id
}

// copy writes rows of a table.
func (i *Import) copy(ctx context.Context, tx pgx.Tx, table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{i.s.o.Schema, table}, columns, pgx.CopyFromRows(rows))
	return err
}

// Done is store.Importer's.
func (i *Import) Done(ctx context.Context) error {
	return public(i.atomic(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, i.s.q("UPDATE {s}.moved SET done = true"))
		return err
	}))
}
