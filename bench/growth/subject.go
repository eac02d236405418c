package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/callgate/callgate/bench/words"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
)

const (
	destination = "crm"
	fillers     = 256
	// finishTogether is how many attempts are recorded at once, about as many as the dispatcher does under load.
	finishTogether = 100
)

// subject is a store under measurement.
type subject struct {
	o     *options
	path  string // its file, or inSchema and the name of a schema
	store store.Store
	// salt and the number of an event make its unique key, so that any key can be made again without being kept.
	salt   [16]byte
	events atomic.Int64
	filled int64
}

func newSubject(o *options, name string) (*subject, error) {
	s := &subject{o: o, path: filepath.Join(o.scratch, name, "store.db")}
	if o.postgres {
		s.path = fmt.Sprintf("%scallgate_growth_%s_%d", inSchema, name, os.Getpid())
	}
	_, _ = rand.Read(s.salt[:]) // never fails
	return s, s.open()
}

func (s *subject) open() (err error) {
	s.store, err = openStore(s.path)
	return err
}

// schema is where it is in the database; empty if it is in a file.
func (s *subject) schema() string {
	schema, ok := strings.CutPrefix(s.path, inSchema)
	if !ok {
		return ""
	}
	return schema
}

func (s *subject) close() error {
	if s.store == nil {
		return nil
	}
	err := s.store.Close()
	s.store = nil
	return err
}

// remove closes the store and deletes it. What it was about to do does not matter any more.
func (s *subject) remove() {
	_ = s.close()
	if schema := s.schema(); schema != "" {
		if err := dropSchema(schema); err != nil {
			fmt.Fprintf(s.o.progress, "the schema %s stays in the database: %v\n", schema, err)
		}
		return
	}
	_ = os.RemoveAll(filepath.Dir(s.path))
}

// key is the unique key of an event by its number: as random as a hash is.
func (s *subject) key(n int64) [16]byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(s.salt[:], uint64(n)))
	return [16]byte(sum[:])
}

// event makes an event that looks like one the gateway would store.
func event(key [16]byte, body, record []byte) *store.Event {
	return &store.Event{
		ID: ulid.Make().String(), Key: key, Source: "nextphone", Route: "hooks", EventType: "call.completed", EventID: hex.EncodeToString(key[:]),
		ReceivedAt: time.Now(), Method: http.MethodPost, URI: "/webhooks/calls", Header: http.Header{"Content-Type": {"application/json"}},
		Body: body, Record: record,
	}
}

// payload is the body of a lead, and what is read from it.
func payload(size int) (body, record []byte) {
	const start, end = `{"lead":{"name":"Mike Johnson","phone":"+15559876543","source":"AI Receptionist","notes":"`, `"}}`
	body = []byte(start + words.Text(max(0, size-len(start)-len(end))) + end)
	parser, err := source.New("nextphone", source.Options{})
	if err == nil {
		var c *call.Call
		if c, err = parser.Parse(&source.Request{Body: body}); err == nil {
			record, err = c.Encode()
		}
	}
	if err != nil {
		panic(err) // the body is the same each time
	}
	return body, record
}

// kept is how many bytes of the database are in use. It is asked for beside the store, which would look at more.
func (s *subject) kept(ctx context.Context) (n int64, err error) {
	if s.o.postgres {
		return schemaBytes(s.schema())
	}
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(s.path)+"?mode=ro")
	if err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT (c.page_count - f.freelist_count) * s.page_size FROM pragma_page_count c, pragma_freelist_count f, pragma_page_size s").Scan(&n)
	return n, errors.Join(err, db.Close())
}

// accept stores an event and gives the id of its delivery.
func (s *subject) accept(ctx context.Context, n int64, body, record []byte) (delivery string, err error) {
	a, err := s.store.Accept(ctx, event(s.key(n), body, record), []string{destination})
	if err != nil {
		return "", err
	}
	if a.Duplicate {
		return "", fmt.Errorf("event %d is taken for a duplicate, and is none", n)
	}
	return a.Deliveries[0], nil
}

// fill stores events until there are as many as asked for, as fast as the store takes them. If they are to be settled,
// each is delivered with one attempt.
func (s *subject) fill(ctx context.Context, rows int64, settled bool) (perSecond float64, err error) {
	if s.o.postgres {
		return s.seed(ctx, rows, settled)
	}
	from := s.events.Load()
	if rows <= from {
		return 0, nil
	}
	began := time.Now()
	var done atomic.Int64
	stop := s.o.tell(&done, rows-from, began)
	defer stop()
	body, _ := payload(s.o.fillSize)
	g, ctx := errgroup.WithContext(ctx)
	for range fillers {
		g.Go(func() error {
			var attempts []store.Attempt
			for {
				n := s.events.Add(1) - 1
				if n >= rows {
					return s.finish(ctx, attempts)
				}
				delivery, err := s.accept(ctx, n, body, nil)
				if err != nil {
					return err
				}
				done.Add(1)
				if !settled {
					continue
				}
				if attempts = append(attempts, delivered(delivery)); len(attempts) == finishTogether {
					if err := s.finish(ctx, attempts); err != nil {
						return err
					}
					attempts = attempts[:0]
				}
			}
		})
	}
	err = g.Wait()
	s.events.Store(rows) // the goroutines have counted beyond it to see that it is enough
	s.filled = rows
	return float64(rows-from) / time.Since(began).Seconds(), err
}

func delivered(delivery string) store.Attempt {
	return store.Attempt{DeliveryID: delivery, Number: 1, At: time.Now(), Took: 80 * time.Millisecond, Status: http.StatusOK, State: store.Delivered}
}

func (s *subject) finish(ctx context.Context, attempts []store.Attempt) error {
	if len(attempts) == 0 {
		return nil
	}
	return s.store.Finish(ctx, attempts)
}

// tell reports how far filling has come, until stop is called.
func (o *options) tell(done *atomic.Int64, of int64, began time.Time) (stop func()) {
	t := time.NewTicker(10 * time.Second)
	stopped := make(chan struct{})
	go func() {
		last, lastAt := int64(0), began
		for {
			select {
			case now := <-t.C:
				n := done.Load()
				fmt.Fprintf(o.progress, "filled %s of %s, %.0f events/s now\n", humanize.Comma(n), humanize.Comma(of), float64(n-last)/now.Sub(lastAt).Seconds())
				last, lastAt = n, now
			case <-stopped:
				return
			}
		}
	}()
	return func() { t.Stop(); close(stopped) }
}

// deliver claims what is due and records it as delivered, until nothing is left or the time is over; 0 is no limit.
func (s *subject) deliver(ctx context.Context, limit time.Duration, t *tally) error {
	began := time.Now()
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range 4 {
		g.Go(func() error {
			for limit == 0 || time.Since(began) < limit {
				claimed, err := s.store.Claim(ctx, destination, time.Now(), time.Minute, finishTogether, nil)
				if err != nil || len(claimed) == 0 {
					return err
				}
				attempts := make([]store.Attempt, len(claimed))
				for i := range claimed {
					attempts[i] = delivered(claimed[i].ID)
				}
				if err := s.finish(ctx, attempts); err != nil {
					return err
				}
				done.Add(int64(len(claimed)))
			}
			return nil
		})
	}
	err := g.Wait()
	t.count += done.Load()
	t.measured += time.Since(began)
	return err
}

// oldDuplicate accepts an event again that was accepted long ago, so that its key is in the table of keys and not in memory.
func (s *subject) oldDuplicate(ctx context.Context, n int64, body, record []byte) error {
	a, err := s.store.Accept(ctx, event(s.key(n), body, record), []string{destination})
	if err == nil && !a.Duplicate {
		err = errors.New("a duplicate was taken for a new event")
	}
	return err
}

// fileBytes is the size of the store's files, the write-ahead log included.
func (s *subject) fileBytes() (sum int64) {
	if schema := s.schema(); schema != "" {
		sum, _ = schemaBytes(schema) // the table has no line then
		return sum
	}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(s.path + suffix); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
