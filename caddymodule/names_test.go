package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// warnings loads a Caddyfile as far as `caddy validate` does, and gives the warnings that were logged, each with its fields.
func warnings(t testing.TB, config string) ([]string, error) {
	t.Helper()
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	return warningsOf(t, text)
}

func warningsOf(t testing.TB, config []byte) ([]string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	c := new(caddy.Config)
	if err := json.Unmarshal(config, c); err != nil {
		t.Fatal(err)
	}
	c.Admin = &caddy.AdminConfig{Disabled: true}
	c.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{
		WriterRaw:  caddyconfig.JSONModuleObject(map[string]string{"filename": file}, "output", "file", nil),
		EncoderRaw: json.RawMessage(`{"format":"json"}`),
	}}}}
	loaded := caddy.Validate(c)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range bytes.Lines(b) {
		var entry struct{ Level, Logger, Msg string }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		if (entry.Level == "warn" || entry.Level == "error") && strings.Contains(entry.Logger, "callgate") && !strings.Contains(entry.Msg, "secret is written") {
			found = append(found, strings.TrimSpace(string(line)))
		}
	}
	return found, loaded
}

// TestNamesAreLookedUpWhenTheConfigurationIsLoaded has names that exist nowhere, which would refuse every call or deliver
// none.
func TestNamesAreLookedUpWhenTheConfigurationIsLoaded(t *testing.T) {
	t.Setenv("CALLGATE_TEST_TENANT", "acme")
	const global = `{
	callgate {
		destination crm http https://crm.example {
			pass_through
		}
		destination leads http https://crm.example {
			pass_through
		}
		tenant acme {
			secret a
		}
		tenant borg {
			secret b
			source retell {
				secret b
			}
		}
	}
}
http:// {
	callgate nextphone {
		%s
	}
	respond ok
}`
	for lines, want := range map[string]string{
		"tenant acme\ndeliver crn":              `deliver: no destination "crn"; there are: crm, leads`,
		"tenant acme\nconvert lead":             `convert: no destination "lead"; there are: leads, crm`,
		"tenant acmee":                          `tenant "acmee" is not known on source nextphone; there are: acme`,
		"tenant borg":                           `tenant "borg" is not known on source nextphone; there are: acme`,
		"tenant {callgate.tenant}":              "the gateway sets it when the tenant is known",
		"tenant {http.response.header.X-T}":     "there is no answer yet",
		"tenant {rp.upstream.host}":             "no receiver was chosen yet",
		"tenant {env.CALLGATE_TEST_UNSET}":      "the environment of this gateway has no CALLGATE_TEST_UNSET",
		"tenant {path.one}":                     "parts are counted from 0: {http.request.uri.path.0}, or {path.0} in a Caddyfile",
		"tenant {http.request.uri.pth}":         "did you mean {http.request.uri.path}?",
		"tenant {http.request.nonsense_at_all}": "no request has it",
		"tenant {path.0":                        "a brace without its counterpart",
		"tenant acme\nvars {\n\"a{b\" c\n}":     `nothing can name "a{b"`,
	} {
		if _, err := provision(fmt.Sprintf(global, lines)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", lines, err, want)
		}
	}
	for lines, want := range map[string]string{
		"tenant {nonsense}":                     "tenant {nonsense}: nothing is known to set it",
		"tenant {pth.1}":                        "did you mean {path.1}?",
		"tenant {heade.X-Tenant}":               "did you mean {header.X-Tenant}?",
		"tenant acme\nvars {\nowner_nam ABC\n}": "vars owner_nam: did you mean owner_name?",
		"tenant acme\nvars {\ntenant ABC\n}":    "write {{vars.tenant}} there",
		"tenant acme\nvars {\na/b ABC\n}":       "no template can name it",

		"tenant {path.1}": "", "tenant {http.request.header.X-T}": "", "tenant {labels.1}": "", "tenant {vars.x}": "",
		"tenant {env.CALLGATE_TEST_TENANT}": "", "tenant {re.a.1}": "", "tenant {query.t}-{host}": "", "tenant {client_ip}": "",
		"tenant {http.request.tls.client.subject}": "", "tenant acme\nvars {\nowner_name x\n\"own er\" y\n}": "",
	} {
		got, err := warnings(t, fmt.Sprintf(global, lines))
		if err != nil {
			t.Errorf("%s: %v", lines, err)
		}
		if (want == "") != (len(got) == 0) || len(got) > 1 || want != "" && !strings.Contains(got[0], want) {
			t.Errorf("%s: %q\nwant %s", lines, got, want)
		}
	}
}

// A configuration in JSON was not read line by line, and is checked as well.
func TestRequiredFieldsExist(t *testing.T) {
	for _, ok := range [][]string{nil, {"phone", "email"}, {"params.fone"}, {"issue", "notes", "params"}} {
		if err := checkRequired(ok); err != nil {
			t.Errorf("%v: %v", ok, err)
		}
	}
	config := `{"apps":{"http":{"servers":{"a":{"listen":[":0"],"routes":[{"handle":[{"handler":"callgate","source":"nextphone","secrets":["s"],"require":["phone","fone"]}]}]}}}}}`
	if _, err := warningsOf(t, []byte(config)); err == nil || !strings.Contains(err.Error(), "require fone: a call has no such field; did you mean phone") {
		t.Errorf("error %v", err)
	}
	if err := checkRequired([]string{"params."}); err == nil {
		t.Error("a parameter without a name was accepted")
	}
}
