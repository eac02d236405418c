package caddymodule

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/signature"
)

const ownDestinations = `{
	callgate {
		store sqlite STORE
		tenant acme {
			secret of-acme
			destination crm http %[1]s/acme {
				body ` + "`" + `{"for":"acme"}` + "`" + `
				header X-Key acme-key
			}
		}
		tenant zen {
			secret of-zen
		}
		tenants %[3]s
		destination crm http %[2]s/all {
			body ` + "`" + `{"for":"all"}` + "`" + `
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		tenant {path.1}
		deliver crm
	}
}`

// sendFor sends what a tenant's sender would send, and gives the status.
func (g *running) sendFor(tenant string, n int) int {
	g.t.Helper()
	body := numbered(n)
	r, err := http.NewRequest(http.MethodPost, "http://gate.test/hook/"+tenant, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	signRequest(g.t, signature.Config{Scheme: "nextphone", Secrets: []string{"of-" + tenant}}, r, body, time.Now())
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// TestATenantsOwnDestinationComesFirst sends for a tenant with a destination of its own, in the configuration and in a file,
// and for one without.
func TestATenantsOwnDestinationComesFirst(t *testing.T) {
	own, all, filed := newCRM(t), newCRM(t), newCRM(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "filed.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"secrets":["of-filed"],"destinations":{"crm":{"to":{"type":"http","url":%q,"body":"{}"},"on":["*"]}}}`,
		filed.URL+"/filed"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runGateway(t, fmt.Sprintf(ownDestinations, own.URL, all.URL, dir+"/*.json"))
	for i, c := range []struct {
		tenant string
		at     *crm
		uri    string
	}{{"acme", own, "/acme"}, {"zen", all, "/all"}, {"filed", filed, "/filed"}} {
		if status := g.sendFor(c.tenant, i); status != 200 {
			t.Fatalf("%s: %d", c.tenant, status)
		}
		if got := c.at.next(t); got.uri != c.uri {
			t.Errorf("%s: sent to %s", c.tenant, got.uri)
		}
	}
	for _, c := range []*crm{own, all, filed} {
		c.nothingMore(t)
	}

	// Operators know it by its full name, and by that alone.
	op := someDispatcher(t).operate
	actor := operate.Actor{May: operate.Everything}
	list, err := op.Destinations(t.Context(), actor)
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, d := range list.Destinations {
		names += d.Name + " "
	}
	if names != "acme/crm crm filed/crm " {
		t.Errorf("destinations %s", names)
	}
	if _, err := op.Pause(t.Context(), actor, "acme/crm", "mending"); err != nil {
		t.Fatal(err)
	}
	if status := g.sendFor("acme", 10); status != 200 {
		t.Fatal(status)
	}
	if status := g.sendFor("zen", 11); status != 200 {
		t.Fatal(status)
	}
	all.next(t) // another's is not paused with it
	own.nothingMore(t)
	listing, err := op.Deliveries(t.Context(), actor, operate.Listing{Filter: operate.Filter{Destination: "acme/crm", State: "pending"}})
	if err != nil || len(listing.Deliveries) != 1 || listing.Deliveries[0].Tenant != "acme" {
		t.Errorf("waiting: %+v, %v", listing, err)
	}
	if _, err := op.Resume(t.Context(), actor, "acme/crm"); err != nil {
		t.Fatal(err)
	}
	own.next(t)

	// What waits for a tenant that is gone is kept until it is back.
	filed.down.Store(true)
	if status := g.sendFor("filed", 12); status != 200 {
		t.Fatal(status)
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	g.start()
	stranded, err := someDispatcher(t).engine.Stranded(t.Context())
	if err != nil || len(stranded) != 1 || stranded[0].Destination != "filed/crm" {
		t.Errorf("stranded %+v, %v", stranded, err)
	}
	filed.down.Store(false)
	if err := os.WriteFile(file, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	g.start()
	if _, err := someDispatcher(t).operate.SendNow(t.Context(), actor, operate.Selection{All: true}); err != nil {
		t.Fatal(err)
	}
	filed.next(t)
}

// someDispatcher is the one that is open.
func someDispatcher(t testing.TB) (d *dispatcher) {
	t.Helper()
	dispatchers.Range(func(_, v any) bool {
		d = v.(*dispatcher)
		return false
	})
	if d == nil {
		t.Fatal("no store is open")
	}
	return d
}

// TestATenantReachesNoOtherTenantsDestination: a name with a slash finds nothing, whoever says it.
func TestATenantReachesNoOtherTenantsDestination(t *testing.T) {
	for name, c := range map[string]struct{ config, want string }{
		"another": {`{"secrets":["x"],"deliver":[{"to":"acme/crm"}]}`, `deliver: no destination "acme/crm"`},
		"none":    {`{"secrets":["x"],"deliver":[{"to":"sheet"}],"destinations":{"crm":{"to":{"type":"http","url":"https://a.example","body":"{}"}}}}`, `deliver: no destination "sheet"`},
		"kind":    {`{"secrets":["x"],"destinations":{"crm":{"rate":"5/s"}}}`, "one.json:1:18: destinations: crm: has no kind"},
		"name":    {`{"secrets":["x"],"destinations":{"a/b":{"to":{"type":"http","url":"https://a.example","body":"{}"}}}}`, "a name consists of"},
		"slash":   {`{"name":"a/b","secrets":["x"],"destinations":{"c":{"to":{"type":"http","url":"https://a.example","body":"{}"}}}}`, "neither slash nor colon"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "one.json"), []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf(ownDestinations, "https://own.example", "https://all.example", dir+"/*.json")
			text = strings.NewReplacer("SOCKET", "unix/"+dir+"/s", "STORE", dir+"/db", "NAME", "own-of-"+name).Replace(text)
			adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = warningsOf(t, adapted)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant %s", err, c.want)
			}
		})
	}
}
