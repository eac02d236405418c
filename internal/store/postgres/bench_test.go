package postgres_test

import (
	"context"
	"crypto/rand"
	"slices"
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

// produce has producers call f until it was called b.N times, and reports the rate and the times it took.
func produce(b *testing.B, f func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	took := make([][]time.Duration, producers)
	b.ResetTimer()
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
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAccept is the store itself: 64 producers, 2 KiB bodies, a commit on the disk before every answer. bare is the least
// that a database can do for it: the same rows by one statement for a batch of 32, one after the other on one connection.
func BenchmarkAccept(b *testing.B) {
	body := make([]byte, 2048)
	rand.Read(body)
	b.Run("bare", func(b *testing.B) { bare(b, durable(b), body) })
	b.Run("store", func(b *testing.B) {
		s := openStore(b, postgres.Options{Address: durable(b).DSN()})
		produce(b, func() error {
			_, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"})
			return err
		})
	})
	b.Run("sealed", func(b *testing.B) {
		s := openStore(b, postgres.Options{Address: durable(b).DSN(), Keys: ring(b, keyA)})
		produce(b, func() error {
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
	b.ResetTimer()
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
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDeliver claims, by 64 at a time, and finishes what was accepted before.
func BenchmarkDeliver(b *testing.B) {
	body := make([]byte, 2048)
	s := openStore(b, postgres.Options{Address: durable(b).DSN()})
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
	b.ResetTimer()
	var claiming, finishing time.Duration
	for done := 0; done < b.N; {
		began := time.Now()
		claimed, err := s.Claim(context.Background(), "crm", time.Now(), time.Hour, 64, nil)
		claiming += time.Since(began)
		if err != nil || len(claimed) == 0 {
			b.Fatal(len(claimed), err)
		}
		done += len(claimed)
		began = time.Now()
		finish(b, s, claimed)
		finishing += time.Since(began)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/claiming.Seconds(), "claims/s")
	b.ReportMetric(float64(b.N)/finishing.Seconds(), "outcomes/s")
	b.ReportMetric(0, "ns/op")
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
