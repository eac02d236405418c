package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// reloadPlainly reloads a Caddyfile as `caddy reload` does without --force.
func (g *running) reloadPlainly() {
	g.t.Helper()
	g.client.CloseIdleConnections()
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(g.config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		g.t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		g.t.Fatal(err)
	}
	c["admin"] = map[string]any{"disabled": true, "config": map[string]any{"persist": false}}
	c["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"level": "ERROR"}}}
	if text, err = json.Marshal(c); err != nil {
		g.t.Fatal(err)
	}
	if err := caddy.Load(text, false); err != nil {
		g.t.Fatal(err)
	}
}

// sendReloaded is send after a reload, in which Caddy closes connections, new ones too; a POST is not sent again by itself.
func (g *running) sendReloaded(path, body string) (*http.Response, string) {
	g.t.Helper()
	res, answer, err := g.try(path, body)
	for n := 0; err != nil && n < 20; n++ {
		res, answer, err = g.try(path, body)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return res, answer
}

// sendUntil sends until the answer is as it has to be: the server of the configuration before may take a connection yet when
// the new one is in force.
func (g *running) sendUntil(path, body string, is func(res *http.Response, answer string) bool) {
	g.t.Helper()
	for late := time.Now().Add(time.Minute); ; g.client.CloseIdleConnections() {
		res, answer := g.sendReloaded(path, body)
		if is(res, answer) {
			return
		}
		if time.Now().After(late) {
			g.t.Fatalf("still answered with %d %s", res.StatusCode, answer)
		}
	}
}

func TestAPlainReloadSeesFilesThatChanged(t *testing.T) {
	c := newCRM(t)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	definition := func(word string) string {
		return fmt.Sprintf(`{"type":"http","name":"n","http_method":"POST","url":"%s/definition","headers":{"Content-Type":"application/json"},`+
			`"body_template":"{\"%s\":\"{{phone}}\"}"}`, c.URL, word)
	}
	write("definition.json", definition("before"))
	write("body.txt", `{"before":"{{phone}}"}`)
	write("one.json", `{"secrets":["`+testSecret+`"]}`)
	g := runGateway(t, `{
	callgate {
		store sqlite STORE
		tenants `+dir+`/one*.json
		destination definition http {
			definition `+dir+`/definition.json
		}
		destination template http `+c.URL+`/template {
			body_file `+dir+`/body.txt
		}
	}
}
http:// {
	bind SOCKET
	callgate nextphone {
		name NAME
		tenant {path.0}
		deliver definition
		deliver template
	}
	respond 404
}`)
	calls := 0
	expect := func(definition, template string) {
		t.Helper()
		calls++
		body := fmt.Sprintf(`{"lead":{"phone":"+15559876543","call_id":"c-%d"}}`, calls)
		if res, answer := g.sendReloaded("/one", body); res.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", res.StatusCode, answer)
		}
		for range 2 {
			got, want := c.next(t), definition
			if strings.HasPrefix(got.uri, "/template") {
				want = template
			}
			if want = `{"` + want + `":"+15559876543"}`; got.body != want {
				t.Errorf("%s got %s, want %s", got.uri, got.body, want)
			}
		}
	}
	expect("before", "before")
	write("body.txt", `{"after":"{{phone}}"}`)
	g.reloadPlainly()
	expect("before", "after")
	write("definition.json", definition("after"))
	g.reloadPlainly()
	expect("after", "after")

	if res, _ := g.sendReloaded("/one-two", leadBody); res.StatusCode != http.StatusNotFound {
		t.Fatalf("a tenant that is not there is answered with %d", res.StatusCode)
	}
	write("one-two.json", `{"secrets":["another-secret-of-the-tests"]}`)
	g.reloadPlainly()
	g.sendUntil("/one-two", leadBody, func(res *http.Response, _ string) bool { return res.StatusCode == http.StatusForbidden })
}
