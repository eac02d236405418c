package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// rows is a KeyTable.
type rows struct {
	mu   sync.Mutex
	rows []DataKey
	adds int
}

func (t *rows) DataKey(_ context.Context, id KeyID) (DataKey, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		if r.ID == id {
			return r, true, nil
		}
	}
	return DataKey{}, false, nil
}

func (t *rows) CurrentDataKey(_ context.Context, tenant string) (DataKey, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		if r.Tenant == tenant && r.Retired.IsZero() && r.Destroyed.IsZero() {
			return r, true, nil
		}
	}
	return DataKey{}, false, nil
}

func (t *rows) AddDataKey(ctx context.Context, k DataKey) (DataKey, error) {
	if old, ok, _ := t.CurrentDataKey(ctx, k.Tenant); ok {
		return old, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adds++
	t.rows = append(t.rows, k)
	return k, nil
}

func (t *rows) change(id KeyID, f func(*DataKey)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.rows {
		if t.rows[i].ID == id {
			f(&t.rows[i])
		}
	}
}

// remote is a Wrapper that turns every key around, and can be away.
type remote struct {
	mu    sync.Mutex
	err   error
	asked int
	lives time.Duration
}

func (r *remote) ask() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return r.err
}

func (r *remote) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *remote) Wrap(_ context.Context, tenant string, key []byte) (string, error) {
	return "1:" + tenant + ":" + base64.StdEncoding.EncodeToString(key), r.ask()
}

func (r *remote) Unwrap(_ context.Context, tenant, wrapped string) ([]byte, error) {
	if err := r.ask(); err != nil {
		return nil, err
	}
	_, of, _ := strings.Cut(wrapped, ":")
	of, text, _ := strings.Cut(of, ":")
	if of != tenant {
		return nil, errors.New("not this tenant's")
	}
	return base64.StdEncoding.DecodeString(text)
}

func (r *remote) Rewrap(_ context.Context, _, wrapped string) (string, error) {
	return "2" + wrapped[1:], r.ask()
}

func (r *remote) Lifetime() time.Duration { return r.lives }

// told gathers what is said.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (t *told) log(msg string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprint(msg, ": ", err))
}

func newKeys(t testing.TB, ring *Ring, table KeyTable, w Wrapping) (*Keys, *told) {
	said := new(told)
	k := NewKeys(ring, table, w, time.Now, said.log)
	t.Cleanup(k.Close)
	return k, said
}

func sealer(t testing.TB, k *Keys, tenant string) *Sealer {
	t.Helper()
	s, err := k.Sealer(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

func opened(t testing.TB, k *Keys, envelope []byte, p Place) ([]byte, error) {
	s := k.Opener(t.Context())
	return s.Open(envelope, p)
}

func TestEachTenantHasItsDataKey(t *testing.T) {
	ring, table := newRing(t, newKey(t)), new(rows)
	k, _ := newKeys(t, ring, table, Wrapping{Tenants: true})
	acme, globex := place, place
	acme.Tenant, globex.Tenant = "acme", "globex"
	a, b := sealer(t, k, "acme").Seal([]byte("a"), acme), sealer(t, k, "globex").Seal([]byte("b"), globex)
	if a[0] != 3 || len(a) != 1+Overhead || bytes.Equal(a[1:9], b[1:9]) || table.adds != 2 {
		t.Errorf("envelopes %x and %x, %d keys", a, b, table.adds)
	}
	again := sealer(t, k, "acme")
	if e := again.Seal(nil, acme); !bytes.Equal(e[:9], a[:9]) || !bytes.Equal(again.StoredID(), a[:9]) || table.adds != 2 {
		t.Errorf("sealed with another key the second time, beside which stands %x", again.StoredID())
	}
	if id, data, ok := ParseStoredID(again.StoredID()); !ok || !data || !bytes.Equal(id[:], a[1:9]) {
		t.Errorf("read %s, %v, %v", id, data, ok)
	}

	// Another process with the same ring and table reads all of it; and what the ring had sealed before.
	old := ring.Seal([]byte("old"), acme)
	k, _ = newKeys(t, ring, table, Wrapping{})
	for _, c := range []struct {
		envelope []byte
		place    Place
		want     string
	}{{a, acme, "a"}, {b, globex, "b"}, {old, acme, "old"}} {
		if data, err := opened(t, k, c.envelope, c.place); err != nil || string(data) != c.want {
			t.Errorf("%q, %v; want %q", data, err, c.want)
		}
	}
	if _, err := opened(t, k, a, globex); !errors.Is(err, ErrTampered) {
		t.Errorf("opened as another tenant's: %v", err)
	}
	if e := sealer(t, k, "acme").Seal(nil, acme); e[0] != 2 {
		t.Errorf("tenants have no data keys any more, and it seals in the way of version %d", e[0])
	}
	if _, err := ring.Open(a, acme); !errors.Is(err, ErrNoKey) {
		t.Errorf("the ring alone: %v", err)
	}
	other, _ := newKeys(t, newRing(t, newKey(t)), table, Wrapping{})
	if _, err := opened(t, other, a, acme); !errors.Is(err, ErrNoKey) {
		t.Errorf("with another ring: %v", err)
	}
	for i := range a {
		changed := bytes.Clone(a)
		changed[i] ^= 3
		if _, err := opened(t, k, changed, acme); !errors.Is(err, ErrTampered) && !errors.Is(err, ErrNoKey) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

// A wrapped key that was put in another's place, or made another tenant's, opens nothing.
func TestWrappedKeysAreBound(t *testing.T) {
	ring := newRing(t, newKey(t))
	for name, w := range map[string]Wrapping{"ring": {Tenants: true}, "remote": {Tenants: true, Remote: &remote{lives: time.Hour}}} {
		table := new(rows)
		k, _ := newKeys(t, ring, table, w)
		p := Place{Event: "e", Tenant: "acme"}
		envelope := sealer(t, k, "acme").Seal([]byte("a"), p)
		sealer(t, k, "globex")
		mine, other := table.rows[0], table.rows[1]
		for what, spoil := range map[string]func(*DataKey){
			"another key":    func(r *DataKey) { r.Wrapped = other.Wrapped },
			"another tenant": func(r *DataKey) { r.Tenant = "globex" },
			"both":           func(r *DataKey) { r.Wrapped, r.Tenant = other.Wrapped, other.Tenant },
			"cut short":      func(r *DataKey) { r.Wrapped = r.Wrapped[:len(r.Wrapped)-2] },
			"nothing":        func(r *DataKey) { r.Wrapped = nil },
		} {
			spoilt := mine
			spoil(&spoilt)
			k, _ := newKeys(t, ring, &rows{rows: []DataKey{spoilt}}, w)
			if data, err := opened(t, k, envelope, p); err == nil {
				t.Errorf("%s, %s: it opens: %q", name, what, data)
			}
			if err := k.Verify(t.Context(), spoilt); err == nil {
				t.Errorf("%s, %s: it is found right", name, what)
			}
		}
		if err := k.Verify(t.Context(), mine); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDestroyedKeyOpensNothing(t *testing.T) {
	table := new(rows)
	k, _ := newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true})
	s := sealer(t, k, "acme")
	old := s.Seal([]byte("a"), place)
	table.change(s.data.id, func(r *DataKey) { r.Wrapped, r.Destroyed = nil, time.Now() })
	k.Forget("acme")
	if data, err := opened(t, k, old, place); data != nil || !errors.Is(err, ErrDestroyed) {
		t.Errorf("%q, %v", data, err)
	}
	next := sealer(t, k, "acme").Seal([]byte("b"), place)
	if data, err := opened(t, k, next, place); err != nil || string(data) != "b" || bytes.Equal(old[:9], next[:9]) {
		t.Errorf("what was sealed afterwards: %q, %v", data, err)
	}
	// A key that is retired opens what it has sealed, and another seals.
	s = sealer(t, k, "acme")
	table.change(s.data.id, func(r *DataKey) { r.Retired = time.Now() })
	k.Forget("acme")
	if data, err := opened(t, k, next, place); err != nil || string(data) != "b" {
		t.Errorf("sealed with a key that is retired: %q, %v", data, err)
	}
	if e := sealer(t, k, "acme").Seal(nil, place); bytes.Equal(e[:9], next[:9]) {
		t.Error("a key that is retired seals")
	}
}

// TestRemoteIsAway has whoever wraps the keys go away and come back.
func TestRemoteIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, table := &remote{lives: time.Hour}, new(rows)
		k, said := newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true, Remote: r})
		envelope := sealer(t, k, "acme").Seal([]byte("a"), place)
		opens := func(want error) {
			t.Helper()
			if _, err := opened(t, k, envelope, place); !errors.Is(err, want) {
				t.Errorf("opening: %v, want %v", err, want)
			}
			if _, err := k.Sealer(t.Context(), "acme"); !errors.Is(err, want) {
				t.Errorf("sealing: %v, want %v", err, want)
			}
			synctest.Wait()
		}
		r.set(fmt.Errorf("%w: connection refused", ErrAway))
		opens(nil)
		before := r.asked
		for range 50 { // tenants that have no key yet, and one that answers for all
			if _, err := k.Sealer(t.Context(), "globex"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
				t.Error(err)
			}
			if _, err := k.Sealer(t.Context(), "initech"); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		if r.asked != before+1 || len(said.lines) != 1 || len(table.rows) != 1 {
			t.Errorf("asked %d times; told %q; %d keys", r.asked-before, said.lines, len(table.rows))
		}
		// In the second half of its time it is asked for again, and goes on being used.
		time.Sleep(31 * time.Minute)
		opens(nil)
		time.Sleep(28 * time.Minute)
		opens(nil)
		time.Sleep(2 * time.Minute)
		opens(ErrUnavailable)
		r.set(nil)
		time.Sleep(failedFor)
		if _, err := opened(t, k, envelope, place); !errors.Is(err, ErrUnavailable) { // it is asked beside
			t.Errorf("opening when it is back: %v", err)
		}
		synctest.Wait()
		time.Sleep(failedFor)
		opens(nil)
		if _, err := k.Sealer(t.Context(), "globex"); err != nil || len(table.rows) != 2 {
			t.Error(err)
		}
		// Used all the time it never ends while somebody answers.
		for range 10 {
			time.Sleep(40 * time.Minute)
			opens(nil)
		}
		if len(said.lines) > 5 {
			t.Errorf("told %q", said.lines)
		}
	})
}

// One tenant's key that is refused holds up no other's.
func TestOneKeyIsRefused(t *testing.T) {
	r := &remote{lives: time.Hour, err: errors.New("no such key")}
	k, _ := newKeys(t, newRing(t, newKey(t)), new(rows), Wrapping{Tenants: true, Remote: r})
	if _, err := k.Sealer(t.Context(), "acme"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	r.set(nil)
	if _, err := k.Sealer(t.Context(), "globex"); err != nil {
		t.Error(err)
	}
}

func TestRewrap(t *testing.T) {
	a, b := newKey(t), newKey(t)
	table, r := new(rows), &remote{lives: time.Hour}
	p := Place{Event: "e", Tenant: "acme"}
	k, _ := newKeys(t, newRing(t, a), table, Wrapping{Tenants: true})
	envelope := sealer(t, k, "acme").Seal([]byte("a"), p)
	for i, step := range []struct {
		ring *Ring
		with Wrapping
		want string // how the wrapped key begins then; empty if it stays
	}{
		{newRing(t, a), Wrapping{Tenants: true}, ""},
		{newRing(t, b, a), Wrapping{Tenants: true}, "\x01\x02"},
		{newRing(t, b), Wrapping{Tenants: true}, ""},
		{newRing(t, b), Wrapping{Tenants: true, Remote: r}, "\x021:acme:"},
		{newRing(t, b), Wrapping{Tenants: true, Remote: r}, "\x022:acme:"},
		{newRing(t, b), Wrapping{Tenants: true, Remote: r}, ""},
		{newRing(t, a), Wrapping{Tenants: true, Remote: r, ByRing: true}, "\x01\x02"},
		{newRing(t, a), Wrapping{}, ""},
	} {
		k, _ := newKeys(t, step.ring, table, step.with)
		if err := k.Check(table.rows[0]); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		wrapped, changed, err := k.Rewrap(t.Context(), table.rows[0])
		if err != nil || changed != (step.want != "") || !bytes.HasPrefix(wrapped, []byte(step.want)) {
			t.Fatalf("step %d: %q, %v, %v", i, wrapped, changed, err)
		}
		if changed {
			table.rows[0].Wrapped = wrapped
		}
		if data, err := opened(t, k, envelope, p); err != nil || string(data) != "a" {
			t.Errorf("step %d: %q, %v", i, data, err)
		}
	}
	row := table.rows[0]
	if err := (&Wrapping{}).Check(newRing(t, b), row); !errors.Is(err, ErrNoKey) {
		t.Errorf("with a ring that has not its key: %v", err)
	}
	row.Wrapped = []byte("\x02vault:v1:abc")
	if err := (&Wrapping{}).Check(newRing(t, b), row); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "callgate rekey") {
		t.Errorf("without who has wrapped it: %v", err)
	}
	row.Wrapped, row.Destroyed = nil, time.Now()
	if err := (&Wrapping{}).Check(nil, row); err != nil {
		t.Errorf("destroyed: %v", err)
	}
}

func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	table := new(rows)
	k, _ := newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true, Remote: &remote{lives: time.Nanosecond}})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			tenant := fmt.Sprint("t", n%3)
			for range 50 {
				s, err := k.Sealer(t.Context(), tenant)
				if err != nil {
					t.Error(err)
					return
				}
				envelope := s.Seal([]byte(tenant), place)
				if data, err := opened(t, k, envelope, place); err != nil || string(data) != tenant {
					t.Errorf("%q, %v", data, err)
				}
				k.Forget(tenant)
			}
		})
	}
	wg.Wait()
	if table.adds != 3 {
		t.Errorf("%d keys for 3 tenants", table.adds)
	}
}

func FuzzOpenDataKey(f *testing.F) {
	table := new(rows)
	k, _ := newKeys(f, newRing(f, []byte(strings.Repeat("k", 32))), table, Wrapping{Tenants: true})
	s, err := k.Sealer(f.Context(), "acme")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Seal([]byte("data"), place), place.Event)
	f.Add(s.StoredID(), "")
	f.Add([]byte{versionKey}, "")
	f.Fuzz(func(t *testing.T, envelope []byte, event string) {
		data, err := opened(t, k, envelope, Place{Event: event, Column: place.Column})
		if err != nil && (data != nil || !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrTampered)) {
			t.Fatalf("data with an error, or a wrong one: %v", err)
		}
		if id, _, ok := ParseStoredID(envelope); ok && !bytes.HasSuffix(envelope, id[:]) {
			t.Fatalf("%x is read as the id %s", envelope, id)
		}
	})
}

func FuzzParseWrapped(f *testing.F) {
	ring := newRing(f, []byte(strings.Repeat("k", 32)))
	f.Add(append([]byte{1}, ring.Seal(make([]byte, KeySize), wrappedPlace("acme"))...), "acme")
	f.Add([]byte("\x02vault:v1:abcd"), "acme")
	f.Add([]byte(nil), "")
	f.Fuzz(func(t *testing.T, b []byte, tenant string) {
		w, err := ParseWrapped(b)
		if err != nil && !errors.Is(err, ErrTampered) {
			t.Fatal(err)
		}
		row := DataKey{Tenant: tenant, Wrapped: b}
		if err == nil && w.Remote != (b[0] == wrappedByRemote) {
			t.Fatal("taken for another's")
		}
		k, _ := newKeys(t, ring, new(rows), Wrapping{Tenants: true})
		if k.Verify(t.Context(), row) == nil {
			t.Fatal("a key that nobody has made is right")
		}
	})
}

func BenchmarkSealEventWithDataKey(b *testing.B) {
	k, _ := newKeys(b, newRing(b, newKey(b)), new(rows), Wrapping{Tenants: true})
	data := make([]byte, 700)
	b.ReportAllocs()
	for b.Loop() {
		s, err := k.Sealer(b.Context(), "acme")
		if err != nil {
			b.Fatal(err)
		}
		for range 3 {
			s.Seal(data, place)
		}
	}
}

// onlyWraps is a wrapper that is not allowed to unwrap.
type onlyWraps struct{ *remote }

func (onlyWraps) Unwrap(context.Context, string, string) ([]byte, error) {
	return nil, errors.New("permission denied")
}

// A data key that could not be unwrapped again seals nothing, and a new one is not unwrapped twice.
func TestNewKeysAreUnwrappedBeforeTheySeal(t *testing.T) {
	table, r := new(rows), &remote{lives: time.Hour}
	k, _ := newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true, Remote: onlyWraps{r}})
	if _, err := k.Sealer(t.Context(), "acme"); !errors.Is(err, ErrUnavailable) || len(table.rows) != 0 {
		t.Errorf("%v, and %d keys are kept", err, len(table.rows))
	}
	k, _ = newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true, Remote: r})
	r.asked = 0
	sealer(t, k, "acme")
	sealer(t, k, "acme")
	if r.asked != 2 {
		t.Errorf("asked %d times for a new key: once to wrap it and once to unwrap it", r.asked)
	}
	row, err := k.Make(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	table.change(table.rows[0].ID, func(r *DataKey) { r.Retired = time.Now() })
	if _, err := table.AddDataKey(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	k.Forget("acme")
	r.set(fmt.Errorf("%w: gone", ErrAway))
	if s := sealer(t, k, "acme"); s.data.id != row.ID {
		t.Error("another key than the new one seals")
	}
}
