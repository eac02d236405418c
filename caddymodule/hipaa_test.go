package caddymodule_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/callgate/callgate/caddymodule/dashboard"
	"github.com/callgate/callgate/caddymodule/gatewaytest"
)

// hipaaConfig meets every rule of require hipaa. CRM is a receiver on the machine, DIR a directory with the secrets.
const hipaaConfig = `{
	callgate {
		require hipaa
		store sqlite STORE
		retention 30d
		encryption_key {file.DIR/key}
		audit {
			key {file.DIR/audit}
			keep 6y
			checkpoint 1h file DIR/checkpoints
		}
		manage {
			secret HOOK {file.DIR/secret}
		}
		source nextphone {
			secret {file.DIR/secret}
		}
		tenant acme {
			destination own http {
				url https://own.example/{{phone}}
				body ` + "`" + `{"id":"{{patient_id}}"}` + "`" + `
				fields patient_id
			}
			source nextphone {
				secret {file.DIR/secret}
			}
		}
		destination ehr http {
			url CRM/in
			body ` + "`" + `{"patient_id":"{{patient_id}}"}` + "`" + `
			fields patient_id service_type
		}
	}
}
http:// {
	bind SOCKET
	basic_auth /ops/* {
		bill $2a$04$XMHFwK07SWPkQjl6dmYMIOgL8TNBF1sq4DGKT5tKTOplbyE3HUjvu
	}
	callgate_dashboard /ops/* {
		builder user bill
	}
	handle /hook {
		callgate nextphone {
			name NAME
			deliver ehr
		}
		reverse_proxy 127.0.0.1:9
	}
}`

// hipaa is the configuration with its secrets in their files.
func hipaa(t *testing.T, receiver string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"key": hex.EncodeToString(make([]byte, 31)) + "01", "secret": gatewaytest.Secret,
		"audit": "PRIVATE+KEY+clinic.example/callgate+eeb37340+Aa0FWCFyYiGVq1YvOXIwuNHypXJrdeaE6H2/M3ImhZjb",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.NewReplacer("DIR", dir, "CRM", receiver).Replace(hipaaConfig)
}

// refusal is what a configuration is told that does not start.
func refusal(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	config = strings.NewReplacer("SOCKET", "unix/"+filepath.Join(dir, "s"), "STORE", filepath.Join(dir, "store.db"), "NAME", "hipaa").Replace(config)
	text := gatewaytest.Adapt(t, config, "")
	var c caddy.Config
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	validated := caddy.Validate(&c)
	err := caddy.Load(text, true)
	if told(validated) != told(err) {
		t.Errorf("caddy validate tells\n%v\nand a start\n%v", validated, err)
	}
	if err == nil {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		return ""
	}
	return err.Error()
}

// told is what a configuration is told of what is missing, without where that was found out.
func told(err error) string {
	_, missing, _ := strings.Cut(fmt.Sprint(err), "require hipaa: ")
	return missing
}

// TestHIPAAStarts: what meets every rule delivers, the field that is listed and no other.
func TestHIPAAStarts(t *testing.T) {
	crm := gatewaytest.NewReceiver(t)
	g := gatewaytest.Run(t, hipaa(t, crm.URL))
	if status, answer := g.Send("/hook", `{"lead":{"first_name":"Zaphod","phone":"(555) 987-6543"},"patient_id":"p-42"}`); status != 200 {
		t.Fatal(status, answer)
	}
	if got := crm.Next(t); got != `{"patient_id":"p-42"}` {
		t.Errorf("delivered %s", got)
	}
}

// TestHIPAARefuses takes from the configuration that starts what each rule asks for, one after the other.
func TestHIPAARefuses(t *testing.T) {
	for name, c := range map[string]struct{ line, by, rule, write string }{
		"no audit":              {"audit {\n\t\t\tkey {file.DIR/audit}\n\t\t\tkeep 6y\n\t\t\tcheckpoint 1h file DIR/checkpoints\n\t\t}", "", "audit", "write audit {"},
		"no checkpoint":         {"checkpoint 1h file DIR/checkpoints", "", "checkpoint", "write where signed checkpoints go in audit, such as checkpoint 1h syslog"},
		"no key":                {"encryption_key {file.DIR/key}", "", "encryption", "write encryption_key"},
		"no fields":             {"fields patient_id service_type", "", "minimal", "destination ehr: write fields"},
		"no fields of a tenant": {"\t\t\t\tfields patient_id\n", "", "minimal", "destination acme/own: write fields"},
		"pass_through": {"body `{\"patient_id\":\"{{patient_id}}\"}`\n\t\t\tfields patient_id service_type", "pass_through", "minimal",
			"destination ehr: pass_through"},
		"keep_excerpt":             {"fields patient_id service_type", "fields patient_id\nkeep_excerpt", "minimal", "destination ehr: take out keep_excerpt"},
		"spool":                    {"deliver ehr", "spool", "minimal", "route hipaa: spool"},
		"allow_http":               {"fields patient_id service_type", "fields patient_id\nallow_http", "transit", "destination ehr: allow_http"},
		"a private receiver":       {"CRM/in", "http://10.0.0.5/in", "transit", "destination ehr: url at http://"},
		"unsafe_tls":               {"fields patient_id service_type", "fields patient_id\nunsafe_tls 1.1", "transit", "destination ehr: take out unsafe_tls 1.1"},
		"a token in the clear":     {"fields patient_id service_type", "fields patient_id\noauth2 {\ntoken_url http://10.0.0.5/token\nclient_id c\nclient_secret {file.DIR/secret}\n}", "transit", "destination ehr: token_url at http://"},
		"a plain site":             {"http:// {\n", "http://:0 {\ncallgate nextphone {\nname other\ndeliver ehr\n}\n}\nhttp:// {\n", "transit", "at :0 calls come in over plain HTTP"},
		"a plain receiver":         {"reverse_proxy 127.0.0.1:9", "reverse_proxy 10.0.0.5:9", "transit", "reverse_proxy to 10.0.0.5:9 has no TLS"},
		"a plain forward":          {"deliver ehr", "deliver ehr\nforward 10.0.0.5:9", "transit", "forward to 10.0.0.5:9 has no TLS"},
		"verify none":              {"retention 30d", "retention 30d\nsource open {\nremote_ip 10.0.0.1\nverify none {\nunsafe\n}\n}", "authentic", "source open: verify none"},
		"a literal secret":         {"deliver ehr", "deliver ehr\nsecret s3cr3t-part", "secrets", "route hipaa: secrets are written out (1)"},
		"a source's":               {"source nextphone {\n\t\t\tsecret {file.DIR/secret}\n\t\t}", "source nextphone {\nsecret s3cr3t-part\n}", "secrets", "source nextphone: secrets are written out (1)"},
		"a tenant's":               {"\t\t\t\tsecret {file.DIR/secret}", "secret s3cr3t-part", "secrets", "tenant acme: source nextphone: secrets are written out (1)"},
		"a handshake token":        {"deliver ehr", "deliver ehr\nhandshake_token s3cr3t-part", "secrets", "route hipaa: secrets are written out (1)"},
		"a literal login":          {"fields patient_id service_type", "fields patient_id\nbearer s3cr3t-part", "secrets", "destination ehr: bearer has a secret written out"},
		"a literal hash key":       {"fields patient_id service_type", "fields patient_id email\nhash email\nhash_key s3cr3t-part-of-16", "secrets", "destination ehr: secrets are written out (1)"},
		"a literal encryption key": {"{file.DIR/key}", strings.Repeat("5ec4e7", 10) + "5ec4", "secrets", "encryption_key: secrets are written out (1)"},
		"a literal audit key":      {"{file.DIR/audit}", "PRIVATE+KEY+clinic.example/callgate+eeb37340+Aa0FWCFyYiGVq1YvOXIwuNHypXJrdeaE6H2/M3ImhZjb", "secrets", "audit: key: secrets are written out (1)"},
		"a literal managed secret": {"secret HOOK {file.DIR/secret}", "secret HOOK s3cr3t-part", "secrets", "manage: secret HOOK: secrets are written out (1)"},
		"a literal alert":          {"retention 30d", "retention 30d\nalert {\nurl https://hooks.example/s3cr3t-part\ndead_letter\n}", "secrets", "alert: url: secrets are written out (1)"},
		"no roles":                 {"callgate_dashboard /ops/* {\n\t\tbuilder user bill\n\t}", "", "roles", "write callgate_dashboard"},
	} {
		t.Run(name, func(t *testing.T) {
			config := hipaa(t, "http://127.0.0.1:9")
			dir := config[strings.Index(config, "{file.")+len("{file.") : strings.Index(config, "/key}")]
			fill := strings.NewReplacer("DIR", dir, "CRM", "http://127.0.0.1:9")
			line, by := fill.Replace(c.line), fill.Replace(c.by)
			if !strings.Contains(config, line) {
				t.Fatalf("the configuration has no %s", line)
			}
			got := refusal(t, strings.Replace(config, line, by, 1))
			if !strings.Contains(got, "require hipaa") || !strings.Contains(got, "\n- "+c.rule+": "+c.write) {
				t.Errorf("told %q, want %s: %s", got, c.rule, c.write)
			}
			for _, secret := range []string{"s3cr3t", "5ec4e7", "Aa0FWCFy"} {
				if strings.Contains(got, secret) {
					t.Errorf("the secret is told: %s", got)
				}
			}
			if got := refusal(t, strings.Replace(strings.Replace(config, line, by, 1), "require hipaa", "", 1)); got != "" {
				t.Errorf("told without being required: %s", got)
			}
		})
	}
}

// TestHIPAATellsAllAtOnce has a gateway as a first try makes it.
func TestHIPAATellsAllAtOnce(t *testing.T) {
	got := refusal(t, "{\ncallgate {\nrequire hipaa\nstore sqlite STORE\ndestination crm http http://10.0.0.5 {\npass_through\nkeep_excerpt\n}\n}\n}\n"+
		"http:// {\nbind SOCKET\ncallgate nextphone s3cr3t {\nname NAME\ndeliver crm\n}\n}")
	var rules []string
	for l := range strings.SplitSeq(got, "\n- ") {
		rule, _, _ := strings.Cut(l, ":")
		rules = append(rules, rule)
	}
	if want := []string{"audit", "checkpoint", "encryption", "minimal", "minimal", "minimal", "transit", "secrets", "roles"}; !slices.Equal(rules[1:], want) {
		t.Errorf("told %s", got)
	}
	if !strings.Contains(got, "missing (9):") {
		t.Errorf("told %s", got)
	}
}

// TestHIPAAHoldsDocuments: what comes through the API is held to the same rules.
func TestHIPAAHoldsDocuments(t *testing.T) {
	g := gatewaytest.Run(t, hipaa(t, "http://127.0.0.1:9"))
	save := func(kind, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/ops/api/documents/"+kind+"/late", strings.NewReader(fmt.Sprintf(`{"body":%s,"publish":true}`, body)))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("bill", "pass")
		r.Header.Set("Content-Type", "application/json")
		res, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	const to = `"to":{"type":"http","url":"https://crm.example/","body":"{}"}`
	for name, c := range map[string]struct{ kind, body, says string }{
		"fields":              {"destination", `{` + to + `}`, "write fields"},
		"keep_excerpt":        {"destination", `{` + to + `,"fields":["email"],"keep_excerpt":true}`, "keep_excerpt"},
		"one of a tenant":     {"tenant", `{"secrets":["{secret.HOOK}"],"destinations":{"crm":{` + to + `}}}`, "write fields"},
		"a tenant's verifier": {"tenant", `{"verify":{"scheme":"none","unsafe":true},"remote_ip":["10.0.0.1"]}`, "verify none"},
	} {
		if status, answer := save(c.kind, c.body); status < 400 || !strings.Contains(answer, "require hipaa") || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	for kind, body := range map[string]string{
		"destination": `{` + to + `,"fields":["email"]}`,
		"tenant":      `{"secrets":["{secret.HOOK}"],"destinations":{"crm":{` + to + `,"fields":["email"]}}}`,
	} {
		if status, answer := save(kind, body); status != 200 {
			t.Errorf("%s: %d %s", kind, status, answer)
		}
	}
}
