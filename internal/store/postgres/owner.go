package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Who changes tables need not be who reads and writes them: with Options.MigrateAddress the former is a user of its own, who
// owns the schema, and the latter may do nothing to the tables but SELECT, INSERT, UPDATE and DELETE.

// ownerConfig is how whoever owns the tables connects now.
func (s *Store) ownerConfig(ctx context.Context) (*pgx.ConnConfig, error) {
	if s.owner != nil {
		return s.owner.Copy(), nil
	}
	return s.connConfig(ctx)
}

// dialOwner makes a connection of whoever owns the tables.
func (s *Store) dialOwner(ctx context.Context) (*pgx.Conn, error) {
	c, err := s.ownerConfig(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := dialAs(ctx, c, nil)
	if err != nil && s.owner != nil {
		return nil, fmt.Errorf("migrate_address: %w", err)
	}
	return conn, err
}

// ownerConn is a connection of whoever owns the tables, to be released: one of those for reading, unless that is somebody else.
func (s *Store) ownerConn(ctx context.Context) (conn querier, release func(), err error) {
	if s.owner == nil {
		c, err := s.pool.Acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		return c, c.Release, nil
	}
	c, err := s.dialOwner(ctx)
	if err != nil {
		return nil, nil, err
	}
	return c, func() { drop(c) }, nil
}

// grant has whoever owns the tables give the user of a connection the rights that it lacks.
func (s *Store) grant(ctx context.Context, conn *pgx.Conn) error {
	if s.owner == nil {
		return nil
	}
	const lacks = `SELECT current_user, NOT has_schema_privilege($1, 'USAGE') OR EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND NOT c.relispartition
		AND (c.relkind IN ('r', 'p') AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
			OR c.relkind = 'S' AND NOT (has_sequence_privilege(c.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT') AND has_sequence_privilege(c.oid, 'UPDATE'))))`
	var user string
	var missing bool
	if err := conn.QueryRow(ctx, lacks, s.o.Schema).Scan(&user, &missing); err != nil || !missing {
		return err
	}
	owner, err := s.dialOwner(ctx)
	if err != nil {
		return err
	}
	defer drop(owner)
	return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
		// Two at once would change the same rows of the catalogue, which is an error.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", s.o.Schema+" rights"); err != nil {
			return err
		}
		to := " TO " + pgx.Identifier{user}.Sanitize()
		for _, query := range []string{
			"GRANT USAGE ON SCHEMA {s}",
			"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {s}",
			"GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {s}",
		} {
			if _, err := tx.Exec(ctx, s.q(query)+to); err != nil {
				return err
			}
		}
		return nil
	})
}
