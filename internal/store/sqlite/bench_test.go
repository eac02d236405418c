package sqlite_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"github.com/oklog/ulid/v2"
)

const producers = 64

// noise is what cannot be compressed, and the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	mathrand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// randomEvent is an event of 2 KiB with a random key.
func randomEvent(body []byte) *store.Event {
	e := &store.Event{ID: ulid.MustNew(ulid.Now(), rand.Reader).String(), Tenant: "acme", Source: "nextphone", Route: "hooks", EventType: "call.ended",
		EventID: "evt-0123456789", CallID: "call-0123456789", ReceivedAt: time.Now(), Method: "POST", URI: "/hook",
		Header: map[string][]string{"Content-Type": {"application/json"}}, Body: body}
	rand.Read(e.Key[:])
	return e
}

// produce has producers call f until it was called b.N times, and reports the rate, the times it took, and where the system
// tells (Linux) what this process used of the CPUs for each: that is nearly the same on a busy machine, and the others are not.
func produce(b *testing.B, f func() error) {
	before, cpuErr := process.CPUTime(os.Getpid())
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
	if after, err := process.CPUTime(os.Getpid()); errors.Join(cpuErr, err) == nil {
		b.ReportMetric(float64((after-before).Microseconds())/float64(b.N), "cpu-µs")
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAccept is the store itself: 64 producers, 2 KiB bodies, an fsync before every answer.
func BenchmarkAccept(b *testing.B) {
	for _, c := range []struct {
		name string
		rows int
		o    sqlite.Options
	}{
		{"empty", 0, sqlite.Options{}},
		{"sealed", 0, sqlite.Options{Keys: ring(b, keyA)}},
		{"1M", 1_000_000, sqlite.Options{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.rows > 0 && !heavy() {
				b.Skip("a million rows take minutes: set CALLGATE_HEAVY=1")
			}
			body := noise(2048)
			c.o.Path = filled(b, c.rows, body)
			s := openStore(b, c.o)
			defer s.Close()
			produce(b, func() error {
				_, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"})
				return err
			})
		})
	}
}

var filledPaths = map[int]string{}

// filled gives the path of a store with that many waiting deliveries, and says how long it takes to open.
func filled(b *testing.B, rows int, body []byte) string {
	if rows == 0 {
		return filepath.Join(b.TempDir(), "store.db")
	}
	if filledPaths[rows] == "" {
		dir, err := os.MkdirTemp("", "callgate-bench")
		if err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(dir, "store.db")
		s := openStore(b, sqlite.Options{Path: path})
		start := time.Now()
		var left atomic.Int64
		left.Store(int64(rows))
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
		b.Logf("filling took %v", time.Since(start))
		s.Close()
		start = time.Now()
		s = openStore(b, sqlite.Options{Path: path})
		b.Logf("opening took %v", time.Since(start))
		start = time.Now()
		if _, err := s.Stats(context.Background()); err != nil {
			b.Error(err)
		}
		b.Logf("the first stats took %v", time.Since(start))
		s.Close()
		filledPaths[rows] = path
		defer func() { deferred = append(deferred, dir) }()
	}
	return filledPaths[rows]
}

// deferred are directories to remove when all benchmarks are done.
var deferred []string

func TestMain(m *testing.M) {
	if child() {
		return
	}
	code := m.Run()
	for _, dir := range deferred {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// BenchmarkAppendLog is the limit: the same bytes appended to a file, group commit, no database.
func BenchmarkAppendLog(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	type entry struct{ done chan error }
	entries := make(chan entry, 1024)
	body := noise(2048)
	w := bufio.NewWriterSize(f, 4<<20)
	go func() {
		for e := range entries {
			batch := []entry{e}
			for more := true; more && len(batch) < 512; {
				select {
				case e, ok := <-entries:
					if ok {
						batch = append(batch, e)
					}
					more = ok
				default:
					more = false
				}
			}
			for range batch {
				binary.Write(w, binary.BigEndian, uint32(len(body)))
				w.Write(body)
			}
			err := w.Flush()
			if err == nil {
				err = f.Sync()
			}
			for _, e := range batch {
				e.done <- err
			}
		}
	}()
	defer close(entries)
	produce(b, func() error {
		e := entry{make(chan error, 1)}
		entries <- e
		return <-e.done
	})
}

// BenchmarkTransactionPerRequest is what a store without group commit does: the same rows, a commit for each.
func BenchmarkTransactionPerRequest(b *testing.B) {
	body := noise(2048)
	s := openStore(b, sqlite.Options{MaxBatch: 1})
	defer s.Close()
	produce(b, func() error {
		_, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"})
		return err
	})
}

// BenchmarkDatabaseSQL is the same with database/sql and one table, as programs are usually written.
func BenchmarkDatabaseSQL(b *testing.B) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "plain.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE events (id TEXT PRIMARY KEY, body BLOB)"); err != nil {
		b.Fatal(err)
	}
	body := noise(2048)
	var n atomic.Int64
	produce(b, func() error {
		_, err := db.Exec("INSERT INTO events VALUES (?, ?)", fmt.Sprint(n.Add(1)), body)
		return err
	})
}

// BenchmarkDeliver is the other half of an event's life: claim it, finish it.
func BenchmarkDeliver(b *testing.B) {
	body := noise(2048)
	s := openStore(b, sqlite.Options{})
	defer s.Close()
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := p; i < b.N; i += producers {
				if _, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var done atomic.Int64
	before, cpuErr := process.CPUTime(os.Getpid())
	b.ResetTimer()
	for range 8 {
		wg.Go(func() {
			for {
				claimed, err := s.Claim(context.Background(), "crm", time.Now(), time.Minute, 8, nil)
				if err != nil || len(claimed) == 0 {
					return
				}
				var results []store.Attempt
				for _, c := range claimed {
					results = append(results, store.Attempt{DeliveryID: c.ID, At: time.Now(), Status: 200, State: store.Delivered})
				}
				if err := s.Finish(context.Background(), results); err != nil {
					b.Error(err)
				}
				done.Add(int64(len(claimed)))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if after, err := process.CPUTime(os.Getpid()); errors.Join(cpuErr, err) == nil {
		b.ReportMetric(float64((after-before).Microseconds())/float64(b.N), "cpu-µs")
	}
	if done.Load() != int64(b.N) {
		b.Errorf("delivered %d of %d", done.Load(), b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(0, "ns/op")
}
