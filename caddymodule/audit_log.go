package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/publish"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// boot tells this start of the process from others.
var boot = ulid.Make().String()

// auditStop is how long the last checkpoint may take when the process ends, if no other time is set.
const auditStop = 5 * time.Second

// auditFile is where the last checkpoint of a store's audit log is kept beside it.
func auditFile(m guest.Store) string {
	if f, ok := m.(guest.StoreFile); ok {
		return f.File() + ".checkpoint"
	}
	return ""
}

// startAudit begins to keep an audit log, or has the one that is kept take over the settings of a configuration, and records
// that this configuration is going to be in force. The caller holds no lock.
func (d *dispatcher) startAudit(u *durable) error {
	first := !d.loaded.Swap(true)
	if u.audit == nil {
		if d.auditor.Load() != nil {
			d.logger.Warn("the configuration keeps no audit log any more; it is kept until the gateway ends, and recorded that this configuration was loaded")
		}
		return d.noteConfig(u, first)
	}
	if a := d.auditor.Load(); a != nil {
		return d.noteConfig(u, first) // its settings are taken over when it is in force; see tuneAudit
	}
	s, ok := d.store.(store.Audited)
	if !ok {
		return fmt.Errorf("audit: the store %s keeps no audit log; use sqlite", d.key)
	}
	a, err := auditor.Open(context.Background(), auditor.Options{
		Store: s, Boot: boot, File: auditFile(u.module), Log: d.logger.Named("audit"), Changed: auditChanged,
	}, u.audit.settings)
	if err != nil {
		if first {
			d.loaded.Store(false) // it may be tried again
		}
		return fmt.Errorf("audit: %w", err)
	}
	d.auditor.Store(a)
	d.audited.Store(u.audit)
	return d.noteConfig(u, first)
}

// tuneAudit has the audit log take over the settings of the configuration that is in force now, unless it has them or that
// one says nothing of a log.
func (d *dispatcher) tuneAudit(u *durable) {
	if a := d.auditor.Load(); a != nil && u.audit != nil && d.audited.Swap(u.audit) != u.audit {
		a.Set(u.audit.settings)
	}
}

// noteConfig records that a configuration was loaded, and by whom as far as that is known: by the user who started the
// process, or by whoever reached the admin endpoint.
func (d *dispatcher) noteConfig(u *durable, first bool) error {
	a := d.auditor.Load()
	if a == nil {
		return nil
	}
	by := audit.Actor{Type: audit.ActorLocal, Via: "config"}
	if first {
		by = audit.Actor{Type: audit.ActorClaimed, Via: "start", ID: osUser()}
	}
	if err := a.Record(context.Background(), audit.Leaf{Kind: audit.ConfigLoaded, Actor: by, Config: u.configHash}); err != nil {
		return fmt.Errorf("audit: it cannot be recorded that a configuration is loaded, so it is not: %w", err)
	}
	return nil
}

func osUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// stopAudit records that the gateway stops.
func (d *dispatcher) stopAudit(ctx context.Context, clean bool) error {
	a := d.auditor.Load()
	if a == nil {
		return nil
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, auditStop)
		defer cancel()
	}
	return a.Close(ctx, clean)
}

// Record records something in the audit log, if one is kept.
func (d *dispatcher) Record(ctx context.Context, l audit.Leaf) error {
	if a := d.auditor.Load(); a != nil {
		return a.Record(ctx, l)
	}
	return nil
}

// recordOperation records what an operator is about to do, or was denied.
func (d *dispatcher) recordOperation(ctx context.Context, r operate.Record) error {
	if l, ok := r.Leaf(ctx); ok {
		return d.Record(ctx, l)
	}
	return nil
}

// auditRoutes records what the routes of a configuration hand on.
type auditRoutes struct{ in *instance }

var errNotOpen = errors.New("the audit log is not open yet")

// Record implements gateway.Audit.
func (r auditRoutes) Record(ctx context.Context, l audit.Leaf) error {
	d := r.in.ready(ctx)
	if d == nil {
		return errNotOpen
	}
	return d.Record(ctx, l)
}

// auditRoute has a route record what it hands on, if the configuration keeps an audit log.
func (in *instance) auditRoute(rt *gateway.Route) {
	if a := in.durable.audit; a != nil {
		rt.Audit, rt.AuditFirst = auditRoutes{in}, a.RecordFirst || in.recordFirst
	}
}

// Interface guard
var _ gateway.Audit = auditRoutes{}

// auditChanged counts how often a sink has begun to take no checkpoints.
func auditChanged(s publish.Status) {
	if s.Error != nil {
		auditMetrics.failures.WithLabelValues(s.Sink).Inc()
	}
}
