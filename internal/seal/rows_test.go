package seal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
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
