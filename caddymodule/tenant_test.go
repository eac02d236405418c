package caddymodule

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/callgate/callgate/internal/signature"
)

func TestTheTenantsPolicyWins(t *testing.T) {
	g := newGateway(t, twoTenants)
	for _, c := range []struct {
		tenant, secret, body string
		status               int
		code                 string
	}{
		{"one", "first", numbered(1), 200, ""},
		{"one", "old", numbered(2), 200, ""}, // while secrets are changed
		{"one", "shared-secret", numbered(3), 403, "signature_invalid"},
		{"one", "first", `{"phone":"+15559876543","x":"` + strings.Repeat("x", 200) + `"}`, 413, "too_large"},
		{"two", "second", numbered(4), 400, "field_missing"},
		{"two", "second", `{"email":"mike@example.com","n":1}`, 200, ""},
		{"two", "first", numbered(5), 403, "signature_invalid"},
		{"three", "shared-secret", `{"phone":"+15559876543","x":"` + strings.Repeat("x", 200) + `"}`, 200, ""},
		{"elsewhere", "shared-secret", numbered(6), 404, "unknown_tenant"},
		{"ONE", "first", numbered(7), 200, ""}, // as hosts are
	} {
		r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{c.secret}}, "http://gate.test/", c.body)
		r.Header.Set("X-Tenant", c.tenant)
		res := g.do(r)
		if got := code(t, res); res.StatusCode != c.status || got != c.code {
			t.Errorf("%s with %s: %d %s, want %d %s", c.tenant, c.secret, res.StatusCode, got, c.status, c.code)
		}
	}
}

func TestVariablesOfAllLayersAreJoined(t *testing.T) {
	g := newGateway(t, twoTenants)
	g.respond = func(w http.ResponseWriter, r *http.Request) error {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		_, err := w.Write([]byte(repl.ReplaceAll("{callgate.vars.a} {callgate.vars.b} {callgate.vars.c}", "-")))
		return err
	}
	r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{"first"}}, "http://gate.test/", numbered(1))
	r.Header.Set("X-Tenant", "one")
	if got := text(t, g.do(r)); got != "source route tenant" {
		t.Errorf("got %q", got)
	}
}

func TestOneEventOfTwoTenantsIsTwoEvents(t *testing.T) {
	g := newGateway(t, strings.Replace(twoTenants, "secret first old", "secret shared-secret", 1))
	for _, tenant := range []string{"one", "three"} {
		r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{"shared-secret"}}, "http://gate.test/", numbered(1))
		r.Header.Set("X-Tenant", tenant)
		if res := g.do(r); res.Header.Get("Idempotency-Replayed") != "" || res.StatusCode != 200 {
			t.Errorf("%s: status %d, taken for a copy", tenant, res.StatusCode)
		}
	}
}

func TestTenantsAreReadFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.Replace(twoTenants, "tenant three", "tenants "+dir+"/*.json\ntenant three", 1)
	write("clinic.json", `{"secrets":["from-a-file"],"rate_limit":{"rate":"5/s"},"vars":{"owner_name":"Dr. Who"}}`)
	write("other.json", `{"name":"named","sources":{"partner":{"secrets":["from-a-block"]}}}`)
	g := newGateway(t, config)
	for tenant, secret := range map[string]string{"clinic": "from-a-file", "named": "from-a-block"} {
		r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{secret}}, "http://gate.test/", numbered(1))
		r.Header.Set("X-Tenant", tenant)
		if res := g.do(r); res.StatusCode != 200 {
			t.Errorf("%s: status %d", tenant, res.StatusCode)
		}
	}
	for name, c := range map[string]struct{ content, want string }{
		"two.json":  {`{"name":"clinic","secrets":["x"]}`, "two.json:1:2: name: tenant clinic is in two files; the other is " + dir + "/clinic.json"},
		"one.json":  {`{"secrets":["x"]}`, "one.json:1:1: name: tenant one is in the configuration too"},
		"bad.json":  {"{\n  \"secrets\":[\"x\"],\n  \"rate_limits\":{}\n}", `bad.json:3:3: unknown member "rate_limits"; did you mean "rate_limit"?`},
		"more.json": {`{"secrets":["x"]}{"secrets":["x"]}`, "more.json:1:18: has something after the tenant's closing brace"},
		"type.json": {`{"secrets":"the-secret-itself"}`, `type.json:1:12: member "secrets" must be a list`},
		"rate.json": {`{"secrets":["x"],"rate_limit":{"rate":"many"}}`, `rate.json:1:18: rate_limit "many" is not a rate`},
		"env.json":  {`{"sources":{"partner":{"secrets":["{env.CALLGATE_TEST_UNSET}"]}}}`, "env.json:1:24: secret 1: "},
		"to.json":   {`{"secrets":["y"],"deliver":[{"to":"crn"}]}`, `to.json:1:18: deliver: no destination "crn"`},
		"src.json":  {`{"secrets":["y"],"sources":{"nobody":{}}}`, `src.json:1:18: sources: unknown source 'nobody'`},
		"cut.json":  {"{\n\t\"secrets\":[\"y\"", "cut.json:2:16: is not a tenant in JSON: it ends before its last brace"},
	} {
		write(name, c.content)
		text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(strings.ReplaceAll(config, "NAME", "files-"+name)), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = warningsOf(t, text)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, name)+":") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		} else if strings.Contains(err.Error(), "the-secret-itself") {
			t.Errorf("the error quotes a secret: %v", err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// The errors are for people who know JSON, and not the types of the program that reads it.
func TestErrorsOfTenantFilesSpeakOfJSON(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                 "line 1, column 1: the whole must be an object",
		`{"rate_limit":"20/s"}`:              `line 1, column 15: member "rate_limit" must be an object`,
		`{"secrets":"x"}`:                    `line 1, column 12: member "secrets" must be a list`,
		`{"secrets":[1]}`:                    `line 1, column 13: member "secrets" must be a text`,
		`{"test":"yes"}`:                     `line 1, column 9: member "test" must be true or false`,
		`{"sign":{"forms":true}}`:            `line 1, column 18: member "sign.forms" must be a list`,
		`{"sources":{"retell":{"vars":[]}}}`: `line 1, column 30: member "sources.retell.vars" must be an object`,
		"{\n \"max_body\": \"1MiB\"}":        `line 2, column 14: member "max_body" must be a number`,
		`{"max_body":1.5}`:                   `line 1, column 16: member "max_body" must be a number`,

		`{"idempotency":{"ttl":"3 days"}}`: `line 1, column 23: member "idempotency.ttl" must be a duration in quotes, such as "72h" or "3d"`,
		`{"idempotency":{"ttl":72}}`:       `line 1, column 23: member "idempotency.ttl" must be a duration in quotes, such as "72h" or "3d"; a bare number would be nanoseconds`,
		`{"deliver":["crm"]}`:              `line 1, column 13: member "deliver" must be a list of {"to": "a destination"}, each perhaps with an "if"`,
		`{"deliver":"crm"}`:                `line 1, column 12: member "deliver" must be a list of {"to": "a destination"}, each perhaps with an "if"`,
		`{"secrets":["ü"],"tset":true}`:    `line 1, column 18: unknown member "tset"; did you mean "test"?`,
		`{"vars":{"a":"b","a":"c"}}`:       `line 1, column 18: member "vars.a" is given twice`,
		`{"secrets":["a"] "vars":{}}`:      `line 1, column 18: is not a tenant in JSON: `,
		`{"secrets":["a"]`:                 `line 1, column 17: is not a tenant in JSON: it ends before its last brace`,
		``:                                 `line 1, column 1: is not a tenant in JSON: it ends before its last brace`,
	} {
		if _, _, err := parseTenant([]byte(text)); err == nil || err.Error() != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	for _, ok := range []string{`{}`, `{"verify":{"scheme":"hmac","a":[{}]},"idempotency":null,"Secrets":["x"],"deliver":[{"to":"a","if":"true"}]}`} {
		if _, _, err := parseTenant([]byte(ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}

func FuzzTenantFile(f *testing.F) {
	f.Add([]byte(`{"name":"a","secrets":["x"],"sources":{"retell":{"secrets":["y"],"idempotency":{"ttl":"1h"}}}}`))
	f.Add([]byte(`{"verify":{"scheme":"hmac","header":"X"},"rate_limit":{"rate":"5/s","burst":-1},"breaker":{"ratio":1e308}}`))
	f.Add([]byte(`{"sources":{"a":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tenant, _, err := parseTenant(b)
		if err != nil {
			return
		}
		// Whatever was read can be asked for its settings.
		for _, p := range append([]Policy{tenant.Policy}, tenant.Policy.over(tenant.Policy)) {
			if l, err := p.RateLimit.compile(); err == nil && l != nil && (!(l.PerSecond > 0) || l.Burst < 1) {
				t.Errorf("limit %+v", l)
			}
			if i, err := p.Idempotency.compile(); err == nil && (i.TTL <= 0 || i.Wait <= 0 || i.MaxReplayBody <= 0) {
				t.Errorf("idempotency %+v", i)
			}
			_, _ = p.Breaker.settings()
			_, _ = p.EventID.compile()
			_, _ = checkPublicURL(p.PublicURL)
		}
	})
}
