package caddymodule

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/operate"
)

// secretUses are when secrets were used last, by a hash of whose they are and of what they are, for as long as the process runs: a
// reload in the middle of a rotation must not forget it. A secret that is gone leaves its few bytes behind.
var secretUses sync.Map // [sha256.Size]byte → *atomic.Int64

// usesSince is since when uses are noted.
var usesSince = time.Now()

// usesOf are the notes of a plan with several secrets, and nil for one with one. owner tells routes and tenants apart.
func usesOf(owner string, secrets []string) (uses gateway.SecretUses) {
	if len(secrets) < 2 {
		return nil
	}
	for _, s := range secrets {
		v, _ := secretUses.LoadOrStore(sha256.Sum256([]byte(owner+"\x00"+s)), new(atomic.Int64))
		uses = append(uses, v.(*atomic.Int64))
	}
	return uses
}

// rotation is whose secrets are being rotated.
type rotation struct{ source, route, tenant string }

// rotations are those of a configuration.
type rotations struct {
	mu  sync.Mutex
	all map[rotation]gateway.SecretUses
}

// note keeps the uses of a plan.
func (r *rotations) note(source, route, tenant string, pl *gateway.Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[rotation]gateway.SecretUses)
	}
	key := rotation{source, route, tenant}
	if pl == nil || pl.Uses == nil {
		delete(r.all, key)
		return
	}
	r.all[key] = pl.Uses
}

// list tells them by source, route and tenant.
func (r *rotations) list() operate.RotationList {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := operate.RotationList{Since: usesSince, Rotations: []operate.Rotation{}}
	for of, uses := range r.all {
		out := operate.Rotation{Source: of.source, Route: of.route, Tenant: of.tenant}
		for i, u := range uses {
			s := operate.SecretUse{Secret: i + 1}
			if at := u.Load(); at != 0 {
				s.LastUsed = time.Unix(0, at).UTC()
			}
			out.Secrets = append(out.Secrets, s)
		}
		l.Rotations = append(l.Rotations, out)
	}
	slices.SortFunc(l.Rotations, func(a, b operate.Rotation) int {
		return strings.Compare(a.Source+"\x00"+a.Route+"\x00"+a.Tenant, b.Source+"\x00"+b.Route+"\x00"+b.Tenant)
	})
	return l
}
