package adminapi

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/audit"
)

// TestTheAuditLogOverTheAdminAPI: what was looked at and done is recorded before it is, and the log is read, proved and exported.
func TestTheAuditLogOverTheAdminAPI(t *testing.T) {
	key := filepath.Join(t.TempDir(), "audit.key")
	public, err := audit.WriteKeyFiles(key, "clinic.example/1")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := audit.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	crm := gatewaytest.NewReceiver(t)
	config := strings.Replace(fmt.Sprintf(operatedConfig, crm.URL, crm.URL), "\t\ttenant acme {", "\t\taudit {\n\t\t\tkey {file."+key+"}\n\t\t}\n\t\ttenant acme {", 1)
	g := gatewaytest.Run(t, config)
	_, answer := g.Send("/hook/acme", leadOf(1))
	_, id, _ := strings.Cut(answer, `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	if got := ask(t, "POST", "/callgate/events/"+id+"/content", `{"reason":"a complaint"}`); got.status != 200 {
		t.Fatal(got.body)
	}
	if got := ask(t, "POST", "/callgate/erase", `{"event":"`+id+`"}`); got.count("events") != 1 {
		t.Fatal(got.body)
	}
	got := ask(t, "POST", "/callgate/audit", `{"event":"`+id+`","kind":"event.accepted,reveal,erase"}`)
	var page struct{ Records []audit.Leaf }
	got.ok(&page)
	var kinds []string
	for _, l := range page.Records {
		kinds = append(kinds, strings.TrimSuffix(string(l.Kind)+" "+l.Outcome, " "))
	}
	if want := "event.accepted, reveal asked, erase asked, erase"; strings.Join(kinds, ", ") != want || page.Records[1].Why != "a complaint" || page.Records[1].Tenant != "acme" {
		t.Errorf("%v, want %s: %s", kinds, want, got.body)
	}
	if strings.Contains(got.body, "Mike") || strings.Contains(got.body, "987654") {
		t.Errorf("values are in the log: %s", got.body)
	}
	if got := ask(t, "GET", "/callgate/audit/verify", ""); got.count("records") < 5 {
		t.Error(got.body)
	}
	var proof struct{ Proof string }
	ask(t, "GET", "/callgate/audit/records/2/proof", "").ok(&proof)
	if p, err := audit.CheckProof(verifier, []byte(proof.Proof)); err != nil || p.Seq != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	if got := ask(t, "GET", "/callgate/audit/records/99999/proof", ""); got.status != 404 {
		t.Errorf("%d: %s", got.status, got.body)
	}
	if got := ask(t, "POST", "/callgate/audit/checkpoint", "{}"); got.count("records") < 5 {
		t.Error(got.body)
	}
	export := ask(t, "POST", "/callgate/audit/export", "{}")
	if v, err := audit.Verify(strings.NewReader(export.body), verifier, nil, nil); export.status != 200 || err != nil || v.Size < 6 {
		t.Errorf("status %d: %+v, %v", export.status, v, err)
	}
	if got := ask(t, "POST", "/callgate/audit/prune", `{"before":"2026-01-01"}`); got.count("records") != 0 {
		t.Error(got.body)
	}
	if got := ask(t, "POST", "/callgate/audit/prune", `{}`); got.status != 400 {
		t.Errorf("%d: %s", got.status, got.body)
	}
}
