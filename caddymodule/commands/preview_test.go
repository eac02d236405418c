package commands

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
)

// previewed is what preview prints.
type previewed struct {
	Call     map[string]any
	Requests []struct {
		Destination string
		Requests    []struct {
			Method, URL, Body string
			Headers           map[string][]string
		}
		Error string
	}
}

func previewOf(t *testing.T, stdin string, args ...string) (previewed, string, error) {
	t.Helper()
	out, err := run(t, fillPreview, stdin, args...)
	var p previewed
	if out != "" {
		if e := json.Unmarshal([]byte(out), &p); e != nil {
			t.Fatalf("%v: %s", e, out)
		}
	}
	return p, out, err
}

// TestPreviewReadsEverySample: the record of each sample needs no configuration.
func TestPreviewReadsEverySample(t *testing.T) {
	files, err := filepath.Glob("../../testdata/payloads/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		source, _, _ := strings.Cut(filepath.Base(file), "-")
		p, out, err := previewOf(t, "", "--source", source, file)
		if err != nil || p.Call["provider"] != source || strings.Contains(out, `"requests"`) {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

const previewConfig = `{
	callgate {
		store sqlite STORE
		encryption_key {env.CALLGATE_TEST_KEY}
		source partner {
			verify hmac {
				header X-Signature
				signed "{body}"
			}
			secret partner-secret
			call {
				caller_number $.who.number
				first_name $.who.name
			}
		}
		tenant acme {
			secret s3cret
			region GB
			vars {
				owner_name "ABC Plumbing"
			}
		}
		destination crm http {
			url https://crm.example/leads
			bearer very-secret-token
			body ` + "`" + `{"name":"{{first_name}}","phone":"{{phone}}","owner":"{{owner_name}}"}` + "`" + `
		}
		destination minimal http {
			url https://ehr.example/calls
			body ` + "`" + `{"phone":"{{phone}}"}` + "`" + `
			fields caller_number
		}
		destination hs hubspot {
			token pat-na1-very-secret-token
		}
	}
}
http:// {
	log {
		output file LOG
	}
	callgate /hook/* nextphone {
		tenant {path.1}
		deliver crm
	}
}`

func TestPreviewShowsTheRequestsOfAConfiguration(t *testing.T) {
	t.Setenv("CALLGATE_TEST_KEY", firstKey)
	dir := t.TempDir()
	config := strings.NewReplacer("STORE", filepath.Join(dir, "store.db"), "LOG", filepath.Join(dir, "access.log")).Replace(previewConfig)
	caddyfile := write(t, "Caddyfile", config)
	jsonFile := write(t, "config.json", string(gatewaytest.Adapt(t, config, "")))
	for _, file := range []string{caddyfile, jsonFile} {
		p, out, err := previewOf(t, `{"lead":{"first_name":"Mike","phone":"020 7946 0958"}}`,
			"--source", "nextphone", "-d", "hs", "--destination", "crm", "--tenant", "acme", "--config", file, "-")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if p.Call["caller_number"] != "+442079460958" || len(p.Requests) != 2 || p.Requests[0].Destination != "hs" || len(p.Requests[0].Requests) == 0 {
			t.Errorf("%s", out)
		}
		crm := p.Requests[1]
		if crm.Destination != "crm" || len(crm.Requests) != 1 || crm.Requests[0].Method != "POST" || crm.Requests[0].URL != "https://crm.example/leads" ||
			crm.Requests[0].Body != `{"name":"Mike","phone":"+442079460958","owner":"ABC Plumbing"}` {
			t.Errorf("%s", out)
		}
		if len(crm.Requests[0].Headers["Authorization"]) != 1 || strings.Contains(out, "very-secret-token") {
			t.Errorf("a secret is shown: %s", out)
		}
	}
	// A source of one's own, which no destination is wanted for.
	p, out, err := previewOf(t, `{"who":{"number":"+15559876543","name":"Ann"}}`, "--source", "partner", "-c", caddyfile, "-")
	if err != nil || p.Call["caller_number"] != "+15559876543" || p.Call["first_name"] != "Ann" || len(p.Requests) != 0 {
		t.Errorf("%v\n%s", err, out)
	}
	// Nothing was written.
	if made, err := os.ReadDir(dir); err != nil || len(made) != 0 {
		t.Errorf("%v %v", made, err)
	}
}

// TestPreviewExitStatus: what cannot be shown is an error, which makes the exit status 1.
func TestPreviewExitStatus(t *testing.T) {
	t.Setenv("CALLGATE_TEST_KEY", firstKey)
	dir := t.TempDir()
	caddyfile := write(t, "Caddyfile", strings.NewReplacer("STORE", filepath.Join(dir, "s"), "LOG", filepath.Join(dir, "l")).Replace(previewConfig))
	other := write(t, "Caddyfile", "http:// {\n\trespond hello\n}\n")
	const lead = `{"lead":{"first_name":"Mike","phone":"+15559876543"}}`
	for name, tt := range map[string]struct {
		stdin string
		args  []string
		says  string
	}{
		"malformed":           {`{"lead`, []string{"--source", "nextphone"}, "malformed payload"},
		"empty":               {"", []string{"--source", "retell"}, "malformed payload"},
		"unknown source":      {lead, []string{"--source", "nextfone"}, "one of aircall"},
		"no source":           {lead, nil, `"source" not set`},
		"unknown region":      {lead, []string{"--source", "nextphone", "--region", "Mars"}, "ISO 3166"},
		"odd header":          {lead, []string{"--source", "nextphone", "-H", "x"}, "not a header"},
		"no such destination": {lead, []string{"--source", "nextphone", "-d", "crn", "-c", caddyfile}, "it has crm, hs, minimal"},
		"no such tenant":      {lead, []string{"--source", "nextphone", "-t", "acmee", "-c", caddyfile}, "there is no tenant"},
		"no configuration":    {lead, []string{"--source", "nextphone", "-d", "crm"}, "--config"},
		"other configuration": {lead, []string{"--source", "nextphone", "-d", "crm", "-c", other}, "no callgate app"},
		"no such file":        {lead, []string{"--source", "nextphone", "-c", "/nowhere/Caddyfile"}, "no such file"},
	} {
		_, out, err := previewOf(t, tt.stdin, append(tt.args, "-")...)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "9876543") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	t.Setenv("CALLGATE_TEST_KEY", "")
	if _, _, err := previewOf(t, lead, "--source", "nextphone", "-d", "crm", "-c", caddyfile, "-"); err == nil || !strings.Contains(err.Error(), "encryption_key") {
		t.Errorf("a missing secret: %v", err)
	}
}

// TestPreviewTellsWhatCannotBeRendered: the others are shown all the same.
func TestPreviewTellsWhatCannotBeRendered(t *testing.T) {
	caddyfile := write(t, "Caddyfile", `{
	callgate {
		destination strict http {
			url https://a.example
			body `+"`"+`{"email":"{{email}}"}`+"`"+`
			strict
		}
		destination good http {
			url https://b.example
			pass_through
		}
	}
}`)
	p, out, err := previewOf(t, `{"lead":{"phone":"+15559876543"}}`, "--source", "nextphone", "-d", "strict", "-d", "good", "-c", caddyfile, "-")
	if err == nil || len(p.Requests) != 2 || p.Requests[0].Error == "" || len(p.Requests[1].Requests) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}
