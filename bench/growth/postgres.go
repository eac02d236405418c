package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// databaseVariable has the address of the database for -store postgres.
const databaseVariable = "DATABASE_URL"

// inSchema begins the place of a store that is a schema of that database, and not a file.
const inSchema = "schema:"

// openStore opens the store at a place.
func openStore(place string) (store.Store, error) {
	if schema, ok := strings.CutPrefix(place, inSchema); ok {
		return postgres.Open(postgres.Options{Address: os.Getenv(databaseVariable), Schema: schema, Gateway: "growth"})
	}
	return sqlite.Open(sqlite.Options{Path: place})
}

// connected has f use a connection to the database.
func connected(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, os.Getenv(databaseVariable))
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(context.WithoutCancel(ctx)))
}

// dropSchema takes a store away.
func dropSchema(schema string) error {
	ctx := context.Background()
	return connected(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		return err
	})
}

// schemaBytes is what a store takes of the database.
func schemaBytes(schema string) (sum int64, err error) {
	ctx := context.Background()
	err = connected(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_stat_all_tables WHERE schemaname = $1", schema).Scan(&sum)
	})
	return sum, err
}

// seedStep is how many events are made with one statement.
const seedStep = 50_000

// seed is fill by the database's server itself: one event is stored as any other, and all others are copies of its rows with ids and
// keys of their own. What is sealed could not be filled so.
func (s *subject) seed(ctx context.Context, rows int64, settled bool) (perSecond float64, err error) {
	from := s.events.Load()
	if rows <= from {
		return 0, nil
	}
	began := time.Now()
	body, _ := payload(s.o.fillSize)
	delivery, err := s.accept(ctx, from, body, nil)
	if err == nil && settled {
		err = s.finish(ctx, []store.Attempt{delivered(delivery)})
	}
	if err != nil {
		return 0, err
	}
	var done atomic.Int64
	defer s.o.tell(&done, rows-from, began)()
	if err := connected(ctx, func(conn *pgx.Conn) error {
		c := copier{conn: conn, schema: s.schema(), settled: settled, salt: s.salt[:]}
		if err := c.begin(ctx, s.key(from)); err != nil {
			return err
		}
		for n := from + 1; n < rows; n += seedStep {
			if err := c.copy(ctx, n, min(n+seedStep, rows), rows); err != nil {
				return err
			}
			done.Add(min(n+seedStep, rows) - n)
		}
		return c.end(ctx)
	}); err != nil {
		return 0, err
	}
	s.events.Store(rows)
	s.filled = rows
	return float64(rows-from) / time.Since(began).Seconds(), nil
}

// copier makes copies of one event's rows.
type copier struct {
	conn    *pgx.Conn
	schema  string
	settled bool
	salt    []byte

	event string // the id of the one that is there
	sql   []string
}

// begin finds the event by its key, and prepares what makes copies of its rows, whatever columns they have.
func (c *copier) begin(ctx context.Context, key [16]byte) error {
	if err := c.conn.QueryRow(ctx, "SELECT event::text FROM "+c.schema+".keys WHERE key = $1", key).Scan(&c.event); err != nil {
		return err
	}
	tables := []struct {
		name, by string
		own      map[string]string // columns that each copy has its own of
	}{
		{"events", "id", map[string]string{"id": "g.id", "unique_key": "g.key", "event_id": "replace(g.key::text, '-', '')"}},
		{"payloads", "event", map[string]string{"event": "g.id"}},
		{"keys", "event", map[string]string{"event": "g.id", "key": "g.key"}},
		{"live", "event", map[string]string{"event": "g.id"}},
		{"settled", "event", map[string]string{"event": "g.id"}},
		{"attempts", "event", map[string]string{"event": "g.id", "id": "nextval('" + c.schema + ".attempt_ids')"}},
	}
	for _, t := range tables {
		rows, err := c.conn.Query(ctx, "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position", c.schema, t.name)
		if err != nil {
			return err
		}
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		values := make([]string, len(columns))
		for i, name := range columns {
			values[i] = cmp.Or(t.own[name], "t."+name)
		}
		for name := range t.own {
			if !slices.Contains(columns, name) {
				return fmt.Errorf("the store's table %s has no column %s any more: have bench/growth copy it in the new form", t.name, name)
			}
		}
		c.sql = append(c.sql, fmt.Sprintf("INSERT INTO %s.%s (%s) SELECT %s FROM seed g CROSS JOIN (SELECT * FROM %[1]s.%[2]s WHERE %[5]s = '%[6]s') t ORDER BY g.n",
			c.schema, t.name, strings.Join(columns, ", "), strings.Join(values, ", "), t.by, c.event))
	}
	_, err := c.conn.Exec(ctx, "CREATE TEMPORARY TABLE seed (n bigint, id uuid, key uuid)")
	return err
}

// copy makes the events of numbers from one to before another, each a millisecond after the one before it.
func (c *copier) copy(ctx context.Context, from, to, last int64) error {
	return pgx.BeginFunc(ctx, c.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "TRUNCATE seed"); err != nil {
			return err
		}
		// An id is a ULID: 48 bits of the time, and the rest random.
		if _, err := tx.Exec(ctx, `INSERT INTO seed SELECT n, (lpad(to_hex(('x' || left(replace($1::text, '-', ''), 12))::bit(48)::bigint - $2::bigint + n), 12, '0')
			|| left(replace(gen_random_uuid()::text, '-', ''), 12) || right(gen_random_uuid()::text, 8))::uuid,
			encode(substring(sha256($3::bytea || int8send(n)) FROM 1 FOR 16), 'hex')::uuid FROM generate_series($4::bigint, $5::bigint) n`, c.event, last, c.salt, from, to-1); err != nil {
			return err
		}
		for _, query := range c.sql {
			if _, err := tx.Exec(ctx, query); err != nil {
				return err
			}
		}
		pending, done := to-from, int64(0)
		if c.settled {
			pending, done = 0, to-from
		}
		if _, err := tx.Exec(ctx, `INSERT INTO `+c.schema+`.counts AS c (writer, destination, tenant, pending, delivered, dead)
			SELECT 0, destination, tenant, $1, $2, 0 FROM (SELECT DISTINCT destination, tenant FROM `+c.schema+`.counts) p
			ON CONFLICT (writer, destination, tenant) DO UPDATE SET pending = c.pending + excluded.pending, delivered = c.delivered + excluded.delivered`, pending, done); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO `+c.schema+`.held AS h (writer, tenant, events, bytes, total)
			SELECT 0, tenant, $2::bigint, $2 * size, $2 FROM `+c.schema+`.events WHERE id = $1
			ON CONFLICT (writer, tenant) DO UPDATE SET events = h.events + excluded.events, bytes = h.bytes + excluded.bytes, total = h.total + excluded.total`, c.event, to-from)
		return err
	})
}

// end has the server know the tables, and writes what is in its memory, so that none of that falls into what is measured.
func (c *copier) end(ctx context.Context) error {
	for _, table := range []string{"events", "payloads", "keys", "live", "settled", "attempts", "counts", "held"} {
		if _, err := c.conn.Exec(ctx, "VACUUM (ANALYZE) "+c.schema+"."+table); err != nil {
			return err
		}
	}
	_, err := c.conn.Exec(ctx, "CHECKPOINT")
	return err
}
