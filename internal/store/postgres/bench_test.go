package postgres_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

const producers = 64

// durable is a server with the durability that it has by default.
func durable(b *testing.B) *pgtest.Server {
	b.Helper()
	if !heavy() {
		b.Skip("starts a PostgreSQL server: set CALLGATE_HEAVY=1 to run it")
	}
	return pgtest.Start(b, "fsync = on", "full_page_writes = on", "shared_buffers = 256MB", "max_wal_size = 4GB")
}

// cpu is the time that a process has used so far; 0 where the system does not tell.
func cpu(pid string) (used time.Duration) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	// The second field is the command in parentheses, and may hold anything. Times are in hundredths of a second.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64)
		used += time.Duration(n) * 10 * time.Millisecond
	}
	return used
}

// measured reports what f takes of the processors, here and at the server, for each of b.N: on a busy machine that tells more than
// how long it takes. Connections that f makes have to be open at its end.
func measured(b *testing.B, server *pgtest.Server, f func()) {
	read := func() (own, there time.Duration) {
		for pid := range strings.FieldsSeq(server.SQL("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")) {
			there += cpu(pid)
		}
		return cpu("self"), there
	}
	own, there := read()
	b.ResetTimer()
	f()
	b.StopTimer()
	ownAfter, thereAfter := read()
	b.ReportMetric(float64((ownAfter-own).Microseconds())/float64(b.N), "own-µs")
	b.ReportMetric(float64((thereAfter-there).Microseconds())/float64(b.N), "server-µs")
}

// produce has producers call f until it was called b.N times, and reports the rate and the times it took.
func produce(b *testing.B, server *pgtest.Server, f func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	took := make([][]time.Duration, producers)
	measured(b, server, func() { call(b, &left, took, f) })
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// call has producers call f until nothing is left.
func call(b *testing.B, left *atomic.Int64, took [][]time.Duration, f func() error) {
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				start := time.Now()
				if err := f(); err != nil {
					b.Error(err)
					return
				}
				took[p] = append(took[p], time.Since(start))
			}
		})
	}
	wg.Wait()
}

// BenchmarkAccept is the store itself: 64 producers, 2 KiB bodies, a commit on the disk before every answer. bare is the least
// that a database can do for it: the same rows by one statement for a batch of 32, one after the other on one connection.
func BenchmarkAccept(b *testing.B) {
	body := make([]byte, 2048)
	rand.Read(body)
	b.Run("bare", func(b *testing.B) { bare(b, durable(b), body) })
	b.Run("store", func(b *testing.B) {
		server := durable(b)
		s := openStore(b, postgres.Options{Address: server.DSN()})
		produce(b, server, func() error {
			_, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"})
			return err
		})
	})
	b.Run("sealed", func(b *testing.B) {
		server := durable(b)
		s := openStore(b, postgres.Options{Address: server.DSN(), Keys: ring(b, keyA)})
		produce(b, server, func() error {
			_, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"})
			return err
		})
	})
}

// bare inserts events as the plainest tables would have them.
func bare(b *testing.B, server *pgtest.Server, body []byte) {
	server.SQL(`CREATE TABLE k (key uuid PRIMARY KEY, event uuid, hits int); CREATE TABLE e (id uuid PRIMARY KEY, record bytea);
		CREATE TABLE p (id uuid PRIMARY KEY, body bytea) WITH (toast_tuple_target = 8160); ALTER TABLE p ALTER body SET STORAGE EXTERNAL;
		CREATE TABLE l (event uuid PRIMARY KEY, destination int, at bigint)`)
	conn, err := pgx.Connect(b.Context(), server.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	const batch = 32
	record := make([]byte, 400)
	measured(b, server, func() { insert(b, conn, batch, record, body) })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
	b.ReportMetric(0, "ns/op")
}

func insert(b *testing.B, conn *pgx.Conn, batch int, record, body []byte) {
	for n := 0; n < b.N; n += batch {
		ids, keys, records, bodies := make([][16]byte, batch), make([][16]byte, batch), make([][]byte, batch), make([][]byte, batch)
		for i := range batch {
			ids[i], records[i], bodies[i] = ulid.Make(), record, body
			rand.Read(keys[i][:])
		}
		if _, err := conn.Exec(b.Context(), `WITH q AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) q (id, key, record, body)),
			k AS (INSERT INTO k SELECT key, id, 0 FROM q ORDER BY key ON CONFLICT (key) DO UPDATE SET hits = k.hits + 1 RETURNING key, event),
			e AS (INSERT INTO e SELECT q.id, q.record FROM q JOIN k ON k.key = q.key AND k.event = q.id RETURNING id),
			p AS (INSERT INTO p SELECT q.id, q.body FROM q JOIN e USING (id)), l AS (INSERT INTO l SELECT id, 1, 1 FROM e) SELECT count(*) FROM e`, ids, keys, records, bodies); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliver claims, by 64 at a time, and finishes what was accepted before.
func BenchmarkDeliver(b *testing.B) {
	body := make([]byte, 2048)
	server := durable(b)
	s := openStore(b, postgres.Options{Address: server.DSN()})
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range 4 * producers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var claiming, finishing time.Duration
	measured(b, server, func() { deliverAll(b, s, &claiming, &finishing) })
	b.ReportMetric(float64(b.N)/claiming.Seconds(), "claims/s")
	b.ReportMetric(float64(b.N)/finishing.Seconds(), "outcomes/s")
	b.ReportMetric(0, "ns/op")
}

func deliverAll(b *testing.B, s store.Store, claiming, finishing *time.Duration) {
	for done := 0; done < b.N; {
		began := time.Now()
		claimed, err := s.Claim(context.Background(), "crm", time.Now(), time.Hour, 64, nil)
		*claiming += time.Since(began)
		if err != nil || len(claimed) == 0 {
			b.Fatal(len(claimed), err)
		}
		done += len(claimed)
		began = time.Now()
		finish(b, s, claimed)
		*finishing += time.Since(began)
	}
}

func finish(b *testing.B, s store.Store, claimed []store.Claimed) {
	done := make([]store.Attempt, len(claimed))
	for i, c := range claimed {
		done[i] = store.Attempt{DeliveryID: c.ID, State: store.Delivered, At: time.Now(), Status: 200}
	}
	if err := s.Finish(context.Background(), done); err != nil {
		b.Fatal(err)
	}
}
