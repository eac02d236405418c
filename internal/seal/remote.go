package seal

import (
	"context"
	"errors"
	"fmt"
)

// Shred destroys what a tenant's data keys are wrapped with, if it is the tenant's alone; see [Shredder].
func (k *Keys) Shred(ctx context.Context, tenant string) error {
	if k == nil {
		return nil
	}
	s, ok := k.use.Load().Remote.(Shredder)
	if !ok {
		return nil
	}
	err := s.Shred(ctx, tenant)
	_ = k.asks("", err)
	return err
}

// askRemote asks a wrapper. Once it was away nobody waits for it: it is asked beside, at most every failedFor, until it
// answers.
func askRemote[T any](ctx context.Context, k *Keys, tenant string, ask func(context.Context) (T, error)) (answer T, err error) {
	if err := k.isAway(func(ctx context.Context) error {
		_, err := ask(ctx)
		return err
	}); err != nil {
		return answer, err
	}
	answer, err = ask(ctx)
	return answer, k.asks(tenant, err)
}

// isAway is the error if the wrapper was away when it was asked last. Then probe is run beside if it is time for it.
func (k *Keys) isAway(probe func(context.Context) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away.err == nil {
		return nil
	}
	if now := k.now(); !now.Before(k.away.until) && k.ctx.Err() == nil {
		k.away.until = now.Add(askedFor + failedFor)
		k.running.Go(func() {
			ctx, cancel := context.WithTimeout(k.ctx, askedFor)
			defer cancel()
			_ = k.asks("", probe(ctx))
		})
	}
	return k.away.err
}

// asks notes whether a wrapper has answered, and makes an error one of a tenant's key.
func (k *Keys) asks(tenant string, err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !errors.Is(err, ErrAway) {
		k.away = failure{}
	} else {
		k.away.err, k.away.until = fmt.Errorf("%w: %w", ErrUnavailable, err), k.now().Add(failedFor)
	}
	if err != nil {
		err = fmt.Errorf("%w: tenant %q: %w", ErrUnavailable, tenant, err)
	}
	return err
}

var errNoRemote = fmt.Errorf("%w (the tenant's data key was wrapped by Transit: leave transit in data_keys until `callgate rekey` has wrapped every data key otherwise)", ErrNoKey)
