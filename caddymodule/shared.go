package caddymodule

import (
	"fmt"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/ratelimit"
)

// shared is the state that belongs to the process and not to a configuration. It lives from the first configuration
// with the app to the end of the last, which overlap in a reload.
type shared struct {
	gateway.State

	mu       sync.Mutex
	attached []*limits
}

// limits are what a configuration says of the shared state.
type limits struct {
	cache       idempotency.Limits
	limiterKeys int
	faulty      int // tenants that were left out
	unverified  int64
	memory      int64 // of the whole process
}

// defaultCache is CacheLimits without any setting.
var defaultCache = idempotency.Limits{Entries: 100_000, Bytes: 64 << 20, Keys: 2_000_000, OwnerKeys: 1_000_000}

var (
	sharedPool = caddy.NewUsagePool()
	breakers   = caddy.NewUsagePool()
)

const sharedKey = "callgate"

func acquireShared() (*shared, error) {
	v, _, err := sharedPool.LoadOrNew(sharedKey, func() (caddy.Destructor, error) {
		return &shared{State: gateway.State{
			Answers:    idempotency.New(defaultCache, nil),
			Tenants:    ratelimit.New(100_000, nil),
			Addresses:  ratelimit.New(100_000, nil),
			Strangers:  ratelimit.New(100_000, nil),
			Unverified: gateway.NewBudget(defaultUnverified(processMemory())),
		}}, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*shared), nil
}

func releaseShared() error {
	_, err := sharedPool.Delete(sharedKey)
	return err
}

// currentShared is for the metrics, which are read at any time.
func currentShared() (s *shared) {
	sharedPool.Range(func(_, v any) bool {
		s = v.(*shared)
		return false
	})
	return s
}

// attach puts limits in force until detach is called. The newest attached ones count, so that the old configuration's
// come back when a new one fails to start.
func (s *shared) attach(l limits) (detach func()) {
	p := &l
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attached = append(s.attached, p)
	s.apply()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.attached, p); i >= 0 {
			s.attached = slices.Delete(s.attached, i, i+1)
			s.apply()
		}
	}
}

// faulty is how many tenants the configuration in force was started without.
func (s *shared) faulty() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.attached) == 0 {
		return 0
	}
	return s.attached[len(s.attached)-1].faulty
}

// apply is called with the lock held.
func (s *shared) apply() {
	if len(s.attached) == 0 {
		setMemory(processMemory())
		return
	}
	l := s.attached[len(s.attached)-1]
	s.Answers.SetLimits(l.cache)
	s.Tenants.Resize(l.limiterKeys)
	s.Addresses.Resize(l.limiterKeys)
	s.Strangers.Resize(l.limiterKeys)
	s.Unverified.Resize(l.unverified)
	setMemory(l.memory)
}

// Destruct implements caddy.Destructor. The memory goes with the last request that uses it.
func (s *shared) Destruct() error { return nil }

// breakerKey names a breaker. Its settings belong to the name: a breaker that is configured otherwise starts afresh.
type breakerKey struct {
	route, tenant string
	settings      breaker.Settings
}

// routeBreaker is a breaker in the pool.
type routeBreaker struct{ *breaker.Breaker }

// Destruct implements caddy.Destructor.
func (routeBreaker) Destruct() error { return nil }

func acquireBreaker(k breakerKey, logger *zap.Logger) (*breaker.Breaker, error) {
	v, _, err := breakers.LoadOrNew(k, func() (caddy.Destructor, error) {
		return routeBreaker{breaker.New(k.settings, func(from, to breaker.State) {
			// Logged elsewhere: the breaker is locked now, and a log's writer may block.
			go logger.Warn("circuit breaker changed", zap.String("route", k.route), zap.String("tenant", k.tenant),
				zap.Stringer("from", from), zap.Stringer("to", to))
		})}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("breaker: %w", err)
	}
	return v.(routeBreaker).Breaker, nil
}
