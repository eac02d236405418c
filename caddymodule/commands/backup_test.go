package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/store"
)

func TestBackupOfARunningGatewayIsRestored(t *testing.T) {
	g := runGateway(t)
	for n := range 3 {
		g.send(n)
	}
	g.settled(3, 0)
	key := write(t, "callgate.key", firstKey)
	with := func(path, key string) string {
		return "{\n\tcallgate {\n\t\tstore sqlite " + path + "\n\t\tencryption_key " + key + "\n\t}\n}\n"
	}
	config := write(t, "Caddyfile", with(g.Store, "{file."+key+"}"))
	literal := write(t, "Caddyfile", with(g.Store, firstKey))
	file := filepath.Join(t.TempDir(), "calls")

	for name, beside := range map[string][2]string{"the key": {config, key}, "a configuration with the key": {literal, literal}} {
		target := filepath.Join(filepath.Dir(beside[1]), "calls")
		if _, err := run(t, fillBackup, "", target, "--config", beside[0]); err == nil || !strings.Contains(err.Error(), "the encryption key is in "+beside[1]) {
			t.Errorf("a backup beside %s: %v", name, err)
		}
		if _, err := os.Stat(target); err == nil {
			t.Errorf("there is a backup beside %s", name)
		}
	}
	// A link does not hide it.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(key), link); err == nil {
		if _, err := run(t, fillBackup, "", filepath.Join(link, "calls"), "--config", config); err == nil || !strings.Contains(err.Error(), "the encryption key is in") {
			t.Errorf("a backup beside the key through a link: %v", err)
		}
	}

	out, err := run(t, fillBackup, "", file, "--config", config)
	if err != nil || !strings.HasPrefix(out, "3 events and 0 deliveries that wait, ") || !strings.HasSuffix(out, " bytes, in "+file+".\n") {
		t.Fatalf("%v: %s", err, out)
	}
	g.send(3) // after the backup
	for _, tt := range []struct{ name, args, says string }{
		{"a second time", file, "nothing is overwritten"},
		{"no directory", filepath.Join(file, "x"), "not a directory"},
	} {
		if _, err := run(t, fillBackup, "", tt.args, "--config", config); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("backup, %s: %v", tt.name, err)
		}
	}
	nowhere := write(t, "Caddyfile", with(filepath.Join(t.TempDir(), "none"), firstKey))
	if _, err := run(t, fillBackup, "", file+"2", "--config", nowhere); err == nil || !strings.Contains(err.Error(), "there is no store at") {
		t.Errorf("no store: %v", err)
	}
	if _, err := run(t, fillRestore, "", file, "--config", config); err == nil || !strings.Contains(err.Error(), "stop the gateway") {
		t.Errorf("restored over a running gateway: %v", err)
	}
	g.Stop()
	if _, err := run(t, fillRestore, "", file, "--config", config); err == nil || !strings.Contains(err.Error(), "move the store away") {
		t.Errorf("restored over a store: %v", err)
	}
	if err := os.Rename(g.Store, g.Store+".away"); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, fillRestore, "", file, "--config", config); err != nil || out != "3 events and 0 deliveries that wait, in "+g.Store+". Start the gateway.\n" {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := caddymodule.OpenStore(gatewaytest.Adapt(t, with(g.Store, firstKey), ""), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	events, err := s.Events(t.Context(), store.Filter{}, store.Page{})
	if err != nil || len(events) != 3 {
		t.Fatal(events, err)
	}
	for _, e := range events {
		if ev, err := s.Event(t.Context(), e.ID); err != nil || !strings.Contains(string(ev.Body), "private words") {
			t.Errorf("%v", err)
		}
	}
}
