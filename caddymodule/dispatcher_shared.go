package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// What a dispatcher does besides where several gateways share its store, which is on another machine as a rule and can be
// away, also when the gateway starts.

const (
	// followEvery is how often it is looked for documents that other gateways have published without telling, and
	// followSoon how often while it is not known what is in the store.
	followEvery, followSoon = 10 * time.Second, time.Second
	followTimeout           = 30 * time.Second
)

// follower brings into force at this gateway what others publish.
type follower struct {
	waker, stop chan struct{}
	done        sync.WaitGroup
}

// follow begins to follow, if the store is shared.
func (d *dispatcher) follow() {
	if _, ok := d.store.(store.Shared); !ok {
		return
	}
	f := &follower{waker: make(chan struct{}, 1), stop: make(chan struct{})}
	d.follower.Store(f)
	f.done.Go(func() {
		timer := time.NewTimer(followSoon)
		defer timer.Stop()
		for {
			select {
			case <-f.waker:
			case <-timer.C:
			case <-f.stop:
				return
			}
			timer.Reset(d.catchUp())
		}
	})
}

// unfollow ends that.
func (d *dispatcher) unfollow() {
	if f := d.follower.Swap(nil); f != nil {
		close(f.stop)
		f.done.Wait()
	}
}

// DocumentsChanged implements delivery.Observer.
func (o *observer) DocumentsChanged() { o.d.lookForDocuments() }

func (d *dispatcher) lookForDocuments() {
	if f := d.follower.Load(); f != nil {
		select {
		case f.waker <- struct{}{}:
		default:
		}
	}
}

// catchUp brings into force what others have published, and returns how long until it has to be looked again.
func (d *dispatcher) catchUp() time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), followTimeout)
	defer cancel()
	d.mu.Lock()
	lives := append([]*live{}, d.lives...)
	d.mu.Unlock()
	next := followEvery
	for _, l := range lives {
		n, mistakes, err := d.documents.CatchUp(ctx, l)
		if n > 0 {
			d.logger.Info("documents that another gateway published are in force", zap.Int("documents", n))
		}
		for _, mistake := range mistakes {
			d.logger.Error("a document that another gateway published is not in force here; its version before is, if there was one; publish it anew where this version of the program checks it", zap.Error(mistake))
		}
		switch {
		case errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil:
			next = followSoon
		case err != nil:
			d.logger.Error("the store could not tell what other gateways have published; trying again", zap.Error(err))
		case l.behind.Swap(false):
			d.logger.Info("the store is there: the tenants and destinations that live in it are in force")
		}
	}
	return next
}

// Gateways implements delivery.Observer: each of those that share the store grants its part of every tenant's limit.
func (o *observer) Gateways(n int) {
	o.d.logger.Info("another number of gateways shares the store; each grants its part of the tenants' limits", zap.Int("gateways", n))
	o.d.divideLimits()
}

// divideLimits has the limits of tenants divided among the gateways of the configuration in force.
func (d *dispatcher) divideLimits() {
	s := currentShared()
	if s == nil {
		return
	}
	n := 1
	if current := currentDispatcher(); current != nil {
		n = current.engine.Gateways()
	}
	s.Tenants.Divide(n)
}

// currentDispatcher is that of a configuration in force; nil if none has a store.
func currentDispatcher() (current *dispatcher) {
	dispatchers.Range(func(_, v any) bool {
		d, ok := v.(*dispatcher)
		if !ok {
			return true // one that is just being made
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.inForce) > 0 {
			current = d
		}
		return current == nil
	})
	return current
}

// gatewayName is what this gateway is called, for those who look at several.
func gatewayName(m guest.Store) string {
	if g, ok := m.(guest.StoreGateway); ok && g.GatewayName() != "" {
		return g.GatewayName()
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// version is the program's.
func version() string {
	simple, _ := caddy.Version()
	return simple
}

// unaudited is the error of what cannot be done before the audit log is open.
func unaudited(err error) error {
	return fmt.Errorf("the audit log is not open yet: %w", err)
}

// begin has the engine deliver by a snapshot. Where the store was away, so that the audit log could not be opened, that is
// tried until it can be, and nothing is accepted or delivered before: it would not be recorded.
func (d *dispatcher) begin(u *durable, snapshot *delivery.Snapshot, missing error) (detach func()) {
	if missing == nil {
		return d.engine.Attach(snapshot)
	}
	d.logger.Error("the store is away: the gateway starts, is not ready and takes nothing in until it is there", zap.Error(missing))
	d.unaudited.Add(1)
	var inner func()
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for {
			select {
			case <-stop:
				d.unaudited.Add(-1)
				return
			case <-time.After(followSoon):
			}
			err := d.startAudit(u)
			switch {
			case err == nil:
				inner = d.engine.Attach(snapshot)
				d.unaudited.Add(-1)
				d.logger.Info("the store is there, and the audit log is open")
				return
			case !errors.Is(err, store.ErrUnavailable) && err.Error() != missing.Error():
				d.logger.Error("the audit log cannot be opened; nothing is taken in or delivered without it", zap.Error(err))
				missing = err
			}
		}
	})
	return func() {
		close(stop)
		done.Wait()
		if inner != nil {
			inner()
		}
	}
}

// mayStart tells whether a configuration can start in spite of an error: when the store is on another machine, and away.
func (d *dispatcher) mayStart(err error) bool {
	_, shared := d.store.(store.Shared)
	return shared && errors.Is(err, store.ErrUnavailable)
}

// unready says why no call can be taken in though the store may be there; empty if there is no reason.
func (d *dispatcher) unready() string {
	if d.unaudited.Load() > 0 {
		return "the audit log is not open yet"
	}
	if l := d.live(); l != nil && l.behind.Load() {
		return "the tenants and destinations that live in the store are not read yet"
	}
	return ""
}
