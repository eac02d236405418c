package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestTheAuditLogOfAStoppedGateway: what a gateway has recorded is read, exported, verified, pruned and forked while it is
// stopped, and by whom is recorded.
func TestTheAuditLogOfAStoppedGateway(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "audit.key")
	if _, err := run(t, fillAuditKeygen, "", key, "--name", "clinic.example/1"); err != nil {
		t.Fatal(err)
	}
	g := runGatewayWith(t, strings.Replace(runningConfig, "\ttenant acme {", "\taudit {\n\t\t\tkey {file."+key+"}\n\t\t}\n\t\ttenant acme {", 1))
	id := g.send(1)
	g.settled(1, 0)
	config := write(t, "Caddyfile", "{\n\tcallgate {\n\t\tstore sqlite "+g.Store+"\n\t\tencryption_key "+firstKey+"\n\t\taudit {\n\t\t\tkey {file."+key+"}\n\t\t}\n\t}\n}\n")
	if _, err := run(t, fillAuditTail, "", "--config", config); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Fatalf("while the gateway runs: %v", err)
	}
	g.Stop()
	out, err := run(t, fillAuditTail, "", "--config", config, "-n", "100")
	for _, want := range []string{"start outcome=clean", "config.loaded by=", "event.accepted tenant=acme event=" + id + " to=crm", "attempt tenant=acme", "status=200", "stop outcome=clean"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", err, want, out)
		}
	}
	if strings.Contains(out, "Mike") || strings.Contains(out, "987654") {
		t.Errorf("values are shown:\n%s", out)
	}
	if out, err := run(t, fillAuditQuery, "", "--config", config, "--event", id, "--from", "today", "--json"); err != nil || strings.Count(out, `"event":"`+id) != 2 || strings.Count(out, "\n") != 2 {
		t.Errorf("%v:\n%s", err, out)
	}
	if _, err := run(t, fillAuditQuery, "", "--config", config, "--from", "soon"); err == nil || !strings.Contains(err.Error(), "--from") {
		t.Error(err)
	}
	export := filepath.Join(dir, "export.jsonl")
	if out, err := run(t, fillAuditExport, "", export, "--config", config); err != nil || !strings.Contains(out, "records written") {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := run(t, fillAuditExport, "", export, "--config", config); err == nil || !strings.Contains(err.Error(), "nothing is overwritten") {
		t.Error(err)
	}
	if out, err := run(t, fillAuditVerify, "", export, "--public-key", "@"+key+".pub"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run(t, fillAuditTail, "", "--config", config, "-n", "1"); err != nil || !strings.Contains(out, "audit.exported by=claimed") {
		t.Errorf("%v: %s", err, out)
	}
	checkpoint, err := run(t, fillAuditCheckpoint, "", "--config", config)
	if err != nil || !strings.HasPrefix(checkpoint, "clinic.example/1\n") {
		t.Errorf("%v: %s", err, checkpoint)
	}
	if out, err := run(t, fillAuditPrune, "", "--config", config, "--before", "2020-01-01", "--dry-run"); err != nil || out != "0 records would be pruned.\n" {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run(t, fillAuditPrune, "", "--config", config, "--before", "0s ago"); err != nil || !strings.Contains(out, "their hashes stay") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := run(t, fillAuditFork, "", "--config", config, "--reason", "for fun"); err == nil || !strings.Contains(err.Error(), "nothing to fork") {
		t.Error(err)
	}
	// Another, empty store in its place.
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(g.Store + end)
	}
	s, err := sqlite.Open(sqlite.Options{Path: g.Store})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := run(t, fillAuditTail, "", "--config", config); err == nil || !strings.Contains(err.Error(), "audit fork --reason") {
		t.Errorf("a store with less than was published: %v", err)
	}
	if _, err := run(t, fillAuditFork, "", "--config", config); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Error(err)
	}
	if out, err := run(t, fillAuditFork, "", "--config", config, "--reason", "the disk broke"); err != nil || !strings.Contains(out, "Start the gateway") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = run(t, fillAuditTail, "", "--config", config, "--json")
	if err != nil || !strings.Contains(out, `"kind":"`+string(audit.Forked)+`"`) || !strings.Contains(out, `"why":"the disk broke"`) {
		t.Errorf("%v: %s", err, out)
	}
}
