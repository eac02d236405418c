package pages

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// managing is a gateway that takes every document but those that say "wrong".
type managing struct{}

func (managing) Taken(_, name string) string {
	if name == "beta" {
		return "in the configuration"
	}
	return ""
}

func (managing) Check(_ context.Context, d *store.Document) ([]string, error) {
	if strings.Contains(string(d.Body), "wrong") {
		return nil, errors.New("unknown member")
	}
	return nil, nil
}
func (managing) Apply(context.Context, string, string) error { return nil }

// managed is a desk whose tenants can be documents. used are when secrets were last used.
func managed(t *testing.T, used *operate.RotationList, test func(t *testing.T, d *desk, docs store.Store)) {
	inBubble(t, func(t *testing.T, d *desk) {
		docs := storetest.NewMemory(storetest.Options{Sealing: true})
		d.service = operate.New(operate.Options{
			Store: d.store, Engine: d.engine,
			Names: func() operate.Names {
				return operate.Names{Tenants: []string{"acme", "beta"}, Sources: []string{"nextphone", "retell"}}
			},
			Documents: manage.New(manage.Options{Store: docs, Gateway: func() manage.Gateway { return managing{} }, Fingerprint: func(secret string) string {
				return "print-" + secret[:2]
			}}),
			Rotations: func() operate.RotationList { return *used },
		})
		test(t, d, docs)
	})
}

// shownSecret is the secret that a page shows.
var shownSecret = regexp.MustCompile(`<code id="secret">([^<]+)</code>`)

// body is what the document of a tenant that is in force says, and its secrets by name.
func body(t *testing.T, docs store.Store, name string) (members map[string]any, secrets manage.Secrets) {
	t.Helper()
	d, err := docs.DocumentInForce(t.Context(), manage.Tenant, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Body, &members); err != nil {
		t.Fatal(err)
	}
	if secrets, err = manage.ReadSecrets(d.Secrets); err != nil {
		t.Fatal(err)
	}
	return members, secrets
}

// TestATenantIsAddedAndItsFirstCallComes: from the form over what is pasted at the sender to the call.
func TestATenantIsAddedAndItsFirstCallComes(t *testing.T) {
	managed(t, new(operate.RotationList), func(t *testing.T, d *desk, docs store.Store) {
		if got := d.as("bill", "add-tenant"); !strings.Contains(got.body, `<option value="retell">`) {
			t.Errorf("%s", text(t, got.body))
		}
		form := url.Values{"name": {"acme"}, "source": {"retell"}, "url": {"https://hooks.example.com/hooks/acme"}, "owner_name": {`Bob "the roof" & Sons`}}
		got := d.post("bill", "add-tenant", form)
		m := shownSecret.FindStringSubmatch(got.body)
		if got.status != 200 || m == nil || len(m[1]) != 64 || !says(t, got, "In Retell's dashboard set https://hooks.example.com/hooks/acme as the webhook URL") {
			t.Fatalf("%d %s", got.status, text(t, got.body))
		}
		members, secrets := body(t, docs, "acme")
		if secrets["hook"].Value != m[1] || members["vars"].(map[string]any)["owner_name"] != `Bob "the roof" & Sons` || members["secrets"].([]any)[0] != "{secret.hook}" {
			t.Errorf("%+v, %+v", members, secrets)
		}
		i := slices.IndexFunc(links(got.body), func(l string) bool { return strings.Contains(l, "/setup?") })
		wait := links(got.body)[i]
		if got := d.as("bill", wait); got.header.Get("Refresh") == "" || !says(t, got, "None came in yet") || strings.Contains(got.body, m[1]) {
			t.Errorf("before the first call: %s", text(t, got.body))
		}
		d.accept("acme")
		if got := d.as("bill", wait); got.header.Get("Refresh") != "" || !says(t, got, "a call came in") {
			t.Errorf("after it: %s", text(t, got.body))
		}
		if got := d.as("bill", "tenants/acme/setup"); !strings.Contains(got.body, `<option value="nextphone" selected>`) {
			t.Errorf("whose call came last is not chosen: %s", got.body)
		}
		// Neither twice, nor under a name of the configuration, nor what is none.
		for name, change := range map[string]func(url.Values){
			"409 twice": func(url.Values) {}, "409 taken": func(v url.Values) { v.Set("name", "beta") }, "400 name": func(v url.Values) { v.Set("name", "a b") },
			"400 no name": func(v url.Values) { v.Set("name", "") }, "400 sender": func(v url.Values) { v.Set("source", "nobody") },
			"400 address": func(v url.Values) { v.Set("url", "javascript:alert(1)") }, "400 short": func(v url.Values) { v.Set("secret", "short") },
			"400 login": func(v url.Values) { v.Set("url", "https://a:b@example.com/") },
		} {
			v := url.Values{"name": {"acme"}, "source": {"retell"}}
			change(v)
			if got := d.post("bill", "add-tenant", v); http.StatusText(got.status) == "" || !strings.HasPrefix(name, got.statusText()) {
				t.Errorf("%s: %d %s", name, got.status, text(t, got.body))
			}
		}
		pasted := url.Values{"name": {"gamma"}, "source": {"vapi"}, "secret": {"of-the-sender"}}
		if got := d.post("bill", "add-tenant", pasted); got.status != 200 || strings.Contains(got.body, "of-the-sender") {
			t.Errorf("a secret that was pasted is shown again: %s", text(t, got.body))
		}
	})
}

// statusText is the status in digits.
func (a answer) statusText() string {
	return string(rune('0'+a.status/100)) + string(rune('0'+a.status/10%10)) + string(rune('0'+a.status%10))
}

// TestASecretIsRotated without a call being refused in between, and told of when the old one was last used.
func TestASecretIsRotated(t *testing.T) {
	used := new(operate.RotationList)
	managed(t, used, func(t *testing.T, d *desk, docs store.Store) {
		d.post("bill", "add-tenant", url.Values{"name": {"acme"}, "source": {"retell"}, "secret": {"the-old-one"}})
		if got := d.as("bill", "tenants/acme/secrets"); strings.Contains(got.body, "Take it out") || !says(t, got, "print-th") || strings.Contains(got.body, "the-old-one") {
			t.Errorf("%s", text(t, got.body))
		}
		got := d.post("bill", "tenants/acme/secrets", url.Values{"secret": {""}})
		m := shownSecret.FindStringSubmatch(got.body)
		if m == nil {
			t.Fatalf("%s", text(t, got.body))
		}
		members, secrets := body(t, docs, "acme")
		list := members["secrets"].([]any)
		fresh := named(list[0].(string))
		if len(list) != 2 || list[1] != "{secret.hook}" || secrets[fresh].Value != m[1] || secrets["hook"].Value != "the-old-one" {
			t.Errorf("%+v, %+v", members, secrets)
		}
		used.Since = time.Now().Add(-72 * time.Hour)
		used.Rotations = []operate.Rotation{{Source: "retell", Route: "hooks", Tenant: "acme", Secrets: []operate.SecretUse{{Secret: 1, LastUsed: time.Now()}, {Secret: 2, LastUsed: time.Now().Add(-50 * time.Hour)}}}}
		if got := d.as("bill", "tenants/acme"); !says(t, got, "in use") || !says(t, got, "not used for 2 days") {
			t.Errorf("%s", text(t, got.body))
		}
		got = d.follow("bill", "tenants/acme/secrets", url.Values{"drop": {"{secret.hook}"}})
		members, secrets = body(t, docs, "acme")
		if _, kept := secrets["hook"]; kept || len(members["secrets"].([]any)) != 1 || !says(t, got, "taken out") {
			t.Errorf("%+v, %+v", members, secrets)
		}
		for _, ref := range []string{"{secret." + fresh + "}", "{secret.hook}", "{env.HOME}"} {
			if got := d.post("bill", "tenants/acme/secrets", url.Values{"drop": {ref}}); got.status != http.StatusConflict {
				t.Errorf("the only one, or none: %s: %d", ref, got.status)
			}
		}
	})
}

func TestTestModeIsAskedAbout(t *testing.T) {
	managed(t, new(operate.RotationList), func(t *testing.T, d *desk, docs store.Store) {
		d.post("bill", "add-tenant", url.Values{"name": {"acme"}, "source": {"retell"}, "secret": {"the-old-one"}})
		if got := d.as("bill", "tenants/acme/test"); !says(t, got, "real calls that come meanwhile are lost") {
			t.Errorf("%s", text(t, got.body))
		}
		got := d.follow("bill", "tenants/acme/test", url.Values{"test": {"on"}})
		members, _ := body(t, docs, "acme")
		if members["test"] != true || !says(t, got, "test mode: nothing is sent") {
			t.Errorf("%+v %s", members, text(t, got.body))
		}
		d.follow("bill", "tenants/acme/test", url.Values{"test": {"off"}})
		if members, _ = body(t, docs, "acme"); members["test"] != nil {
			t.Errorf("%+v", members)
		}
		if got := d.post("bill", "tenants/acme/test", url.Values{"test": {"maybe"}}); got.status != 400 {
			t.Errorf("%d", got.status)
		}
	})
}

// TestTenantsAreForThoseWhoMay: those who look have no buttons, those who are bound see theirs.
func TestTenantsAreForThoseWhoMay(t *testing.T) {
	managed(t, new(operate.RotationList), func(t *testing.T, d *desk, _ store.Store) {
		d.crm.down.Store(true)
		d.accept("acme")
		d.accept("beta")
		d.accept(`"><script>alert(1)</script>` + "\u202e")
		got := d.as("vera", "tenants")
		if !says(t, got, "some are dead") || strings.Contains(got.body, "add-tenant") || strings.Contains(got.body, "<script>alert") || strings.Contains(got.body, "\u202e") {
			t.Errorf("%s", text(t, got.body))
		}
		for _, l := range links(got.body) {
			if strings.HasPrefix(l, "/ops/tenants/") {
				if got := d.as("vera", l); got.status != 200 || strings.Contains(got.body, "/secrets") || strings.Contains(got.body, "\u202e") {
					t.Errorf("%s: %d %s", l, got.status, text(t, got.body))
				}
			}
		}
		if got := d.as("dora", "tenants"); !says(t, got, "acme") || says(t, got, "beta") {
			t.Errorf("%s", text(t, got.body))
		}
		there, nowhere := d.as("dora", "tenants/beta"), d.as("dora", "tenants/nobody")
		if there.status != 404 || text(t, there.body) != text(t, nowhere.body) {
			t.Errorf("%d %s; %s", there.status, text(t, there.body), text(t, nowhere.body))
		}
		if got := d.as("bill", "tenants/beta"); !says(t, got, "It stands in the gateway's configuration") {
			t.Errorf("%s", text(t, got.body))
		}
		if got := d.as("vera", "tenants/acme/setup?source=retell&url="+url.QueryEscape(`https://x.example/"><script>`)); got.status != 200 || strings.Contains(got.body, "<script>") {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

// TestWhereATenantsCallsGo: destinations with conditions, which are checked before they are kept, and on request.
func TestWhereATenantsCallsGo(t *testing.T) {
	managed(t, new(operate.RotationList), func(t *testing.T, d *desk, docs store.Store) {
		d.post("bill", "add-tenant", url.Values{"name": {"acme"}, "source": {"retell"}, "secret": {"the-old-one"}})
		if got := d.as("bill", "tenants/acme"); !slices.Contains(links(got.body), "/ops/tenants/acme/deliver") {
			t.Errorf("nothing leads there: %s", got.body)
		}
		if got := d.as("bill", "tenants/acme/deliver"); strings.Contains(got.body, `" checked`) || !says(t, got, "With none, the calls go where the route says.") || strings.Count(got.body, `name="to"`) != 2 {
			t.Errorf("before: %s", got.body)
		}
		form := url.Values{"to": {"crm", "dispatch"}, "if": {"call.urgnt", ""}, "chosen": {"0"}, "do": {"keep"}, "version": {"1"}}
		got := d.post("bill", "tenants/acme/deliver", form)
		if got.status != 200 || !says(t, got, "line 1, column 5") || !strings.Contains(got.body, `value="call.urgnt"`) || !strings.Contains(got.body, `aria-invalid="true"`) {
			t.Errorf("a condition with a mistake: %d %s", got.status, text(t, got.body))
		}
		form.Set("do", "check")
		form["if"] = []string{"call.urgent", `event_type == "<b>"`}
		if got := d.post("bill", "tenants/acme/deliver", form); got.status != 200 || strings.Contains(got.body, "aria-invalid") || !strings.Contains(got.body, "&lt;b&gt;") {
			t.Errorf("checked: %d %s", got.status, got.body)
		}
		if members, _ := body(t, docs, "acme"); members["deliver"] != nil {
			t.Errorf("a check kept %v", members)
		}
		form.Set("do", "keep")
		form["chosen"] = []string{"1", "0"}
		if got := d.follow("bill", "tenants/acme/deliver", form); !says(t, got, "Its calls go to 2 destinations from now on.") {
			t.Error(text(t, got.body))
		}
		members, _ := body(t, docs, "acme")
		lines, _ := json.Marshal(members["deliver"])
		if want := `[{"if":"call.urgent","to":"crm"},{"if":"event_type == \"\u003cb\u003e\"","to":"dispatch"}]`; string(lines) != want || members["secrets"] == nil {
			t.Errorf("%s, and the rest %v", lines, members)
		}
		if got := d.as("bill", "tenants/acme/deliver"); strings.Count(got.body, `" checked`) != 2 {
			t.Error(got.body)
		}
		form["chosen"] = nil
		if got := d.post("bill", "tenants/acme/deliver", form); got.status != 409 || !says(t, got, "was changed since this form was opened") {
			t.Errorf("a form of the version before: %d %s", got.status, text(t, got.body))
		}
		// Two lines of one destination are both kept.
		two := url.Values{"to": {"crm", "crm", "dispatch"}, "if": {"call.urgent", `source == "retell"`, ""}, "chosen": {"0", "1"}, "do": {"keep"}, "version": {"2"}}
		if got := d.follow("bill", "tenants/acme/deliver", two); !says(t, got, "Its calls go to 2 destinations from now on.") {
			t.Error(text(t, got.body))
		}
		members, _ = body(t, docs, "acme")
		lines, _ = json.Marshal(members["deliver"])
		if want := `[{"if":"call.urgent","to":"crm"},{"if":"source == \"retell\"","to":"crm"}]`; string(lines) != want {
			t.Errorf("two lines of one: %s", lines)
		}
		if got := d.as("bill", "tenants/acme/deliver"); strings.Count(got.body, `" checked`) != 2 || strings.Count(got.body, `name="to" value="crm"`) != 2 || !strings.Contains(got.body, `name="version" value="3"`) {
			t.Error(got.body)
		}
		form.Set("version", "3")
		if got := d.follow("bill", "tenants/acme/deliver", form); !says(t, got, "Its calls go where the route says.") {
			t.Error(text(t, got.body))
		}
		if members, _ := body(t, docs, "acme"); members["deliver"] != nil {
			t.Errorf("none is chosen, and kept is %v", members)
		}
		form["if"] = []string{"call.urgent"}
		if got := d.post("bill", "tenants/acme/deliver", form); got.status != 400 {
			t.Errorf("a destination without a condition: %d", got.status)
		}
		if got := d.as("otto", "tenants/acme/deliver"); got.status != 403 {
			t.Errorf("an operator: %d", got.status)
		}
	})
}
