package caddymodule

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/signature"
)

// faultyGauge is the metric of tenants that were left out.
func faultyGauge(t *testing.T) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(metrics.sizes...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "caddy_callgate_tenants_faulty" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("there is no such metric")
	return 0
}

// TestAMistakeInATenantFileTakesOnlyThatTenantOut starts with mistakes of each kind, as after a restart in the night, and
// mends them one after the other.
func TestAMistakeInATenantFileTakesOnlyThatTenantOut(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fine := func(tenant string) string { return fmt.Sprintf(`{"name":%q,"secrets":["of-%s"]}`, tenant, tenant) }
	write("fine", fine("fine"))
	write("good", fine("good")) // or copy: who comes second has the mistake
	mistakes := []struct{ file, tenant, content, want string }{
		{"syntax", "syntax", "{\n\"secrets\":[\"of-syntax\"],}", "syntax.json:2:25: is not a tenant in JSON"},
		{"unread", "of-a-name", `{"name":"of-a-name","secrets":3}`, `unread.json:1:31: member "secrets" must be a list`},
		{"secret", "secret", `{"secrets":["{env.CALLGATE_TEST_UNSET}"]}`, "secret.json:1:2: secret 1: "},
		{"nowhere", "nowhere", `{"secrets":["of-nowhere"],"deliver":[{"to":"crn"}]}`, `nowhere.json:1:27: deliver: no destination "crn"; there are: crm`},
		{"none", "none", `{"vars":{"owner_name":"None"}}`, "none.json:1:1: verify nextphone: "},
		{"scheme", "scheme", `{"secrets":["of-scheme"],"verify":{"scheme":"nothing"}}`, "scheme.json:1:26: verify: "},
		{"copy", "copy", `{"secrets":["of-good"]}`, "it has the same secret as tenant"},
		{"again", "twice", fine("twice"), ""}, // the other is at fault
		{"twice", "twice", `{"secrets":["x"]}`, "twice.json:1:1: name: tenant twice is in two files"},
	}
	for _, m := range mistakes {
		write(m.file, m.content)
	}
	config := `{
	callgate {
		store sqlite STORE
		destination crm http https://crm.example {
			pass_through
		}
		tenants ` + dir + `/*.json
	}
}
http:// {
	bind SOCKET
	callgate /all/* nextphone {
		name NAME
		tenant {path.1}
	}
	callgate /one/* nextphone {
		name NAME-one
		tenant nowhere
	}
	respond taken
}`
	g := runGateway(t, config)
	ask := func(path, secret string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, "http://gate.test"+path, strings.NewReader(leadBody))
		if err != nil {
			t.Fatal(err)
		}
		signRequest(t, signature.Config{Scheme: "nextphone", Secrets: []string{secret}}, r, leadBody, time.Now())
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode, code(t, res), res.Header.Get("Retry-After")
	}
	out := func(path string) bool {
		t.Helper()
		status, reason, after := ask(path, "any")
		return status == 503 && reason == "tenant_faulty" && after == "60"
	}
	if status, reason, _ := ask("/all/fine", "of-fine"); status != 200 {
		t.Errorf("a tenant without a mistake: %d %s", status, reason)
	}
	if status, reason, _ := ask("/all/stranger", "any"); status != 404 || reason != "unknown_tenant" {
		t.Errorf("a tenant that does not exist: %d %s", status, reason)
	}
	for _, m := range mistakes {
		if m.file != "copy" && !out("/all/"+m.tenant) {
			t.Errorf("tenant %s is not answered 503", m.tenant)
		}
	}
	if !out("/one/x") {
		t.Error("the route of one tenant does not answer 503")
	}
	app, err := caddy.ActiveContext().AppIfConfigured("callgate")
	if err != nil {
		t.Fatal(err)
	}
	faults := app.(*App).FaultyTenants()
	for _, m := range mistakes {
		found := m.want == ""
		for _, f := range faults {
			found = found || strings.Contains(f.Err.Error(), m.want) && (f.Tenant == m.tenant || m.file == "copy")
		}
		if !found {
			t.Errorf("no fault says %s", m.want)
		}
	}
	if got := faultyGauge(t); got != float64(len(mistakes)-1) {
		t.Errorf("the metric says %v", got)
	}
	ready, err := app.(*App).Ready().Ready(t.Context(), operate.Actor{May: operate.Everything}, operate.ReadyInput{})
	if err != nil || !ready.Ready || !slices.Contains(ready.FaultyTenants, mistakes[0].tenant) {
		t.Errorf("ready for the others' calls: %+v, %v", ready, err)
	}

	// Whoever reloads is there to be told, and what runs goes on.
	if err := load(t, g.config); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a reload with mistakes: %v", err)
	}
	if got := faultyGauge(t); got != float64(len(mistakes)-1) {
		t.Errorf("after a reload that failed the metric says %v", got)
	}
	for _, m := range mistakes {
		write(m.file, fine(m.file))
	}
	if err := load(t, g.config); err != nil {
		t.Fatal(err)
	}
	for _, m := range mistakes {
		if status, reason, _ := ask("/all/"+m.file, "of-"+m.file); status != 200 {
			t.Errorf("%s was mended: %d %s", m.file, status, reason)
		}
	}
	if got := faultyGauge(t); got != 0 {
		t.Errorf("when all is mended the metric says %v", got)
	}
}

// What is wrong for every tenant is a mistake of the configuration, and keeps the gateway from starting.
func TestTenantFilesDoNotHideTheConfigurationsMistakes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(`{"secrets":["of-`+name+`"],"vars":{"x":"y"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"deliver crn":   "no destination",
		"region Narnia": "region",
		"sign nextphone {env.CALLGATE_TEST_UNSET}": "sign nextphone",
		"secret {env.CALLGATE_TEST_UNSET}":         "", // every tenant has its own
	} {
		_, err := provision("{\ncallgate {\ntenants " + dir + "/*.json\n}\n}\nhttp:// {\ncallgate nextphone {\ntenant {path.0}\n" + line + "\n}\nrespond ok\n}")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}
