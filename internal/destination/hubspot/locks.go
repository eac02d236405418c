package hubspot

import (
	"context"
	"slices"
	"sync"
)

// locks lets only one delivery at a time work on the same address, number or call, within this process: two at once would
// both find no contact and create two. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

// lock is a mutex that one can stop waiting for. users counts its holder and who waits; the last one removes it.
type lock struct {
	free  chan struct{}
	users int
}

// acquire takes the locks of the keys, in order, so that no two deliveries wait for each other. It fails only when ctx
// ends.
func (l *locks) acquire(ctx context.Context, keys []string) (release func(), err error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	taken := make([]*lock, 0, len(keys))
	release = func() {
		for i, k := range taken {
			k.free <- struct{}{}
			l.leave(keys[i], k)
		}
	}
	for _, key := range keys {
		k := l.enter(key)
		select {
		case <-k.free:
			taken = append(taken, k)
		case <-ctx.Done():
			l.leave(key, k)
			release()
			return nil, ctx.Err()
		}
	}
	return release, nil
}

func (l *locks) enter(key string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[key]
	if k == nil {
		k = &lock{free: make(chan struct{}, 1)}
		k.free <- struct{}{}
		if l.held == nil {
			l.held = make(map[string]*lock)
		}
		l.held[key] = k
	}
	k.users++
	return k
}

func (l *locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
