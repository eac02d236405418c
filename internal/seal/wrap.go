package seal

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Make makes a new data key for a tenant, wrapped; the caller keeps it. It was unwrapped again once: a wrapper that only
// wraps would have everything sealed for nobody.
func (k *Keys) Make(ctx context.Context, tenant string) (DataKey, error) {
	raw := randomKey()
	defer clear(raw)
	d, err := newDataKey(raw, tenant)
	if err != nil {
		return DataKey{}, err
	}
	wrapped, err := k.wrap(ctx, raw, tenant)
	if err != nil {
		return DataKey{}, err
	}
	row := DataKey{ID: d.id, Tenant: tenant, Created: k.now(), Wrapped: wrapped}
	if d, err = k.unwrap(ctx, row); err != nil {
		return DataKey{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.made) > 100 { // of which nobody made use
		clear(k.made)
	}
	k.made[d.id] = d
	return row, nil
}

// unwrapOnce unwraps a key, unless it was just made.
func (k *Keys) unwrapOnce(ctx context.Context, row DataKey) (*dataKey, error) {
	k.mu.Lock()
	d := k.made[row.ID]
	delete(k.made, row.ID)
	k.mu.Unlock()
	if d != nil && d.tenant == row.Tenant {
		return d, nil
	}
	return k.unwrap(ctx, row)
}

func (k *Keys) wrap(ctx context.Context, raw []byte, tenant string) ([]byte, error) {
	remote := k.use.Load().remote()
	if remote == nil {
		return append([]byte{wrappedByRing}, k.ring.Seal(raw, wrappedPlace(tenant))...), nil
	}
	key := bytes.Clone(raw) // which may be asked for again beside, when raw is cleared
	text, err := askRemote(ctx, k, tenant, func(ctx context.Context) (string, error) { return remote.Wrap(ctx, tenant, key) })
	if err != nil {
		return nil, err
	}
	return wrapText(text)
}

// raw unwraps a key, and tells for how long it may be kept; 0 is for as long as the process.
func (k *Keys) raw(ctx context.Context, row DataKey) (raw []byte, lifetime time.Duration, err error) {
	w, err := ParseWrapped(row.Wrapped)
	if err != nil {
		return nil, 0, err
	}
	if !w.Remote {
		raw, err = k.ring.Open(w.envelope, wrappedPlace(row.Tenant))
		return raw, 0, err
	}
	remote := k.use.Load().Remote
	if remote == nil {
		return nil, 0, errNoRemote
	}
	raw, err = askRemote(ctx, k, row.Tenant, func(ctx context.Context) ([]byte, error) { return remote.Unwrap(ctx, row.Tenant, w.Text) })
	return raw, remote.Lifetime(), err
}

func (k *Keys) unwrap(ctx context.Context, row DataKey) (*dataKey, error) {
	raw, lifetime, err := k.raw(ctx, row)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	d, err := newDataKey(raw, row.Tenant)
	if err != nil {
		return nil, err
	}
	if d.id != row.ID {
		return nil, fmt.Errorf("%w (data key %s)", ErrTampered, row.ID)
	}
	if lifetime > 0 {
		now := k.now()
		d.renew, d.until = now.Add(lifetime/2).UnixNano(), now.Add(lifetime).UnixNano()
	}
	return d, nil
}

// Rewrap gives a wrapped key as it would be wrapped now; false if it is so already.
func (k *Keys) Rewrap(ctx context.Context, row DataKey) (wrapped []byte, changed bool, err error) {
	w, err := ParseWrapped(row.Wrapped)
	if err != nil {
		return nil, false, err
	}
	remote := k.use.Load().remote()
	switch {
	case w.Remote && remote != nil:
		text, err := askRemote(ctx, k, row.Tenant, func(ctx context.Context) (string, error) { return remote.Rewrap(ctx, row.Tenant, w.Text) })
		if err != nil || text == w.Text {
			return nil, false, err
		}
		wrapped, err = wrapText(text)
		return wrapped, err == nil, err
	case !w.Remote && remote == nil && w.Key == k.ring.First():
		return nil, false, nil
	}
	raw, _, err := k.raw(ctx, row)
	if err != nil {
		return nil, false, err
	}
	defer clear(raw)
	wrapped, err = k.wrap(ctx, raw, row.Tenant)
	return wrapped, err == nil, err
}

// Check tells, without asking anybody, whether a wrapped key can be unwrapped with what these keys have: ErrNoKey if not.
func (k *Keys) Check(row DataKey) error { return k.use.Load().Check(k.ring, row) }

// Check is Keys.Check before there are any.
func (w *Wrapping) Check(ring *Ring, row DataKey) error {
	if !row.Destroyed.IsZero() {
		return nil
	}
	parsed, err := ParseWrapped(row.Wrapped)
	switch {
	case err != nil:
		return err
	case parsed.Remote && w.Remote == nil:
		return errNoRemote
	case !parsed.Remote && (ring == nil || !ring.Has(parsed.Key)):
		return fmt.Errorf("%w (key id %s, which has wrapped a data key)", ErrNoKey, parsed.Key)
	}
	return nil
}

// Verify unwraps a key anew and tells whether it is what it should be. Whoever wraps it is asked also if they were away a
// moment ago.
func (k *Keys) Verify(ctx context.Context, row DataKey) error {
	k.mu.Lock()
	k.away.err = nil
	k.mu.Unlock()
	_, err := k.unwrap(ctx, row)
	return err
}
