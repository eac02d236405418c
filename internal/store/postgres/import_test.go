package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// mover is a store in SQLite that is carried over, with its clock.
type mover struct {
	*testing.T
	server *pgtest.Server
	keys   *seal.Ring
	wrap   seal.Wrapping
	path   string
	now    time.Time
	events []*store.Event
	n      int
}

func newMover(t *testing.T, server *pgtest.Server, keys *seal.Ring) *mover {
	return &mover{T: t, server: server, keys: keys, path: filepath.Join(t.TempDir(), "callgate.db"), now: time.Date(2026, 3, 1, 23, 0, 0, 123456789, time.UTC)}
}

func (m *mover) clock() time.Time { return m.now }

func (m *mover) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *mover) open() *sqlite.Store {
	m.Helper()
	s, err := sqlite.Open(sqlite.Options{Path: m.path, Keys: m.keys, Wrapping: m.wrap, Now: m.clock, Window: 72 * time.Hour, RecentKeys: 4, AuditSegment: 1024,
		Tenants: map[string]store.Quota{"other": {Events: 9}}}) // some of its ten that are delivered lose their content
	m.must(err)
	m.Cleanup(func() { s.Close() })
	return s
}

func (m *mover) options(schema string) postgres.Options {
	return postgres.Options{Address: m.server.DSN(), Schema: schema, Gateway: "first", Keys: m.keys, Wrapping: m.wrap, Now: m.clock, Window: 72 * time.Hour, DaysAhead: 1}
}

func (m *mover) event(tenant string) *store.Event {
	m.n++
	var id ulid.ULID
	id.SetTime(uint64(m.now.UnixMilli()))
	m.must(id.SetEntropy([]byte{0, 0, 0, 0, 0, 0, 0, 0, byte(m.n >> 8), byte(m.n)}))
	return &store.Event{
		ID: id.String(), Key: [16]byte{byte(m.n), byte(m.n >> 8), 7}, Tenant: tenant, Source: "nextphone", Route: "r1", EventType: "call.ended", EventID: fmt.Sprint("evt-", m.n),
		CallID: fmt.Sprint("call-\x00", m.n/2), CallerHash: fmt.Sprint("caller-", m.n%3), Subjects: []store.Subject{{byte(m.n), 1}, {2}}, ReceivedAt: m.now, Method: "POST",
		URI: "/hook?x=\xfc", Header: map[string][]string{"X-A": {"1", "J\xfcrgen"}}, Body: fmt.Appendf(nil, `{"n":%d}`, m.n), Record: fmt.Appendf(nil, `{"call":%d}`, m.n),
	}
}

func (m *mover) accept(s store.Store, e *store.Event, destinations ...string) store.Accepted {
	m.Helper()
	a, err := s.Accept(m.Context(), e, destinations)
	m.must(err)
	return a
}

func (m *mover) finish(s store.Store, id string, number int, state store.State) {
	m.Helper()
	claimed, err := s.ClaimOne(m.Context(), id, m.now, time.Minute)
	m.must(err)
	if claimed == nil {
		m.Fatalf("%s cannot be claimed", id)
	}
	a := store.Attempt{DeliveryID: id, Number: number, At: m.now, Took: time.Second, Status: 200, RemoteID: "r\x001", State: state, Excerpt: []byte("thanks"), Warnings: []string{"a \x00 b"},
		Sent: &store.Sent{}}
	if state != store.Delivered {
		a.Status, a.Reason = 500, "answered 500"
	}
	if state == store.Pending {
		a.NextAt = m.now.Add(time.Minute)
	}
	m.must(s.Finish(m.Context(), []store.Attempt{a}))
}

// fill makes a store with something of everything, over two days, and gives a key whose event is erased.
func (m *mover) fill(s *sqlite.Store) (erased *store.Event) {
	m.Helper()
	ctx := m.Context()
	_, err := s.OpenAudit("boot")
	m.must(err)
	for part := range 2 { // a part of the log that is pruned, and one that is packed
		for range 300 {
			m.must(s.Record(ctx, audit.Leaf{Kind: audit.Resume, Reason: "long enough for a segment of some"}))
		}
		m.now = m.now.Add(2 * time.Hour)
		_, err = s.Expire(ctx, store.Retention{}, m.now, 1)
		m.must(err)
		if part == 0 {
			_, err = s.PruneAudit(ctx, m.now.Add(-time.Hour), false)
			m.must(err)
		}
	}
	for range 30 {
		m.now = m.now.Add(7 * time.Minute)
		m.events = append(m.events, m.event([]string{"acme", "", "other"}[m.n%3]))
		e := m.events[len(m.events)-1]
		d := m.accept(s, e, "crm", "paused", "ehr").Deliveries
		switch m.n % 5 {
		case 0:
			m.finish(s, d[0], 1, store.Delivered)
		case 1:
			m.finish(s, d[0], 1, store.Dead)
		case 2:
			m.finish(s, d[0], 1, store.Pending)
			m.must(s.Keep(ctx, d[0], []byte("two of three")))
		case 3:
			m.finish(s, d[2], 1, store.Delivered)
			m.finish(s, d[0], 1, store.Delivered)
			m.finish(s, d[1], 1, store.Delivered)
		}
	}
	erased = m.event("acme")
	m.accept(s, erased, "crm")
	n, err := s.Erase(ctx, store.Filter{EventID: erased.ID}, false)
	m.must(err)
	if n != 1 {
		m.Fatal("nothing was erased")
	}
	m.must(s.Pause(ctx, "paused", "no \x00 reason"))
	m.must(s.Note(ctx, "crm", "number", []byte("id of a contact"), m.now.Add(time.Hour)))
	document := store.Document{DocumentInfo: store.DocumentInfo{Kind: store.TenantDocument, Name: "live", Version: 1, State: store.Published, Author: "anna", At: m.now}, Body: []byte("{}")}
	if m.keys != nil {
		document.Secrets = []byte("secret")
	}
	m.must(s.AddDocument(ctx, &document))
	document.Version, document.State = 2, store.Draft
	m.must(s.AddDocument(ctx, &document))
	return erased
}

// move carries a store over, and is stopped after every portion until stops of them were taken.
func (m *mover) move(s *sqlite.Store, schema string, stops int) error {
	m.Helper()
	o, err := s.Origin(m.Context())
	m.must(err)
	for left := stops; ; left-- {
		ctx, cancel := context.WithCancel(m.Context())
		i, err := postgres.OpenImport(m.options(schema))
		m.must(err)
		err = store.Move(ctx, s, i, o, func(*store.Portion) {
			if left > 0 {
				cancel()
			}
		})
		cancel()
		m.must(i.Close())
		if !errors.Is(err, context.Canceled) {
			return err
		}
		if _, err := postgres.Open(m.options(schema)); !errors.Is(err, postgres.ErrHalfMoved) {
			m.Fatalf("what is half carried over is opened: %v", err)
		}
	}
}

// reads are what can be seen of a store.
func (m *mover) reads(s store.Store) map[string]any {
	m.Helper()
	ctx, all := m.Context(), map[string]any{}
	note := func(name string, v any, err error) {
		m.Helper()
		if err != nil {
			m.Fatalf("%s: %v", name, err)
		}
		all[name] = v
	}
	for name, f := range map[string]store.Filter{"all": {}, "dead": {State: store.Dead}, "acme": {Tenant: "acme"}, "subject": {Subject: store.Subject{3, 1}}, "caller": {CallerHash: "caller-1"},
		"call": {CallID: "call-\x004"}} {
		events, err := s.Events(ctx, f, store.Page{Limit: 1000})
		note("events "+name, events, err)
		deliveries, err := s.Deliveries(ctx, f, store.Page{Limit: 1000})
		note("deliveries "+name, deliveries, err)
		for _, d := range deliveries {
			attempts, err := s.Attempts(ctx, d.ID)
			note("attempts "+d.ID, attempts, err)
			kept, err := s.Kept(ctx, d.ID)
			note("kept "+d.ID, kept, err)
		}
	}
	for _, e := range m.events {
		one, err := s.Event(ctx, e.ID)
		note("event "+e.ID, one, err)
	}
	recent, _, err := s.RecentAttempts(ctx, 0, 1000)
	for i := range recent {
		recent[i].Place = 0 // which is there in a shared store only
	}
	note("recent attempts", recent, err)
	paused, err := s.Paused(ctx)
	note("paused", paused, err)
	noted, err := s.Noted(ctx, "crm", "number")
	note("noted", string(noted), err)
	versions, err := s.DocumentVersions(ctx, store.TenantDocument, "live")
	note("versions", versions, err)
	inForce, err := s.DocumentInForce(ctx, store.TenantDocument, "live")
	note("in force", inForce, err)
	keys, err := s.(store.DataKeyed).DataKeys(ctx, nil)
	note("data keys", keys, err)
	stats, err := s.Stats(ctx)
	note("stats", []any{stats.Events, stats.Destinations}, err)
	waiting, err := s.Waiting(ctx)
	note("waiting", len(waiting), err)
	audited := s.(store.Audited)
	status, err := audited.AuditStatus(ctx)
	note("audit state", status.State, err)
	note("audit pruned", status.Pruned, nil)
	hashes, err := audited.AuditTiles(ctx).Hashes(0, 0, 300)
	note("audit leaves", hashes, err)
	hashes, err = audited.AuditTiles(ctx).Hashes(8, 0, 2)
	note("audit tree", hashes, err)
	var lines []string
	note("audit log", nil, audited.AuditLines(ctx, status.Pruned, func(seq int64, line []byte) error {
		lines = append(lines, fmt.Sprint(seq, " ", string(line)))
		return nil
	}))
	all["audit log"] = lines
	beside, err := audited.AuditBeside(ctx, m.events[0].ID)
	note("audit salt", beside, err)
	return all
}

func TestAStoreIsCarriedOverFromSQLite(t *testing.T) {
	server := start(t)
	for name, keys := range map[string]*seal.Ring{"sealed": ring(t, keyA), "plain": nil} {
		t.Run(name, func(t *testing.T) {
			m := newMover(t, server, keys)
			s := m.open()
			erased := m.fill(s)
			schema := schema()
			if o, err := s.Origin(t.Context()); err != nil || o.Counts["events"] != 30 || o.Counts["events with content"] != 28 || o.Counts["audit nodes"] == 0 || o.Counts["unique keys"] != 31 || o.Counts["progress"] != 6 {
				t.Fatalf("%+v, %v", o, err)
			}
			m.must(m.move(s, schema, 100))
			want := m.reads(s)
			to := openStore(t, m.options(schema))
			_, err := to.OpenAudit("boot 2")
			m.must(err)
			have := m.reads(to)
			for what := range want {
				if !reflect.DeepEqual(have[what], want[what]) {
					t.Errorf("%s:\nhave %+v\nwant %+v", what, have[what], want[what])
				}
			}
			for _, first := range append(m.events, erased) {
				again := m.event(first.Tenant)
				again.Key = first.Key
				if a := m.accept(to, again, "crm"); !a.Duplicate || a.EventID != first.ID {
					t.Errorf("a copy of %s: %+v", first.ID, a)
				}
			}
			if claimed, err := to.Claim(t.Context(), "ehr", m.now, time.Minute, 100, nil); err != nil || len(claimed) != 24 || string(claimed[0].Event.Body) == "" {
				t.Errorf("%d are claimed: %v", len(claimed), err)
			}
			if claimed, err := to.Claim(t.Context(), "paused", m.now, time.Minute, 100, nil); err != nil || len(claimed) != 0 {
				t.Errorf("%d of a paused destination are claimed: %v", len(claimed), err)
			}
			// The log goes on where it was, and new attempts come after the old ones.
			size := want["audit state"].(audit.State).Size
			m.accept(to, m.event("acme"), "crm")
			if status, err := to.AuditStatus(t.Context()); err != nil || status.State.Size != size+1 {
				t.Errorf("the audit log has %d records: %v", status.State.Size, err)
			}
			if n, err := to.Replay(t.Context(), store.Filter{State: store.Dead}, m.now, 0, false); err != nil || n != 6 {
				t.Errorf("%d are sent again: %v", n, err)
			}
		})
	}
}

func TestWhatIsSealedStaysSoWhereItIsCarriedOver(t *testing.T) {
	server := start(t)
	m := newMover(t, server, ring(t, keyA))
	s := m.open()
	m.fill(s)
	schema := schema()
	m.must(m.move(s, schema, 0))
	server.SQL(fmt.Sprintf("UPDATE %s.events SET key_id = NULL; UPDATE %s.payloads SET body = 'forged'", schema, schema))
	to := openStore(t, m.options(schema))
	if e, err := to.Event(t.Context(), m.events[3].ID); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("%v, %v", e, err)
	}
}

func TestWhatCannotBeCarriedOverIsRefused(t *testing.T) {
	server := start(t)
	m := newMover(t, server, ring(t, keyA))
	s := m.open()
	m.fill(s)
	o, err := s.Origin(t.Context())
	m.must(err)
	occupied, moved, changed, lost := schema(), schema(), schema(), schema()

	other := openStore(t, m.options(occupied))
	m.accept(other, m.event("acme"), "crm")
	m.must(other.Close())
	if err := m.move(s, occupied, 0); !errors.Is(err, postgres.ErrOccupied) {
		t.Errorf("into a store that is in use: %v", err)
	}
	if err := postgres.CheckVacant(t.Context(), m.options(occupied), o.Fingerprint); !errors.Is(err, postgres.ErrOccupied) {
		t.Errorf("a look at a store that is in use: %v", err)
	}
	if err := postgres.CheckVacant(t.Context(), m.options("nowhere"), o.Fingerprint); err != nil {
		t.Errorf("a look at no store: %v", err)
	}

	// Twice, and by two at once.
	m.must(m.move(s, moved, 0))
	m.must(m.move(s, moved, 0))
	i, err := postgres.OpenImport(m.options(lost))
	m.must(err)
	if _, _, err := i.Begin(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	p, err := s.Export(t.Context(), "")
	m.must(err)
	m.must(i.Import(t.Context(), p))
	if err := i.Import(t.Context(), p); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("the same once more: %v", err)
	}
	m.must(i.Close())
	// Something is lost on the way.
	server.SQL(fmt.Sprintf("DELETE FROM %s.attempts WHERE id = 3", lost))
	if err := m.move(s, lost, 0); !errors.Is(err, store.ErrMoved) || !strings.Contains(err.Error(), "attempts") {
		t.Errorf("with an attempt less: %v", err)
	}
	server.SQL(fmt.Sprintf("INSERT INTO %[1]s.attempts SELECT * FROM %[2]s.attempts WHERE id = 3; UPDATE %[1]s.payloads SET request = overlay(request placing '\\x00' from 9)", lost, moved))
	if err := m.move(s, lost, 0); !errors.Is(err, store.ErrMoved) || !strings.Contains(err.Error(), "content") {
		t.Errorf("with other content: %v", err)
	}

	// The gateway was started in between.
	i, err = postgres.OpenImport(m.options(changed))
	m.must(err)
	if _, _, err := i.Begin(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	m.must(i.Close())
	m.must(s.Resume(t.Context(), "paused"))
	if err := m.move(s, changed, 0); !errors.Is(err, postgres.ErrOccupied) {
		t.Errorf("a store that has changed: %v", err)
	}

	m.must(s.Close())
	m.keys = ring(t, keyB, keyA)
	s = m.open()
	if _, err := s.Origin(t.Context()); err != nil {
		t.Errorf("with a newer key before its own: %v", err)
	}
}
