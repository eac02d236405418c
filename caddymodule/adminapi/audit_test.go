package adminapi

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/audit"
)

// auditedGateway is a gateway that keeps an audit log and has stored one event, and the public key of the log.
func auditedGateway(t *testing.T) *audit.Verifier {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audit.key")
	public, err := audit.WriteKeyFiles(file, "clinic.example/1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	up := gatewaytest.NewReceiver(t)
	g := gatewaytest.Run(t, fmt.Sprintf(strings.Replace(operatedConfig, "\t\ttenant acme {", "\t\taudit {\n\t\t\tkey {file."+file+"}\n\t\t}\n\t\ttenant acme {", 1), up.URL, up.URL))
	if status, body := g.Send("/hook/acme", leadOf(1)); status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	settled(t, "crm", 1, 0)
	settled(t, "log", 1, 0)
	return key
}

func TestTheAuditLogOfARunningGateway(t *testing.T) {
	key := auditedGateway(t)
	var page struct {
		Records []audit.Leaf
		Next    int64
	}
	ask(t, "POST", "/callgate/audit", `{"kind":"event.accepted,attempt","tenant":"acme"}`).ok(&page)
	if len(page.Records) != 3 || page.Next != 0 || page.Records[0].Kind != audit.EventAccepted || len(page.Records[0].To) != 2 {
		t.Fatalf("the records are %+v", page)
	}
	seq := page.Records[0].Seq
	var proof struct{ Proof string }
	ask(t, "GET", fmt.Sprintf("/callgate/audit/records/%d/proof", seq), "").ok(&proof)
	if p, err := audit.CheckProof(key, []byte(proof.Proof)); err != nil || p.Seq != seq {
		t.Errorf("the proof is %+v, %v", p, err)
	}
	var state struct {
		Records    int64
		Checkpoint string
	}
	ask(t, "POST", "/callgate/audit/checkpoint", "").ok(&state)
	old, err := key.Open([]byte(state.Checkpoint))
	if err != nil || old.Size != state.Records {
		t.Fatalf("the checkpoint is %+v, %v", old, err)
	}
	export := ask(t, "POST", "/callgate/audit/export", "{}")
	found, err := audit.Verify(strings.NewReader(export.body), key, []audit.Checkpoint{old}, nil)
	if err != nil || found.Size != old.Size+1 || strings.Contains(export.body, "Mike") {
		t.Errorf("the export is %+v, %v:\n%s", found, err, export.body)
	}
	if csv := ask(t, "POST", "/callgate/audit/export", `{"format":"csv","first":1}`); !strings.HasPrefix(csv.body, "seq,at,kind,") || !strings.Contains(csv.body, "event.accepted") {
		t.Errorf("as CSV it is %s", csv.body)
	}
	if fhir := ask(t, "POST", "/callgate/audit/export", `{"format":"fhir"}`); !strings.Contains(fhir.body, `"resourceType":"AuditEvent"`) {
		t.Errorf("as FHIR it is %s", fhir.body)
	}
	ask(t, "GET", "/callgate/audit/verify", "").ok(&state)
	if n := ask(t, "POST", "/callgate/audit/prune", `{"before":"2026-01-01","dry_run":true}`).count("records"); n != 0 || state.Records != old.Size+3 {
		t.Errorf("%d would be pruned, and it has %d records", n, state.Records)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "", "", 405}, {"POST", "/nothing", "", 404}, {"GET", "/verify/more", "", 404}, {"GET", "/records/x/proof", "", 400},
		{"GET", "/records/9999/proof", "", 404}, {"POST", "/export", `{"format":"xml"}`, 400}, {"POST", "/prune", "", 400}, {"POST", "/tail", `{"from":"soon"}`, 400}, {"POST", "", `{"limit":5000}`, 400},
	} {
		if got := ask(t, c.method, "/callgate/audit"+c.path, c.body); got.status != c.status {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, got.status, got.body)
		}
	}
}

func TestTheAuditLogIsFollowed(t *testing.T) {
	auditedGateway(t)
	config, end := context.WithCancel(t.Context())
	defer end()
	a := &Admin{ctx: caddy.Context{Context: config}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.serve(w, r); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	res, err := http.Post(server.URL+"/callgate/audit/tail", "application/json", strings.NewReader(`{"newest":100,"kind":"start,pause"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() audit.Kind {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the stream ended")
		}
		l, err := audit.ParseLine(lines.Bytes())
		if err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		return l.Kind
	}
	if kind := next(); kind != audit.Start {
		t.Errorf("the first is %s", kind)
	}
	if got := ask(t, "POST", "/callgate/destinations/crm/pause", `{"reason":"lunch"}`); got.status != 200 {
		t.Fatal(got.body)
	}
	for range 2 { // that it is asked for, and that it is done
		if kind := next(); kind != audit.Pause {
			t.Errorf("the next is %s", kind)
		}
	}
	end() // as a reload does
	if lines.Scan() {
		t.Errorf("%q comes after the configuration's end", lines.Text())
	}
}

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
