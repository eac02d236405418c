package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestWhatTenantsHoldIsCounted does all that changes what tenants hold, in a store that has hardly any room, and compares
// what is counted with what is there.
func TestWhatTenantsHoldIsCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var told []string
	o := sqlite.Options{Path: path, Keys: ring(t, keyA), MaxBytes: 2 << 20, Tenant: store.Quota{Events: 60},
		Log: func(msg string, err error) { told = append(told, fmt.Sprint(msg, ": ", err)) }}
	s := openStore(t, o)
	r := rand.New(rand.NewPCG(1, 2))
	var waiting []string
	full := 0
	for i := range 800 {
		e := randomEvent(noise(r.IntN(30_000)))
		e.Tenant = fmt.Sprint("tenant ", r.IntN(5))
		a, err := s.Accept(ctx, e, []string{"crm", "ehr"})
		switch {
		case errors.Is(err, store.ErrFull):
			full++
		case err != nil:
			t.Fatal(err)
		}
		waiting = append(waiting, a.Deliveries...)
		for len(waiting) > 60 {
			n := r.IntN(len(waiting))
			if err := s.Finish(ctx, []store.Attempt{{DeliveryID: waiting[n], State: []store.State{store.Delivered, store.Delivered, store.Delivered, store.Dead}[r.IntN(4)]}}); err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting[:n], waiting[n+1:]...)
		}
		switch i % 100 {
		case 30:
			_, err = s.Erase(ctx, store.Filter{Tenant: "tenant 1"}, false)
		case 60:
			_, err = s.Expire(ctx, store.Retention{Done: 1, Dead: 1}, time.Now(), 10)
		case 90:
			if err = s.Close(); err == nil {
				s = openStore(t, o)
			}
		}
		if err != nil && !errors.Is(err, store.ErrFull) {
			t.Fatal(err)
		}
	}
	stats, err := s.Stats(ctx)
	if err != nil || stats.Dropped == 0 || full == 0 || stats.Bytes > stats.MaxBytes {
		t.Errorf("the test does not reach the bounds: %d refused, %+v, %v", full, stats, err)
	}
	if text := strings.Join(told, "\n"); !strings.Contains(text, "delivered events lose their content") {
		t.Errorf("the operator is told: %s", text)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wrong := 0
	if err := db.QueryRow(`SELECT count(*) FROM held h FULL JOIN
		(SELECT e.tenant, sum(e.size) AS bytes, count(p.seq) AS events FROM events e LEFT JOIN payloads p ON p.seq = e.seq GROUP BY e.tenant) x ON x.tenant = h.tenant
		WHERE coalesce(h.bytes, 0) <> coalesce(x.bytes, 0) OR coalesce(h.events, 0) <> coalesce(x.events, 0)`).Scan(&wrong); err != nil || wrong > 0 {
		t.Errorf("of %d tenants it is wrong what they hold, %v", wrong, err)
	}
}

// TestDeliveredMakesRoomOnTheDisk holds that a disk with no more than its reserve takes events in the place of delivered
// ones.
func TestDeliveredMakesRoomOnTheDisk(t *testing.T) {
	d := new(disk)
	d.size.Store(100 << 30)
	d.free.Store(80 << 20)
	s := openStore(t, sqlite.Options{FreeSpace: d.space})
	body := noise(100 << 10)
	var deliveries []string
	for range 30 {
		a, err := s.Accept(ctx, randomEvent(body), []string{"crm"})
		if err != nil {
			t.Fatal(err)
		}
		deliveries = append(deliveries, a.Deliveries...)
	}
	d.free.Store(60 << 20)
	if _, err := s.Accept(ctx, randomEvent(body), []string{"crm"}); !errors.Is(err, store.ErrFull) {
		t.Fatalf("while all wait: %v", err)
	}
	var done []store.Attempt
	for _, id := range deliveries {
		done = append(done, store.Attempt{DeliveryID: id, State: store.Delivered})
	}
	if err := s.Finish(ctx, done); err != nil {
		t.Fatal(err)
	}
	// Erasing one empties the log: what stands only there needs room in the database too.
	small := randomEvent(nil)
	d.free.Store(80 << 20)
	if _, err := s.Accept(ctx, small, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(ctx, store.Filter{EventID: small.ID}, false); err != nil {
		t.Fatal(err)
	}
	d.free.Store(64<<20 + 10<<10)
	if _, err := s.Accept(ctx, randomEvent(body), []string{"crm"}); err != nil {
		t.Errorf("when all are delivered: %v", err)
	}
	if stats, err := s.Stats(ctx); err != nil || stats.Dropped == 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

// TestNoTenantFillsTheDisk has one tenant store what it can in a store whose only bound is its disk.
func TestNoTenantFillsTheDisk(t *testing.T) {
	const capacity = 40 << 20
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, WALBytes: 1 << 20, FreeSpace: func(string) (int64, int64, error) {
		used := int64(0)
		for _, suffix := range []string{"", "-wal"} {
			if info, err := os.Stat(path + suffix); err == nil {
				used += info.Size()
			}
		}
		return capacity - used, capacity, nil
	}})
	fill := func(tenant string, most int) (n int) {
		t.Helper()
		for ; n < most; n++ {
			e := randomEvent(noise(64 << 10))
			e.Tenant = tenant
			_, err := s.Accept(ctx, e, []string{"crm"})
			if errors.Is(err, store.ErrFull) {
				return n
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if n := fill("globex", 1000) << 16; n < capacity/2 || n > capacity*9/10 {
		t.Errorf("one tenant has %d of a disk of %d bytes", n, capacity)
	}
	if n := fill("acme", 5); n < 5 {
		t.Errorf("there is room for %d events of another one", n)
	}
	if n := fill("globex", 1); n > 0 {
		t.Error("the first one gets more than its share")
	}
}

// TestContentOfAWaitingEventIsMissing deletes content in the file. What is delivered nowhere must not be delivered empty.
func TestContentOfAWaitingEventIsMissing(t *testing.T) {
	path := used(t, sqlite.Options{})
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DELETE FROM payloads WHERE seq = 1"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	s := openStore(t, sqlite.Options{Path: path})
	claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 100, nil)
	if err != nil || len(claimed) != 19 {
		t.Errorf("%d of 20 claimed, %v", len(claimed), err)
	}
}
