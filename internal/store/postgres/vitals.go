package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/jackc/pgx/v5"
)

var _ store.Vital = (*Store)(nil)

// From when on a sign is a warning.
const (
	oldTransaction   = 15 * time.Minute // dead rows pile up meanwhile
	manyDead         = 200_000          // and more than there are others
	fullConnections  = 0.9
	standbyFarBehind = 256 << 20 // bytes of log
)

// Vitals is store.Vital's. What a user without the rights of pg_monitor is not told is left out, which a warning says.
func (s *Store) Vitals(ctx context.Context) (v store.Vitals, err error) {
	if err := s.enter(ctx); err != nil {
		return v, err
	}
	err = s.read(ctx, func(ctx context.Context) error {
		v = store.Vitals{}
		for _, f := range []func(context.Context, *store.Vitals) error{s.serverVitals, s.oldestVitals, s.standbyVitals, s.logVitals} {
			if err := f(ctx, &v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return store.Vitals{}, err
	}
	s.warn(&v)
	return v, nil
}

func (s *Store) serverVitals(ctx context.Context, v *store.Vitals) error {
	return s.pool.QueryRow(ctx, s.q(`SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1),
		(SELECT coalesce(max(version_id), 0) FROM {s}.goose_db_version WHERE is_applied),
		coalesce((SELECT n_dead_tup FROM pg_stat_all_tables WHERE schemaname = $1 AND relname = 'live'), 0),
		coalesce((SELECT n_live_tup FROM pg_stat_all_tables WHERE schemaname = $1 AND relname = 'live'), 0),
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type IS NULL OR backend_type = 'client backend'), current_setting('max_connections')::bigint,
		current_setting('synchronous_standby_names') <> ''`), s.o.Schema).
		Scan(&v.Server, &v.Schema, &v.DeadRows, &v.LiveRows, &v.Connections, &v.MaxConnections, &v.Synchronous)
}

// oldestVitals finds who keeps dead rows from being cleared away: the oldest snapshot of a session, of a replication slot or of a
// transaction that was prepared and forgotten.
func (s *Store) oldestVitals(ctx context.Context, v *store.Vitals) error {
	var seconds float64
	err := s.pool.QueryRow(ctx, `SELECT holder, age, coalesce(extract(epoch FROM clock_timestamp() - since), 0)::float8 FROM (
			SELECT 'backend ' || pid || ' (' || coalesce(nullif(application_name, ''), 'unnamed') || ')' AS holder, age(backend_xmin)::bigint AS age, xact_start AS since
				FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
			UNION ALL SELECT 'replication slot ' || slot_name, greatest(age(xmin), age(catalog_xmin))::bigint, NULL FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
			UNION ALL SELECT 'prepared transaction ' || gid, age(transaction)::bigint, prepared FROM pg_prepared_xacts) o
		ORDER BY age DESC, since LIMIT 1`).Scan(&v.OldestHolder, &v.XminAge, &seconds)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	v.OldestTransaction = time.Duration(seconds * float64(time.Second))
	return err
}

func (s *Store) standbyVitals(ctx context.Context, v *store.Vitals) error {
	rows, err := s.pool.Query(ctx, `SELECT application_name, coalesce(state, ''), coalesce(sync_state, ''), coalesce(extract(epoch FROM flush_lag), 0)::float8,
		coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn), 0)::bigint FROM pg_stat_replication ORDER BY application_name COLLATE "C", pid`)
	if err != nil {
		return err
	}
	v.Standbys, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (b store.Standby, err error) {
		var seconds float64
		err = r.Scan(&b.Name, &b.State, &b.Sync, &seconds, &b.LagBytes)
		b.Lag = time.Duration(seconds * float64(time.Second))
		return b, err
	})
	if len(v.Standbys) == 0 {
		v.Standbys = nil
	}
	return err
}

// written is what has been written to the server's log since the store was opened, and the events that were stored meanwhile,
// by all gateways. The server counts both for itself, so that nothing is asked for each event.
type written struct {
	mu            sync.Mutex
	begun         bool
	at            string           // the place in the log up to which it is counted
	rows          map[uint32]int64 // what each day's table of events had got up to there
	bytes, events int64
}

// logVitals counts what was written since the last look.
func (s *Store) logVitals(ctx context.Context, v *store.Vitals) error {
	w := &s.written
	w.mu.Lock()
	defer w.mu.Unlock()
	var at string
	var bytes int64
	err := s.pool.QueryRow(ctx, "SELECT l::text, coalesce(pg_wal_lsn_diff(l, nullif($1, '')::pg_lsn), 0)::bigint FROM pg_current_wal_lsn() l", w.at).Scan(&at, &bytes)
	if err != nil {
		return err
	}
	found, err := s.pool.Query(ctx, s.q(`SELECT i.inhrelid::oid, coalesce(t.n_tup_ins, 0) FROM pg_inherits i LEFT JOIN pg_stat_all_tables t ON t.relid = i.inhrelid
		WHERE i.inhparent = '{s}.events'::regclass`))
	if err != nil {
		return err
	}
	rows := map[uint32]int64{}
	var id uint32
	var n, events int64
	if _, err := pgx.ForEachRow(found, []any{&id, &n}, func() error {
		rows[id] = n
		events += max(0, n-w.rows[id])
		return nil
	}); err != nil {
		return err
	}
	// The log of another server, which was a standby, may not have come as far.
	if w.begun && bytes >= 0 {
		w.bytes, w.events = w.bytes+bytes, w.events+events
	}
	w.begun, w.at, w.rows = true, at, rows
	v.LogBytes, v.LogEvents = w.bytes, w.events
	return nil
}

// warn says what is wrong.
func (s *Store) warn(v *store.Vitals) {
	add := func(format string, args ...any) { v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...)) }
	if v.OldestTransaction >= oldTransaction {
		add("%s has had a snapshot open for %s, so that dead rows cannot be cleared away and claims become slow: end it, or have idle_in_transaction_session_timeout do so", v.OldestHolder, v.OldestTransaction.Round(time.Second))
	}
	if v.DeadRows > manyDead && v.DeadRows > v.LiveRows {
		add("the table of what waits has %d dead rows: see what keeps autovacuum from clearing them away", v.DeadRows)
	}
	if v.MaxConnections > 0 && float64(v.Connections) >= fullConnections*float64(v.MaxConnections) {
		add("%d of %d connections are taken: raise max_connections", v.Connections, v.MaxConnections)
	}
	sync := 0
	for _, b := range v.Standbys {
		if b.Sync == "sync" || b.Sync == "quorum" {
			sync++
		}
		if b.LagBytes > standbyFarBehind {
			add("standby %s is %d bytes of log behind", b.Name, b.LagBytes)
		}
		if b.State == "" {
			add("nothing is known of standby %s: GRANT pg_monitor to the gateway's user", b.Name)
		}
	}
	switch {
	case v.Synchronous && sync == 0 && len(v.Standbys) == 0:
		add("no standby is connected, and commits wait for one: calls are answered with 503 until it is back")
	case !v.Synchronous && len(v.Standbys) > 0:
		add("commits wait for no standby (synchronous_standby_names is empty): what was acknowledged last is lost with the primary")
	}
	if d := time.Duration(s.clock.offset.Load()); max(d, -d) > tellSkew {
		add("the clocks of this machine and the database's differ by %s: have both follow a time server", d.Round(time.Millisecond))
	}
}
