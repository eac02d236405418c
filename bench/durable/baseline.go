package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// produce has a number of goroutines call f, each again when it has returned, and measures as the load generator does.
func (o *options) produce(ctx context.Context, producers int, f func() error) (*figures, error) {
	var from, to atomic.Int64
	from.Store(1 << 62)
	to.Store(1 << 62)
	began := time.Now()
	took := make([][]time.Duration, producers)
	failures := make([]error, producers)
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for ctx.Err() == nil {
				start := time.Since(began)
				if start > time.Duration(to.Load()) {
					return
				}
				if failures[p] = f(); failures[p] != nil {
					return
				}
				if end := time.Since(began); int64(start) >= from.Load() && int64(end) <= to.Load() {
					took[p] = append(took[p], end-start)
				}
			}
		})
	}
	time.Sleep(o.warmup)
	from.Store(int64(time.Since(began)))
	time.Sleep(o.seconds)
	to.Store(int64(time.Since(began)))
	wg.Wait()
	if err := errors.Join(append(failures, ctx.Err())...); err != nil {
		return nil, err
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	measured := time.Duration(to.Load() - from.Load())
	return &figures{
		PerSecond: float64(len(all)) / measured.Seconds(), P50: quantile(all, .5), P99: quantile(all, .99), Acks: int64(len(all)),
	}, nil
}

// quantile of sorted times, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(q * float64(len(sorted)))
	return float64(sorted[min(i, len(sorted)-1)]) / 1e6
}

func (o *options) body() []byte {
	b := make([]byte, o.Size)
	_, _ = rand.Read(b) // never fails
	return b
}

// store is the gateway's own, without a gateway.
func (o *options) store(ctx context.Context, producers int) (_ *figures, err error) {
	dir, err := os.MkdirTemp(o.scratch, "store-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := sqlite.Open(sqlite.Options{Path: filepath.Join(dir, "store.db")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	body := o.body()
	header := http.Header{"Content-Type": {"application/json"}}
	record := slices.Clone(body[:min(len(body), 600)]) // about as much as a call record takes
	return o.produce(ctx, producers, func() error {
		e := &store.Event{
			ID: ulid.Make().String(), Source: "nextphone", Route: "hooks", ReceivedAt: time.Now(), Method: http.MethodPost,
			URI: "/webhooks/calls", Header: header, Body: body, Record: record,
		}
		_, _ = rand.Read(e.Key[:]) // never fails
		_, err := s.Accept(ctx, e, []string{"crm"})
		return err
	})
}

// appendLog is the limit: the same bytes appended to a file, and an fsync for all that came while the last one ran.
func (o *options) appendLog(ctx context.Context, producers int) (_ *figures, err error) {
	f, err := os.CreateTemp(o.scratch, "log-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	entries := make(chan chan error, 1024)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(entries)
	body := o.body()
	wg.Go(func() { appendEntries(f, body, entries) })
	return o.produce(ctx, producers, func() error {
		done := make(chan error, 1)
		entries <- done
		return <-done
	})
}

func appendEntries(f *os.File, body []byte, entries <-chan chan error) {
	w := bufio.NewWriterSize(f, 4<<20)
	var group []chan error
	for first := range entries {
		group = append(group[:0], first)
		for waits := true; waits && len(group) < 512; {
			select {
			case e, ok := <-entries:
				if waits = ok; ok {
					group = append(group, e)
				}
			default:
				waits = false
			}
		}
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(body)))
		for range group {
			_, _ = w.Write(length[:]) // Flush tells of an error
			_, _ = w.Write(body)
		}
		err := w.Flush()
		if err == nil {
			err = f.Sync()
		}
		for _, e := range group {
			e <- err
		}
	}
}

// transactions is one commit for each call, with the driver that the gateway's store has, the same durability, and a
// table with the call's id as its key.
func (o *options) transactions(ctx context.Context, producers int) (_ *figures, err error) {
	dir, err := os.MkdirTemp(o.scratch, "transactions-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "plain.db"))+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // SQLite writes one transaction at a time; more connections would only wait for each other
	if _, err := db.ExecContext(ctx, "CREATE TABLE events (id TEXT PRIMARY KEY, body BLOB)"); err != nil {
		return nil, err
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO events VALUES (?, ?)")
	if err != nil {
		return nil, err
	}
	body := o.body()
	var n atomic.Int64
	return o.produce(ctx, producers, func() error {
		_, err := insert.ExecContext(ctx, strconv.FormatInt(n.Add(1), 10), body)
		return err
	})
}
