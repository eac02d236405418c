package commands

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/operate"
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
	if _, err := run(t, fillAuditFork, "", "--config", config, "--reason", "x"); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Fatalf("while the gateway runs: %v", err)
	}
	if out, err := run(t, fillStats, "", "--address", g.Admin); err != nil || !strings.Contains(out, "4 records in the audit log, 1 of them in the last checkpoint\n") {
		t.Errorf("%v: %s", err, out)
	}
	askTheAuditLog(t, g, config, key, id)
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
	if out, err := run(t, fillAuditExport, "", export, "--config", config); err != nil || !strings.Contains(out, "bytes written") {
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

// askTheAuditLog asks the gateway that runs, by its address and by a configuration whose store it has open.
func askTheAuditLog(t *testing.T, g *running, config, key, id string) {
	t.Helper()
	public := "@" + key + ".pub"
	for _, args := range [][]string{{"--address", g.Admin}, {"--config", config, "--address", g.Admin}} {
		ask := func(fill func(*cobra.Command), more ...string) string {
			t.Helper()
			out, err := run(t, fill, "", append(more, args...)...)
			if err != nil {
				t.Fatalf("%v: %v", more, err)
			}
			return out
		}
		if out := ask(fillAuditQuery, "--event", id, "--kind", "event.accepted"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "event.accepted tenant=acme event="+id+" to=crm") {
			t.Errorf("it is\n%s", out)
		}
		if out := ask(fillAuditVerify); !strings.Contains(out, "records of clinic.example/1 are as they were written.") {
			t.Errorf("it is\n%s", out)
		}
		proof := write(t, "proof", ask(fillAuditProve, "0"))
		if out, err := run(t, fillAuditProve, "", "--check", proof, "--public-key", public); err != nil || !strings.Contains(out, "It is record 0 of clinic.example/1") {
			t.Errorf("%v:\n%s", err, out)
		}
		checkpoint := write(t, "checkpoint", ask(fillAuditCheckpoint))
		export := filepath.Join(t.TempDir(), "export")
		if out := ask(fillAuditExport, export); !strings.Contains(out, "bytes written") {
			t.Errorf("it is\n%s", out)
		}
		if out, err := run(t, fillAuditVerify, "", export, "--public-key", public, "--since", checkpoint); err != nil || !strings.Contains(out, "grown out of the 1 older checkpoint") {
			t.Errorf("%v:\n%s", err, out)
		}
		if out := ask(fillAuditExport, "-", "--format", "csv"); !strings.HasPrefix(out, "seq,at,kind,") {
			t.Errorf("it is\n%s", out)
		}
		if out := ask(fillAuditPrune, "--before", "2020-01-01", "--dry-run"); out != "0 records would be pruned.\n" {
			t.Errorf("it is\n%s", out)
		}
	}
	if _, err := run(t, fillAuditExport, "", "-", "--format", "xml", "--address", g.Admin); err == nil || !strings.Contains(err.Error(), "jsonl, csv or fhir") {
		t.Errorf("another form says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []string
	err := runningLog{&admin{remote: remote{Address: g.Admin}}}.tail(ctx, operate.AuditSelection{Newest: 100, Kind: "start,config.loaded"}, func(records []json.RawMessage) error {
		for _, line := range records {
			l, err := audit.ParseLine(line)
			if err != nil {
				return err
			}
			if seen = append(seen, string(l.Kind)); l.Kind == audit.ConfigLoaded {
				cancel()
			}
		}
		return nil
	})
	if err != nil || strings.Join(seen, " ") != "start config.loaded" {
		t.Errorf("what is followed is %v, %v", seen, err)
	}
}
