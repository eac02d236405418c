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
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
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
		"tenant {nonsense}":                     "tenant {nonsense}: nothing in this configuration sets it, so that no request would have a tenant and each be answered 404; a part of",
		"tenant {pth.1}":                        "did you mean {path.1}?",
		"tenant {heade.X-Tenant}":               "did you mean {header.X-Tenant}?",
		"tenant {path.0":                        "a brace without its counterpart",
		"tenant acme\nvars {\n\"a{b\" c\n}":     `nothing can name "a{b"`,
	} {
		if _, err := provision(fmt.Sprintf(global, lines)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", lines, err, want)
		}
	}
	for lines, want := range map[string]string{
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

// A placeholder of any name may be set by Caddy's map, or by what nobody here knows. Then it is warned of.
func TestATenantThatAnotherHandlerMaySet(t *testing.T) {
	const global = "{\ncallgate {\ndestination crm http https://crm.example {\npass_through\n}\ntenant acme {\nsecret a\n}\n}\n}\nhttp:// {\n"
	const route = "callgate nextphone {\ntenant {customer}\ndeliver crm\n}\n"
	for name, lines := range map[string]string{
		"a map before it":  "map {host} {customer} {\na.example acme\n}\n" + route,
		"a map in a block": "route {\nmap {host} {customer} {\na.example acme\n}\n" + route + "}",
	} {
		got, err := warnings(t, global+lines+"\n}")
		if err != nil || len(got) != 1 || !strings.Contains(got[0], "tenant {customer}: nothing is known to set it; unless a handler before this route does") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, lines := range map[string]string{
		"nothing before it":           route,
		"handlers that set no such":   "vars x y\nheader X y\nencode gzip\n@a {\npath /a*\nnot host b.example\n}\nhandle @a {\n" + route + "}\nhandle {\nfile_server\n}\n",
		"what is read as JSON as yet": "handle /a {\n" + route + "}\nhandle {\nreverse_proxy h:1\n}\n",
	} {
		if _, err := warnings(t, global+lines+"\n}"); err == nil || !strings.Contains(err.Error(), "tenant {customer}: nothing in this configuration sets it") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for raw, want := range map[string]bool{
		`[{"handle":[{"handler":"of_a_plugin"}]}]`:                                             true,
		`[{"handle":[{"handler":"invoke","name":"x"}]}]`:                                       true,
		`[{"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"map"}]}]}]}]`:      true,
		`[{"match":[{"maxmind_geolocation":{}}],"handle":[{"handler":"vars"}]}]`:               true,
		`[{"match":[{"path":["/a"],"vars":{}}],"handle":[{"handler":"static_response"}]}]`:     false,
		`[{"handle":[{"handler":"callgate","source":"retell"},{"handler":"callgate_ready"}]}]`: false,
	} {
		var routes caddyhttp.RouteList
		if err := json.Unmarshal([]byte(raw), &routes); err != nil {
			t.Fatal(err)
		}
		if got := outlineOf(routes).maySetAny(); got != want {
			t.Errorf("%s: %t", raw, got)
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
