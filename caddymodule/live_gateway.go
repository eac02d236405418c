package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/store"
)

// gatewayOf is the configuration in force of a store, as those who manage documents see it.
type gatewayOf struct{ d *dispatcher }

// manages gives it, or nil where documents are not managed.
func (d *dispatcher) manages() manage.Gateway {
	if d.live() == nil {
		return nil
	}
	return gatewayOf{d}
}

// live is that of the configuration in force.
func (d *dispatcher) live() *live {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inForce) == 0 {
		return nil
	}
	return d.inForce[len(d.inForce)-1].live
}

var errJustReloaded = errors.New("the configuration was loaded anew this moment, and manages nothing; try again")

// Taken implements manage.Gateway.
func (g gatewayOf) Taken(kind, name string) string {
	if l := g.d.live(); l != nil {
		return l.taken(kind, name)
	}
	return ""
}

// Check implements manage.Gateway.
func (g gatewayOf) Check(_ context.Context, doc *store.Document) ([]string, error) {
	l := g.d.live()
	if l == nil {
		return nil, errJustReloaded
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, errJustReloaded
	}
	c, err := l.compile(doc)
	if err != nil {
		return nil, err
	}
	l.discard(c)
	return c.warnings.list, nil
}

// Apply implements manage.Gateway. Configurations that overlap in a reload all follow; what the one in force says is the
// answer.
func (g gatewayOf) Apply(ctx context.Context, kind, name string) error {
	g.d.mu.Lock()
	lives := slices.Clone(g.d.lives)
	g.d.mu.Unlock()
	inForce := g.d.live()
	var failed error
	for _, l := range lives {
		// Whoever asked may go away; what is in the store is in force all the same.
		if err := l.Apply(context.WithoutCancel(ctx), kind, name); err != nil && l == inForce {
			failed = err
		}
	}
	return failed
}

// InForce implements manage.Follower. It waits for a configuration that is just being loaded.
func (l *live) InForce(kind string) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	versions := make(map[string]int)
	l.versions.Range(func(k, v any) bool {
		if key := k.([2]string); key[0] == kind {
			versions[key[1]] = v.(int)
		}
		return true
	})
	if kind == kindTenant {
		for name := range l.failed {
			if _, ok := versions[name]; !ok {
				versions[name] = -1
			}
		}
	}
	return versions
}

// fingerprint tells secrets apart. Under a key it says nothing to who guesses.
func (d *dispatcher) fingerprint(value string) string {
	if d.keys == nil { // without keys no secret is kept
		return ""
	}
	sum := sha256.Sum256(d.keys.MAC(d.keys.First(), []byte("callgate fingerprint of a secret\x00"+value)))
	return hex.EncodeToString(sum[:6])
}
