package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/stores"
	"github.com/callgate/callgate/internal/store"
)

// TestStoreThatIsLeftBehind holds that a configuration with another store says what waits in the one before: in a reload,
// when that is closed, and in a restart, when the new one is opened.
func TestStoreThatIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	saved := filepath.Join(dir, "autosave.json")
	before := caddy.ConfigAutosavePath
	caddy.ConfigAutosavePath = saved
	t.Cleanup(func() { caddy.ConfigAutosavePath = before })
	save := func(path string) {
		t.Helper()
		config := fmt.Sprintf(`{"apps":{"callgate":{"store":{"type":"sqlite","path":%q}}}}`, path)
		if err := os.WriteFile(saved, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(name string) (*dispatcher, *logtest.ObservedLogs) {
		t.Helper()
		core, logs := logtest.New(zap.WarnLevel)
		u := &durable{module: &stores.SQLite{Path: filepath.Join(dir, name)}, options: guest.StoreOptions{Logger: zap.NewNop()}}
		d, err := u.open(u.module.StoreKey(), zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		return d, logs
	}
	said := func(what string, logs *logtest.ObservedLogs, want string) {
		t.Helper()
		var all []string
		for _, e := range logs.TakeAll() {
			if strings.Contains(e.Message, "does not use") {
				all = append(all, fmt.Sprint(e.ContextMap()))
			}
		}
		if got := strings.Join(all, "\n"); got != want {
			t.Errorf("%s says %q, want %q", what, got, want)
		}
	}
	old, logs := open("old.db")
	for range 5 {
		if _, err := old.store.Accept(t.Context(), &store.Event{ID: ulid.Make().String(), Key: [16]byte(ulid.Make())}, []string{"crm"}); err != nil {
			t.Fatal(err)
		}
	}
	save(filepath.Join(dir, "old.db"))
	beside, besideLogs := open("new.db")
	said("opening another one while it is delivered from", besideLogs, "")
	if err := beside.Destruct(); err != nil {
		t.Fatal(err)
	}
	said("closing one in which nothing waits", besideLogs, "")
	if err := old.Destruct(); err != nil {
		t.Fatal(err)
	}
	waits := fmt.Sprintf("map[destination:crm store:sqlite:%s waiting:5]", filepath.Join(dir, "old.db"))
	said("closing it", logs, waits)

	next, logs := open("new.db")
	said("opening another one after it", logs, waits)
	if err := next.Destruct(); err != nil {
		t.Fatal(err)
	}
	save(filepath.Join(dir, "new.db"))
	again, logs := open("new.db")
	said("opening the same", logs, "")
	if err := again.Destruct(); err != nil {
		t.Fatal(err)
	}
	for _, config := range []string{`{"apps":{}}`, `{"apps":{"callgate":{"store":{"type":"sqlite","path":"/nowhere/at/all.db"}}}}`, `{`} {
		if err := os.WriteFile(saved, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		d, logs := open("new.db")
		said("a saved configuration "+config, logs, "")
		if err := d.Destruct(); err != nil {
			t.Fatal(err)
		}
	}
}
