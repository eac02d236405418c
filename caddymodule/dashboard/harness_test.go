package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/operate"

	_ "github.com/callgate/callgate/caddymodule/destinations"
	_ "github.com/callgate/callgate/caddymodule/stores"
	_ "github.com/callgate/callgate/caddymodule/verifiers"
)

// hash is of the password that everybody has in these tests: pass.
const hash = "$2a$04$XMHFwK07SWPkQjl6dmYMIOgL8TNBF1sq4DGKT5tKTOplbyE3HUjvu"

// gatewayConfig has the tenants acme and beta; SITE is the site of the dashboard.
const gatewayConfig = `{
	callgate {
		store sqlite STORE
		encryption_key 0000000000000000000000000000000000000000000000000000000000000001
		data_keys
		tenant acme {
			secret ` + gatewaytest.Secret + `
		}
		tenant beta {
			secret ` + gatewaytest.Secret + `
		}
		destination crm http {
			url CRM
			pass_through
			retry 0s
			breaker off
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		tenant {path.1}
		shared_secret
		deliver crm
	}
SITE
}`

// roles are those of the users and groups of these tests.
const roles = `
		viewer   user vera
		viewer   group clinic-a {
			tenants acme
		}
		operator user otto
		operator group dispatch {
			tenants acme
		}
		builder  user bill
		auditor  user audrey
		eraser   user erna
		admin    user ada
		reveal   group privacy
		reveal   user rita {
			tenants beta
		}`

// basic is a site with basic_auth, whose users are the names.
func basic(lines string, names ...string) string {
	var users strings.Builder
	for _, n := range names {
		fmt.Fprintf(&users, "\t\t%s %s\n", n, hash)
	}
	return "\tbasic_auth /ops/* {\n" + users.String() + "\t}\n\tcallgate_dashboard /ops/* {" + lines + roles + "\n\t}"
}

// forwarded is a site with forward_auth at a server.
func forwarded(auth string) string {
	return "\tforward_auth /ops/* " + auth + " {\n\t\turi /check\n\t\tcopy_headers Remote-User Remote-Groups\n\t}\n" +
		"\tcallgate_dashboard /ops/* {\n\t\tuser {header.Remote-User}\n\t\tgroups {header.Remote-Groups}" + roles + "\n\t}"
}

// seeded is a gateway with an event of each tenant, whose deliveries are dead. events are their ids by tenant.
func seeded(t *testing.T, site string) (g *gatewaytest.Gateway, events map[string]string) {
	t.Helper()
	crm := gatewaytest.NewReceiver(t)
	crm.Down.Store(true)
	g = gatewaytest.Run(t, strings.NewReplacer("CRM", crm.URL, "SITE", site).Replace(gatewayConfig))
	events = map[string]string{}
	for i, tenant := range []string{"acme", "beta"} {
		status, body := g.Send("/hook/"+tenant, fmt.Sprintf(`{"lead":{"name":"Mike","phone":"+1555987654%d","notes":"private words"}}`, i))
		var answer struct{ ID string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
			t.Fatalf("%d: %s", status, body)
		}
		events[tenant] = answer.ID
	}
	return g, events
}

// settle waits until an actor who sees all sees so many dead deliveries.
func settle(t *testing.T, c *client, dead int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		var p operate.DeliveryPage
		got := c.ask("GET", "deliveries?state=dead", "")
		if err := json.Unmarshal([]byte(got.body), &p); err != nil {
			t.Fatalf("%d: %s", got.status, got.body)
		}
		if len(p.Deliveries) == dead {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are dead", len(p.Deliveries))
		}
		time.Sleep(5 * time.Millisecond) // the store has no event for this
	}
}

// client asks the dashboard over HTTP.
type client struct {
	t      testing.TB
	http   *http.Client
	base   string
	user   string
	header http.Header
}

type answer struct {
	status int
	body   string
	header http.Header
}

func (c *client) ask(method, path, body string) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, v := range c.header {
		r.Header[name] = v
	}
	if method == "POST" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.user != "" {
		r.SetBasicAuth(c.user, "pass")
	}
	res, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{res.StatusCode, string(text), res.Header}
}

// of is a client of somebody: by basic_auth, or with headers.
func of(t testing.TB, g *gatewaytest.Gateway, user string, header ...string) *client {
	c := &client{t: t, http: g.Client(), base: "http://ops.test/ops/api/", user: user, header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		c.header.Add(header[i], header[i+1])
	}
	return c
}

// contextWith is the context of a request that came in at an address.
func contextWith(r *http.Request, at net.Addr) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, at)
}
