package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/access"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
)

// somebody is one of the matrix: what they may do, and of which tenants; nil is of all.
type somebody struct {
	may     string
	tenants map[string][]string
}

// people are those to whom the configuration of these tests gives roles, by their names or that of their group.
var people = map[string]somebody{
	"vera":     {"view", nil},
	"clinic-a": {"view", map[string][]string{"view": {"acme"}}},
	"otto":     {"view operate", nil},
	"dispatch": {"view operate", map[string][]string{"view": {"acme"}, "operate": {"acme"}}},
	"bill":     {"view build", nil},
	"audrey":   {"audit", nil},
	"erna":     {"erase", nil},
	"ada":      {"view operate build audit erase", nil},
	"privacy":  {"reveal", nil},
	"rita":     {"reveal", map[string][]string{"reveal": {"beta"}}},
	"nobody":   {"", nil},
}

// groups are the names in people that are groups.
var groups = []string{"clinic-a", "dispatch", "privacy"}

// whole are the operations that those who are bound to tenants may not carry out.
var whole = []string{"Statistics", "Cluster", "TestDestination", "CheckDataKeys", "Pause", "Resume", "AuditTail", "AuditStatus", "AuditVerify", "AuditProve", "AuditCheckpoint", "AuditExport", "AuditPrune",
	"BuilderKit", "BuilderBegin", "BuilderSample", "PreviewDraft", "TestDraft", "DraftAsLines", "AccountFields"}

// requestFor is a request for a route that is right in itself, about an event or a tenant.
func requestFor(t *testing.T, r operateapi.Route, tenant, event string) (path, body string, ofTenant bool) {
	t.Helper()
	path = strings.NewReplacer("{id}", event, "{name}", "crm").Replace(r.Pattern)
	selection := fmt.Sprintf(`{"tenant":%q,"dry_run":true}`, tenant)
	switch r.Operation {
	case "Events", "Deliveries":
		return path + "?tenant=" + tenant, "", true
	case "Event":
		return path, "", true
	case "RevealEvent":
		return path, `{"reason":"a test"}`, true
	case "Facets":
		return path, fmt.Sprintf(`{"tenant":%q}`, tenant), true
	case "StartJob":
		return path, fmt.Sprintf(`{"operation":"replay","tenant":%q,"dry_run":true}`, tenant), true
	case "Replay", "SendNow", "Cancel", "Erase", "StartErasure":
		return path, selection, true
	case "Preview":
		return path, fmt.Sprintf(`{"source":"nextphone","tenant":%q,"body":"e30="}`, tenant), true
	case "Documents", "Document", "DocumentVersions", "CompareDocument", "SaveDocument", "PublishDocument", "RollbackDocument", "RemoveDocument":
		path = strings.NewReplacer("{kind}", "tenant", "{name}", tenant).Replace(r.Pattern)
		return path, "", r.Operation != "Documents"
	case "AuditQuery":
		return path, fmt.Sprintf(`{"tenant":%q}`, tenant), true
	case "AuditTail", "AuditStatus", "AuditVerify", "AuditProve", "AuditCheckpoint", "AuditExport", "AuditPrune":
		return strings.Replace(path, "{seq}", "0", 1), "", false
	case "RotateDataKey":
		return path, fmt.Sprintf(`{"tenant":%q}`, tenant), true
	case "DestroyDataKeys":
		return path, selection, true
	case "BuilderKit", "BuilderBegin", "BuilderSample", "PreviewDraft", "TestDraft", "DraftAsLines", "AccountFields":
		return path, "", false
	case "TestDestination", "Cluster", "Overview", "CheckDataKeys", "DataKeys", "Tenants", "Jobs", "Job", "StopJob", "Destinations", "Destination", "Rotations", "Statistics", "Ready", "Tail", "Pause", "Resume":
		return path, "", false
	}
	t.Fatalf("%s is not in the matrix; give it a request here", r.Operation)
	return "", "", false
}

// TestWhoMayDoWhat walks people, routes and tenants over HTTP, with both ways of signing in.
func TestWhoMayDoWhat(t *testing.T) {
	auth := authServer(t)
	var names []string
	for name := range people {
		if !slices.Contains(groups, name) {
			names = append(names, name)
		}
	}
	for way, site := range map[string]string{"basic_auth": basic("", names...), "forward_auth": forwarded(auth)} {
		g, events := seeded(t, site)
		settle(t, of(t, g, "vera"), 2)
		for name, who := range people {
			if way == "basic_auth" && slices.Contains(groups, name) {
				continue // it knows no groups
			}
			c := of(t, g, name)
			for _, route := range operateapi.Routes() {
				if route.Operation == "Tail" {
					continue // see TestAStreamKeepsToTheBound
				}
				for tenant, event := range events {
					matrixCell(t, way+": "+name, c, who, route, tenant, event)
				}
			}
		}
		g.Stop()
	}
	for _, role := range access.RoleNames() {
		if !strings.Contains(roles, role+" ") {
			t.Errorf("nobody in the matrix has the role %s", role)
		}
	}
}

// authServer is where forward_auth asks who somebody is. Those whose names are those of groups are members of these.
func authServer(t *testing.T) (url string) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if password != "pass" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if slices.Contains(groups, name) {
			w.Header().Set("Remote-User", "member")
			w.Header().Set("Remote-Groups", "staff, "+name+",x")
			return
		}
		w.Header().Set("Remote-User", name)
	}))
	t.Cleanup(auth.Close)
	return auth.URL
}

func matrixCell(t *testing.T, name string, c *client, who somebody, route operateapi.Route, tenant, event string) {
	t.Helper()
	capability := string(operate.Operations()[route.Operation])
	path, body, ofTenant := requestFor(t, route, tenant, event)
	method := route.Methods[0]
	got := c.ask(method, path, body)
	bound, isBound := who.tenants[capability]
	want := 200
	switch {
	case !slices.Contains(strings.Fields(who.may), capability):
		want = 403
	case isBound && slices.Contains(whole, route.Operation):
		want = 403
	case isBound && ofTenant && !slices.Contains(bound, tenant):
		want = 404
	case route.Operation == "Job" || route.Operation == "StopJob":
		want = 404 // there is none; see TestJobsKeepToTheBound
	case strings.Contains(route.Operation, "Document"), strings.Contains(route.Operation, "Draft"), route.Operation == "BuilderKit", route.Operation == "BuilderBegin", route.Operation == "AccountFields":
		want = 503 // the configuration of these tests manages none
	case strings.HasPrefix(route.Operation, "Audit"):
		want = 503 // nor does it keep an audit log
	}
	if got.status != want {
		t.Errorf("%s: %s of %s: %d, want %d: %s", name, route.Operation, tenant, got.status, want, got.body)
	}
	if shown := strings.Contains(got.body, "private words"); shown != (want == 200 && route.Operation == "RevealEvent") {
		t.Errorf("%s: %s of %s shows what a caller said: %v", name, route.Operation, tenant, shown)
	}
	if isBound && !slices.Contains(bound, "beta") && strings.Contains(got.body, "beta") {
		t.Errorf("%s: %s names another tenant: %s", name, route.Operation, got.body)
	}
}

// TestTheMatrixHasEveryOperation: also those that no route serves yet.
func TestTheMatrixHasEveryOperation(t *testing.T) {
	served := map[string]bool{"Rekey": true, "RekeyTenants": true, "AuditFork": true} // by commands on a gateway that is stopped
	for _, r := range operateapi.Routes() {
		served[r.Operation] = true
		if operate.OfTheWhole(r.Operation) != slices.Contains(whole, r.Operation) {
			t.Errorf("%s: of the whole gateway, or not?", r.Operation)
		}
	}
	for op := range operate.Operations() {
		if !served[op] {
			t.Errorf("%s has no route", op)
		}
	}
}

// TestTheBoundIsInEveryFilter: what somebody does without naming a tenant is done to theirs only.
func TestTheBoundIsInEveryFilter(t *testing.T) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Remote-User", "member")
		w.Header().Set("Remote-Groups", r.Header.Get("X-Group"))
	}))
	t.Cleanup(auth.Close)
	g, events := seeded(t, forwarded(auth.URL))
	c := of(t, g, "", "X-Group", "dispatch")
	settle(t, c, 1)
	var e operate.EventPage
	var d operate.DeliveryPage
	var s operate.DestinationList
	decode := func(got answer, into any) {
		t.Helper()
		if err := json.Unmarshal([]byte(got.body), into); err != nil || got.status != 200 {
			t.Fatalf("%d: %s", got.status, got.body)
		}
	}
	decode(c.ask("GET", "events", ""), &e)
	decode(c.ask("POST", "deliveries", "{}"), &d)
	decode(c.ask("GET", "destinations", ""), &s)
	if len(e.Events) != 1 || e.Events[0].ID != events["acme"] || len(d.Deliveries) != 1 || d.Deliveries[0].Tenant != "acme" {
		t.Errorf("%+v, %+v", e, d)
	}
	if len(s.Destinations) != 1 || s.Destinations[0].Dead != 1 || s.Destinations[0].Pending != 0 {
		t.Errorf("%+v", s)
	}
	for body, want := range map[string]string{
		`{"all":true,"dry_run":true}`:                                      `"deliveries":1`,
		`{"event":"` + events["beta"] + `","dry_run":true}`:                `"deliveries":0`,
		`{"delivery":"` + events["beta"] + `.1","dry_run":true}`:           `"deliveries":0`,
		`{"caller":"+15559876541","dry_run":true}`:                         `"deliveries":0`,
		`{"caller":"+15559876540","dry_run":true}`:                         `"deliveries":1`,
		`{"tenant":"acme","event":"` + events["beta"] + `","state":"any"}`: `"deliveries":0`,
	} {
		if got := c.ask("POST", "replay", body); got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d: %s", body, got.status, got.body)
		}
	}
	// What is not there, and what is not theirs, is told in the same words.
	const unknown = "01JC0Q4Z6W5P9G2N8S3T7V1X0Y"
	if a, b := c.ask("GET", "events/"+unknown, ""), c.ask("GET", "events/"+events["beta"], ""); a.status != 404 || a.body != b.body {
		t.Errorf("%d %s, %d %s", a.status, a.body, b.status, b.body)
	}
	if a, b := c.ask("GET", "events?tenant=beta", ""), c.ask("GET", "events?tenant=gamma", ""); a.status != 404 || a.body != b.body {
		t.Errorf("%d %s, %d %s", a.status, a.body, b.status, b.body)
	}
	if got := c.ask("GET", "events?destination=crn", ""); got.status != 404 || strings.Contains(got.body, "crm") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
