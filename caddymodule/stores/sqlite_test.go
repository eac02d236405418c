package stores

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestStoreRefusesSizesBelowNothing(t *testing.T) {
	below := int64(-1)
	for want, s := range map[string]*SQLite{
		"max_size cannot be negative":                   {MaxSize: below},
		`a tenant ("") may hold cannot be negative`:     {TenantMaxSize: below},
		`a tenant ("acme") may hold cannot be negative`: {TenantLimits: map[string]StoreLimits{"acme": {MaxEvents: below}}},
		"min_free cannot be negative; 0 turns it off":   {MinFree: &below},
	} {
		s.Path = filepath.Join(t.TempDir(), "store.db")
		if err := s.Provision(caddy.Context{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
