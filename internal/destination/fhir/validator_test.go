package fhir

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// TestAnIndependentValidatorAcceptsTheOutput runs the npm package fhir, which has R4's structure definitions, over what
// is sent. It installs the package, so it runs only when asked to.
func TestAnIndependentValidatorAcceptsTheOutput(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("set CALLGATE_HEAVY=1 to install and run the npm package fhir; it needs npm and a network")
	}
	dir := t.TempDir()
	run := func(name string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return out
	}
	run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "fhir@4.12.0")
	const script = `
const {Fhir} = require('fhir'); const fs = require('fs'); const f = new Fhir();
for (const r of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const v = f.validate(r, {errorOnUnexpected: true});
  if (!v.valid) { console.log(JSON.stringify(v.messages.filter(m => m.severity === 'error'))); process.exitCode = 1; }
}
const bad = {resourceType: 'Task', status: 'requested', nonsense: 1};
if (f.validate(bad, {errorOnUnexpected: true}).valid) { console.log('the validator accepts anything'); process.exitCode = 1; }
`
	if err := os.WriteFile(filepath.Join(dir, "validate.js"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	var all []json.RawMessage
	urgent := sample()
	urgent.Urgent, urgent.RecordingURL = true, "https://rec.example/1"
	text := sample()
	text.Params["appointment_time"] = "tomorrow"
	for _, c := range []*call.Call{sample(), urgent, text, {Provider: "x", ID: "1"}} {
		for _, mode := range []PatientMode{PatientLookup, PatientReference, PatientCreate, PatientNone} {
			for i, kinds := range [][]Kind{{Communication, Task, Appointment, ServiceRequest}, {Communication}, {Task}, {Appointment}, {Communication, Task}} {
				d, err := New(Config{Base: "https://ehr.example/fhir", Kinds: kinds, Patient: mode, Separate: i == 4, Fields: append([]string{"recording_url", "first_name", "last_name", "insurance"}, DefaultFields...)})
				if err != nil {
					t.Fatal(err)
				}
				p, err := d.Preview([]destination.Item{item(c)})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range p {
					if r.Header.Get("Content-Type") == mediaType {
						all = append(all, json.RawMessage(r.Body))
					}
				}
			}
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "resources.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	run("node", "validate.js", "resources.json")
	t.Logf("%d resources and bundles are valid", len(all))
}
