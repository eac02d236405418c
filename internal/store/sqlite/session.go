package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// pageSize is that of new stores; those from before have earlierPageSize, and keep it. Each commit writes the last page of every
// table and index, nearly empty or nearly full, to the log: a dozen and a half, which with pages of 16 KiB are 300 KB, five times
// of what 30 calls need that share the commit.
const (
	pageSize        = 4 << 10
	earlierPageSize = 16 << 10
)

// dataSource is the driver's name for a database file with the settings of a connection. The driver applies pragmas in
// alphabetical order, and the journal mode, if there is one, after all of them.
func dataSource(path, mode, journal string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/...
	}
	q := url.Values{"mode": {mode}, "_pragma": pragmas}
	if journal != "" {
		q.Set("_journal_mode", journal)
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

func (s *Store) writerSource() string {
	return dataSource(s.o.Path, "rwc", "WAL",
		"busy_timeout(5000)",
		"synchronous(FULL)",
		"secure_delete(ON)",
		"temp_store(MEMORY)",
		"trusted_schema(OFF)",
		"cell_size_check(ON)",
		fmt.Sprintf("cache_size(-%d)", s.o.CacheBytes>>10),
		"wal_autocheckpoint(0)", // a copy that is made in a commit does not say that it has failed
		fmt.Sprintf("journal_size_limit(%d)", s.o.WALBytes),
	)
}

// format gives a new database file what can only be set before the first write, in this order, which the driver does
// not keep.
func (s *Store) format() error {
	c, err := openSession(dataSource(s.o.Path, "rwc", ""))
	if err != nil {
		return err
	}
	for _, query := range []string{fmt.Sprintf("PRAGMA page_size = %d", pageSize), "PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL"} {
		if _, err := c.exec(query); err != nil {
			return errors.Join(err, c.close())
		}
	}
	return c.close()
}

func (s *Store) readerSource() string { return s.readingSource(s.o.CacheBytes / 4) }

func (s *Store) readingSource(cacheBytes int64) string {
	return dataSource(s.o.Path, "ro", "",
		"busy_timeout(5000)",
		"query_only(ON)",
		"temp_store(MEMORY)",
		"trusted_schema(OFF)",
		fmt.Sprintf("cache_size(-%d)", max(cacheBytes>>10, 1024)),
	)
}

// session is a connection used without database/sql in between, which costs more than most of the statements themselves: the
// writer's, and those of sessions. It keeps every statement prepared. One goroutine uses it at a time.
type session struct {
	conn  driver.Conn
	stmts map[string]driver.Stmt
	args  []driver.NamedValue
}

func openSession(source string) (*session, error) {
	conn, err := (&sqlite.Driver{}).Open(source)
	if err != nil {
		return nil, err
	}
	return &session{conn: conn, stmts: map[string]driver.Stmt{}}, nil
}

func (c *session) close() error {
	var errs []error
	for _, stmt := range c.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

func (c *session) prepare(query string, args []any) (driver.Stmt, error) {
	stmt := c.stmts[query]
	if stmt == nil {
		var err error
		if stmt, err = c.conn.Prepare(query); err != nil {
			return nil, err
		}
		c.stmts[query] = stmt
	}
	c.args = c.args[:0]
	for i, arg := range args {
		switch v := arg.(type) {
		case int:
			arg = int64(v)
		case []byte:
			if v == nil {
				arg = nil
			}
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return stmt, nil
}

// exec runs a statement and tells how many rows it changed. Arguments are int, int64, string, []byte or nil.
func (c *session) exec(query string, args ...any) (int64, error) {
	stmt, err := c.prepare(query, args)
	if err != nil {
		return 0, err
	}
	result, err := stmt.(driver.StmtExecContext).ExecContext(context.Background(), c.args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query runs a statement and calls row with each row's columns, which are int64, string, []byte or nil. Texts and blobs are
// the driver's copies, which may be kept; the list itself is used for the next row.
func (c *session) query(query string, row func([]driver.Value) error, args ...any) (err error) {
	stmt, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(context.Background(), c.args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(columns); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := row(columns); err != nil {
			return err
		}
	}
}

// number runs a statement that gives one number; 0 if it gives no row.
func (c *session) number(query string, args ...any) (n int64, err error) {
	err = c.query(query, func(v []driver.Value) error {
		n, _ = v[0].(int64)
		return nil
	}, args...)
	return n, err
}

// columns are those of a row, of which err says if one is not what it should be: another program has written it, or the file is
// damaged.
type columns struct {
	values []driver.Value
	err    error
}

func (c *columns) number(i int) int64 {
	n, ok := c.values[i].(int64)
	c.expect(i, ok)
	return n
}

func (c *columns) text(i int) string {
	text, ok := c.values[i].(string)
	c.expect(i, ok)
	return text
}

// blob is nil for NULL. A text is taken for what is in it.
func (c *columns) blob(i int) []byte {
	switch v := c.values[i].(type) {
	case nil:
		return nil
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	c.expect(i, false)
	return nil
}

func (c *columns) id(i int) (id [16]byte) {
	c.expect(i, copy(id[:], c.blob(i)) == len(id))
	return id
}

func (c *columns) expect(i int, ok bool) {
	if !ok && c.err == nil {
		c.err = fmt.Errorf("%w (column %d is a %T)", ErrCorrupt, i, c.values[i])
	}
}
