package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/template"
)

var update = flag.Bool("update", false, "write the golden files")

// guide is where the guide's JSON examples lie, cut out of it byte for byte.
const guide = "../../testdata/guide"

// mike is the guide's own call: "Resulting parameters".
func mike(t *testing.T) *template.Scope {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(guide, "parameters.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := &call.Call{Provider: "nextphone", EventType: "lead"}
	if err := json.Unmarshal(text, &c.Params); err != nil {
		t.Fatal(err)
	}
	p := func(name string) string { s, _ := c.Params[name].(string); return s }
	c.FirstName, c.LastName, c.Email, c.Message = p("first_name"), p("last_name"), p("email"), p("issue")
	c.CallerNumber, c.ReceivingNumber = p("caller_number"), p("receiving_number")
	seconds := 42
	c.Duration = &seconds
	return &template.Scope{Call: c, ReceivedAt: time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC),
		Vars: map[string]string{"owner_name": "ABC Plumbing", "website": "https://abc.example", "booking_url": "https://cal.example/abc"}}
}

// show is a request as text, for golden files.
func show(r *Rendered) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL)
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%s: %s\n", k, strings.Join(r.Header[k], " | "))
	}
	fmt.Fprintf(&b, "\n%s\n", r.Body)
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// The guide's four documents load unchanged, and give the golden requests for the guide's call, and for a call of
// which nothing is known but the number.
func TestGuideDocuments(t *testing.T) {
	for _, name := range []string{"lead", "hubspot", "salesforce", "custom-api"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(guide, name+".json")
			d, err := Load(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := d.Render(mike(t))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".http", show(r))
			var warnings strings.Builder
			for _, p := range d.Problems {
				warnings.WriteString(p.String() + "\n")
			}
			golden(t, name+".warnings", warnings.String())

			bare := &template.Scope{Call: &call.Call{CallerNumber: "+15559876543"}}
			r, err = d.Render(bare)
			if name == "hubspot" { // the address is in the path
				if !errors.Is(err, template.ErrMissing) || !strings.Contains(err.Error(), path+":6:") || !strings.Contains(err.Error(), "{{email}}") {
					t.Errorf("a missing e-mail address: %v", err)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".bare.http", show(r))
			if d, err = Load(path, Options{Policy: template.OmitEmpty}); err != nil {
				t.Fatal(err)
			}
			if r, err = d.Render(bare); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".omit.http", show(r))
			if d, err = Load(path, Options{Policy: template.Strict}); err != nil {
				t.Fatal(err)
			}
			if _, err = d.Render(bare); !errors.Is(err, template.ErrMissing) || !strings.Contains(err.Error(), "{{first_name}}") {
				t.Errorf("strict: %v", err)
			}
		})
	}
}

// The requests are what the shared payloads of NextPhone say that it sends.
func TestGuidePayloads(t *testing.T) {
	for name, payload := range map[string]string{
		"lead": "nextphone-lead.json", "hubspot": "nextphone-hubspot-v1.json", "custom-api": "nextphone-custom-api.json",
	} {
		d, err := Load(filepath.Join(guide, name+".json"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Render(mike(t))
		if err != nil {
			t.Fatal(err)
		}
		same(t, r.Body, filepath.Join("../../testdata/payloads", payload))
	}
}

// same compares a body with a file of JSON, but for white space.
func same(t *testing.T, body []byte, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, text); err != nil {
		t.Fatal(err)
	}
	if string(body) != want.String() {
		t.Errorf("%s: got\n%s\nwant\n%s", path, body, want.Bytes())
	}
}

// The guide's "before and after substitution", and its HIPAA example with a comment in it.
func TestGuideSubstitution(t *testing.T) {
	for before, after := range map[string]string{"substitution-body.json": "substitution-payload.json", "hipaa-body.json": "../payloads/nextphone-hipaa.json"} {
		body, err := os.ReadFile(filepath.Join(guide, before))
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := Parse([]byte(`{"type":"http","url":"https://ehr.example/hook","body_template":`+string(body)+`}`), Options{})
		if err != nil {
			t.Fatal(err)
		}
		scope := mike(t)
		scope.Call.Params["patient_id"], scope.Call.Params["service_type"] = "PT-10023", "cleaning"
		r, err := d.Render(scope)
		if err != nil {
			t.Fatal(err)
		}
		same(t, r.Body, filepath.Join(guide, after))
	}
}

// Without a body_template the resulting parameters are sent, as the guide shows them.
func TestResultingParameters(t *testing.T) {
	d, problems, err := Parse([]byte(`{"url":"https://x.example/","parameters":[{"name":"first_name"},{"name":"last_name"},{"name":"email"},{"name":"issue"},{"name":"address"}]}`), Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	r, err := d.Render(mike(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, r.Body, filepath.Join(guide, "parameters.json"))
}
