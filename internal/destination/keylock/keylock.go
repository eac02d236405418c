// Package keylock lets only one delivery at a time work on what it may share with others: a caller's number, a call, a
// patient. Two at once would both find nothing there, and create it twice. It holds inside one process.
package keylock

import (
	"context"
	"slices"
	"sync"
)

// Locks are locks by key. A delivery holds one for each key it has; keys are taken in order, so that no two deliveries wait
// for each other. The zero value is ready.
type Locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

// lock is a mutex that one can stop waiting for; users counts holder and waiters, the last of which removes it.
type lock struct {
	token chan struct{}
	users int
}

// Acquire takes the locks of keys, and returns what releases them. The only error is that of ctx.
func (l *Locks) Acquire(ctx context.Context, keys []string) (release func(), err error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	for i, k := range keys {
		if err := l.take(ctx, k); err != nil {
			l.release(keys[:i])
			return nil, err
		}
	}
	return func() { l.release(keys) }, nil
}

// Held is how many keys are locked or waited for.
func (l *Locks) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}

func (l *Locks) take(ctx context.Context, key string) error {
	l.mu.Lock()
	k := l.held[key]
	if k == nil {
		k = &lock{token: make(chan struct{}, 1)}
		if l.held == nil {
			l.held = make(map[string]*lock)
		}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()

	select {
	case k.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		l.leave(key, k)
		return ctx.Err()
	}
}

func (l *Locks) release(keys []string) {
	for _, key := range keys {
		l.mu.Lock()
		k := l.held[key]
		l.mu.Unlock()
		<-k.token
		l.leave(key, k)
	}
}

func (l *Locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
