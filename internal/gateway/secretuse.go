package gateway

import (
	"sync/atomic"
	"time"
)

// SecretUses are when each secret of a plan was used last, in nanoseconds since 1970; 0 for not yet. It is nil for a plan
// whose secret is not being rotated, as it has one only.
type SecretUses []*atomic.Int64

// note notes that a request was verified with a secret. A verifier of another module may count secrets in a way of its own.
func (u SecretUses) note(secret int, now time.Time) {
	if secret >= 0 && secret < len(u) {
		u[secret].Store(now.UnixNano())
	}
}
