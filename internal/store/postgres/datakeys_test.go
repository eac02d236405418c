package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/storetest"
	"github.com/jackc/pgx/v5"
)

var byRing = seal.Wrapping{Tenants: true}

func TestContractWithDataKeys(t *testing.T) {
	h := harness(start(t), postgres.Options{Keys: ring(t, keyA), Wrapping: byRing, MaxBatch: 3})
	h.Seals = true
	storetest.Run(t, h)
}

func TestDataKeysContract(t *testing.T) {
	storetest.RunDataKeys(t, harness(start(t), postgres.Options{Keys: ring(t, keyA)}))
}

// pair opens two gateways' stores on one database.
func pair(t *testing.T, server *pgtest.Server, schema string) (a, b *postgres.Store) {
	t.Helper()
	o := postgres.Options{Address: server.DSN(), Schema: schema, Gateway: "a", Keys: ring(t, keyA), Wrapping: byRing}
	a = openStore(t, o)
	o.Gateway = "b"
	return a, openStore(t, o)
}

// full has a store accept an event with an answer that is kept and a step that is done.
func full(t *testing.T, s *postgres.Store) *store.Event {
	t.Helper()
	e := randomEvent([]byte("a body"))
	a, err := accept(t, s, e)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Pending, Excerpt: []byte("later")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), a.Deliveries[0], []byte("step 1")); err != nil {
		t.Fatal(err)
	}
	return e
}

// reads tells what a store reads of an event of full.
func reads(t *testing.T, s *postgres.Store, e *store.Event) string {
	t.Helper()
	got, err := s.Event(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	attempts, err := s.Attempts(t.Context(), e.ID+".0")
	if err != nil || len(attempts) != 1 {
		t.Fatal(len(attempts), err)
	}
	kept, err := s.Kept(t.Context(), e.ID+".0")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s, %s, %s, %v", got.Body, attempts[0].Excerpt, kept, got.Dropped)
}

const (
	whole   = "a body, later, step 1, false"
	nothing = ", , , true"
)

// keysOf is in which states a tenant's keys are, in the order of their making.
func keysOf(t *testing.T, s *postgres.Store, tenant string) string {
	t.Helper()
	list, err := s.DataKeys(t.Context(), []string{tenant})
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, k := range list {
		switch {
		case !k.Destroyed.IsZero():
			states = append(states, "destroyed")
		case !k.Retired.IsZero():
			states = append(states, "opens")
		default:
			states = append(states, "seals")
		}
	}
	return strings.Join(states, " ")
}

// TestTwoGatewaysMakeOneDataKey has both need a tenant's first key at once.
func TestTwoGatewaysMakeOneDataKey(t *testing.T) {
	a, b := pair(t, start(t), "one")
	for i := range 10 {
		tenant := fmt.Sprint("tenant ", i)
		events := [2]*store.Event{randomEvent([]byte("a body")), randomEvent([]byte("a body"))}
		var wg sync.WaitGroup
		for j, s := range []*postgres.Store{a, b} {
			events[j].Tenant = tenant
			wg.Go(func() {
				if _, err := s.Accept(t.Context(), events[j], nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := keysOf(t, a, tenant); got != "seals" {
			t.Errorf("keys of %s: %s", tenant, got)
		}
		for j, s := range []*postgres.Store{b, a} { // each the other's
			if got, err := s.Event(t.Context(), events[j].ID); err != nil || string(got.Body) != "a body" {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
}

// TestNothingIsSealedWithAKeyThatAnotherDestroyed destroys a key of which a gateway has not heard.
func TestNothingIsSealedWithAKeyThatAnotherDestroyed(t *testing.T) {
	server := start(t)
	for _, audited := range []bool{false, true} {
		t.Run(fmt.Sprint("audited ", audited), func(t *testing.T) {
			schema := fmt.Sprint("lost_", audited)
			a, b := pair(t, server, schema)
			if audited {
				for _, s := range []*postgres.Store{a, b} {
					if _, err := s.OpenAudit("boot"); err != nil {
						t.Fatal(err)
					}
				}
			}
			full(t, b)
			destroy := func() {
				server.SQL("UPDATE " + schema + ".data_keys SET wrapped = NULL, destroyed_at = 1 WHERE destroyed_at = 0")
			}
			destroy()
			e := full(t, b)
			if got := reads(t, a, e); got != whole {
				t.Errorf("what was accepted after it: %s", got)
			}
			if got := keysOf(t, a, "acme"); got != "destroyed seals" {
				t.Errorf("keys: %s", got)
			}
			destroy()
			if err := b.Keep(t.Context(), e.ID+".0", []byte("step 2")); err != nil {
				t.Fatal(err)
			}
			if kept, err := a.Kept(t.Context(), e.ID+".0"); err != nil || string(kept) != "step 2" {
				t.Errorf("kept %q, %v", kept, err)
			}
			destroy()
			// What came of an attempt is written all the same.
			if err := b.Finish(t.Context(), []store.Attempt{{DeliveryID: e.ID + ".0", State: store.Delivered, Status: 200, Excerpt: []byte("thanks")}}); err != nil {
				t.Fatal(err)
			}
			attempts, err := a.Attempts(t.Context(), e.ID+".0")
			if err != nil || len(attempts) != 2 || attempts[1].Status != 200 || attempts[1].Excerpt != nil {
				t.Errorf("%+v, %v", attempts, err)
			}
		})
	}
}

// TestADestroyedKeyLeavesTheOthersMemory has the content still be there when the key is gone.
func TestADestroyedKeyLeavesTheOthersMemory(t *testing.T) {
	server := start(t)
	a, b := pair(t, server, "heard")
	e := full(t, a)
	if got := reads(t, b, e); got != whole {
		t.Fatalf("before: %s", got)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM heard.events FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{}, 100)
	defer b.Wake(func(store.Hint) { heard <- struct{}{} })()
	done := make(chan error, 1)
	var destroyed store.Destroyed
	go func() {
		var err error
		destroyed, err = a.DestroyDataKeys(t.Context(), "acme", false)
		done <- err
	}()
	over := time.After(10 * time.Second)
	for got := ""; got != nothing; got = reads(t, b, e) {
		select {
		case <-heard:
		case <-over:
			t.Fatalf("the other still reads %s", got)
		}
	}
	if claimed, err := b.Claim(t.Context(), "crm", time.Now(), time.Minute, 1, nil); err != nil || len(claimed) != 0 {
		t.Errorf("claimed %d, %v", len(claimed), err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || destroyed != (store.Destroyed{Keys: 1, Events: 1, Deliveries: 1}) {
		t.Errorf("%+v, %v", destroyed, err)
	}
	if d, err := b.Deliveries(t.Context(), store.Filter{DeliveryID: e.ID + ".0"}, store.Page{}); err != nil || len(d) != 1 || d[0].State != store.Dead || d[0].Reason != store.ContentGone {
		t.Errorf("%+v, %v", d, err)
	}
	if got := server.SQL("SELECT count(*) FROM heard.payloads") + server.SQL("SELECT count(*) FROM heard.attempts WHERE excerpt IS NOT NULL") +
		server.SQL("SELECT count(*) FROM heard.progress") + server.SQL("SELECT count(*) FROM heard.data_keys WHERE wrapped IS NOT NULL"); got != "0000" {
		t.Errorf("left in the tables: %s", got)
	}
}

// TestNoCallIsLostToADestroyedKey has two gateways accept, both with an audit log, while keys are destroyed by both.
func TestNoCallIsLostToADestroyedKey(t *testing.T) {
	a, b := pair(t, start(t), "load")
	stores := []*postgres.Store{a, b}
	for _, s := range stores {
		if _, err := s.OpenAudit("boot"); err != nil {
			t.Fatal(err)
		}
		full(t, s)
	}
	var mu sync.Mutex
	var accepted []*store.Event
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 40 {
				e := randomEvent([]byte("a body"))
				if _, err := accept(t, stores[i%2], e); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				accepted = append(accepted, e)
				mu.Unlock()
			}
		})
	}
	for i := range 12 {
		if _, err := stores[i%2].DestroyDataKeys(t.Context(), "acme", false); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	// What can still be read had a key; what cannot was taken away with it, and says so.
	for _, e := range accepted {
		got, err := a.Event(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		infos, err := b.Events(t.Context(), store.Filter{EventID: e.ID}, store.Page{})
		if err != nil || len(infos) != 1 || infos[0].Dropped != got.Dropped || got.Dropped == (string(got.Body) == "a body") {
			t.Fatalf("read as dropped: %v, listed: %+v, %v", got.Dropped, infos, err)
		}
		d, err := b.Deliveries(t.Context(), store.Filter{EventID: e.ID}, store.Page{})
		if err != nil || len(d) != 1 || (d[0].State == store.Dead) != got.Dropped {
			t.Fatalf("dropped: %v, deliveries %+v, %v", got.Dropped, d, err)
		}
	}
	counted := map[audit.Kind]int{}
	for _, s := range stores {
		if err := s.AuditLines(t.Context(), 0, func(_ int64, line []byte) error {
			l, err := audit.ParseLine(line)
			counted[l.Kind]++
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := a.DataKeys(t.Context(), nil)
	if err != nil || counted[audit.KeyMade] != len(list) || counted[audit.KeyDestroyed] < len(list)-1 {
		t.Errorf("recorded %v, of %d keys, %v", counted, len(list), err)
	}
}

// TestRekeyWithDataKeys changes the ring's key and the tenants', of content from before there were data keys too.
func TestRekeyWithDataKeys(t *testing.T) {
	server := start(t)
	o := postgres.Options{Address: server.DSN(), Schema: "rekeyed", Gateway: "a", Keys: ring(t, keyA)}
	s := openStore(t, o)
	events := []*store.Event{full(t, s)}
	if _, err := s.RotateDataKey(t.Context(), "acme"); !errors.Is(err, store.ErrNoDataKeys) {
		t.Errorf("rotated where there are none: %v", err)
	}
	if err := s.RekeyTenants(t.Context(), []string{"acme"}, nil); !errors.Is(err, store.ErrNoDataKeys) {
		t.Errorf("sealed again where there are none: %v", err)
	}
	s.Close()
	o.Wrapping = byRing
	s = openStore(t, o)
	o.Gateway = "b"
	other := openStore(t, o)
	events = append(events, full(t, s), full(t, other))
	if err := s.RekeyTenants(t.Context(), []string{"acme", "nobody"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := keysOf(t, other, "acme"); got != "destroyed seals" {
		t.Errorf("keys: %s", got)
	}
	events = append(events, full(t, other))
	for _, e := range events {
		if got := reads(t, other, e); got != whole {
			t.Errorf("the other reads %s", got)
		}
	}
	s.Close()
	other.Close()

	o.Keys = ring(t, keyB, keyA)
	s = openStore(t, o)
	if err := s.Rekey(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	o.Keys = ring(t, keyA)
	if s, err := postgres.Open(o); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("opened without the key that has wrapped the data key: %v, %v", s, err)
	}
	o.Keys = ring(t, keyB)
	s = openStore(t, o)
	for _, e := range events {
		if got := reads(t, s, e); got != whole {
			t.Errorf("with the new key: %s", got)
		}
	}
	verified := 0
	if err := s.VerifyDataKeys(t.Context(), func(k store.DataKey, err error) {
		if verified++; err != nil || !strings.HasPrefix(k.WrappedBy, "encryption_key ") {
			t.Errorf("%+v: %v", k, err)
		}
	}); err != nil || verified != 1 {
		t.Errorf("verified %d, %v", verified, err)
	}
	// Without data keys what they have sealed is sealed with the ring.
	s.Tune(postgres.Tuning{})
	if err := s.Rekey(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := server.SQL("SELECT DISTINCT get_byte(key_id, 0) FROM rekeyed.events"); got != "2" {
		t.Errorf("sealed with %s", got)
	}
	states := []string{reads(t, s, events[0]), reads(t, s, events[3])}
	if !slices.Equal(states, []string{whole, whole}) {
		t.Errorf("with the ring: %q", states)
	}
	server.SQL("UPDATE rekeyed.data_keys SET wrapped = '\\x0201'::bytea WHERE destroyed_at = 0")
	if err := s.CheckWrapping(seal.Wrapping{}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("a key that Transit has wrapped, without Transit: %v", err)
	}
}

// vault is a Wrapper that keeps what it wraps to itself, and may be away.
type vault struct {
	kept *sync.Map
	away bool
}

func (v vault) Wrap(_ context.Context, tenant string, key []byte) (string, error) {
	if v.away {
		return "", seal.ErrAway
	}
	name := "vault:" + tenant
	v.kept.Store(name, slices.Clone(key))
	return name, nil
}

func (v vault) Unwrap(_ context.Context, _, wrapped string) ([]byte, error) {
	key, ok := v.kept.Load(wrapped)
	if !ok || v.away {
		return nil, seal.ErrAway
	}
	return slices.Clone(key.([]byte)), nil
}

func (v vault) Rewrap(_ context.Context, _, wrapped string) (string, error) { return wrapped, nil }

func (v vault) Lifetime() time.Duration { return time.Hour }

// TestAGatewayCannotReachWhoWrapsKeys has one gateway unwrap nothing while another one works: it stores nothing, holds back what
// it cannot open, and delivers the rest.
func TestAGatewayCannotReachWhoWrapsKeys(t *testing.T) {
	server := start(t)
	o := postgres.Options{Address: server.DSN(), Schema: "away", Gateway: "a", Keys: ring(t, keyA)}
	a := openStore(t, o)
	plain := randomEvent([]byte("from before"))
	plain.Tenant = "globex"
	if _, err := accept(t, a, plain); err != nil {
		t.Fatal(err)
	}
	var kept sync.Map
	a.Tune(postgres.Tuning{Wrapping: seal.Wrapping{Tenants: true, Remote: vault{kept: &kept}}})
	o.Gateway, o.Wrapping = "b", seal.Wrapping{Tenants: true, Remote: vault{away: true, kept: &kept}}
	b := openStore(t, o)
	e := full(t, a)
	if got := reads(t, a, e); got != whole {
		t.Errorf("who can ask reads %s", got)
	}
	if _, err := b.Event(t.Context(), e.ID); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("reading: %v", err)
	}
	before := server.SQL("SELECT count(*) FROM away.events")
	for _, tenant := range []string{"acme", "initech"} {
		refused := randomEvent([]byte("a body"))
		refused.Tenant = tenant
		_, err := accept(t, b, refused)
		unavailable(t, "accepting for "+tenant, err)
	}
	if after := server.SQL("SELECT count(*) FROM away.events"); after != before {
		t.Errorf("%s events, and there were %s", after, before)
	}
	if claimed, err := b.Claim(t.Context(), "crm", time.Now(), time.Minute, 10, nil); err != nil || len(claimed) != 1 || claimed[0].EventID != plain.ID {
		t.Errorf("claimed %+v, %v", claimed, err)
	}
	// It waits a moment, with the rest of its tenant behind it, and not for minutes as an event that nobody can read.
	if next, err := b.Next(t.Context(), "crm"); err != nil || time.Until(next) > time.Minute {
		t.Errorf("the next one is due in %v, %v", time.Until(next), err)
	}
	// What came of an attempt is written, without what the receiver answered.
	if err := b.Finish(t.Context(), []store.Attempt{{DeliveryID: e.ID + ".0", State: store.Delivered, Status: 200, Excerpt: []byte("thanks")}}); err != nil {
		t.Fatal(err)
	}
	if attempts, err := a.Attempts(t.Context(), e.ID+".0"); err != nil || len(attempts) != 2 || attempts[1].Status != 200 || attempts[1].Excerpt != nil {
		t.Errorf("%+v, %v", attempts, err)
	}
}
