package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

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
