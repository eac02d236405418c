package stores

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

func TestLimitsOfTenantsInTheStore(t *testing.T) {
	parse := func(lines string) (*SQLite, error) {
		s := new(SQLite)
		return s, s.UnmarshalCaddyfile(caddyfile.NewTestDispenser("sqlite " + filepath.Join(t.TempDir(), "store.db") + " {\n" + lines + "\n}"))
	}
	s, err := parse("max_size 1GiB\ntenant_max_size 100MiB\ntenant_max_size 300MiB acme globex\ntenant_max_events 5000 acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	want := sqlite.Tuning{Window: time.Hour, MaxBytes: 1 << 30, Tenant: store.Quota{Bytes: 100 << 20},
		Tenants: map[string]store.Quota{"acme": {Bytes: 300 << 20, Events: 5000}, "globex": {Bytes: 300 << 20}}}
	if got := s.tuning(guest.StoreOptions{Window: time.Hour}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for lines, says := range map[string]string{
		"tenant_max_size":                                    "wrong argument count",
		"tenant_max_size much":                               "'much' is not a size",
		"tenant_max_events 0":                                "'0' is not a number of events",
		"tenant_max_size 1MiB\ntenant_max_size 2MiB":         "tenant_max_size is given twice",
		"tenant_max_events 1 acme\ntenant_max_events 2 acme": "given twice for tenant acme",
	} {
		if _, err := parse(lines); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", lines, err, says)
		}
	}
}
