// Package stores has the guest modules of the stores that are built in.
package stores

import (
	"cmp"
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

func init() {
	caddy.RegisterModule(new(SQLite))
}

// SQLite keeps events in a file, without any other program. It is meant for one machine with a disk that keeps what it
// says it has written.
//
// Events that were accepted within the last seconds are in memory too until their deliveries have begun, in the clear, as they
// came: at most 16 MiB of them, or 1 MiB with memory small, and none for longer than ten seconds. Who erases an event, cancels
// its deliveries or destroys its key takes it away there as well.
//
// A reload changes the sizes, the limits of tenants and the window of the open store.
type SQLite struct {
	// Path is the file. Default: callgate/callgate.db in Caddy's data directory.
	Path string `json:"path,omitempty"`

	// MaxSize is how many bytes the file may grow to, with the write-ahead log as far as that is longer than 64 MiB. When
	// it is full, events that were delivered everywhere lose their content, the oldest first, and stay in the listings
	// without it. When that is not enough new events are answered with 503 while what is stored goes on being delivered.
	// A tenant is refused earlier: when it holds four times what is left for all. So one that fills the store alone has
	// four fifths of it. Default: no bound but the disk's.
	MaxSize int64 `json:"max_size,omitempty"`

	// TenantMaxSize is how many bytes of it each tenant may hold, content and what is known of it, about; and
	// TenantMaxEvents how many events with content. What was delivered makes room, as with MaxSize. Default: no bound.
	TenantMaxSize   int64 `json:"tenant_max_size,omitempty"`
	TenantMaxEvents int64 `json:"tenant_max_events,omitempty"`

	// TenantLimits are for tenants that are named, instead of TenantMaxSize and TenantMaxEvents.
	TenantLimits map[string]StoreLimits `json:"tenant_limits,omitempty"`

	// MinFree is how many bytes of its disk the store leaves free, but no more than the tenth part of it. With less new
	// events are answered with 503, as with MaxSize, and what is left is for the outcomes of deliveries, for replays and
	// for the write-ahead log, so that what is stored goes on being delivered. For every delivery that waits 256 bytes are
	// kept free besides. In the last GiB before that, or the last tenth of a small disk, a tenant may hold four times what
	// is left, as with MaxSize. 0 turns all of this off. Default: 64 MiB.
	MinFree *int64 `json:"min_free,omitempty"`
}

// StoreLimits bound what a tenant may hold in the store. What is 0 is as for every other tenant.
type StoreLimits struct {
	// MaxSize is in bytes; see SQLite.TenantMaxSize.
	MaxSize int64 `json:"max_size,omitempty"`

	// MaxEvents counts events with content; see SQLite.TenantMaxEvents.
	MaxEvents int64 `json:"max_events,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*SQLite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.stores.sqlite", New: func() caddy.Module { return new(SQLite) }}
}

// Provision finds the file.
func (s *SQLite) Provision(caddy.Context) error {
	if s.MaxSize < 0 {
		return fmt.Errorf("max_size cannot be negative")
	}
	if err := checkLimits(s.TenantMaxSize, s.TenantMaxEvents, s.TenantLimits); err != nil {
		return err
	}
	if s.MinFree != nil && *s.MinFree < 0 {
		return fmt.Errorf("min_free cannot be negative; 0 turns it off")
	}
	path := s.Path
	if path == "" {
		path = filepath.Join(caddy.AppDataDir(), "callgate", "callgate.db")
	}
	path, err := secret.ResolveText(path)
	if err != nil {
		return fmt.Errorf("path: %w", err)
	}
	s.Path, err = filepath.Abs(path)
	return err
}

// StoreKey implements guest.Store.
func (s *SQLite) StoreKey() string { return "sqlite:" + s.Path }

// File implements guest.StoreFile.
func (s *SQLite) File() string { return s.Path }

// waitForEach is how long a commit waits under load for each of those who are about to share it: for 64 connections 4 ms at
// most, for two an eighth of a millisecond. Measured with 64, those answer sooner for it than with a millisecond, as more of
// them share a commit, and accepting takes a fifth less of the CPU.
const waitForEach = time.Millisecond / 16

// keyBytes is what the page cache may have for each unique key that is held in memory, so that these have no more.
const keyBytes = 512

// OpenStore implements guest.Store.
func (s *SQLite) OpenStore(o guest.StoreOptions) (store.Store, error) {
	t := s.tuning(o)
	recent := 0
	if o.CacheBytes > 0 {
		recent = int(o.CacheBytes / keyBytes)
	}
	return sqlite.Open(sqlite.Options{
		CacheBytes: o.CacheBytes, RecentKeys: recent,
		Path: s.Path, Window: t.Window, MaxBytes: t.MaxBytes, MinFree: t.MinFree, Tenant: t.Tenant, Tenants: t.Tenants, Keys: o.Keys, Wrapping: o.Wrapping, Committed: o.Committed, WaitForEach: waitForEach,
		Log: func(msg string, err error) { o.Logger.Error(msg, zap.Error(err)) },
	})
}

// TuneStore implements guest.StoreTuner.
func (s *SQLite) TuneStore(open store.Store, o guest.StoreOptions) {
	if open, ok := open.(*sqlite.Store); ok {
		open.Tune(s.tuning(o))
	}
}

// CheckStore implements guest.StoreChecker.
func (s *SQLite) CheckStore(open store.Store, o guest.StoreOptions) error {
	if open, ok := open.(*sqlite.Store); ok {
		return open.CheckWrapping(o.Wrapping)
	}
	return nil
}

func (s *SQLite) tuning(o guest.StoreOptions) sqlite.Tuning {
	t := sqlite.Tuning{Window: o.Window, Wrapping: o.Wrapping, MaxBytes: s.MaxSize, Tenant: store.Quota{Bytes: s.TenantMaxSize, Events: s.TenantMaxEvents},
		Tenants: quotasOf(s.TenantLimits)}
	if s.MinFree != nil {
		t.MinFree = cmp.Or(*s.MinFree, -1)
	}
	return t
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store sqlite [<file>] {
//		max_size <size>
//		tenant_max_size <size> [<tenant>...]
//		tenant_max_events <number> [<tenant>...]
//		min_free off | <size>
//	}
func (s *SQLite) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the store's kind
	if err := grammar.Optional(d, &s.Path); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"max_size": grammar.Bytes(&s.MaxSize),
		"min_free": func(d *caddyfile.Dispenser) error {
			n, err := grammar.SizeOrOff(d)
			s.MinFree = &n
			return err
		},
		"tenant_max_size":   s.unmarshalTenantLimit,
		"tenant_max_events": s.unmarshalTenantLimit,
	}, "tenant_max_size", "tenant_max_events")
}

func (s *SQLite) unmarshalTenantLimit(d *caddyfile.Dispenser) error {
	return unmarshalTenantLimit(d, &s.TenantMaxSize, &s.TenantMaxEvents, &s.TenantLimits)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*SQLite)(nil)
	_ caddyfile.Unmarshaler = (*SQLite)(nil)
	_ guest.Store           = (*SQLite)(nil)
	_ guest.StoreTuner      = (*SQLite)(nil)
	_ guest.StoreChecker    = (*SQLite)(nil)
	_ guest.StoreFile       = (*SQLite)(nil)
)
