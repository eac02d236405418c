package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// querier is a connection, a pool or a transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

const day = int64(24 * time.Hour)

// dayOf is the number of a time's day since 1970.
func dayOf(n int64) int64 {
	d := n / day
	if n%day < 0 {
		d--
	}
	return d
}

// byDay are the tables that are partitioned by day, with what each partition is made with: storage settings are not
// inherited. Bodies of usual length stay in their rows, instead of costing a row and an index entry elsewhere.
var byDay = []struct{ table, with string }{
	{"events", "fillfactor = 95"},
	{"payloads", "toast_tuple_target = 8160"},
	{"settled", "fillfactor = 95"},
	{"attempts", "fillfactor = 100"},
	{"keys", "fillfactor = 90"},
	{"subjects", "fillfactor = 100"},
}

// days are those that have tables.
type days struct {
	mu    sync.Mutex
	known map[int64]bool
}

func (d *days) has(n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[n]
}

func (d *days) set(n int64, there bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if there {
		d.known[n] = true
	} else {
		delete(d.known, n)
	}
}

// list gives the days that have tables, in order.
func (d *days) list() (list []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := range d.known {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// load reads which days have all their tables.
func (d *days) load(ctx context.Context, s *Store, conn querier) error {
	rows, err := conn.Query(ctx, `SELECT (regexp_match(c.relname, '_(\d+)$'))[1]::bigint AS day FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
		WHERE n.nspname = $1 AND p.relname = ANY($2) AND NOT i.inhdetachpending GROUP BY 1 HAVING count(*) = $3`, s.o.Schema, tablesByDay(), len(byDay))
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = map[int64]bool{}
	for _, n := range list {
		d.known[n] = true
	}
	return nil
}

func tablesByDay() (list []string) {
	for _, t := range byDay {
		list = append(list, t.table)
	}
	return list
}

// makeDay makes the tables of a day, unless they are there. Whoever makes one takes a lock for the length of the transaction,
// so that no two do. A partition that is made apart and attached does not keep others from writing, as one would that is
// made in its place.
func (s *Store) makeDay(ctx context.Context, conn *pgx.Conn, n int64) error {
	if s.days.has(n) {
		return nil
	}
	if s.owner != nil {
		owner, err := s.dialOwner(ctx)
		if err != nil {
			return err
		}
		defer drop(owner)
		conn = owner
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', '2s', true), pg_advisory_xact_lock(hashtextextended($1, 0))", s.o.Schema+" days"); err != nil {
		return err
	}
	for _, t := range byDay {
		var there bool
		name := fmt.Sprintf("%s_%d", t.table, n)
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)`, s.o.Schema, name).Scan(&there); err != nil {
			return err
		}
		if there {
			continue
		}
		for _, query := range []string{
			fmt.Sprintf("DROP TABLE IF EXISTS %s.%s", s.schema, name), // detached, and not dropped yet
			fmt.Sprintf("CREATE TABLE %s.%s (LIKE %s.%s INCLUDING ALL) WITH (%s)", s.schema, name, s.schema, t.table, t.with),
			fmt.Sprintf("ALTER TABLE %s.%s ATTACH PARTITION %s.%s FOR VALUES FROM (%d) TO (%d)", s.schema, t.table, s.schema, name, n, n+1),
		} {
			if _, err := tx.Exec(ctx, query); err != nil {
				return err
			}
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	s.days.set(n, true)
	return nil
}

// clampDay is the day of an event: that of its id, but no further from today than a day, since there are tables for no others.
// An id is made by a gateway's own clock.
func clampDay(id [16]byte, today int64) int64 {
	ms := int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])
	return min(max(ms/(24*60*60*1000), today-1), today+1)
}
