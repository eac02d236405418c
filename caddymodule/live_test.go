package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

const managing = `{
	callgate {
		store sqlite STORE
		encryption_key 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
		tenant zen {
			secret of-zen
		}
		destination crm http %[1]s/all {
			body ` + "`" + `{"for":"all"}` + "`" + `
		}
		manage {
			secret LISTED the-listed-secret 127.0.0.1
			secret ELSEWHERE the-other-secret crm.example.com
			allow_private
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		tenant {path.1}
		deliver crm
		deliver later
	}
}`

func tenantDraft(publish bool, secret, rest string) manage.Draft {
	return manage.Draft{
		Body:    []byte(`{"secrets":["{secret.hook}"]` + rest + `}`),
		Secrets: map[string]*manage.SecretInput{"hook": {Value: secret}}, Publish: publish,
	}
}

func httpTo(url, rest string) string {
	return fmt.Sprintf(`{"to":{"type":"http","url":%q,"body":"{}"%s}}`, url, rest)
}

// TestADocumentWithoutSecretsIsToldOfItself: not of lines of a route, which who writes it may never have seen.
func TestADocumentWithoutSecretsIsToldOfItself(t *testing.T) {
	all := newCRM(t)
	for name, config := range map[string]string{
		"a route of many tenants": managing,
		"a route of one":          strings.Replace(managing, "tenant {path.1}", "tenant acme", 1),
	} {
		g := runGateway(t, fmt.Sprintf(config, all.URL))
		d := someDispatcher(t)
		_, err := d.documents.Save(t.Context(), "ann", "tenant", "acme", manage.Draft{Body: []byte(`{}`), DryRun: true})
		if err == nil || !strings.Contains(err.Error(), "secrets: the document names none") || !strings.Contains(err.Error(), "{secret.hook}") || strings.Contains(err.Error(), "add a line") {
			t.Errorf("%s: %v", name, err)
		}
		// Where its calls may go is known when it is in force, by what it says and by what the route says.
		if got := d.reach("acme"); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
		draft := tenantDraft(true, "of-acme", `,"deliver":[{"to":"own"}],"destinations":{"own":`+httpTo(all.URL, "")+`}`)
		if _, err := d.documents.Save(t.Context(), "ann", "tenant", "acme", draft); err != nil {
			t.Fatal(err)
		}
		got := d.reach("acme")
		slices.Sort(got)
		if !slices.Equal(got, []string{"acme/own", "crm", "later"}) {
			t.Errorf("%s: %v", name, got)
		}
		if _, err := d.documents.Remove(t.Context(), "ann", "tenant", "acme", "", false); err != nil || len(d.reach("acme")) != 0 {
			t.Errorf("%s: %v, %v", name, d.reach("acme"), err)
		}
		g.stop()
	}
}

// TestTenantsArePublishedWithoutAReload writes, publishes, changes, rolls back and removes a tenant while another goes on.
func TestTenantsArePublishedWithoutAReload(t *testing.T) {
	own, all := newCRM(t), newCRM(t)
	g := runGateway(t, fmt.Sprintf(managing, all.URL))
	docs := someDispatcher(t).documents
	change := func(c *manage.Change, err error) *manage.Change {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	n := 0
	send := func(tenant string, want int) {
		t.Helper()
		n++
		if status := g.sendFor(tenant, n); status != want {
			t.Fatalf("%s: %d, want %d", tenant, status, want)
		}
	}
	send("acme", 404)
	c := change(docs.Save(t.Context(), "ann", "tenant", "acme", tenantDraft(false, "of-acme", "")))
	if c.Version != 1 || c.State != "draft" || len(c.Differences) != 2 {
		t.Errorf("saved: %+v", c)
	}
	send("acme", 404) // a draft is no tenant
	change(docs.Publish(t.Context(), "bob", "tenant", "acme", 1))
	send("acme", 200)
	all.next(t)

	// With a destination of its own, whose secret goes to its host.
	c = change(docs.Save(t.Context(), "ann", "tenant", "acme", manage.Draft{
		Body:    []byte(`{"secrets":["{secret.hook}"],"destinations":{"crm":` + httpTo(own.URL+"/own", `,"bearer":"{secret.token}","headers":{"X-Text":"{env.HOME} {file./etc/hostname}"}`) + `}}`),
		Secrets: map[string]*manage.SecretInput{"token": {Value: "a-token", Hosts: []string{"127.0.0.1"}}}, Publish: true,
	}))
	if c.Version != 2 || c.State != "published" {
		t.Errorf("published at once: %+v", c)
	}
	send("acme", 200)
	got := own.next(t)
	if got.header.Get("Authorization") != "Bearer a-token" || got.header.Get("X-Text") != "{env.HOME} {file./etc/hostname}" {
		t.Errorf("sent %v", got.header)
	}
	all.nothingMore(t)
	send("zen", 200)
	all.next(t)

	// Nothing shows the secrets.
	v, err := docs.Show(t.Context(), "tenant", "acme", 0)
	if err != nil || v.Secrets["token"].Fingerprint == "" || v.Secrets["hook"].At.IsZero() || strings.Contains(fmt.Sprintf("%+v", v), "a-token") {
		t.Errorf("shown: %+v, %v", v, err)
	}

	// Back, and over a restart, which finds what was in force.
	change(docs.Rollback(t.Context(), "bob", "tenant", "acme", 0, "", false))
	send("acme", 200)
	all.next(t)
	own.nothingMore(t)
	g.stop()
	g.start()
	docs = someDispatcher(t).documents
	send("acme", 200)
	all.next(t)

	// What is for a tenant that is gone is kept.
	all.down.Store(true)
	send("acme", 200)
	change(docs.Remove(t.Context(), "bob", "tenant", "acme", "their contract ended", false))
	send("acme", 404)
	stranded, err := someDispatcher(t).engine.Stranded(t.Context())
	if err != nil || len(stranded) != 3 || stranded[0].Destination != "crm" || stranded[0].Tenant != "acme" || stranded[0].Pending != 1 {
		t.Errorf("stranded %+v, %v", stranded, err)
	}
	all.down.Store(false)
	change(docs.Rollback(t.Context(), "bob", "tenant", "acme", 3, "they are back", false))
	if _, err := someDispatcher(t).engine.SendNow(t.Context(), store.Filter{}, false); err != nil {
		t.Fatal(err)
	}
	all.next(t)
	send("acme", 200)
	all.next(t)
}

// TestRotationsAreOfWhatIsInForce: neither a draft nor a dry run says which secrets are in use, and what is removed has none.
func TestRotationsAreOfWhatIsInForce(t *testing.T) {
	runGateway(t, fmt.Sprintf(managing, newCRM(t).URL))
	d := someDispatcher(t)
	want := func(when string, secrets int) {
		t.Helper()
		got := 0
		for _, r := range d.rotations().Rotations {
			if r.Tenant == "acme" {
				got += len(r.Secrets)
			}
		}
		if got != secrets {
			t.Errorf("%s: %d secrets, want %d", when, got, secrets)
		}
	}
	save := func(body string, publish, dryRun bool) {
		t.Helper()
		if _, err := d.documents.Save(t.Context(), "ann", "tenant", "acme", manage.Draft{
			Body: []byte(body), Publish: publish, DryRun: dryRun,
			Secrets: map[string]*manage.SecretInput{"old": {Value: "an-old-one"}, "new": {Value: "a-new-one"}, "next": {Value: "the-next-one"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	two, three := `{"secrets":["{secret.new}","{secret.old}"]}`, `{"secrets":["{secret.next}","{secret.new}","{secret.old}"]}`
	save(two, false, false)
	want("a draft", 0)
	save(two, true, false)
	want("in force", 2)
	save(three, true, true)
	want("a dry run of another", 2)
	save(three, false, false)
	want("a draft of another", 2)
	save(three, true, false)
	want("another in force", 3)
	if _, err := d.documents.Remove(t.Context(), "ann", "tenant", "acme", "", false); err != nil {
		t.Fatal(err)
	}
	want("removed", 0)
}

// TestDestinationsArePublishedWithoutAReload: what a route delivers to a destination that is not there yet waits for it.
func TestDestinationsArePublishedWithoutAReload(t *testing.T) {
	all, later := newCRM(t), newCRM(t)
	g := runGateway(t, fmt.Sprintf(managing, all.URL))
	docs := someDispatcher(t).documents
	if status := g.sendFor("zen", 1); status != 200 {
		t.Fatal(status)
	}
	all.next(t)
	if _, err := docs.Save(t.Context(), "ann", "destination", "later", manage.Draft{Body: []byte(httpTo(later.URL+"/first", `,"bearer":"{secret.LISTED}"`)), Publish: true}); err != nil {
		t.Fatal(err)
	}
	if got := later.next(t); got.uri != "/first" || got.header.Get("Authorization") != "Bearer the-listed-secret" {
		t.Errorf("%s %v", got.uri, got.header)
	}
	// A NextPhone webhook document is a destination too.
	doc := fmt.Sprintf(`{"type":"http","http_method":"POST","url":"%s/doc","headers":{"Content-Type":"application/json"},"body_template":{"phone":"{{phone}}"},"parameters":[{"name":"phone","type":"string","required":true}]}`, later.URL)
	c, err := docs.Save(t.Context(), "ann", "destination", "later", manage.Draft{Body: []byte(doc), Publish: true})
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != 2 {
		t.Errorf("%+v", c)
	}
	if status := g.sendFor("zen", 2); status != 200 {
		t.Fatal(status)
	}
	all.next(t)
	if got := later.next(t); got.uri != "/doc" || !strings.Contains(got.body, `"phone":`) {
		t.Errorf("%s %s", got.uri, got.body)
	}
	g.start() // a reload keeps it
	if status := g.sendFor("zen", 3); status != 200 {
		t.Fatal(status)
	}
	all.next(t)
	later.next(t)
}

// TestDocumentsAreChecked refuses what a configuration with it would be refused for, and what a document may not do.
func TestDocumentsAreChecked(t *testing.T) {
	all := newCRM(t)
	t.Setenv("CALLGATE_TEST_CANARY", "canary")
	runGateway(t, fmt.Sprintf(managing, all.URL))
	docs := someDispatcher(t).documents
	own := func(dest string) string { return `{"secrets":["{secret.hook}"],"destinations":{"x":` + dest + `}}` }
	for name, c := range map[string]struct {
		kind, name, body, want string
		is                     error
	}{
		"taken tenant":      {"tenant", "zen", `{"secrets":["{secret.hook}"]}`, "tenant zen is taken: it is tenant zen in the configuration", manage.ErrConflict},
		"taken destination": {"destination", "crm", httpTo("https://a.example", ""), "destination crm in the configuration", manage.ErrConflict},
		"syntax":            {"tenant", "acme", `{"secrets":["{secret.hook}"],"rate_limits":{}}`, `tenant acme:1:30: unknown member "rate_limits"; did you mean "rate_limit"?`, manage.ErrBadRequest},
		"deliver":           {"tenant", "acme", `{"secrets":["{secret.hook}"],"deliver":[{"to":"crn"}]}`, `tenant acme:1:30: deliver: no destination "crn"; there are: crm`, manage.ErrBadRequest},
		"same secret":       {"tenant", "acme", `{"secrets":["{secret.zens}"]}`, "it has the same secret as tenant zen", manage.ErrBadRequest},
		"literal":           {"tenant", "acme", `{"secrets":["written-out"]}`, "a secret does not stand in a document", manage.ErrBadRequest},
		"environment":       {"tenant", "acme", `{"secrets":["{env.CALLGATE_TEST_CANARY}"]}`, "a secret does not stand in a document", manage.ErrBadRequest},
		"unknown secret":    {"tenant", "acme", `{"secrets":["{secret.none}"]}`, "{secret.none} is neither a secret of the document", manage.ErrBadRequest},
		"sent secret":       {"tenant", "acme", `{"secrets":["{secret.LISTED}"]}`, "{secret.LISTED} is for requests to 127.0.0.1, and verifies nothing", manage.ErrBadRequest},
		"hook sent":         {"tenant", "acme", own(httpTo("https://a.example", `,"bearer":"{secret.hook}"`)), "{secret.hook} names no host", manage.ErrBadRequest},
		"no scheme":         {"tenant", "acme", `{"secrets":["{secret.hook}"],"verify":{"token":"misplaced"}}`, `verify: has no scheme; say which one with "scheme"`, manage.ErrBadRequest},
		"literal bearer":    {"tenant", "acme", own(httpTo("https://a.example", `,"bearer":"written-out"`)), "a secret does not stand in a document", manage.ErrBadRequest},
		"env bearer":        {"tenant", "acme", own(httpTo("https://a.example", `,"bearer":"{env.CALLGATE_TEST_CANARY}"`)), "a secret does not stand in a document", manage.ErrBadRequest},
		"body file":         {"destination", "x", `{"to":{"type":"http","url":"https://a.example","body_file":"/etc/passwd"}}`, "a document cannot name a file", manage.ErrBadRequest},
		"definition":        {"destination", "x", `{"to":{"type":"http","definition":"/etc/passwd"}}`, "a document cannot name a file", manage.ErrBadRequest},
		"certificate":       {"destination", "x", httpTo("https://a.example", `,"tls":{"ca":"/etc/passwd"}`), "a document cannot name a file", manage.ErrBadRequest},
		"key file":          {"destination", "x", `{"to":{"type":"fhir","base":"https://a.example","smart":{"token_url":"https://a.example/t","client_id":"c","key":"/etc/passwd"}}}`, "a document cannot name a file", manage.ErrBadRequest},
		"refresh file":      {"destination", "x", httpTo("https://a.example", `,"oauth2":{"token_url":"https://127.0.0.1/t","client_id":"c","client_secret":"{secret.LISTED}","refresh_token":"{secret.LISTED}","refresh_token_file":"/tmp/x"}`), "a document cannot name a file", manage.ErrBadRequest},
		"hash key":          {"destination", "x", `{"to":{"type":"http","url":"https://a.example","body":"{}"},"hash":["name"],"hash_key":"{env.CALLGATE_TEST_CANARY}"}`, "a secret does not stand in a document", manage.ErrBadRequest},
		"pass_through":      {"destination", "x", `{"to":{"type":"http","url":"https://a.example","pass_through":true}}`, "the provider's whole body", manage.ErrBadRequest},
		"stored fields": {"tenant", "acme", `{"secrets":["{secret.hook}"],"store_fields":{"fields":["caller_number"]},"destinations":{"crm":{"to":{"type":"http","url":"https://a.example","pass_through":true}}}}`,
			"tenant acme:1:30: store_fields: destination crm has pass_through, which sends the provider's whole body, and that is not stored", manage.ErrBadRequest},
		"slash":          {"destination", "acme/crm", httpTo("https://a.example", ""), "without braces and slashes", manage.ErrBadRequest},
		"kind":           {"destination", "x", `{"to":{"type":"htp"}}`, "unknown module", manage.ErrBadRequest},
		"another's name": {"tenant", "acme", `{"name":"other","secrets":["{secret.hook}"]}`, "tenant acme:1:2: name: ", manage.ErrBadRequest},
	} {
		secrets := map[string]*manage.SecretInput{"hook": {Value: "of-acme"}, "zens": {Value: "of-zen"}}
		_, err := docs.Save(t.Context(), "ann", c.kind, c.name, manage.Draft{Body: []byte(c.body), Secrets: secrets, Publish: true})
		if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
		if unnamed := manage.TextFor(err, func(string) bool { return false }); name == "same secret" && (strings.Contains(unnamed, "zen") || !strings.HasPrefix(unnamed, "tenant acme:")) {
			t.Errorf("who may not see zen reads %s", unnamed)
		}
		if strings.Contains(fmt.Sprint(err), "canary") || strings.Contains(fmt.Sprint(err), "root:") {
			t.Errorf("%s reads what it may not: %v", name, err)
		}
	}
	if list, err := docs.List(t.Context(), "tenant", "", 10); err != nil || len(list) != 0 {
		t.Errorf("kept %+v, %v", list, err)
	}
	// What was refused has claimed nothing.
	if _, err := docs.Save(t.Context(), "ann", "tenant", "beta", tenantDraft(true, "of-acme", "")); err != nil {
		t.Error(err)
	}
}

// TestAPreviewKnowsWhatLivesInTheStore: the gateway that runs shows for a tenant and destinations in the store what it would
// send, and nothing of another tenant's.
func TestAPreviewKnowsWhatLivesInTheStore(t *testing.T) {
	runGateway(t, fmt.Sprintf(managing, "http://127.0.0.1:1"))
	d := someDispatcher(t)
	for name, at := range map[string]string{"acme": "/of-acme", "bolt": "/of-bolt"} {
		draft := tenantDraft(true, "of-"+name, `,"destinations":{"crm":`+httpTo("http://127.0.0.1:1"+at, "")+`}`)
		if _, err := d.documents.Save(t.Context(), "ann", "tenant", name, draft); err != nil {
			t.Fatal(err)
		}
	}
	preview := func(tenant string, destinations ...string) string {
		t.Helper()
		in := operate.PreviewInput{Source: "nextphone", Tenant: tenant, Destinations: destinations, Body: []byte(`{"lead":{"phone":"+15559876543"}}`)}
		p, err := operate.New(operate.Options{Scene: d.scene}).Preview(t.Context(), operate.Actor{Via: "test", May: operate.Everything}, in)
		if err != nil {
			return err.Error()
		}
		var said []string
		for _, d := range p.Deliveries {
			text := d.Destination + " " + d.Error
			for _, r := range d.Requests {
				text += r.URL
			}
			said = append(said, text)
		}
		return strings.Join(said, ", ")
	}
	const waits = "later there is no such destination yet; what is for it waits until it is published"
	for _, tt := range []struct{ got, want string }{
		{preview("acme"), "acme/crm http://127.0.0.1:1/of-acme, " + waits},
		{preview("zen"), "crm http://127.0.0.1:1/all, " + waits},
		{preview("acme", "crm"), "acme/crm http://127.0.0.1:1/of-acme"},
		{preview("", "bolt/crm"), "bolt/crm http://127.0.0.1:1/of-bolt"},
		{preview("acme", "bolt/crm"), `the configuration has no destination "bolt/crm"; it has crm`},
		{preview("zen", "bolt/crm"), `the configuration has no destination "bolt/crm"; it has crm`},
		{preview("nobody", "crm"), `there is no tenant "nobody" in the configuration`},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
	publish := manage.Draft{Body: []byte(httpTo("http://127.0.0.1:1/later", "")), Publish: true}
	if _, err := d.documents.Save(t.Context(), "ann", "destination", "later", publish); err != nil {
		t.Fatal(err)
	}
	if got, want := preview("zen"), "crm http://127.0.0.1:1/all, later http://127.0.0.1:1/later"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
