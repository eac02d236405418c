package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/pages"
)

// pageFor is a request for a page that is right in itself, about an event or a tenant: its query if it is a GET, and the form
// if it is a POST. ofTenant tells that it is about the tenant.
func pageFor(t *testing.T, p pages.Page, method, tenant, event string) (path string, form url.Values, ofTenant bool) {
	t.Helper()
	path = strings.NewReplacer("{id}", event, "{name}", "crm").Replace(p.Pattern)
	switch p.Pattern {
	case "tenants", "cluster", "jobs", "jobs/{id}", "jobs/{id}/stop", "audit", "audit/verify", "audit/checkpoint":
		return path, url.Values{}, false
	case "audit/export":
		return path, url.Values{"format": {"csv"}}, false
	case "try":
		return path, url.Values{"destination": {"crm"}, "source": {"retell"}}, false
	case "add-tenant":
		return path, url.Values{"name": {"gamma"}, "source": {"retell"}}, false
	case "tenants/{name}", "tenants/{name}/setup", "tenants/{name}/secrets", "tenants/{name}/test":
		return strings.Replace(p.Pattern, "{name}", tenant, 1), url.Values{}, true
	case "tenants/{name}/deliver": // to be kept: a check of what is typed reads nothing of the tenant
		return strings.Replace(p.Pattern, "{name}", tenant, 1), url.Values{"do": {"keep"}}, true
	case "", "destinations", "destinations/{name}", "destinations/{name}/resume", "destinations/{name}/pause":
		return path, url.Values{}, false
	case "events", "deliveries":
		return path + "?q=tenant:" + tenant, nil, true
	case "events/search":
		return path, url.Values{"q": {"tenant:" + tenant}}, false // it only leads to what is found
	case "events/{id}":
		return path, nil, true
	case "act/replay", "act/send", "act/cancel", "act/erase":
		v := url.Values{"q": {"tenant:" + tenant}}
		return path + "?" + v.Encode(), v, true
	case "builder", "builder/{name}":
		return strings.Replace(path, "{name}", "crm", 1), nil, false
	case "erase":
		return path, nil, false
	case "reveal":
		return path, url.Values{"event": {event}}, false
	case "events/{id}/reveal":
		return path, url.Values{"reason": {"a test"}}, method == "POST"
	}
	t.Fatalf("the page %q is not in the matrix; give it a request here", p.Pattern)
	return "", nil, false
}

// browser is a client of somebody for pages. It does not go where it is led.
func browser(t *testing.T, g *gatewaytest.Gateway, user string, header ...string) *client {
	c := of(t, g, user, header...)
	c.base = "http://ops.test/ops/"
	c.http = &http.Client{Transport: g.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c
}

// TestWhoMaySeeWhichPage walks people, pages and tenants over HTTP, as TestWhoMayDoWhat does with the API.
func TestWhoMaySeeWhichPage(t *testing.T) {
	g, events := seeded(t, forwarded(authServer(t)))
	settle(t, of(t, g, "vera"), 2)
	for name, who := range people {
		c := browser(t, g, name)
		for _, p := range pages.Pages() {
			for tenant, event := range events {
				for _, method := range p.Methods {
					pageCell(t, name, c, who, p, method, tenant, event)
				}
			}
		}
	}
}

func pageCell(t *testing.T, name string, c *client, who somebody, p pages.Page, method, tenant, event string) {
	t.Helper()
	capability := string(operate.Operations()[p.Operation])
	path, form, ofTenant := pageFor(t, p, method, tenant, event)
	body := ""
	if method == "POST" {
		body = form.Encode()
		c.header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	got := c.ask(method, path, body)
	bound, isBound := who.tenants[capability]
	want := []int{200, 303}
	switch {
	case p.Pattern == "" && who.may != "" && !strings.Contains(who.may, "view"):
		want = []int{303, 403} // to the first page that they may see, if there is one
	case !slices.Contains(strings.Fields(who.may), capability):
		want = []int{403}
	case isBound && operate.OfTheWhole(p.Operation):
		want = []int{403}
	case isBound && ofTenant && !slices.Contains(bound, tenant):
		want = []int{404}
	case p.Operation == "BuilderKit", p.Operation == "SaveDocument" && (method == "POST" || p.Pattern != "add-tenant"):
		want = []int{503} // the configuration of these tests manages no documents
	case strings.HasPrefix(p.Pattern, "audit/") && method == "POST":
		want = []int{503} // nor does it keep an audit log
	case p.Operation == "Job" || p.Operation == "StopJob":
		want = []int{404} // there is none
	}
	if !slices.Contains(want, got.status) {
		t.Errorf("%s: %s %q of %s: %d, want one of %v: %.400s", name, method, p.Pattern, tenant, got.status, want, got.body)
	}
	if shown := strings.Contains(got.body, "private words"); shown != (want[0] == 200 && method == "POST" && p.Operation == "RevealEvent" && p.Pattern != "reveal") {
		t.Errorf("%s: %s %q of %s shows what a caller said: %v", name, method, p.Pattern, tenant, shown)
	}
	if isBound && !slices.Contains(bound, "beta") && tenant == "acme" && strings.Contains(got.body, "beta") {
		t.Errorf("%s: %q names another tenant: %s", name, p.Pattern, got.body)
	}
}

// TestPagesComeFromOurPagesOnly: a form of another site is refused, and so is a page to somebody whom nobody has authenticated.
func TestPagesComeFromOurPagesOnly(t *testing.T) {
	g, events := seeded(t, basic("", "otto"))
	c := browser(t, g, "otto", "Sec-Fetch-Site", "cross-site", "Content-Type", "application/x-www-form-urlencoded")
	got := c.ask("POST", "act/replay", url.Values{"event": {events["acme"]}, "sure": {"yes"}}.Encode())
	if got.status != 403 || !strings.Contains(got.body, "another site") || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", got.status, got.body)
	}
	c.header.Set("Sec-Fetch-Site", "same-origin")
	if got := c.ask("POST", "act/replay", url.Values{"event": {events["acme"]}}.Encode()); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := of(t, g, "otto", "Sec-Fetch-Site", "cross-site").ask("POST", "replay", "{}"); got.status != 403 || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestWhoeverNobodyHasAuthenticatedIsToldSoInAPage: without a user there is no page but that, and JSON where JSON was asked for.
func TestWhoeverNobodyHasAuthenticatedIsToldSoInAPage(t *testing.T) {
	g, _ := seeded(t, "\tcallgate_dashboard /ops/* {"+roles+"\n\t}")
	c := browser(t, g, "")
	for path, kind := range map[string]string{"": "text/html", "events": "text/html", "static/page.js": "text/html", "api/events": "application/json"} {
		got := c.ask("GET", path, "")
		if got.status != 403 || !strings.HasPrefix(got.header.Get("Content-Type"), kind) || !strings.Contains(strings.ToLower(got.body), "nobody has authenticated you") {
			t.Errorf("%q: %d %v %s", path, got.status, got.header, got.body)
		}
	}
}
