package postgres_test

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// fillWithKeys makes a store with something of everything, sealed by the ring before there were data keys (of acme), by data keys
// that the ring has wrapped (acme's was rotated), by one that a vault has wrapped (initech's), and by one that was destroyed
// (other's). The gateway goes on with the wrapping that m has in the end.
func (m *mover) fillWithKeys(kept *sync.Map) (s *sqlite.Store, before *store.Event) {
	m.Helper()
	again := func(w seal.Wrapping) *sqlite.Store {
		m.Helper()
		if s != nil {
			m.must(s.Close())
		}
		m.wrap = w
		return m.open()
	}
	s = again(seal.Wrapping{})
	before = m.event("acme")
	m.finish(s, m.accept(s, before, "crm", "ehr").Deliveries[0], 1, store.Delivered)
	s = again(seal.Wrapping{Tenants: true, Remote: vault{kept: kept}})
	remote := m.event("initech")
	m.accept(s, remote, "crm", "ehr")
	s = again(seal.Wrapping{Tenants: true, Remote: vault{kept: kept}, ByRing: true})
	m.fill(s)
	_, err := s.RotateDataKey(m.Context(), "acme")
	m.must(err)
	m.events = append(m.events, before, remote, m.event("acme"))
	m.accept(s, m.events[len(m.events)-1], "crm", "ehr")
	gone, err := s.DestroyDataKeys(m.Context(), "other", false)
	m.must(err)
	if gone.Keys != 1 || gone.Events == 0 || gone.Deliveries == 0 {
		m.Fatalf("%+v", gone)
	}
	return s, before
}

// states are the data keys in a short form, in the order of tenants and of their making.
func (m *mover) states(s store.DataKeyed) string {
	m.Helper()
	list, err := s.DataKeys(m.Context(), nil)
	m.must(err)
	var all []string
	for _, k := range list {
		state := "seals"
		switch {
		case !k.Destroyed.IsZero():
			state = "destroyed"
		case !k.Retired.IsZero():
			state = "opens"
		}
		by, _, _ := strings.Cut(k.WrappedBy, " ")
		all = append(all, strings.TrimSpace(fmt.Sprintf("%q %s %s", k.Tenant, state, by)))
	}
	return strings.Join(all, ", ")
}

// like tells of what a store reads other than what was to be read, but for what is named.
func (m *mover) like(what string, have, want map[string]any, but ...string) {
	m.Helper()
	for _, name := range but {
		delete(have, name)
	}
	for name := range have {
		if !reflect.DeepEqual(have[name], want[name]) {
			m.Errorf("%s: %s:\nhave %+v\nwant %+v", what, name, have[name], want[name])
		}
	}
}

// TestDataKeysAreCarriedOver carries a store over whose tenants have data keys, at once and stopped after every portion: all can
// be read there, is delivered, and is sealed again with other keys. What was destroyed stays so.
func TestDataKeysAreCarriedOver(t *testing.T) {
	server := start(t)
	m := newMover(t, server, ring(t, keyA))
	var kept sync.Map
	s, _ := m.fillWithKeys(&kept)
	if o, err := s.Origin(t.Context()); err != nil || o.Counts["data keys"] != 5 || o.Counts["data keys destroyed"] != 1 {
		t.Fatalf("%+v, %v", o, err)
	}
	const states = `"" seals encryption_key, "acme" opens encryption_key, "acme" seals encryption_key, "initech" seals transit, "other" destroyed`
	if got := m.states(s); got != states {
		t.Fatal(got)
	}
	want := m.reads(s)
	straight, stopped := schema(), schema()
	m.must(m.move(s, straight, 0))
	m.must(m.move(s, stopped, 100))
	m.must(m.move(s, stopped, 0)) // there is nothing left to do
	rows := func(schema string) string {
		return server.SQL("SELECT encode(id, 'hex'), tenant, created_at, retired_at, destroyed_at, encode(wrapped, 'hex'), (SELECT count(*) FROM " + schema +
			".events e WHERE e.key_id = '\\x03'::bytea || k.id) FROM " + schema + ".data_keys k ORDER BY id")
	}
	if a, b := rows(straight), rows(stopped); a != b || strings.Count(a, "\n") != 4 {
		t.Errorf("at once:\n%s\nstopped:\n%s", a, b)
	}
	for _, schema := range []string{straight, stopped} {
		to := openStore(t, m.options(schema))
		_, err := to.OpenAudit("boot 2")
		m.must(err)
		m.like("carried over", m.reads(to), want)
		m.must(to.Close())
	}

	to := openStore(t, m.options(stopped))
	m.delivers(to)
	// A tenant whose keys were destroyed goes on with a new one.
	fresh := m.event("other")
	m.accept(to, fresh, "crm")
	if got := m.states(to); got != states+`, "other" seals encryption_key` {
		t.Error(got)
	}
	m.must(to.Close())
	m.events = append(m.events, fresh)
	m.rekeys(stopped, states)
}

// delivers has a store that was carried over deliver what waits.
func (m *mover) delivers(to *postgres.Store) {
	m.Helper()
	claimed, err := to.Claim(m.Context(), "ehr", m.now, time.Minute, 100, nil)
	m.must(err)
	tenants := map[string]int{}
	for _, c := range claimed {
		tenants[c.Event.Tenant]++
		if !strings.HasPrefix(string(c.Event.Body), `{"n":`) {
			m.Errorf("an event of %s is delivered as %q", c.Event.Tenant, c.Event.Body)
		}
		m.must(to.Finish(m.Context(), []store.Attempt{{DeliveryID: c.ID, Number: 1, At: m.now, Status: 200, State: store.Delivered, Excerpt: []byte("thanks")}}))
	}
	if want := map[string]int{"acme": 10, "": 8, "initech": 1}; !reflect.DeepEqual(tenants, want) {
		m.Errorf("delivered: %v, want %v", tenants, want)
	}
}

// rekeys changes the ring's key and a tenant's, after which the vault and the old key are needed no more.
func (m *mover) rekeys(schema, states string) {
	m.Helper()
	m.keys, m.now = ring(m, keyB, keyA), m.now.Add(time.Minute) // after the keys before were made
	to := openStore(m, m.options(schema))
	want := m.reads(to)
	m.must(to.Rekey(m.Context(), nil))
	m.must(to.RekeyTenants(m.Context(), []string{"acme"}, nil))
	m.must(to.Close())
	m.keys, m.wrap = ring(m, keyB), seal.Wrapping{Tenants: true}
	to = openStore(m, m.options(schema))
	m.like("with other keys", m.reads(to), want, "data keys", "noted", "audit state", "audit log")
	states = strings.ReplaceAll(states, "transit", "encryption_key")
	states = strings.Replace(states, `"acme" opens encryption_key, "acme" seals encryption_key`, `"acme" destroyed, "acme" destroyed, "acme" seals encryption_key`, 1)
	if got := m.states(to); got != states+`, "other" seals encryption_key` {
		m.Error(got)
	}
	m.must(to.VerifyDataKeys(m.Context(), func(k store.DataKey, err error) {
		if err != nil {
			m.Errorf("data key of %q: %v", k.Tenant, err)
		}
	}))
}

// TestADestructionThatWasNotFinishedIsCarriedOver: of what a destroyed key has sealed nothing is read, also if it is still there.
func TestADestructionThatWasNotFinishedIsCarriedOver(t *testing.T) {
	server := start(t)
	m := newMover(t, server, ring(t, keyA))
	var kept sync.Map
	s, before := m.fillWithKeys(&kept)
	m.must(s.Close())
	file, err := sql.Open("sqlite", m.path)
	m.must(err)
	_, err = file.Exec("UPDATE data_keys SET wrapped = NULL, destroyed_at = 1 WHERE tenant = 'acme'")
	m.must(errors.Join(err, file.Close()))
	s = m.open()
	want := m.reads(s)
	schema := schema()
	m.must(m.move(s, schema, 0))
	to := openStore(t, m.options(schema))
	_, err = to.OpenAudit("boot 2")
	m.must(err)
	m.like("carried over", m.reads(to), want)
	if e, err := to.Event(t.Context(), before.ID); err != nil || string(e.Body) != string(before.Body) {
		t.Errorf("what the ring has sealed: %+v, %v", e, err)
	}
	last := m.events[len(m.events)-1]
	if e, err := to.Event(t.Context(), last.ID); err != nil || !e.Dropped || e.Body != nil {
		t.Errorf("what a destroyed key has sealed: %+v, %v", e, err)
	}
	if done, err := to.DestroyDataKeys(t.Context(), "acme", false); err != nil || done.Keys != 0 || done.Events != 12 {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestDataKeysThatCannotBeCarriedOver: what would leave something that nobody can read is refused, with what to do.
func TestDataKeysThatCannotBeCarriedOver(t *testing.T) {
	server := start(t)
	m := newMover(t, server, ring(t, keyA))
	var kept sync.Map
	s, _ := m.fillWithKeys(&kept)
	o, err := s.Origin(t.Context())
	m.must(err)
	refused := func(what string, err, is error, says ...string) {
		t.Helper()
		if !errors.Is(err, is) {
			t.Errorf("%s: %v", what, err)
		}
		for _, text := range says {
			if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), keyA) || strings.Contains(err.Error(), keyB) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	into := func(o2 postgres.Options) error {
		i, err := postgres.OpenImport(o2)
		m.must(err)
		defer i.Close()
		return store.Move(t.Context(), s, i, o, func(*store.Portion) {})
	}
	other := m.options(schema())
	other.Keys = ring(t, keyB)
	refused("with another key", into(other), seal.ErrNoKey, `data key of tenant "`, "encryption_key")
	other = m.options(schema())
	other.Wrapping = seal.Wrapping{Tenants: true}
	refused("without the vault", into(other), seal.ErrNoKey, `data key of tenant "initech"`, "transit")

	moved := m.options(schema())
	m.must(into(moved))
	_, err = postgres.Open(with(moved, ring(t, keyB), m.wrap))
	refused("opened with another key", err, seal.ErrNoKey, "encryption_key")
	_, err = postgres.Open(with(moved, m.keys, seal.Wrapping{Tenants: true}))
	refused("opened without the vault", err, seal.ErrNoKey, `data key of tenant "initech"`, "transit")

	for what, query := range map[string]string{
		"a data key is lost":         "DELETE FROM %[1]s.data_keys WHERE tenant = 'initech'",
		"a data key is another":      "UPDATE %[1]s.data_keys SET wrapped = wrapped || 'x' WHERE tenant = 'initech'",
		"a destroyed one comes back": "UPDATE %[1]s.data_keys SET destroyed_at = 0, retired_at = 1, wrapped = (SELECT wrapped FROM %[1]s.data_keys WHERE tenant = '') WHERE tenant = 'other'",
		"an event has another's":     "UPDATE %[1]s.events SET key_id = (SELECT key_id FROM %[1]s.events WHERE tenant = (SELECT id FROM %[1]s.names WHERE name = 'initech')) WHERE key_id = (SELECT '\\x03'::bytea || id FROM %[1]s.data_keys WHERE tenant = 'acme' AND retired_at = 0)",
	} {
		half := m.options(schema())
		m.must(into(half))
		server.SQL(fmt.Sprintf(query+"; UPDATE %[1]s.moved SET done = false", half.Schema))
		refused(what, into(half), store.ErrMoved, "data key")
	}

	occupied := m.options(schema())
	m.must(openStore(t, occupied).Close())
	server.SQL(fmt.Sprintf("INSERT INTO %s.data_keys SELECT * FROM %s.data_keys", occupied.Schema, moved.Schema))
	refused("keys of others", into(occupied), postgres.ErrOccupied)
	refused("keys of others, looked at", postgres.CheckVacant(t.Context(), occupied, o.Fingerprint), postgres.ErrOccupied)
	server.SQL(fmt.Sprintf("DROP TABLE %s.data_keys", occupied.Schema)) // as it was before there were any
	m.must(postgres.CheckVacant(t.Context(), occupied, o.Fingerprint))
}

func with(o postgres.Options, keys *seal.Ring, w seal.Wrapping) postgres.Options {
	o.Keys, o.Wrapping = keys, w
	return o
}
