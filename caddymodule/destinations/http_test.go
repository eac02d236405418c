package destinations

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHTTPRequests(t *testing.T) {
	r := standin.NewReceiver(t)
	t.Setenv("KIND_BASE", r.URL)
	doc := file(t, "doc.json", `{
		"http_method": "PATCH", "url": "`+r.URL+`/own", "headers": {"Authorization": "Bearer YOUR_KEY", "X-Own": "1"},
		"body_template": {"who": "{{first_name}}", "company": "{{company}}"}
	}`)
	xml := file(t, "lead.xml", "<lead>\n  <who>{{first_name}} &amp; co</who>\n  <company>{{company}}</company>\n</lead>\n")
	for name, c := range map[string]struct{ text, method, uri, contentType, body string }{
		"inline":      {"http " + r.URL + "/in {\nbody `{\"n\":\"{{caller_number}}\",\"c\":\"{{company}}\"}`\n}", "POST", "/in", "application/json", `{"n":"+15559876543","c":""}`},
		"omit empty":  {"http " + r.URL + "/in {\nbody `{\"n\":\"{{caller_number}}\",\"c\":\"{{company}}\"}`\nomit_empty\n}", "POST", "/in", "application/json", `{"n":"+15559876543"}`},
		"placeholder": {"http {\nurl {env.KIND_BASE}/{{email}}?a={{owner_name}}\nmethod PUT\nbody `{}`\n}", "PUT", "/mjohnson%40email.com?a=ABC%20Plumbing", "application/json", "{}"},
		"form":        {"http " + r.URL + " {\ncontent_type application/x-www-form-urlencoded\nbody \"a={{message}}&b=1\"\n}", "POST", "/", "application/x-www-form-urlencoded", "a=leaky+pipe+in+kitchen&b=1"},
		"xml file":    {"http " + r.URL + " {\ncontent_type text/xml\nbody_file " + xml + "\n}", "POST", "/", "text/xml", "<lead>\n  <who>Mike &amp; co</who>\n  <company></company>\n</lead>\n"},
		"get":         {"http " + r.URL + "/get?n={{caller_number}} {\nmethod GET\n}", "GET", "/get?n=%2B15559876543", "", ""},
		"pass":        {"http " + r.URL + "/raw {\npass_through\n}", "POST", "/raw", "application/json", `{"raw": 1}`},
		"definition":  {"http {\ndefinition " + doc + "\n}", "PATCH", "/own", "application/json", `{"who":"Mike","company":""}`},
		"overlaid":    {"http {\ndefinition " + doc + "\nurl " + r.URL + "/other\nheader X-Own 2\n}", "PATCH", "/other", "application/json", `{"who":"Mike","company":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKind(t, c.text)
			k.delivered(t)
			all := r.Requests()
			got := all[len(all)-1]
			if got.Method != c.method || got.URI != c.uri || got.Header.Get("Content-Type") != c.contentType || string(got.Body) != c.body {
				t.Errorf("sent %s %s (%s)\n%s", got.Method, got.URI, got.Header.Get("Content-Type"), got.Body)
			}
			if name == "overlaid" && got.Header.Get("X-Own") != "2" || name == "definition" && got.Header.Get("X-Own") != "1" {
				t.Errorf("headers %v", got.Header)
			}
			requests, err := k.Preview([]destination.Item{kindItem()})
			if err != nil || len(requests) != 1 || requests[0].Body != c.body || requests[0].URL != r.URL+c.uri && requests[0].URL+"/" != r.URL+c.uri {
				t.Errorf("previewed %+v, %v", requests, err)
			}
			if k.warned("unencrypted") {
				t.Error("warned of http:// on the way to the own machine")
			}
		})
	}
}

// TestHTTPURLInPlaceOfTheDocuments: a call that lacks a variable of the document's own URL is delivered all the same, and
// what the environment puts into a path is sent and not shown.
func TestHTTPURLInPlaceOfTheDocuments(t *testing.T) {
	r := standin.NewReceiver(t)
	t.Setenv("KIND_HOOK", r.URL+"/services/"+kindSecret)
	doc := file(t, "doc.json", `{"url": "https://crm.example/contacts/{{nickname}}", "body_template": {"who": "{{first_name}}"}}`)
	for name, text := range map[string]string{
		"url alone": "http {\ndefinition " + doc + "\nurl {env.KIND_HOOK}/x\n}",
		"a header":  "http {\ndefinition " + doc + "\nurl {env.KIND_HOOK}/x\nheader X-Own 2\n}",
		"inline":    "http {env.KIND_HOOK}/x {\nbody `{\"who\":\"{{first_name}}\"}`\n}",
	} {
		k := newKind(t, text)
		k.delivered(t)
		all := r.Requests()
		if got := all[len(all)-1]; got.URI != "/services/"+kindSecret+"/x" || string(got.Body) != `{"who":"Mike"}` {
			t.Errorf("%s: sent %s %s", name, got.URI, got.Body)
		}
		requests, err := k.Preview([]destination.Item{kindItem()})
		if err != nil || requests[0].URL != r.URL+"/***/x" {
			t.Errorf("%s: previewed %+v, %v", name, requests, err)
		}
	}
}

func TestHTTPDefinitionsWarn(t *testing.T) {
	doc := file(t, "doc.json", `{
		"url": "https://yourdomain.com/api", "headers": {"Authorization": "Bearer YOUR_KEY"},
		"body_template": {"who": "{{first_nam}}"},
		"parameters": [{"name": "first_name"}]
	}`)
	k := newKind(t, "http {\ndefinition "+doc+"\n}")
	text := ""
	for _, e := range k.logs.All() {
		text += e.ContextMap()["problem"].(string) + "\n"
	}
	for _, want := range []string{"line 2: url: the host is still", "Authorization: the value is still", "line 3: {{first_nam}} is no declared", "first_name is declared and not used"} {
		if !strings.Contains(text, want) {
			t.Errorf("no warning %q in\n%s", want, text)
		}
	}
	k = newKind(t, "http {\ndefinition "+doc+"\nurl https://crm.example/api\nbearer {env.KIND_SECRET}\n}")
	if n := k.logs.Len(); n != 2 {
		t.Errorf("%d warnings where url and credentials are given: %v", n, k.logs.All())
	}
	if shown := k.preview(t); !strings.Contains(shown, "https://crm.example/api") || strings.Contains(shown, "YOUR_KEY") {
		t.Errorf("previewed %s", shown)
	}
}

func TestHTTPSigns(t *testing.T) {
	r := standin.NewReceiver(t)
	k, err := makeKind(t, "http "+r.URL+" {\npass_through\n}", func(o *guest.DestinationOptions) {
		o.Sign = func(method, url string, h http.Header, body []byte, id string, now time.Time) error {
			if string(body) != `{"raw": 1}` || id != "dlv_1" {
				return errors.New("another request")
			}
			h.Set("X-Signature", kindSecret)
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	k.delivered(t)
	if r.Requests()[0].Header.Get("X-Signature") != kindSecret {
		t.Error("not signed")
	}
	k.preview(t)
}

func TestHTTPOutcomes(t *testing.T) {
	r := standin.NewReceiver(t)
	k := newKind(t, "http "+r.URL+" {\npass_through\nsuccess 409\n}")
	for _, c := range []struct {
		status int
		want   destination.Outcome
	}{{409, destination.Delivered}, {400, destination.Dead}, {503, destination.Retry}} {
		r.Script(standin.Reply{Status: c.status})
		if got := k.deliver(t); got.Outcome != c.want {
			t.Errorf("%d: %+v", c.status, got)
		}
	}
	strict := newKind(t, "http "+r.URL+" {\nbody `{\"c\":\"{{company}}\"}`\nstrict\n}")
	if got := strict.deliver(t); got.Outcome != destination.Dead || !strings.Contains(got.Reason, "company") {
		t.Errorf("strict: %+v", got)
	}
}

// Success is a condition on the answer where the status does not tell, and the obvious failures need none.
func TestHTTPSuccess(t *testing.T) {
	const login = "<!doctype html><html>Sign in</html>"
	r := standin.NewReceiver(t)
	for name, c := range map[string]struct {
		lines string
		reply standin.Reply
		want  destination.Outcome
	}{
		"GraphQL errors":    {"success `!has(body.errors)`", standin.Reply{Status: 200, Body: `{"errors":[{"message":"x"}]}`}, destination.Retry},
		"no errors":         {"success `!has(body.errors)`", standin.Reply{Status: 200, Body: `{"data":{}}`}, destination.Delivered},
		"success is false":  {"success body.success", standin.Reply{Status: 200, Body: `{"success":false}`}, destination.Retry},
		"an error in XML":   {"success `body.R.Status != \"ERROR\"`", standin.Reply{Status: 200, Body: `<R><Status>ERROR</Status></R>`}, destination.Retry},
		"a status besides":  {"success 409 `status != 409 || body.duplicate`", standin.Reply{Status: 409, Body: `{"duplicate":true}`}, destination.Delivered},
		"not that status":   {"success 409 `status != 409 || body.duplicate`", standin.Reply{Status: 409, Body: `{}`}, destination.Retry},
		"a login page":      {"", standin.Reply{Status: 200, Body: login}, destination.Retry},
		"a page that is ok": {"any_answer", standin.Reply{Status: 200, Body: login}, destination.Delivered},
	} {
		k := newKind(t, "http "+r.URL+" {\npass_through\n"+c.lines+"\n}")
		r.Script(c.reply)
		if got := k.deliver(t); got.Outcome != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

func TestHTTPSuccessSyntax(t *testing.T) {
	for lines, want := range map[string]string{
		"success 200": "2xx is success already", "success 600": "from 300 to 599", "success body.a body.b": "join the two with &&", "success": "",
	} {
		err := new(HTTP).UnmarshalCaddyfile(caddyfile.NewTestDispenser("http https://a.example {\npass_through\n" + lines + "\n}"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", lines, err, want)
		}
	}
}

func TestHTTPRefusals(t *testing.T) {
	t.Setenv("KIND_PLAIN", "http://crm.example")
	hidden := file(t, "hidden.json", `{"url": "{env.KIND_PLAIN}/x", "body_template": {}}`)
	broken := file(t, "broken.json", "{\n  \"url\": \"https://a.example\",\n  \"body_template\": {\"a\": \"{{b\"}\n}")
	unknown := file(t, "unknown.json", "{\n  \"uri\": \"https://a.example\"\n}")
	plain := file(t, "plain.json", `{"url": "http://crm.example/x", "body_template": {}}`)
	bad := file(t, "bad.xml", "<a>\n<b>{{c}</b></a>")
	refusals(t, map[string]struct{ text, want string }{
		"no file":              {"http {\ndefinition /nonexistent/a.json\n}", "/nonexistent/a.json"},
		"broken definition":    {"http {\ndefinition " + broken + "\n}", broken + ":3"},
		"unknown member":       {"http {\ndefinition " + unknown + "\n}", unknown + ":2: uri: unknown field"},
		"plain definition":     {"http {\ndefinition " + plain + "\n}", "url: http://"},
		"plain by environment": {"http {env.KIND_PLAIN}/{{email}} {\nbody `{}`\n}", "url: http://"},
		"plain by reference":   {"http {\ndefinition " + hidden + "\n}", "url: http://"},
		"plain url":            {"http http://crm.example {\nbody `{}`\n}", "url: http://"},
		"host":                 {"http https://{{email}}/ {\nbody `{}`\n}", "url: "},
		"never closed":         {"http https://a.example {\nbody `{\"a\":\"{{email\"}`\n}", "callgate: destination x: body:1:7: this {{ is never closed; write }} behind the variable"},
		"never closed, bare":   {"http https://a.example {\nbody `{\"a\":{{email}`\n}", "destination x: body:1:6: this {{ is never closed"},
		"never closed, header": {"http https://a.example {\npass_through\nheader X-A {{email\n}", "callgate: destination x: X-A: this {{ is never closed"},
		"inline body":          {"http https://a.example {\nbody `{\"a\":\n \"{{b\"}`\n}", "destination x: body:2:3: "},
		"inline header":        {"http https://a.example {\nbody `{}`\nheader Host b.example\n}", "destination x: Host: this header"},
		"unset in header":      {"http https://a.example {\nbody `{}`\nheader X-A {env.KIND_UNSET}\n}", "X-A: the reference {env.KIND_UNSET} has no value: the environment of the running gateway has no KIND_UNSET; set it where the gateway is started"},
		"body file":            {"http https://a.example {\nbody_file " + bad + "\ncontent_type text/xml\n}", bad + ":2:"},
		"no body file":         {"http https://a.example {\nbody_file /nonexistent/a\n}", "body_file: open /nonexistent/a"},
		"empty body file":      {"http https://a.example {\nbody_file " + file(t, "e", " \n") + "\n}", "is empty"},
		"success":              {"http https://a.example {\nbody `{}`\nsuccess `call.urgent`\n}", "success: condition is not valid"},
		"content type":         {"http https://a.example {\nbody x\ncontent_type text\n}", "Content-Type is not a media type"},
	})
}

// TestHTTPTemplatesWarn of variables that nothing is known of, as definitions do; what says that it is a parameter or a
// variable of the tenant is that.
func TestHTTPTemplatesWarn(t *testing.T) {
	k := newKind(t, "http https://a.example/{{call_id}}?a={{adress}} {\nheader X-A {{firstName}}\nbody `{\"a\":\"{{emial}}{{email}}\",\"b\":\"{{params.job}}{{vars.x}}{{owner_name}}{{owner_nam}}\"}`\n}")
	var got []string
	for _, e := range k.logs.All() {
		got = append(got, e.Message)
	}
	for _, want := range []string{
		"{{adress}} is no field of the call; it is empty unless a parameter of that name was collected or the tenant's vars have it; if that is meant, write {{params.adress}} or {{vars.adress}}",
		"{{emial}} is no field of the call; did you mean {{email}}?",
		"{{firstName}} is no field of the call; did you mean {{first_name}}?",
		"{{owner_nam}} is no field of the call; did you mean {{owner_name}}?",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no warning %q in %q", want, got)
		}
	}
	if len(got) != 4 {
		t.Errorf("warned %q", got)
	}
}

// TestCharsetsOfTheReceiver writes what a receiver of ISO-8859-1 can read, tells what was lost, shows it as text, and reads
// its answer.
func TestCharsetsOfTheReceiver(t *testing.T) {
	r := standin.NewReceiver(t)
	answer := standin.Reply{Header: http.Header{"Content-Type": {"text/plain; charset=ISO-8859-1"}}, Body: "best\xe4tigt"}
	r.Script(answer, answer)
	item := kindItem()
	item.Call.FirstName, item.Call.Message = "Jürgen", "Heizung – kalt"
	for body, want := range map[string]struct{ sent, shown, told string }{
		"content_type \"text/plain; charset=iso-8859-1\"\nbody \"{{first_name}}: {{message}}\"": {"J\xfcrgen: Heizung - kalt", "Jürgen: Heizung - kalt", "characters that ISO-8859-1 does not have were written as near to them as it can: 1"},
		"content_type \"text/xml; charset=iso-8859-1\"\nbody \"<a>{{first_name}}: {{message}}</a>\"": {
			`<?xml version="1.0" encoding="ISO-8859-1"?><a>J` + "\xfcrgen: Heizung &#x2013; kalt</a>", `<?xml version="1.0" encoding="ISO-8859-1"?><a>Jürgen: Heizung &#x2013; kalt</a>`, ""},
	} {
		k := newKind(t, "http "+r.URL+" {\n"+body+"\nsuccess `text == \"bestätigt\"`\n}")
		got := k.Deliver(t.Context(), []destination.Item{item})[0]
		if got.Outcome != destination.Delivered || string(got.Excerpt) != "bestätigt" || (want.told == "") != (len(got.Warnings) == 0) || !strings.Contains(strings.Join(got.Warnings, ""), want.told) {
			t.Errorf("%+v", got)
		}
		all := r.Requests()
		if sent := string(all[len(all)-1].Body); sent != want.sent {
			t.Errorf("sent %q, want %q", sent, want.sent)
		}
		if shown, err := k.Preview([]destination.Item{item}); err != nil || shown[0].Body != want.shown {
			t.Errorf("previewed %+v, %v", shown, err)
		}
	}
}

// TestHTTPSteps: a contact and its deal, with the headers and the login of the destination at both.
func TestHTTPSteps(t *testing.T) {
	r := standin.NewReceiver(t)
	r.Script(standin.Reply{Status: 404}, standin.Reply{Status: 201, Body: `{"data":{"id":7}}`}, standin.Reply{Status: 202, Header: http.Header{"Location": {"/jobs/1"}}}, standin.Reply{Body: `{"state":"done"}`})
	k := newKind(t, `http {
		bearer {env.KIND_SECRET}
		header X-Office north
		omit_empty
		step contact {
			find `+r.URL+`/contacts/{{email}} {
				keep id $.id
			}
			post `+r.URL+`/contacts
			body "{\"n\":\"{{caller_number}}\",\"c\":\"{{company}}\"}"
			keep id $.data.id
		}
		step deal {
			when call.urgent
			put `+r.URL+`/deals/{{steps.contact.id}}
			header X-Office south
			body "{\"contact\":\"{{steps.contact.id|integer}}\"}"
			poll {
				tries 3
				every 1ms
				within 10s
				done "body.state == \"done\""
			}
		}
		step never {
			when "!call.urgent"
			delete `+r.URL+`/never
		}
	}`)
	item := kindItem()
	item.Call.Urgent = true
	if got := k.Deliver(t.Context(), []destination.Item{item})[0]; got.Outcome != destination.Delivered {
		t.Fatalf("%+v", got)
	}
	var got []string
	for _, q := range r.Requests() {
		if q.Header.Get("Authorization") != "Bearer "+kindSecret {
			t.Errorf("%s %s is not signed in", q.Method, q.URI)
		}
		got = append(got, strings.TrimSpace(q.Method+" "+q.URI+" "+q.Header.Get("X-Office")+" "+string(q.Body)))
	}
	want := []string{"GET /contacts/mjohnson%40email.com north", `POST /contacts north {"n":"+15559876543"}`, `PUT /deals/7 south {"contact":7}`, "GET /jobs/1 south"}
	if !slices.Equal(got, want) {
		t.Errorf("sent %q\nwant %q", got, want)
	}
	p, err := k.Preview([]destination.Item{item})
	if err != nil || len(p) != 4 || p[2].URL != r.URL+"/deals/STEP_CONTACT_ID" || p[2].Body != `{"contact":"STEP_CONTACT_ID"}` {
		t.Errorf("previewed %+v, %v", p, err)
	}
}

func TestHTTPStepRefusals(t *testing.T) {
	const url, body = "https://crm.example/", "\nbody `{}`\n"
	contact := "step contact {\npost " + url + "contacts" + body + "keep id $.id\n}\n"
	refusals(t, map[string]struct{ text, want string }{
		"unknown step": {"http {\n" + contact + "step a {\nget " + url + "{{steps.contct.id}}\n}\n}", "step a: {{steps.contct.id}}: there is no step contct before; there is contact"},
		"later step":   {"http {\nstep a {\nget " + url + "{{steps.contact.id}}\n}\n" + contact + "}", "{{steps.contact.id}}: there is no step before"},
		"not kept":     {"http {\n" + contact + "step a {\npost " + url + "\nbody `{\"x\":\"{{email|steps.contact.key}}\"}`\n}\n}", "step contact keeps id and no key"},
		"nothing kept": {"http {\nstep b {\nget " + url + "\n}\nstep a {\nget " + url + "{{steps.b.id}}\n}\n}", "step b keeps nothing"},
		"no steps":     {"http " + url + "{{steps.contact.id}} {\nmethod GET\n}", "{{steps.contact.id}}: there is no step before"},
		"keep path":    {"http {\nstep a {\nget " + url + "\nkeep id $..id\n}\n}", "step a: keep id: "},
		"keep typo":    {"http {\nstep a {\nget " + url + "\nkeep id bdy.id\n}\n}", "step a: keep id: "},
		"when":         {"http {\nstep a {\nget " + url + "\nwhen call.urgnt\n}\n}", "step a: when: "},
		"success":      {"http {\nstep a {\nget " + url + "\nsuccess body.(\n}\n}", "step a: success: "},
		"find plain":   {"http {\nstep a {\nget " + url + "\nkeep id $.id\nfind http://crm.example/\n}\n}", "step a: find: url: http://"},
		"plain":        {"http {\nstep a {\nget http://crm.example/\n}\n}", "step a: url: http://"},
		"poll done":    {"http " + url + " {" + body + "poll {\ndone body.(\n}\n}", "poll: done: "},
		"poll at":      {"http " + url + " {" + body + "poll $.*\n}", "poll: "},
	})
}

// TestHTTPStepsInTheCaddyfile: what the Caddyfile tells has its place in it.
func TestHTTPStepsInTheCaddyfile(t *testing.T) {
	const url, body = "https://crm.example/", "\nbody `{}`\n"
	contact := "step contact {\npost " + url + "contacts" + body + "keep id $.id\n}\n"
	for name, c := range map[string]struct{ text, want string }{
		"no name":          {"http {\nstep {\npost " + url + body + "}\n}", "wrong argument count"},
		"odd name":         {"http {\nstep Contact {\npost " + url + body + "}\n}", "step 'Contact': a name is small letters"},
		"twice":            {"http {\n" + contact + contact + "}", "step contact is given twice"},
		"beside a url":     {"http " + url + " {\n" + contact + "}", "move url, method"},
		"beside a poll":    {"http {\npoll\n" + contact + "}", "and poll into a step"},
		"no body":          {"http {\nstep a {\npost " + url + "\n}\n}", "step a: nothing says what to send"},
		"no url":           {"http {\nstep a {" + body + "}\n}", "step a: an http destination needs"},
		"two methods":      {"http {\nstep a {\npost " + url + "\nput " + url + body + "}\n}", "put says the method and the url"},
		"odd keep":         {"http {\nstep a {\nget " + url + "\nkeep Id $.id\n}\n}", "keep 'Id'"},
		"find alone":       {"http {\nstep a {\nget " + url + "\nfind " + url + "\n}\n}", "find without keep"},
		"find other names": {"http {\nstep a {\nget " + url + "\nkeep id $.id\nfind " + url + " {\nkeep key $.id\n}\n}\n}", "find keeps other names"},
		"poll tries":       {"http " + url + " {" + body + "poll {\ntries 0\n}\n}", "'0' is not a number of questions"},
		"unknown line":     {"http {\nstep a {\nget " + url + "\nkep id $.id\n}\n}", "unrecognized subdirective 'kep'"},
	} {
		if _, err := makeKind(t, c.text, nil); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Caddyfile:") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
