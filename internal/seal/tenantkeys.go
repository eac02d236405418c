package seal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Keys are all that a store seals and opens with: the ring, and the data keys of tenants, which they unwrap and keep in
// memory for a while. A store has one. They are safe for concurrent use.
type Keys struct {
	ring  *Ring
	table KeyTable
	now   func() time.Time
	log   func(msg string, err error)
	use   atomic.Pointer[Wrapping]

	mu      sync.RWMutex
	byID    map[KeyID]*dataKey
	current map[string]*dataKey
	failed  map[string]failure // by what was asked for
	away    failure
	forgot  int // how often keys were let go of
	asked   singleflight.Group

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup
}

// failure is an error that stands for a moment.
type failure struct {
	err   error
	until time.Time
	told  time.Time
}

const (
	// failedFor is for how long a key that could not be had is not asked for again: whoever cannot be reached is not
	// waited for by every call.
	failedFor = 2 * time.Second
	// tellEvery is how often somebody is told that it is still so.
	tellEvery = time.Minute
	// askedFor bounds one question, whoever waits for it.
	askedFor = 30 * time.Second
	// maxKeys bounds what is kept in memory, of some 1 KB each.
	maxKeys = 1 << 16
)

// NewKeys makes the keys of a store that has a ring. now is the clock, and log hears of data keys that cannot be unwrapped.
func NewKeys(ring *Ring, table KeyTable, w Wrapping, now func() time.Time, log func(msg string, err error)) *Keys {
	k := &Keys{ring: ring, table: table, now: now, log: log, byID: map[KeyID]*dataKey{}, current: map[string]*dataKey{}, failed: map[string]failure{}}
	k.ctx, k.stop = context.WithCancel(context.Background())
	k.use.Store(&w)
	return k
}

// Use changes who wraps data keys.
func (k *Keys) Use(w Wrapping) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.use.Store(&w)
	k.away = failure{}
	clear(k.failed)
}

// Close ends what goes on by itself.
func (k *Keys) Close() {
	if k != nil {
		k.stop()
		k.running.Wait()
	}
}

// Tenants tells whether tenants have data keys.
func (k *Keys) Tenants() bool { return k != nil && k.use.Load().Tenants }

// Opener opens whatever was sealed, and seals with the ring. ctx bounds how long a data key is waited for.
func (k *Keys) Opener(ctx context.Context) Sealer {
	if k == nil {
		return Sealer{}
	}
	return Sealer{ring: k.ring, keys: k, ctx: ctx}
}

// Sealer seals a tenant's content: with its data key, which is made if it has none yet, or with the ring where tenants have
// none. It opens, too. ErrUnavailable means that the key cannot be had now: nothing may be stored then.
func (k *Keys) Sealer(ctx context.Context, tenant string) (Sealer, error) {
	s := k.Opener(ctx)
	if !k.Tenants() {
		return s, nil
	}
	k.mu.RLock()
	s.data = k.current[tenant]
	k.mu.RUnlock()
	if s.data == nil || !k.fresh(s.data) {
		var err error
		if s.data, err = k.ask(ctx, "tenant "+tenant, func(ctx context.Context) (*dataKey, error) { return k.find(ctx, tenant) }); err != nil {
			return Sealer{}, err
		}
	}
	return s, nil
}

// dataKey is the one with an id.
func (k *Keys) dataKey(ctx context.Context, id KeyID) (*dataKey, error) {
	if k == nil {
		return nil, ErrNoKey
	}
	k.mu.RLock()
	d := k.byID[id]
	k.mu.RUnlock()
	if d != nil && k.fresh(d) {
		return d, nil
	}
	return k.ask(ctx, "key "+string(id[:]), func(ctx context.Context) (*dataKey, error) { return k.read(ctx, id) })
}

// fresh tells whether a key may still be used. In the second half of its time it is unwrapped anew beside, so that somebody
// who is away for less than that holds nothing up.
func (k *Keys) fresh(d *dataKey) bool {
	if d.until == 0 {
		return true
	}
	now := k.now().UnixNano()
	if now >= d.until {
		return false
	}
	if now >= d.renew {
		select {
		case d.renewing <- struct{}{}:
			k.renew(d)
		default:
		}
	}
	return true
}

// renew unwraps a key again. If that fails it is tried again later, for as long as the key may be used.
func (k *Keys) renew(d *dataKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ctx.Err() != nil {
		return
	}
	k.running.Go(func() {
		defer func() { <-d.renewing }()
		_, _ = k.ask(k.ctx, "key "+string(d.id[:]), func(ctx context.Context) (*dataKey, error) { return k.read(ctx, d.id) })
	})
}

// ask has somebody find a key, unless somebody is finding it already, and waits for it. What has failed a moment ago fails.
func (k *Keys) ask(ctx context.Context, what string, find func(context.Context) (*dataKey, error)) (*dataKey, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	k.mu.RLock()
	f := k.failed[what]
	k.mu.RUnlock()
	if f.err != nil && k.now().Before(f.until) {
		return nil, f.err
	}
	answer := k.asked.DoChan(what, func() (any, error) {
		ctx, cancel := context.WithTimeout(k.ctx, askedFor)
		defer cancel()
		d, err := find(ctx)
		k.answered(what, err)
		return d, err
	})
	select {
	case r := <-answer:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*dataKey), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answered notes what came of a question, and tells of it if it is news.
func (k *Keys) answered(what string, err error) {
	now := k.now()
	k.mu.Lock()
	f, failed := k.failed[what]
	tell := false
	switch {
	case !errors.Is(err, ErrUnavailable) || k.ctx.Err() != nil:
		delete(k.failed, what)
	case len(k.failed) >= maxKeys && !failed:
	default:
		// Of somebody who is away one line is enough for all tenants.
		last := f.told
		if errors.Is(err, ErrAway) {
			last = k.away.told
		}
		if tell = last.IsZero() || now.Sub(last) >= tellEvery; tell {
			last = now
		}
		if errors.Is(err, ErrAway) {
			k.away.told = last
		}
		k.failed[what] = failure{err: err, until: now.Add(failedFor), told: last}
	}
	k.mu.Unlock()
	if tell {
		k.log("a data key cannot be had", err)
	}
}

// find reads a tenant's current key, or makes one.
func (k *Keys) find(ctx context.Context, tenant string) (*dataKey, error) {
	forgot := k.forgotten()
	row, ok, err := k.table.CurrentDataKey(ctx, tenant)
	if err == nil && !ok {
		row, err = k.Make(ctx, tenant)
		if err == nil {
			row, err = k.table.AddDataKey(ctx, row)
		}
	}
	if err != nil {
		return nil, err
	}
	d, err := k.unwrap(ctx, row)
	if err == nil {
		k.keep(d, true, forgot)
	}
	return d, err
}

// read reads the key with an id.
func (k *Keys) read(ctx context.Context, id KeyID) (*dataKey, error) {
	forgot := k.forgotten()
	row, ok, err := k.table.DataKey(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%w (the store has no data key %s any more)", ErrNoKey, id)
	case !row.Destroyed.IsZero():
		return nil, ErrDestroyed
	}
	d, err := k.unwrap(ctx, row)
	if err == nil {
		k.keep(d, row.Retired.IsZero(), forgot)
	}
	return d, err
}

func (k *Keys) forgotten() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.forgot
}

// keep keeps a key in memory, unless keys were let go of since its row was read, which may have been this one.
func (k *Keys) keep(d *dataKey, current bool, forgot int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forgot != forgot {
		return
	}
	if len(k.byID) >= maxKeys {
		clear(k.byID)
		clear(k.current)
	}
	k.byID[d.id] = d
	if current {
		k.current[d.tenant] = d
	}
}

// Forget lets go of the keys of a tenant, after they were changed in the table.
func (k *Keys) Forget(tenant string) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgot++
	delete(k.current, tenant)
	delete(k.failed, "tenant "+tenant)
	for id, d := range k.byID {
		if d.tenant == tenant {
			delete(k.byID, id)
		}
	}
}

// Make makes a new data key for a tenant, wrapped; the caller keeps it.
func (k *Keys) Make(ctx context.Context, tenant string) (DataKey, error) {
	raw := randomKey()
	defer clear(raw)
	d, err := newDataKey(raw, tenant)
	if err != nil {
		return DataKey{}, err
	}
	wrapped, err := k.wrap(ctx, raw, tenant)
	return DataKey{ID: d.id, Tenant: tenant, Created: k.now(), Wrapped: wrapped}, err
}

func (k *Keys) wrap(ctx context.Context, raw []byte, tenant string) ([]byte, error) {
	remote := k.use.Load().remote()
	if remote == nil {
		return append([]byte{wrappedByRing}, k.ring.Seal(raw, wrappedPlace(tenant))...), nil
	}
	text, err := askRemote(k, tenant, func() (string, error) { return remote.Wrap(ctx, tenant, raw) })
	if err != nil {
		return nil, err
	}
	return wrapText(text)
}

// askRemote asks a wrapper, unless it was away a moment ago.
func askRemote[T any](k *Keys, tenant string, ask func() (T, error)) (answer T, err error) {
	k.mu.RLock()
	away := k.away
	k.mu.RUnlock()
	if away.err != nil && k.now().Before(away.until) {
		return answer, away.err
	}
	if answer, err = ask(); err != nil {
		err = fmt.Errorf("%w: tenant %q: %w", ErrUnavailable, tenant, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, ErrAway):
		k.away.err, k.away.until = err, k.now().Add(failedFor)
	case err == nil:
		k.away = failure{}
	}
	return answer, err
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
	raw, err = askRemote(k, row.Tenant, func() ([]byte, error) { return remote.Unwrap(ctx, row.Tenant, w.Text) })
	return raw, remote.Lifetime(), err
}

var errNoRemote = fmt.Errorf("%w (the tenant's data key was wrapped by Transit: leave transit in data_keys until `callgate rekey` has wrapped every data key otherwise)", ErrNoKey)

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
		text, err := askRemote(k, row.Tenant, func() (string, error) { return remote.Rewrap(ctx, row.Tenant, w.Text) })
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

// Verify unwraps a key anew and tells whether it is what it should be.
func (k *Keys) Verify(ctx context.Context, row DataKey) error {
	_, err := k.unwrap(ctx, row)
	return err
}
