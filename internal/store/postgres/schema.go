package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// q puts the schema's name into a statement.
func (s *Store) q(query string) string { return strings.ReplaceAll(query, "{s}", s.schema) }

// steps are the migrations, as goose wants them.
func (s *Store) steps() ([]*goose.Migration, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var list []*goose.Migration
	for _, file := range files {
		number, _, _ := strings.Cut(path.Base(file), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, err
		}
		content, err := migrations.ReadFile(file)
		if err != nil {
			return nil, err
		}
		query := strings.ReplaceAll(string(content), "{schema}", s.schema)
		list = append(list, goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, query)
			return err
		}}, nil))
	}
	return list, nil
}

// migrate brings the tables up to date. Several gateways may do so at once: one does, and the others wait for it. Tables of a
// newer version are left as they are, and used if they say that this program can.
func (s *Store) migrate(ctx context.Context, conn *pgx.Conn) error {
	steps, err := s.steps()
	if err != nil {
		return err
	}
	want := slices.MaxFunc(steps, func(a, b *goose.Migration) int { return int(a.Version - b.Version) }).Version
	have, compatible, err := s.versions(ctx, conn)
	if err != nil {
		return err
	}
	switch {
	case have > want && compatible > want:
		return fmt.Errorf("%w (they have version %d, for programs that know %d or later; this one knows %d)", ErrNewer, have, compatible, want)
	case have >= want:
		return nil
	}
	if have == 0 {
		// Not IF NOT EXISTS alone, which needs the right to make schemas where there is one.
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", s.o.Schema).Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+s.schema); err != nil && code(err) != "23505" { // two at once
				return err
			}
		}
	}
	return s.raise(ctx, steps)
}

// versions are that of the tables, 0 if there are none, and the oldest one that a program may know which works with them.
func (s *Store) versions(ctx context.Context, conn *pgx.Conn) (have, compatible int64, err error) {
	var table bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.schema+".goose_db_version").Scan(&table); err != nil || !table {
		return 0, 0, err
	}
	err = conn.QueryRow(ctx, s.q("SELECT coalesce(max(version_id), 0) FROM {s}.goose_db_version WHERE is_applied")).Scan(&have)
	if err != nil || have == 0 {
		return 0, 0, err
	}
	err = conn.QueryRow(ctx, s.q("SELECT compatible_from FROM {s}.meta")).Scan(&compatible)
	return have, compatible, err
}

// raise carries out what is missing.
func (s *Store) raise(ctx context.Context, steps []*goose.Migration) (err error) {
	c, err := s.connConfig(ctx)
	if err != nil {
		return err
	}
	c.DialFunc = newDialer().DialContext
	c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // several statements in one text
	db := stdlib.OpenDB(*c)
	defer func() { err = errors.Join(err, db.Close()) }()
	// The lock is a row of a table with a lease: it works through a pooler, and is not left behind there.
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableName(s.o.Schema+".goose_lock"),
		lock.WithTableLockTimeout(200*time.Millisecond, 1500),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, nil, goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true),
		goose.WithTableName(s.o.Schema+".goose_db_version"), goose.WithLocker(locker), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
