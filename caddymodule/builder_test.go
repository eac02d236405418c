package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
	"github.com/callgate/callgate/internal/standin"
)

// building asks the endpoints as somebody who may do what the capabilities say.
type building struct {
	t   *testing.T
	may []operate.Capability
}

// ask gives the status and the answer, which is read into the value if there is one.
func (b building) ask(method, path string, in, out any) (status int, said string) {
	b.t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			b.t.Fatal(err)
		}
	}
	service := func() (*operate.Service, error) { return someDispatcher(b.t).operate, nil }
	api := operateapi.API{Prefix: "/api/", Service: service, Ready: service, Actor: func(*http.Request) operate.Actor {
		return operate.Actor{Name: "ann", Via: "test", May: func(c operate.Capability) bool { return slices.Contains(b.may, c) }}
	}}
	r := httptest.NewRequest(method, "/api/"+path, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if err := api.Serve(w, r); err != nil {
		return err.(*operateapi.Error).Status, err.Error()
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			b.t.Fatalf("%s: %v: %s", path, err, w.Body)
		}
	}
	return w.Code, w.Body.String()
}

func (b building) must(method, path string, in, out any) {
	b.t.Helper()
	if status, said := b.ask(method, path, in, out); status != 200 {
		b.t.Fatalf("%s %s: %d %s", method, path, status, said)
	}
}

// draftOf is what somebody works on who began with something, with a value for each secret.
func draftOf(b *operate.Begun, host string) operate.DraftInput {
	in := operate.DraftInput{Body: b.Body, Secrets: b.Secrets}
	for _, s := range in.Secrets {
		s.Value, s.Hosts = "the-token", []string{host}
	}
	return in
}

// TestTheGuidesExamplesAreBuiltWithoutJSON: each is begun from, looked at, tested, kept, published, and called for.
func TestTheGuidesExamplesAreBuiltWithoutJSON(t *testing.T) {
	crm := newCRM(t)
	g := runGateway(t, fmt.Sprintf(managing, crm.URL))
	b := building{t, []operate.Capability{operate.Build}}
	var kit operate.BuilderKitList
	b.must("GET", "builder/kit", nil, &kit)
	if len(kit.Examples) != 4 || len(kit.Filters) != 17 || !slices.Contains(kit.Sources, "nextphone") || len(kit.Secrets) != 2 || kit.Secrets[1].Name != "LISTED" {
		t.Errorf("the kit: %+v", kit)
	}
	for _, f := range kit.Filters {
		if f.Says == "" || f.Usage == "" {
			t.Errorf("nothing is said of the filter %s", f.Name)
		}
	}
	for name, want := range map[string]struct{ path, header, value, body string }{
		"lead": {"/api/webhooks/nextphone", "Authorization", "Bearer the-token",
			`{"lead":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com","company":"","notes":"leaky pipe in kitchen","source":"AI Receptionist","created_at":"`},
		"hubspot": {"/contacts/v1/contact/createOrUpdate/email/mjohnson%40email.com", "Authorization", "Bearer the-token",
			`{"properties":[{"property":"firstname","value":"Mike"},{"property":"lastname","value":"Johnson"},{"property":"phone","value":"+15559876543"},{"property":"email","value":"mjohnson@email.com"},{"property":"company","value":""},{"property":"message","value":"leaky pipe in kitchen"},{"property":"lead_source","value":"AI Receptionist"}]}`},
		"salesforce": {"/services/data/v57.0/sobjects/Lead", "Authorization", "Bearer the-token",
			`{"FirstName":"Mike","LastName":"Johnson","Phone":"+15559876543","Email":"mjohnson@email.com","Company":"","Description":"leaky pipe in kitchen","LeadSource":"AI Receptionist","Status":"New"}`},
		"custom-api": {"/v1/leads", "X-Api-Key", "the-token", `{"contact":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com"},"metadata":{"source":"nextphone","timestamp":"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := building{t, b.may}
			var begun operate.Begun
			b.must("POST", "builder/begin", operate.Beginning{Example: name}, &begun)
			var to struct {
				To struct {
					URL string `json:"url"`
				} `json:"to"`
			}
			if err := json.Unmarshal(begun.Body, &to); err != nil || len(begun.Secrets) != 1 {
				t.Fatalf("begun: %s, %+v", begun.Body, begun.Secrets)
			}

			// As it stands, with a secret that has no value yet.
			var p operate.DraftPreview
			b.must("POST", "builder/preview", operate.DraftInput{Body: begun.Body, Secrets: begun.Secrets}, &p)
			if len(p.Requests) != 1 || !strings.HasPrefix(p.Requests[0].Header.Get(want.header), strings.TrimSuffix(want.value, "the-token")+"{secret.") || !strings.HasPrefix(p.Requests[0].Body, want.body) || !strings.HasSuffix(p.Requests[0].URL, want.path) || p.Masked {
				t.Errorf("preview: %+v", p)
			}
			if !slices.ContainsFunc(p.Problems, func(d operate.DraftProblem) bool { return d.Field == "secrets" && d.Severity == "warning" }) {
				t.Errorf("nothing is said of the secret: %+v", p.Problems)
			}
			if status, said := b.ask("POST", "builder/test", operate.TestInput{DraftInput: operate.DraftInput{Body: begun.Body}}, nil); status != 400 || !strings.Contains(said, "no value yet") {
				t.Errorf("a test without the secret: %d %s", status, said)
			}

			// As lines, which say the same.
			var lines operate.DraftLines
			b.must("POST", "builder/lines", operate.DraftInput{Name: "crm-" + name, Body: begun.Body}, &lines)
			if !strings.Contains(lines.Caddyfile, "destination crm-"+name+" http {") || !strings.Contains(lines.Caddyfile, "{env.") || lines.Why != "" || !json.Valid([]byte(lines.JSON)) {
				t.Errorf("lines: %s\n%s", lines.Why, lines.Caddyfile)
			}

			// To a receiver of ours.
			base := to.To.URL[:strings.Index(to.To.URL[8:], "/")+8]
			begun.Body = []byte(strings.ReplaceAll(string(begun.Body), base, crm.URL))
			in := draftOf(&begun, "127.0.0.1")
			var r operate.TestResult
			b.must("POST", "builder/test", operate.TestInput{DraftInput: in}, &r)
			if r.Outcome != "delivered" || r.Status != 200 || r.Answer != "ok" || r.TookMS <= 0 {
				t.Errorf("tested: %+v", r)
			}
			got := crm.next(t)
			if got.header.Get(want.header) != want.value || got.header.Get("Callgate-Test") != "true" || !strings.HasPrefix(got.header.Get("Webhook-Id"), "test-") || !strings.HasPrefix(got.body, want.body) || got.uri != want.path {
				t.Errorf("sent: %+v", got)
			}

			// Kept, compared, published with a note, and taken back.
			path := "documents/destination/" + "d-" + name
			var c manage.Change
			b.must("POST", path, manage.Draft{Body: in.Body, Secrets: in.Secrets, Note: "from the guide"}, &c)
			if c.Version != 1 || c.State != "draft" || len(c.Differences) == 0 {
				t.Errorf("kept: %+v", c)
			}
			b.must("POST", path+"/publish", map[string]any{}, &c)
			if c.State != "published" {
				t.Errorf("published: %+v", c)
			}
			changed := []byte(strings.Replace(string(in.Body), `"method":"POST"`, `"method":"PUT"`, 1))
			one := 1
			b.must("POST", path, manage.Draft{Body: changed, Base: &one, Publish: true, Note: "they want PUT"}, &c)
			if c.Version != 2 || len(c.Differences) != 1 {
				t.Errorf("changed: %+v", c)
			}
			// The secret is the document's by now, and need not be given again.
			p = operate.DraftPreview{}
			b.must("POST", "builder/preview", operate.DraftInput{Name: "d-" + name, Body: changed}, &p)
			if len(p.Requests) != 1 || p.Requests[0].Method != "PUT" || strings.Contains(fmt.Sprint(p), "the-token") ||
				slices.ContainsFunc(p.Problems, func(d operate.DraftProblem) bool { return d.Field == "secrets" || d.Severity == "error" }) {
				t.Errorf("preview of what is kept: %+v", p)
			}
			b.must("POST", path+"/rollback", map[string]any{"note": "they do not"}, &c)
			if c.Version != 3 {
				t.Errorf("rolled back: %+v", c)
			}
			var again operate.Begun
			b.must("POST", "builder/begin", operate.Beginning{Destination: "d-" + name}, &again)
			if strings.Contains(string(again.Body), "PUT") {
				t.Errorf("begun from what is kept: %s", again.Body)
			}
		})
	}
	crm.nothingMore(t)
	g.stop()
}

// accept has calls come in, and gives the id of the last one's event.
func (b building) accepted(g *running, n int) string {
	b.t.Helper()
	for i := range n {
		if status := g.sendFor("zen", 100+i); status != 200 {
			b.t.Fatal(status)
		}
	}
	events, err := someDispatcher(b.t).operate.Events(b.t.Context(), operate.Actor{Via: "test", May: operate.Everything}, operate.Listing{})
	if err != nil || len(events.Events) == 0 {
		b.t.Fatal(err)
	}
	return events.Events[0].ID
}

// TestARealCallIsMaskedInADraft unless somebody may look at it and says why, and is sent in a test for a reason only.
func TestARealCallIsMaskedInADraft(t *testing.T) {
	crm := newCRM(t)
	g := runGateway(t, fmt.Sprintf(managing, crm.URL))
	builder := building{t, []operate.Capability{operate.Build}}
	both := building{t, []operate.Capability{operate.Build, operate.Reveal}}
	id := builder.accepted(g, 6)
	body := json.RawMessage(fmt.Sprintf(`{"to":{"type":"http","url":%q,"body":"{\"phone\":\"{{caller_number}}\",\"who\":\"{{name}}\",\"x\":\"{{gate_code}}\",\"y\":\"{{pet|default:'none'}}\"}"}}`, crm.URL+"/draft"))
	in := operate.DraftInput{Body: body, Sample: operate.Sample{Event: id}}
	var clear, p operate.DraftPreview
	why := in
	why.Sample.Reason = "the caller complained"
	both.must("POST", "builder/preview", why, &clear)
	if clear.Masked || len(clear.Requests) != 1 || !strings.Contains(clear.Requests[0].Body, "+1555") {
		t.Errorf("for a reason: %+v", clear)
	}
	builder.must("POST", "builder/preview", in, &p)
	if !p.Masked || len(p.Requests) != 1 || strings.Contains(p.Requests[0].Body, "+1555") || !strings.Contains(p.Requests[0].Body, `"phone":"***`) {
		t.Errorf("masked: %+v", p)
	}
	if status, _ := builder.ask("POST", "builder/preview", why, nil); status != 403 {
		t.Errorf("a reason alone: %d", status)
	}
	absent := slices.ContainsFunc(p.Problems, func(d operate.DraftProblem) bool {
		return d.Severity == "warning" && d.Variable == "gate_code"
	})
	if !absent || slices.ContainsFunc(p.Problems, func(d operate.DraftProblem) bool {
		return d.Variable == "pet" && strings.Contains(d.Message, "none of the last")
	}) {
		t.Errorf("of what no call has: %+v", p.Problems)
	}
	var v operate.SampleVariables
	builder.must("POST", "builder/sample", in.Sample, &v)
	i := slices.IndexFunc(v.Variables, func(v operate.Variable) bool { return v.Name == "caller_number" })
	if !v.Masked || v.Tenant != "zen" || i < 0 || !strings.HasPrefix(v.Variables[i].Value, "***") {
		t.Errorf("variables: %+v", v)
	}
	for range 6 {
		crm.next(t) // the calls themselves
	}
	if status, said := both.ask("POST", "builder/test", operate.TestInput{DraftInput: in}, nil); status != 400 || !strings.Contains(said, "for a reason only") {
		t.Errorf("a test without a reason: %d %s", status, said)
	}
	if status, _ := builder.ask("POST", "builder/test", operate.TestInput{DraftInput: why}, nil); status != 403 {
		t.Errorf("a test by who may not look: %d", status)
	}
	crm.nothingMore(t)
	both.must("POST", "builder/test", operate.TestInput{DraftInput: why}, nil)
	if got := crm.next(t); !strings.Contains(got.body, "+1555") {
		t.Errorf("sent %+v", got)
	}
	if status, _ := builder.ask("POST", "builder/sample", operate.Sample{Event: "nothing"}, nil); status != 404 {
		t.Errorf("no event: %d", status)
	}
}

// TestProblemsOfADraftHaveTheirPlaces in the text that somebody has written.
func TestProblemsOfADraftHaveTheirPlaces(t *testing.T) {
	runGateway(t, fmt.Sprintf(managing, "http://127.0.0.1:1"))
	b := building{t, []operate.Capability{operate.Build}}
	for _, tt := range []struct {
		to       string
		severity string
		want     operate.DraftProblem
	}{
		{`"url":"https://a.example/","body":"{\n  \"a\": \"{{first_name\"\n}"`, "error", operate.DraftProblem{Field: "body", Line: 2, Column: 9, Message: "never closed"}},
		{`"url":"https://a.example/","body":"<a>\n<b>{{x|frob}}</b></a>","content_type":"text/xml"`, "error", operate.DraftProblem{Field: "body", Line: 2, Column: 4, Variable: "x", Message: "no filter"}},
		{`"url":"https://{{x}}.example/","body":"{}"`, "error", operate.DraftProblem{Field: "url", Variable: "x", Message: "{{x}}: a variable in the scheme or host"}},
		{`"url":"https://a.example/","body":"{}","headers":{"X-A":"{{x|"}`, "error", operate.DraftProblem{Field: "X-A", Message: "this {{ is never closed"}},
		{`"url":"https://a.example/","body":"{\"m\":\"{{emial}}\"}"`, "warning", operate.DraftProblem{Variable: "emial", Message: "{{email}}"}},
		{`"url":"https://a.example/","body":"{}","success_if":"body.ok == tru"`, "error", operate.DraftProblem{Field: "success_if", Line: 1, Column: 12, Message: "tru"}},
		{`"url":"https://a.example/","body":"{}","bearer":"written-out"`, "error", operate.DraftProblem{Field: "bearer", Message: "{secret."}},
		{`"url":"http://169.254.169.254/","body":"{}"`, "error", operate.DraftProblem{Field: "url", Message: "local, private or reserved"}},
		{`"url":"https://a.example/","body":"{}","bearer":"{env.HOME}"`, "error", operate.DraftProblem{Field: "bearer", Message: "{secret."}},
		{`"definition":"/etc/passwd"`, "error", operate.DraftProblem{Field: "definition", Message: "cannot name a file"}},
		{`"steps":[{"name":"contact","url":"https://a.example/","body":"{}","when":"call.urgnt"}]`, "error", operate.DraftProblem{Field: "steps.contact.when", Line: 1, Column: 5, Message: "urgnt"}},
		{`"steps":[{"name":"contact","url":"https://a.example/","body":"{}"},{"name":"deal","url":"https://a.example/","body":"\n{{x|frob}}","content_type":"text/plain"}]`, "error", operate.DraftProblem{Field: "steps.deal.body", Line: 2, Column: 1, Variable: "x", Message: "no filter"}},
		{`"steps":[{"name":"contact","url":"https://a.example/","body":"{}"},{"name":"deal","url":"https://a.example/{{steps.contact.id}}","body":"{}"}]`, "error", operate.DraftProblem{Field: "steps.deal", Message: "step contact keeps nothing"}},
		{`"steps":[{"name":"deal","url":"https://a.example/","body":"{}","poll":{"done":"body.state = 1"}}]`, "error", operate.DraftProblem{Field: "steps.deal.poll.done", Line: 1, Column: 12, Message: "="}},
		{`"steps":[{"name":"deal","url":"http://169.254.169.254/","body":"{}"}]`, "error", operate.DraftProblem{Field: "steps.deal.url", Message: "local, private or reserved"}},
		{`"steps":[{"name":"Deal","url":"https://a.example/","body":"{}"}]`, "error", operate.DraftProblem{Message: "small letters"}},
		{`"url":"https://elsewhere.example/","body":"{}","bearer":"{secret.LISTED}"`, "", operate.DraftProblem{}},
	} {
		var p operate.DraftPreview
		b.must("POST", "builder/preview", operate.DraftInput{Body: json.RawMessage(`{"to":{"type":"http",` + tt.to + `}}`)}, &p)
		if tt.severity == "" {
			if len(p.Problems) > 0 || len(p.Requests) != 1 || strings.Contains(fmt.Sprint(p), "the-listed-secret") {
				t.Errorf("%s: %+v", tt.to, p)
			}
			continue
		}
		if !slices.ContainsFunc(p.Problems, func(d operate.DraftProblem) bool {
			return d.Severity == tt.severity && d.Field == tt.want.Field && d.Line == tt.want.Line && d.Column == tt.want.Column && d.Variable == tt.want.Variable && strings.Contains(d.Message, tt.want.Message)
		}) {
			t.Errorf("%s:\n%+v", tt.to, p.Problems)
		}
		if tt.severity == "error" && strings.Contains(fmt.Sprint(p), "written-out") {
			t.Errorf("%s is quoted: %+v", tt.to, p)
		}
	}
	// A test leaves for the hosts of its secret alone.
	var r operate.TestResult
	b.must("POST", "builder/test", operate.TestInput{DraftInput: operate.DraftInput{Body: json.RawMessage(`{"to":{"type":"http","url":"http://127.0.0.1:1/","body":"{}","bearer":"{secret.ELSEWHERE}"}}`)}}, &r)
	if r.Outcome == destination.Delivered.String() || !strings.Contains(r.Reason, "not for this host") {
		t.Errorf("to another host: %+v", r)
	}
}

func TestBeginningsOfDrafts(t *testing.T) {
	runGateway(t, fmt.Sprintf(managing, "http://127.0.0.1:1"))
	b := building{t, []operate.Capability{operate.Build}}
	for _, tt := range []struct {
		in      operate.Beginning
		body    string
		secrets map[string]string
		notes   string
	}{
		{operate.Beginning{Curl: "curl -X POST https://crm.example.com/leads \\\n -H 'Authorization: Bearer s3cret' -H 'Content-Type: application/json' -H 'X-Team: a' -d '{\"a\":1}'"},
			`{"to":{"type":"http","url":"https://crm.example.com/leads","method":"POST","headers":{"X-Team":"a"},"body":"{\n  \"a\": 1\n}","content_type":"application/json","bearer":"{secret.API_TOKEN}"}}`,
			map[string]string{"API_TOKEN": "s3cret"}, ""},
		{operate.Beginning{Curl: `curl https://crm.example.com/x -u ada:$CRM_PASSWORD -d "a=1&b=$WHO"`},
			`{"to":{"type":"http","url":"https://crm.example.com/x","method":"POST","body":"a=1\u0026\nb=$WHO","content_type":"application/x-www-form-urlencoded","basic":{"user":"ada","password":"{secret.CRM_PASSWORD}"}}}`,
			map[string]string{"CRM_PASSWORD": ""}, "$WHO is a variable of the shell"},
		{operate.Beginning{Document: `{"url":"https://a.example/","headers":{"X-API-Key":"YOUR_KEY","X-Other-Token":"abc","X-E":"{env.HOME}"},"body_template":{"n":"{{n}}"},"parameters":[{"name":"n","type":"integer"}]}`},
			`{"to":{"type":"http","url":"https://a.example/","method":"POST","headers":{"X-E":"{env.HOME}","X-Other-Token":"{secret.API_KEY}"},"body":"{\n  \"n\": \"{{n|integer}}\"\n}","content_type":"application/json","api_key":{"header":"X-API-Key","value":"{secret.KEY}"}}}`,
			map[string]string{"KEY": "", "API_KEY": "abc"}, "{env.NAME}, which is text here"},
		{operate.Beginning{Document: `{"url":"https://a.example/","headers":{"Content-Type":"multipart/form-data"},"body_template":{"n":"{{n}}"}}`},
			`{"to":{"type":"http","document":{"url":"https://a.example/","headers":{"Content-Type":"multipart/form-data"},"body_template":{"n":"{{n}}"}}}}`, nil, ""},
		{operate.Beginning{Destination: "crm"}, `{"to":{"body":"{\"for\":\"all\"}","type":"http","url":"http://127.0.0.1:1/all"}}`, nil, "stands in the configuration"},
	} {
		var begun operate.Begun
		b.must("POST", "builder/begin", tt.in, &begun)
		if string(begun.Body) != tt.body || !strings.Contains(strings.Join(begun.Notes, "\n"), tt.notes) || len(begun.Secrets) != len(tt.secrets) {
			t.Errorf("%+v:\n%s\n%v %+v", tt.in, begun.Body, begun.Notes, begun.Secrets)
		}
		for name, value := range tt.secrets {
			if s := begun.Secrets[name]; s == nil || s.Value != value || len(s.Hosts) != 1 {
				t.Errorf("%+v: the secret %s: %+v", tt.in, name, s)
			}
		}
	}
	for _, in := range []operate.Beginning{{}, {Curl: "wget x"}, {Document: "{"}, {Example: "nothing"}} {
		if status, _ := b.ask("POST", "builder/begin", in, nil); status != 400 {
			t.Errorf("%+v: %d", in, status)
		}
	}
	if status, _ := b.ask("POST", "builder/begin", operate.Beginning{Destination: "nothing"}, nil); status != 404 {
		t.Errorf("%d", status)
	}
}

// TestLinesSayTheSame: what is copied as Caddyfile is read as it was, or it is said what cannot be.
func TestLinesSayTheSame(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{"to":{"type":"http","url":"https://a.example/x?y={{email}}","method":"PUT","headers":{"X-A":"a \"b\" {{name}}"},"body":"{\n  \"a\": \"{{first_name}}\",\n\n  \"b\": 1\n}","success":[404],"success_if":"body.ok == \"yes\"","api_key":{"header":"X-Key","value":"{secret.KEY}"}},
			"rate":"5/s","burst":2,"retry":["0s","10s"],"timeout":"5s","concurrency":1,"on":["call_*"],"breaker":{"off":true}}`, `
		destination d http {
			url "https://a.example/x?y={{email}}"
			method PUT
			header X-A ` + "`a \"b\" {{name}}`" + `
			body <<BODY
				{
				  "a": "{{first_name}}",

				  "b": 1
				}
				BODY
			success 404 ` + "`body.ok == \"yes\"`" + `
			api_key X-Key {env.KEY}
			on call_*
			rate 5/s burst 2
			concurrency 1
			timeout 5s
			retry 0s 10s
			breaker off
		}
`},
		{`{"to":{"type":"hubspot","token":"{secret.T}","properties":{"lead_source":"AI","company":"","jobtitle":"{{params.job}}"},"log_call":true,"deal":{"stage":"new","when":"call.urgent"}}}`, ""},
		{`{"to":{"type":"salesforce","instance":"https://a.my.salesforce.com","client_credentials":{"client_id":"{secret.ID}","client_secret":"{secret.S}"},"fields":[{"name":"LastName","from":"last_name|name","default":"Unknown"},{"name":"Rating","text":"Hot now","on_create":true},{"name":"Status"}],"log_call":true,"window":"720h"}}`, ""},
		{`{"to":{"type":"fhir","base":"https://ehr.example/fhir","oauth2":{"token_url":"https://ehr.example/t","client_id":"a","client_secret":"{secret.S}","scopes":["x","y"]},"resources":["Task"],"time_params":["a b"]},"fields":["patient_id"],"exponential":{"first":"1s","attempts":3},"sign":null}`, ""},
		{`{"to":{"type":"http","steps":[{"name":"one","url":"https://a.example/","method":"POST","body":"{}","keep":{"id":"$.id"},"find":"https://a.example/f","find_keep":{"id":"$.x"}},{"name":"two","url":"https://a.example/{{steps.one.id}}","method":"PUT","body":"a` + "`" + `b","content_type":"text/plain","poll":{"every":"1s"}}],"bearer":"{secret.T}"},"sign":{"scheme":"nextphone","secret":"{secret.S}"}}`, ""},
		{`{"to":{"type":"http","document":{"http_method":"POST","url":"https://a.example/{{email}}","headers":{"Content-Type":"multipart/form-data","X-Key":"{secret.KEY}"},"body_template":{"n":1,"all":["a` + "`" + `","{{name}}"],"note":{"file_name":"{{call_id}}.txt","value":"a\nb \"{{message}}\""}}},"omit_empty":true}}`, `
		destination d http {
			document <<BODY
				{
				  "http_method": "POST",
				  "url": "https://a.example/{{email}}",
				  "headers": {
				    "Content-Type": "multipart/form-data",
				    "X-Key": "{env.KEY}"
				  },
				  "body_template": {
				    "n": 1,
				    "all": [
				      "a` + "`" + `",
				      "{{name}}"
				    ],
				    "note": {
				      "file_name": "{{call_id}}.txt",
				      "value": "a\nb \"{{message}}\""
				    }
				  }
				}
				BODY
			omit_empty
		}
`},
		{`{"to":{"type":"http","steps":[{"name":"one","document":{"url":"https://a.example/","body_template":{"a":1}}}]}}`, ""},
	} {
		text, err := destinationLines("d", []byte(tt.body))
		if err != nil || tt.want != "" && text != "{\n\tcallgate {"+tt.want+"\t}\n}\n" {
			t.Errorf("%v\n%s\n%s", err, tt.body, text)
		}
	}
	for body, want := range map[string]string{
		`{"to":{"type":"nothing"}}`: "no kind", `{"to":{}}`: "no kind",
		`{"to":{"type":"http","url":"https://a.example/","body":"a{$HOME}\"\\ ` + "`" + `"}}`: "no lines say",
	} {
		if text, err := destinationLines("d", []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\n%s", body, err, text)
		}
	}
	for _, e := range definition.Guide() {
		var members map[string]json.RawMessage
		if text, err := destinationLines("d", []byte(e.Text)); (err == nil) != (json.Unmarshal([]byte(e.Text), &members) == nil) {
			t.Errorf("%s as it stands: %v\n%s", e.Name, err, text)
		}
	}
}

// TestAnAccountIsAskedForItsFields with the draft's own credentials, which are shown nowhere.
func TestAnAccountIsAskedForItsFields(t *testing.T) {
	runGateway(t, fmt.Sprintf(managing, "http://127.0.0.1:1"))
	b := building{t, []operate.Capability{operate.Build}}
	hs := standin.NewHubSpot(t, standin.HubSpotConfig{Token: "the-listed-secret"})
	draft := func(token string) operate.DraftInput {
		return operate.DraftInput{Body: json.RawMessage(fmt.Sprintf(`{"to":{"type":"hubspot","base_url":%q,"token":"{secret.%s}"}}`, hs.URL, token))}
	}
	var list operate.FieldList
	b.must("POST", "builder/fields", draft("LISTED"), &list)
	if !slices.ContainsFunc(list.Fields, func(f destination.Field) bool { return f.Name == "jobtitle" && f.Type == "string" }) {
		t.Errorf("%+v", list)
	}
	for name, want := range map[string]string{"ELSEWHERE": "not for this host", "UNSET": "no value yet"} {
		if status, said := b.ask("POST", "builder/fields", draft(name), nil); status != 400 || !strings.Contains(said, want) || strings.Contains(said, "the-other-secret") {
			t.Errorf("%s: %d %s", name, status, said)
		}
	}
	in := operate.DraftInput{Body: json.RawMessage(`{"to":{"type":"http","url":"https://a.example/","body":"{}"}}`)}
	if status, said := b.ask("POST", "builder/fields", in, nil); status != 400 || !strings.Contains(said, "type the names") {
		t.Errorf("%d %s", status, said)
	}
	if len(hs.Requests()) != 1 {
		t.Errorf("%d requests", len(hs.Requests()))
	}
}
