package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store/sqlite"
)

const (
	auditKey    = "PRIVATE+KEY+clinic.example/callgate+eeb37340+Aa0FWCFyYiGVq1YvOXIwuNHypXJrdeaE6H2/M3ImhZjb"
	auditPublic = "clinic.example/callgate+eeb37340+AeCmQXJ9pgQ4Qf4YbDNFJUlHy5asLhkr4fpk6DIsZRWb"
)

// auditedConfig delivers, hands on, and keeps an audit log whose checkpoints go to CHECKPOINTS.
const auditedConfig = `{
	callgate {
		store sqlite STORE
		encryption_key 0000000000000000000000000000000000000000000000000000000000000001
		audit {
			key ` + auditKey + `
			checkpoint 1h file CHECKPOINTS
			record_first
		}
		source nextphone {
			secret ` + testSecret + `
		}
		destination crm http {
			url %[1]s/leads/{{phone}}
			body ` + "`" + `{"name":"{{first_name}}"}` + "`" + `
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook nextphone {
		name NAME
		deliver crm
	}
	callgate /sync nextphone {
		name NAME-sync
	}
	reverse_proxy /sync %[2]s
}`

// auditOf reads the audit log of a store that nobody has open.
func auditOf(t testing.TB, path string) (leaves []audit.Leaf, lines string) {
	t.Helper()
	keys, err := seal.ParseRing("0000000000000000000000000000000000000000000000000000000000000001")
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(sqlite.Options{Path: path, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.AuditLines(context.Background(), 0, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err != nil {
			return err
		}
		leaves = append(leaves, *l)
		lines += string(line) + "\n"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return leaves, lines
}

func kindsOf(leaves []audit.Leaf) (kinds []string) {
	for _, l := range leaves {
		kinds = append(kinds, strings.TrimSuffix(string(l.Kind)+" "+l.Outcome, " "))
	}
	return kinds
}

func TestTheGatewayKeepsAnAuditLog(t *testing.T) {
	c := newCRM(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	checkpoints := filepath.Join(dir, "checkpoints")
	g := runGateway(t, strings.ReplaceAll(fmt.Sprintf(auditedConfig, c.URL, receiver.URL), "CHECKPOINTS", checkpoints))
	path := g.fill.Replace("STORE")
	const body = `{"lead":{"first_name":"Zaphod","phone":"(555) 987-6543","notes":"a quote please"}}`
	if res, answer := g.send("/hook", body); res.StatusCode != 200 {
		t.Fatal(res.StatusCode, answer)
	}
	c.next(t)
	if res, answer := g.send("/sync", `{"lead":{"first_name":"Trillian","phone":"(555) 987-6544"}}`); res.StatusCode != 204 {
		t.Fatal(res.StatusCode, answer)
	}
	registry := prometheus.NewRegistry()
	for _, c := range Collectors() {
		if err := registry.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := fmt.Sprint(families)
	if !strings.Contains(metrics, "caddy_callgate_audit_records") || !strings.Contains(metrics, "caddy_callgate_audit_sink_failing") {
		t.Error("the metrics do not tell of the audit log")
	}
	if err := load(t, g.config); err != nil { // a reload
		t.Fatal(err)
	}
	g.stop()

	leaves, lines := auditOf(t, path)
	kinds := kindsOf(leaves)
	for _, want := range []string{"start clean", "config.loaded", "event.accepted", "attempt ok", "sync.forward", "sync.outcome ok", "stop clean"} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no %s in %v", want, kinds)
		}
	}
	if kinds[0] != "start clean" || kinds[1] != "config.loaded" || kinds[len(kinds)-1] != "stop clean" {
		t.Errorf("in the order %v", kinds)
	}
	for _, l := range leaves {
		switch l.Kind {
		case audit.ConfigLoaded:
			if len(l.Config) != 64 || l.Actor.Type == "" {
				t.Errorf("%+v", l)
			}
		case audit.EventAccepted:
			if l.Route != g.name || l.Source != "nextphone" || len(l.To) != 1 || l.To[0].Name != "crm" || l.Subject.IsZero() || l.Bytes != int64(len(body)) {
				t.Errorf("%+v", l)
			}
		case audit.Attempt:
			if l.To[0] != (audit.Recipient{Name: "crm", Kind: "http", Host: strings.TrimPrefix(c.URL, "http://")}) || !slices.Equal(l.Fields, []string{"name"}) ||
				l.Sent.IsZero() || l.Status != 200 {
				t.Errorf("%+v", l)
			}
		case audit.SyncOutcome:
			if l.To[0].Host != strings.TrimPrefix(receiver.URL, "http://") || l.Status != 204 {
				t.Errorf("%+v", l)
			}
		}
	}
	for _, value := range []string{"Zaphod", "Trillian", "9876543", "987-6543", "9876544", "a quote", "/leads", auditKey} {
		if strings.Contains(lines, value) || strings.Contains(metrics, value) {
			t.Errorf("the log or a metric holds %s", value)
		}
	}
	published, err := os.ReadFile(checkpoints)
	if err != nil || strings.Count(string(published), `{"checkpoint":`) < 2 {
		t.Errorf("%v: %s", err, published)
	}
	// A store that is older than the last checkpoint does not come into force again.
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(path + end)
	}
	if err := load(t, g.config); err == nil || !strings.Contains(err.Error(), "callgate audit fork --reason") {
		t.Errorf("another store in place of the one that was published: %v", err)
	}
	caddy.Stop()
}

// TestCheckpointsGoWhereTheConfigurationInForceSays: not to where one says that could not be started.
func TestCheckpointsGoWhereTheConfigurationInForceSays(t *testing.T) {
	c := newCRM(t)
	dir := t.TempDir()
	with := func(config, file string) string {
		return strings.ReplaceAll(config, "CHECKPOINTS", filepath.Join(dir, file))
	}
	config := fmt.Sprintf(auditedConfig, c.URL, "127.0.0.1:9")
	g := runGateway(t, with(config, "first"))
	sinks := func() (names string) {
		t.Helper()
		status, err := someDispatcher(t).auditor.Load().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range status.Sinks {
			names += filepath.Base(s.Name)
		}
		return names
	}
	d := someDispatcher(t)
	next := *d.inForce[len(d.inForce)-1]
	next.audit = &Audit{Key: auditKey, Checkpoints: []*AuditCheckpoint{{File: filepath.Join(dir, "second")}}}
	if err := next.audit.provision(zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	if err := d.startAudit(&next); err != nil {
		t.Fatal(err)
	}
	if got := sinks(); got != "first" {
		t.Errorf("before a configuration is in force: %s", got)
	}
	d.tune(func(in []*durable) []*durable { return append(in, &next) })
	if got := sinks(); got != "second" {
		t.Errorf("when it is: %s", got)
	}
	d.tune(func(in []*durable) []*durable { return in[:len(in)-1] })
	if got := sinks(); got != "first" {
		t.Errorf("when something else of it has failed: %s", got)
	}
	if err := load(t, g.fill.Replace(with(config, "third"))); err != nil {
		t.Fatal(err)
	}
	if got := sinks(); got != "third" {
		t.Errorf("after a reload: %s", got)
	}
}

func TestAuditSettingsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		audit Audit
		says  string
	}{
		"no key":         {Audit{}, "callgate audit keygen"},
		"a public key":   {Audit{Key: auditPublic}, "private key"},
		"no place":       {Audit{Key: auditKey, Checkpoints: []*AuditCheckpoint{{}}}, "one of webhook"},
		"two places":     {Audit{Key: auditKey, Checkpoints: []*AuditCheckpoint{{Log: true, File: "x"}}}, "one of webhook"},
		"twice":          {Audit{Key: auditKey, Checkpoints: []*AuditCheckpoint{{Log: true}, {Log: true}}}, "already"},
		"plain HTTP":     {Audit{Key: auditKey, Checkpoints: []*AuditCheckpoint{{Webhook: "http://audit.example/"}}}, "https://"},
		"a wrong log":    {Audit{Key: auditKey, Checkpoints: []*AuditCheckpoint{{Syslog: "logs.example"}}}, "checkpoint 1"},
		"a wrong key":    {Audit{Key: auditKey, Witnesses: []*AuditWitness{{URL: "https://witness.example", Key: auditPublic}}}, "witness 1"},
		"a negative age": {Audit{Key: auditKey, Keep: caddy.Duration(-time.Hour)}, "negative"},
	} {
		if err := tt.audit.provision(caddy.Log()); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "Aa0FWCFy") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	a := Audit{Key: auditKey, Checkpoints: []*AuditCheckpoint{{Every: caddy.Duration(time.Hour), Log: true}, {Every: caddy.Duration(time.Minute), File: "x"}}}
	if err := a.provision(caddy.Log()); err != nil || a.settings.Every != time.Minute || len(a.settings.Sinks) != 2 || a.settings.Signer.Origin() != "clinic.example/callgate" {
		t.Errorf("%+v, %v", a.settings, err)
	}
}

func TestHIPAAImpliesRecordFirst(t *testing.T) {
	for require, want := range map[string]bool{"require hipaa\n": true, "": false} {
		ctx, err := provision("{\ncallgate {\n" + require + "audit {\nkey " + auditKey + "\n}\n}\n}")
		if err != nil {
			t.Fatal(err)
		}
		app, err := ctx.App("callgate")
		if err != nil {
			t.Fatal(err)
		}
		rt := new(gateway.Route)
		if app.(*App).run.auditRoute(rt); rt.AuditFirst != want {
			t.Errorf("%q: records first %t", require, rt.AuditFirst)
		}
	}
}
