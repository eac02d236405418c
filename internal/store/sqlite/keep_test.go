package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

var ctx = context.Background()

// onDisk tells whether a text stands in one of a store's files.
func onDisk(t *testing.T, path, text string) bool {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

const secret = "the caller said +15551234567"

func secretEvent() *store.Event {
	e := randomEvent([]byte("body: " + secret))
	e.Record = []byte("record: " + secret)
	e.URI = "/hook?" + secret
	e.Header = map[string][]string{"X-Caller": {secret}}
	return e
}

func TestSealedAtRest(t *testing.T) {
	for name, keys := range map[string]*seal.Ring{"sealed": ring(t, keyA), "plain": nil} {
		path := filepath.Join(t.TempDir(), "store.db")
		s := openStore(t, sqlite.Options{Path: path, Keys: keys})
		a, err := s.Accept(ctx, secretEvent(), []string{"crm"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Dead, Excerpt: []byte(secret)}}); err != nil {
			t.Fatal(err)
		}
		attempts, err := s.Attempts(ctx, strings.ToLower(a.Deliveries[0]))
		if err != nil || len(attempts) != 1 || string(attempts[0].Excerpt) != secret || attempts[0].DeliveryID != a.Deliveries[0] {
			t.Errorf("%s: attempts of an id in small letters: %+v, %v", name, attempts, err)
		}
		if found := onDisk(t, path, secret); found != (keys == nil) {
			t.Errorf("%s: the content stands on the disk: %v", name, found)
		}
	}
}

// expireAll expires whatever does not wait, in one batch.
func expireAll(s *sqlite.Store, batch int) (int, error) {
	n, err := s.Expire(ctx, store.Retention{Done: 1, Dead: 1}, time.Now().Add(time.Hour), batch)
	return int(n.Total()), err
}

// What was erased or has expired is gone from the files, not only from the listings.
func TestErasedFromDisk(t *testing.T) {
	for name, remove := range map[string]func(*sqlite.Store) (int, error){
		"Erase": func(s *sqlite.Store) (int, error) {
			return s.Erase(ctx, store.Filter{CallID: "call-0123456789"}, false)
		},
		"Expire": func(s *sqlite.Store) (int, error) { return expireAll(s, 100) },
		"Expire in batches": func(s *sqlite.Store) (int, error) {
			n, err := expireAll(s, 5)
			m, again := expireAll(s, 5)
			_, last := expireAll(s, 5)
			return n + m, errors.Join(err, again, last)
		},
		"Expire, closed": func(s *sqlite.Store) (int, error) {
			n, err := expireAll(s, 10)
			return n, errors.Join(err, s.Close())
		},
	} {
		path := filepath.Join(t.TempDir(), "store.db")
		s := openStore(t, sqlite.Options{Path: path})
		for range 10 {
			if _, err := s.Accept(ctx, secretEvent(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if !onDisk(t, path, secret) {
			t.Fatal("the test does not see what is on the disk")
		}
		if n, err := remove(s); err != nil || n != 10 {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		if onDisk(t, path, secret) {
			t.Errorf("%s leaves the content on the disk", name)
		}
	}
}

// Who reads an older state meanwhile keeps the log, and with it what was erased. So the log is emptied afterwards.
func TestErasedFromDiskWhileSomebodyReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var commits atomic.Int64
	release := make(chan struct{})
	s := openStore(t, sqlite.Options{Path: path, Committed: func(int, time.Duration) {
		if commits.Add(1) == 3 { // of the event, of its deletion, and of the first try
			close(release)
		}
	}})
	if _, err := s.Accept(ctx, secretEvent(), nil); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro"}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT seq FROM events UNION ALL SELECT 1")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	go func() {
		<-release
		rows.Close()
	}()
	if n, err := s.Erase(ctx, store.Filter{CallID: "call-0123456789"}, false); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if onDisk(t, path, secret) {
		t.Error("what was erased stands on the disk")
	}
}

// One payload that does not open must not hold up the deliveries behind it.
func TestUnreadablePayload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	accept := func(keys *seal.Ring) string {
		s := openStore(t, sqlite.Options{Path: path, Keys: keys})
		defer s.Close()
		a, err := s.Accept(ctx, randomEvent([]byte("x")), []string{"crm"})
		if err != nil {
			t.Fatal(err)
		}
		return a.Deliveries[0]
	}
	first := accept(ring(t, keyA))
	bad := accept(ring(t, keyB, keyA))
	last := accept(ring(t, keyA, keyB))
	var logged []string
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Log: func(msg string, err error) { logged = append(logged, fmt.Sprint(msg, err)) }})
	claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 5, nil)
	if err != nil || len(claimed) != 2 || claimed[0].ID != first || claimed[1].ID != last {
		t.Fatalf("claimed %d, %v", len(claimed), err)
	}
	if len(logged) != 1 || !strings.Contains(logged[0], strings.TrimSuffix(bad, ".0")) {
		t.Errorf("logged %q", logged)
	}
	if next, err := s.Next(ctx, "crm"); err != nil || !next.IsZero() {
		t.Errorf("the unreadable one is due at once: %v, %v", next, err)
	}
}

// A store that has reached its bound refuses events, goes on delivering, and takes events again when some have gone.
func TestMaxBytes(t *testing.T) {
	s := openStore(t, sqlite.Options{MaxBytes: 2 << 20})
	empty, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	body := noise(20_000)
	var deliveries []string
	for {
		a, err := s.Accept(ctx, randomEvent(body), []string{"crm"})
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil || len(deliveries) > 200 {
			t.Fatalf("%d accepted, then %v", len(deliveries), err)
		}
		deliveries = append(deliveries, a.Deliveries...)
	}
	if len(deliveries) < 50 {
		t.Errorf("full after %d events of 20 kB", len(deliveries))
	}
	stats, err := s.Stats(ctx)
	if err != nil || stats.Bytes > stats.MaxBytes || stats.MaxBytes != 2<<20 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 1000, nil)
	if err != nil || len(claimed) != len(deliveries) {
		t.Fatalf("claimed %d of %d: %v", len(claimed), len(deliveries), err)
	}
	var results []store.Attempt
	for _, c := range claimed {
		results = append(results, store.Attempt{DeliveryID: c.ID, State: store.Delivered})
	}
	if err := s.Finish(ctx, results); err != nil {
		t.Fatal(err)
	}
	if n, err := expireAll(s, 1000); err != nil || n != len(deliveries) {
		t.Fatalf("expired %d, %v", n, err)
	}
	if _, err := s.Accept(ctx, randomEvent(body), []string{"crm"}); err != nil {
		t.Errorf("with room again: %v", err)
	}
	after, err := s.Stats(ctx)
	if err != nil || after.Bytes-empty.Bytes > (stats.Bytes-empty.Bytes)/4 {
		t.Errorf("%d bytes before, %d after expiring, %d when it was empty: %v", stats.Bytes, after.Bytes, empty.Bytes, err)
	}
}

// Expiring gives the space back to the file system.
func TestExpireShrinksTheFile(t *testing.T) {
	path := used(t, sqlite.Options{})
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, sqlite.Options{Path: path})
	list, err := s.Deliveries(ctx, store.Filter{}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if err := s.Finish(ctx, []store.Attempt{{DeliveryID: d.ID, State: store.Dead}}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := expireAll(s, 100); n != len(list) || err != nil {
		t.Fatal(err)
	}
	s.Close()
	after, err := os.Stat(path)
	if err != nil || after.Size() > before.Size()*3/4 {
		t.Errorf("%d bytes before, %d after", before.Size(), after.Size())
	}
}

// A request that fails takes nobody with it that shares its commit.
func TestBatchWithAFailure(t *testing.T) {
	var sizes []int
	s := openStore(t, sqlite.Options{WaitForEach: time.Millisecond, Committed: func(n int, took time.Duration) { sizes = append(sizes, n) }})
	taken := randomEvent(nil)
	if _, err := s.Accept(ctx, taken, nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			e := randomEvent(nil)
			if i == 20 {
				e.ID = taken.ID
			}
			if _, err := s.Accept(ctx, e, []string{"crm"}); (err != nil) != (i == 20) {
				t.Errorf("event %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	s.Close()
	if len(sizes) > 10 {
		t.Errorf("41 requests took %d commits, %v", len(sizes), sizes)
	}
}

func TestDeliveryIDs(t *testing.T) {
	s := openStore(t, sqlite.Options{})
	e := randomEvent(nil)
	if _, err := s.Accept(ctx, e, make([]string, 1001)); err == nil {
		t.Error("1001 destinations")
	}
	if _, err := s.Accept(ctx, e, []string{"crm"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", e.ID, e.ID + ".", e.ID + ".-1", e.ID + ".00", e.ID + ".0 ", e.ID + ".99999999999", strings.ToLower(e.ID) + "x.0"} {
		if err := s.Finish(ctx, []store.Attempt{{DeliveryID: id, State: store.Dead}}); err == nil {
			t.Errorf("%q is taken for a delivery's id", id)
		}
	}
}
