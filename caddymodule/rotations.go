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
	// delivers is where calls of tenants may go.
	delivers map[rotation]reach
}

// reach is where calls of a tenant may go by its plan on a route, and by what the route says of all.
type reach struct {
	plan  []gateway.Target
	route []Deliver
}

// note keeps the uses of a plan, and where its calls and those of its route may go.
func (r *rotations) note(source, route, tenant string, pl *gateway.Plan, all []Deliver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all, r.delivers = make(map[rotation]gateway.SecretUses), make(map[rotation]reach)
	}
	key := rotation{source, route, tenant}
	if delete(r.delivers, key); pl != nil && len(pl.Deliver)+len(all) > 0 {
		r.delivers[key] = reach{pl.Deliver, all}
	}
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

// reach are the destinations to which calls of a tenant may go, by the names under which they are known.
func (r *rotations) reach(tenant string) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for of, to := range r.delivers {
		if of.tenant != tenant {
			continue
		}
		for i := range to.plan {
			names = append(names, to.plan[i].To)
		}
		for i := range to.route {
			names = append(names, to.route[i].To)
		}
	}
	return names
}
