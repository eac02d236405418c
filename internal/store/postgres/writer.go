package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// writer is a connection that writes, and is used by one goroutine. Nothing that runs on it is ever cancelled.
type writer struct {
	s     *Store
	id    atomic.Int64 // under which it counts
	batch int64        // the number of the last transaction that notes it
	runs  int          // since it was looked at last whether it should count under another id
	// buffer is where the arguments of query were written, and wire where the connection wrote the message with them.
	buffer, wire []byte
	conn         *pgx.Conn
	pid          uint32
	since        time.Time // when the server's process began
	// warned is set when the server has warned of something. What it warns of in a commit is that the wait for the standby
	// was broken off.
	warned atomic.Bool
}

func newWriter(s *Store) *writer { return &writer{s: s} }

// errWarned stands for a commit of which the server has warned.
var errWarned = errors.New("the server did not wait for its standby")

// register takes a number under which the writer counts.
func (w *writer) register(ctx context.Context, conn querier) (id int64, err error) {
	err = conn.QueryRow(ctx, w.s.q(`INSERT INTO {s}.writers (id, batch, until) VALUES (nextval('{s}.writer_ids'), 0, $1) RETURNING id`),
		w.s.nowNanos()+int64(writerLives)).Scan(&id)
	return id, err
}

// count has the writer count under a number.
func (w *writer) count(id int64) {
	w.batch = 0
	w.s.room.renewed(w.id.Load(), func() { w.id.Store(id) })
}

const (
	// renewAfter is after how many changes it is looked at whether a writer should count under another number.
	renewAfter = 500
	// manyVersions is of how many dead rows of what is counted it should.
	manyVersions = 4 * renewAfter
)

// renew has the writer count under another number, if dead rows are not cleared away, as while somebody has a snapshot open. Each
// change leaves a dead version of the rows that it counts in, and the next one has to walk over all of them. What was counted
// under the old number is added up like that of a writer that is gone. If it fails, everything stays as it is.
func (w *writer) renew() {
	if w.runs < renewAfter || w.conn == nil {
		return
	}
	w.runs = 0
	old := w.id.Load()
	err := w.run(func(ctx context.Context, conn *pgx.Conn) error {
		var dead int64
		err := conn.QueryRow(ctx, "SELECT coalesce(sum(pg_stat_get_dead_tuples(to_regclass(t))), 0)::bigint FROM unnest($1::text[]) t",
			[]string{w.s.schema + ".counts", w.s.schema + ".held", w.s.schema + ".writers"}).Scan(&dead)
		if err != nil || dead < manyVersions {
			return err
		}
		id, err := w.register(ctx, conn)
		if err != nil {
			return err
		}
		w.count(id)
		if old == w.s.signer {
			return nil // what it has signed stays
		}
		_, err = conn.Exec(ctx, w.s.q("DELETE FROM {s}.writers WHERE id = $1"), old)
		return err
	})
	w.runs = 0
	if err != nil && w.s.ctx.Err() == nil {
		w.s.o.Log("counting under another number", public(err))
	}
}

// counting are the numbers under which the store counts now.
func (s *Store) counting() []int64 { return []int64{s.acceptor.id.Load(), s.recorder.id.Load()} }

// writerLives is for how long a writer that is not heard of is waited for before what it has counted is added up.
const writerLives = time.Hour

// ensure sees to it that there is a connection, and tries until a time.
func (w *writer) ensure(until time.Time) error {
	for wait := 20 * time.Millisecond; w.conn == nil; wait = min(2*wait, 500*time.Millisecond) {
		err := w.connect(until)
		if err == nil {
			return nil
		}
		if lasting(err) || time.Now().Add(wait).After(until) || w.s.closed.Load() {
			return fmt.Errorf("%w: %w", errNotSent, err)
		}
		time.Sleep(wait/2 + rand.N(wait))
	}
	return nil
}

func (w *writer) connect(until time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), until.Add(time.Second))
	defer cancel()
	conn, err := w.s.dial(ctx, &w.warned)
	if err != nil {
		return err
	}
	err = conn.QueryRow(ctx, "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()").Scan(&w.pid, &w.since)
	if err != nil {
		drop(conn)
		return err
	}
	w.conn = conn
	return nil
}

// drop closes a connection at once, without a word to the server: what it is doing there it does to the end.
func drop(conn *pgx.Conn) {
	_ = conn.PgConn().Conn().Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = conn.Close(ctx) // of what is closed there is nothing to say
}

func (w *writer) drop() {
	if w.conn != nil {
		drop(w.conn)
		w.conn, w.wire = nil, nil // it may still hold the memory
	}
}

func (w *writer) close() { w.drop() }

// run has f use the connection. While f waits for the server for long, it is looked at whether the server is still at it; if not,
// as when it has died without a word and another one has taken its place, the connection is dropped, so that f fails.
func (w *writer) run(f func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, pid, since := w.conn, w.pid, w.since
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.s.watch(conn, pid, since, done)
	}()
	w.runs++
	w.warned.Store(false)
	err := f(context.Background(), conn)
	close(done)
	<-watched
	if err == nil && w.warned.Load() {
		err = errWarned
	}
	if spent(err) || conn.IsClosed() {
		w.drop()
	}
	return err
}

// mostKept is how much of the memory that arguments were written to is kept for the next ones.
const mostKept = 4 << 20

// query is the connection's, for large arguments: these are written to memory that was there before, where the connection would take
// more and more of it until all are written, and copy them each time.
func (w *writer) query(ctx context.Context, conn *pgx.Conn, query string, args []any) (pgx.Rows, error) {
	if conn.Config().DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return conn.Query(ctx, query, args...) // the address asks for another way, as a pooler may need it
	}
	statement, err := conn.Prepare(ctx, query, query)
	if err != nil {
		return nil, err
	}
	if len(args) != len(statement.ParamOIDs) {
		return nil, fmt.Errorf("%d arguments for a statement that takes %d", len(args), len(statement.ParamOIDs))
	}
	buffer := w.buffer[:0]
	values, formats := make([][]byte, len(args)), make([]int16, len(args))
	for i, arg := range args {
		began := len(buffer)
		written, ok := appendArray(buffer, statement.ParamOIDs[i], arg)
		if !ok {
			if written, err = conn.TypeMap().Encode(statement.ParamOIDs[i], pgtype.BinaryFormatCode, arg, buffer); err != nil {
				return nil, err
			}
		}
		formats[i] = pgtype.BinaryFormatCode
		if written != nil { // otherwise it is NULL
			buffer, values[i] = written, written[began:len(written):len(written)]
		}
	}
	// Names, formats and lengths come to the arguments.
	w.wire = slices.Grow(w.wire[:0], len(buffer)+8*len(args)+len(statement.Name)+wireRoom)
	conn.PgConn().Frontend().Send(memory(w.wire))
	if w.buffer = buffer[:0]; cap(buffer) > mostKept {
		w.buffer, w.wire = nil, nil
	}
	results := make([]int16, len(statement.Fields))
	for i, f := range statement.Fields {
		results[i] = conn.TypeMap().FormatCodeForOID(f.DataTypeOID)
	}
	return pgx.RowsFromResultReader(conn.TypeMap(), conn.PgConn().ExecStatement(ctx, statement, values, formats, results)), nil
}

// wireRoom is for what surrounds a message with arguments.
const wireRoom = 1024

// memory is a message that has nothing in it: it has those that follow be written to memory that was there before. The connection
// would begin with a little each time, and take more for each argument that does not fit.
type memory []byte

// Frontend is pgproto3.FrontendMessage's.
func (memory) Frontend() {}

// Decode is pgproto3.FrontendMessage's.
func (memory) Decode([]byte) error { return nil }

// Encode is pgproto3.FrontendMessage's. What waits to be sent comes first, which is nothing at the beginning of a statement.
func (m memory) Encode(waits []byte) ([]byte, error) { return append(m[:0], waits...), nil }

// watch drops a connection whose server is not at work for it any more.
func (s *Store) watch(conn *pgx.Conn, pid uint32, since time.Time, done <-chan struct{}) {
	t := time.NewTimer(s.o.Patience)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		if s.closed.Load() || s.gone(pid, since, done) {
			select {
			case <-done:
			default:
				_ = conn.PgConn().Conn().Close()
			}
			return
		}
		t.Reset(time.Second)
	}
}

// gone tells whether the server that takes writes now is surely not busy with what one of its processes was given. As long as
// none answers it is not known.
func (s *Store) gone(pid uint32, since time.Time, done <-chan struct{}) bool {
	ctx, cancel := context.WithTimeout(s.ctx, 2*connectTimeout)
	defer cancel()
	go func() {
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	conn, err := s.dial(ctx, nil)
	if err != nil {
		return false
	}
	defer drop(conn)
	var busy bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2 AND state <> 'idle')", pid, since).Scan(&busy)
	return err == nil && !busy
}

// unconfirmed is the error of a change of which nobody knows whether it took place.
func unconfirmed(err error) error {
	return fmt.Errorf("%w: its database has not confirmed, and what was not acknowledged may be stored: %w", store.ErrUnavailable, err)
}
