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
	Events     []struct{ ID, Type, Signed string }
	Call       map[string]any
	Deliveries []struct {
		Destination string
		Requests    []struct {
			Method, URL, Body string
			Headers           map[string][]string
		}
		Error, Skipped string
	}
	Nothing string
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
		if p.Call["caller_number"] != "+442079460958" || len(p.Deliveries) != 2 || p.Deliveries[0].Destination != "hs" || len(p.Deliveries[0].Requests) == 0 {
			t.Errorf("%s", out)
		}
		crm := p.Deliveries[1]
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
	if err != nil || p.Call["caller_number"] != "+15559876543" || p.Call["first_name"] != "Ann" || len(p.Deliveries) != 0 {
		t.Errorf("%v\n%s", err, out)
	}
	// Nothing was written.
	if made, err := os.ReadDir(dir); err != nil || len(made) != 0 {
		t.Errorf("%v %v", made, err)
	}
}

// TestPreviewShowsWhatAnEventIsKnownBy: by the id that the gateway would find, of each event of the payload.
func TestPreviewShowsWhatAnEventIsKnownBy(t *testing.T) {
	config := write(t, "Caddyfile", `{
	callgate {
		source ads {
			preset generic
			secret s3cret
			verify body_token {
				path google_key
			}
			event_id jsonpath $.lead_id
		}
		source parts {
			preset generic
			secret s3cret
			verify bearer
			split $.events
			event_id jsonpath $.events[0].type $.events[0].call
			call {
				event_type $.events[0].type
				caller_number $.events[0].from
			}
		}
		source signed {
			preset generic
			secret s3cret
			verify hmac {
				header X-Signature
				signed "{id}.{body}"
				id_header X-Id
			}
			event_id header X-Id
		}
		source always {
			preset generic
			secret s3cret
			verify bearer
			event_id body
		}
	}
}
http:// {
	respond ok
}`)
	for _, x := range []struct {
		source, body string
		more         []string
		want         string
	}{
		{"ads", `{"lead_id":"L1","google_key":"x"}`, nil, "L1//"},
		{"parts", `{"events":[{"type":"ended","call":"c1","from":"+15550100123"},{"type":"started","call":"c2"}]}`, nil, "ended:c1/ended/ started:c2/started/"},
		{"parts", `{"events":[{"type":"ended","from":"+15550100123"}]}`, nil, "/ended/"},
		{"signed", `{"event_id":"b"}`, nil, "//X-Id"},
		{"signed", `{"event_id":"b"}`, []string{"-H", "X-Id: h1"}, "h1//"},
		{"always", `{"event_id":"b","event_type":"t"}`, nil, "/t/"},
		{"generic", `{"event_id":"b","event_type":"t"}`, nil, "b/t/"},
	} {
		args := append([]string{"--source", x.source, "-c", config}, x.more...)
		p, out, err := previewOf(t, x.body, append(args, "-")...)
		var got []string
		for _, e := range p.Events {
			got = append(got, e.ID+"/"+e.Type+"/"+e.Signed)
		}
		if err != nil || strings.Join(got, " ") != x.want {
			t.Errorf("%s: %q, want %q; %v\n%s", x.body, got, x.want, err, out)
		}
		if x.source == "parts" && p.Call["caller_number"] != "+15550100123" {
			t.Errorf("the call is not that of the first event: %s", out)
		}
	}
	if _, _, err := previewOf(t, `{}`, "--source", "cf7", "-c", write(t, "Other", "{\ncallgate {\nsource cf7 {\npreset generic\nsecret s\nverify bearer\ncall {\nphone $.your-phone\n}\n}\n}\n}\nhttp:// {\nrespond ok\n}"), "-a", "caddyfile", "-"); err == nil ||
		!strings.Contains(err.Error(), "source cf7") || !strings.Contains(err.Error(), "$['your-phone']") {
		t.Errorf("%v", err)
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
	if err == nil || len(p.Deliveries) != 2 || p.Deliveries[0].Error == "" || len(p.Deliveries[1].Requests) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}
