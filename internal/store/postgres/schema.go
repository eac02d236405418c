package postgres

import (
	"cmp"
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

// migration is a change of the tables.
type migration struct {
	version, compatible int64
	query               string
}

// readSteps reads the migrations, in their order.
func readSteps(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		list = append(list, migration{version, compatibleFrom(version, string(content)), string(content)})
	}
	slices.SortFunc(list, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	return list, nil
}

// goose gives a migration as goose wants it. Changing a table waits for whoever uses it, and everybody else waits behind: not
// for longer than lockPatience, and then all is tried again.
func (s *Store) goose(m migration) *goose.Migration {
	return goose.NewGoMigration(m.version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		query := "SET LOCAL lock_timeout = '" + lockPatience + "';\n" + strings.ReplaceAll(m.query, "{schema}", s.schema) +
			fmt.Sprintf("\nUPDATE %s.meta SET compatible_from = %d WHERE compatible_from < %[2]d", s.schema, m.compatible)
		_, err := tx.ExecContext(ctx, query)
		return err
	}}, nil)
}

// lockPatience is well below the time that an accept waits for its commit.
const lockPatience = "2s"

// migrate brings the tables up to date. Several gateways may do so at once: one does, and the others wait for it. Tables of a
// newer version are left as they are, and used if they say that this program can; see versions.go.
func (s *Store) migrate(ctx context.Context, conn *pgx.Conn) error {
	if s.owner != nil { // whoever runs the gateway may not even know of the tables yet
		owner, err := s.dialOwner(ctx)
		if err != nil {
			return err
		}
		defer drop(owner)
		conn = owner
	}
	have, compatible, err := s.versions(ctx, conn)
	if err != nil {
		return err
	}
	if err := s.tooOld(have, compatible); err != nil {
		return err
	}
	if have >= s.knows {
		return nil
	}
	if have == 0 {
		// Not IF NOT EXISTS alone, which needs the right to make schemas where there is one.
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", s.o.Schema).Scan(&there); err != nil {
			return err
		}
		if !there {
			if err := s.makeSchema(ctx); err != nil {
				return err
			}
		}
	} else if err := s.waitForOlder(ctx, conn, have, compatible, s.steps); err != nil {
		return err
	}
	return s.raise(ctx)
}

func (s *Store) makeSchema(ctx context.Context) error {
	conn, err := s.dialOwner(ctx)
	if err != nil {
		return err
	}
	defer drop(conn)
	_, err = conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+s.schema)
	if code(err) == "23505" { // two at once
		return nil
	}
	return err
}

// raise carries out what is missing.
func (s *Store) raise(ctx context.Context) (err error) {
	var steps []*goose.Migration
	for _, m := range s.steps {
		steps = append(steps, s.goose(m))
	}
	c, err := s.ownerConfig(ctx)
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
