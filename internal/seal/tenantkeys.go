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
	made    map[KeyID]*dataKey // and not used yet
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
	k := &Keys{ring: ring, table: table, now: now, log: log, byID: map[KeyID]*dataKey{}, current: map[string]*dataKey{}, made: map[KeyID]*dataKey{}, failed: map[string]failure{}}
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
	if k == nil {
		return
	}
	k.mu.Lock()
	k.stop() // nothing is begun any more
	k.mu.Unlock()
	k.running.Wait()
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
	d, err := k.unwrapOnce(ctx, row)
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
	d, err := k.unwrapOnce(ctx, row)
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
