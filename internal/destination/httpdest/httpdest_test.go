package httpdest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func onPrem() *outbound.Client { return outbound.NewClient(outbound.Options{AllowPrivate: true}) }

func item() destination.Item {
	return destination.Item{
		DeliveryID: "dlv_1", EventID: "evt_1", Attempt: 2, Tenant: "acme", Vars: map[string]string{"owner_name": "ABC Plumbing"},
		Call: &call.Call{
			Provider: "nextphone", CallerNumber: "+15559876543", FirstName: "Mike", LastName: `O"Neil</x>`, Email: "mike/x?y=1@email.com",
			EndedAt: time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC),
		},
		Body: []byte("{ \"raw\":\t1.0 }\n"), ContentType: "application/json; charset=utf-8",
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
}

func build(t *testing.T, cfg Config) *Destination {
	t.Helper()
	if cfg.Client == nil {
		cfg.Client = onPrem()
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func deliver(t *testing.T, d *Destination) destination.Result {
	t.Helper()
	return d.Deliver(t.Context(), []destination.Item{item()})[0]
}

func fromDocument(t *testing.T, doc string) Renderer {
	t.Helper()
	d, _, err := definition.Parse([]byte(doc), definition.Options{Resolve: func(string) (string, error) { return "s3cret", nil }})
	if err != nil {
		t.Fatal(err)
	}
	return FromDefinition(d)
}

func TestPassingOnIsByteForByte(t *testing.T) {
	r := standin.NewReceiver(t)
	d := build(t, Config{PassThrough: true, Renderer: Fixed{URL: r.URL + "/hook?a=b", Header: http.Header{"X-Own": {"1"}}}})
	if got := deliver(t, d); got.Outcome != destination.Delivered || got.Status != 200 {
		t.Fatalf("%+v", got)
	}
	got := r.Requests()[0]
	if got.Method != "POST" || got.URI != "/hook?a=b" || string(got.Body) != "{ \"raw\":\t1.0 }\n" {
		t.Errorf("%s %s %q", got.Method, got.URI, got.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "X-Own": "1", "Webhook-Id": "dlv_1", "Idempotency-Key": "dlv_1",
		outbound.AttemptHeader: "2", "Traceparent": item().Traceparent, "User-Agent": outbound.UserAgent,
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
}

func TestADocumentIsRenderedAndSent(t *testing.T) {
	r := standin.NewReceiver(t)
	d := build(t, Config{Renderer: fromDocument(t, `{
		"type": "http", "tool_name": "t", "http_method": "PUT", "url": "`+r.URL+`/leads/{{email}}?n={{caller_number}}",
		"headers": {"Authorization": "Bearer {env.KEY}", "X-Source": "{env.KEY}"},
		"body_template": {"name": "{{first_name}} {{last_name}}", "owner": "{{owner_name}}", "tenant": "{{tenant}}", "id": "{{delivery_id}}"}
	}`)})
	if got := deliver(t, d); got.Outcome != destination.Delivered {
		t.Fatalf("%+v", got)
	}
	got := r.Requests()[0]
	var body map[string]string
	if err := json.Unmarshal(got.Body, &body); err != nil {
		t.Fatal(err)
	}
	if got.Method != "PUT" || !strings.HasPrefix(got.URI, "/leads/mike%2Fx%3Fy") || !strings.HasSuffix(got.URI, "?n=%2B15559876543") {
		t.Errorf("%s %s", got.Method, got.URI)
	}
	if body["name"] != `Mike O"Neil</x>` || body["owner"] != "ABC Plumbing" || body["tenant"] != "acme" || body["id"] != "dlv_1" {
		t.Errorf("%v", body)
	}
	if got.Header.Get("Authorization") != "Bearer s3cret" {
		t.Errorf("%v", got.Header)
	}
	p, err := d.Preview([]destination.Item{item()})
	if err != nil || len(p) != 1 || len(r.Requests()) != 1 {
		t.Fatalf("%v, %v", p, err)
	}
	if p[0].Body != string(got.Body) || p[0].Method != "PUT" || p[0].URL != r.URL+got.URI {
		t.Errorf("previewed %+v, sent %s %s", p[0], got.URI, got.Body)
	}
	if shown, _ := json.Marshal(p); strings.Contains(string(shown), "s3cret") {
		t.Errorf("the preview shows a secret: %s", shown)
	}
}

func TestOutcomesAndReceiversWithHabits(t *testing.T) {
	r := standin.NewReceiver(t)
	d := build(t, Config{PassThrough: true, Renderer: Fixed{URL: r.URL}, Success: []int{302, 409}})
	for _, c := range []struct {
		reply            standin.Reply
		want             destination.Outcome
		pause, unhealthy bool
	}{
		{standin.Reply{Status: 204}, destination.Delivered, false, false},
		{standin.Reply{Status: 302}, destination.Delivered, false, false},
		{standin.Reply{Status: 409}, destination.Delivered, false, false},
		{standin.Reply{Status: 301}, destination.Retry, false, false},
		{standin.Reply{Status: 400}, destination.Dead, false, false},
		{standin.Reply{Status: 401}, destination.Retry, true, false},
		{standin.Reply{Status: 410}, destination.Retry, true, false},
		{standin.Reply{Status: 503}, destination.Retry, false, true},
		{standin.Reply{Hangup: true}, destination.Retry, false, true},
		{standin.Reply{Status: 200, Cut: true}, destination.Delivered, false, false},
	} {
		r.Script(c.reply)
		got := deliver(t, d)
		if got.Outcome != c.want || got.Pause != c.pause || got.Unhealthy != c.unhealthy || (got.Outcome == destination.Delivered) != (got.Reason == "") {
			t.Errorf("%+v: %+v", c.reply, got)
		}
	}
}

// Success is what the receiver means by it, and the obvious failures need not be said.
func TestSuccessIsWhatTheReceiverMeans(t *testing.T) {
	const login = "<!DOCTYPE html><html>Sign in</html>"
	when, err := condition.CompileSuccess(`body.success`)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		kind   string // of the request
		config Config
		reply  standin.Reply
		want   destination.Outcome
		astray bool
	}{
		"a page for JSON":          {"application/json", Config{}, standin.Reply{Status: 200, Body: login}, destination.Retry, true},
		"a page for XML":           {"text/xml; charset=utf-8", Config{}, standin.Reply{Status: 200, Body: login}, destination.Retry, true},
		"a page for a form":        {"application/x-www-form-urlencoded", Config{}, standin.Reply{Status: 200, Body: login}, destination.Delivered, false},
		"a page that is said":      {"application/json", Config{Plain: true}, standin.Reply{Status: 200, Body: login}, destination.Delivered, false},
		"a page of a status":       {"application/json", Config{Success: []int{404}}, standin.Reply{Status: 404, Body: login}, destination.Delivered, false},
		"a condition":              {"application/json", Config{Condition: when}, standin.Reply{Status: 200, Body: `{"success":false}`}, destination.Retry, false},
		"a condition that is met":  {"application/json", Config{Condition: when}, standin.Reply{Status: 200, Body: `{"success":true}`}, destination.Delivered, false},
		"a failure that meets it":  {"application/json", Config{Condition: when}, standin.Reply{Status: 400, Body: `{"success":true}`}, destination.Dead, false},
		"a status and a condition": {"application/json", Config{Condition: when, Success: []int{409}}, standin.Reply{Status: 409, Body: `{}`}, destination.Retry, false},
	} {
		r := standin.NewReceiver(t)
		r.Script(c.reply)
		c.config.Renderer = Fixed{URL: r.URL, Header: http.Header{"Content-Type": {c.kind}}, Body: []byte("x")}
		if got := deliver(t, build(t, c.config)); got.Outcome != c.want || got.Astray != c.astray || got.Status != c.reply.Status {
			t.Errorf("%s: %+v, want %v", name, got, c.want)
		}
	}
}

func TestSigning(t *testing.T) {
	r := standin.NewReceiver(t)
	clock := time.Unix(1_800_000_000, 0)
	mac := func(body []byte, id string, now time.Time) string {
		h := hmac.New(sha256.New, []byte("k"))
		h.Write([]byte(id + now.UTC().Format(time.RFC3339)))
		h.Write(body)
		return hex.EncodeToString(h.Sum(nil))
	}
	auth, _ := outbound.APIKey("X-Api-Key", "s3cret")
	d := build(t, Config{
		PassThrough: true, Renderer: Fixed{URL: r.URL}, Auth: auth, Now: func() time.Time { return clock },
		Sign: func(method, url string, h http.Header, body []byte, id string, now time.Time) error {
			if method != "POST" || url != r.URL || h.Get("Webhook-Id") != "dlv_1" || h.Get("X-Api-Key") != "" {
				return errors.New("unexpected request to sign")
			}
			h.Set("Webhook-Signature", mac(body, id, now))
			return nil
		},
	})
	if got := deliver(t, d); got.Outcome != destination.Delivered {
		t.Fatalf("%+v", got)
	}
	got := r.Requests()[0]
	if want := mac(got.Body, "dlv_1", clock); got.Header.Get("Webhook-Signature") != want || got.Header.Get("X-Api-Key") != "s3cret" {
		t.Errorf("%v, want signature %s", got.Header, want)
	}
	p, err := d.Preview([]destination.Item{item()})
	if err != nil || p[0].Header.Get("Webhook-Signature") != outbound.Masked || p[0].Header.Get("X-Api-Key") != outbound.Masked {
		t.Errorf("%v, %v", p, err)
	}
	req, err := d.Request(t.Context(), item())
	if err != nil || req.Header.Get("X-Api-Key") != "s3cret" || req.Header.Get("Webhook-Signature") == "" {
		t.Errorf("%v, %v", req, err)
	}
	d.cfg.Sign = func(string, string, http.Header, []byte, string, time.Time) error { return errors.New("no key") }
	if got := deliver(t, d); got.Outcome != destination.Dead || len(r.Requests()) != 1 {
		t.Errorf("unsigned: %+v", got)
	}
}

func TestTokensAreFetchedAndRenewed(t *testing.T) {
	tokens := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "secret"})
	r := standin.NewReceiver(t)
	auth, err := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{TokenURL: tokens.URL, ClientID: "id", ClientSecret: "secret", Client: onPrem()})
	if err != nil {
		t.Fatal(err)
	}
	r.Script(standin.Reply{Status: 401})
	d := build(t, Config{PassThrough: true, Renderer: Fixed{URL: r.URL}, Auth: auth})
	if got := deliver(t, d); got.Outcome != destination.Delivered || tokens.Issued() != 2 {
		t.Fatalf("%+v after %d tokens", got, tokens.Issued())
	}
	first, second := r.Requests()[0], r.Requests()[1]
	if string(first.Body) != string(second.Body) || first.Header.Get("Authorization") == second.Header.Get("Authorization") {
		t.Error("the second request is not the first with a new token")
	}
	if p, err := d.Preview([]destination.Item{item()}); err != nil || p[0].Header.Get("Authorization") != "Bearer ***" || tokens.Issued() != 2 {
		t.Errorf("%v, %v", p, err)
	}
}

// rendering is a Renderer made of a function.
type rendering func() (Rendered, error)

func (f rendering) Render(destination.Item) (Rendered, error) { return f() }

func TestWhatCanNotBeSentIsDeadAndNotSent(t *testing.T) {
	for name, render := range map[string]rendering{
		"missing variable": func() (Rendered, error) { return Rendered{}, errors.New("variable x is missing") },
		"plain http":       func() (Rendered, error) { return Rendered{Method: "POST", URL: "http://crm.example/"}, nil },
		"no URL":           func() (Rendered, error) { return Rendered{Method: "POST"}, nil },
		"odd method":       func() (Rendered, error) { return Rendered{Method: "P OST", URL: "https://crm.example/"}, nil },
		"userinfo":         func() (Rendered, error) { return Rendered{Method: "POST", URL: "https://a:b@crm.example/"}, nil },
	} {
		d := build(t, Config{Renderer: render, Client: outbound.NewClient(outbound.Options{Transport: refusing{t}})})
		if got := deliver(t, d); got.Outcome != destination.Dead || got.Reason == "" {
			t.Errorf("%s: %+v", name, got)
		}
		if _, err := d.Preview([]destination.Item{item()}); err == nil {
			t.Errorf("%s can be previewed", name)
		}
		if _, err := d.Request(t.Context(), item()); err == nil {
			t.Errorf("%s can be converted", name)
		}
	}
}

type refusing struct{ t *testing.T }

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	r.t.Errorf("sent to %s", req.URL.Host)
	return nil, errors.New("not to be sent")
}

func TestHeadersOfTheConnectionAreNotPassedOn(t *testing.T) {
	r := standin.NewReceiver(t)
	d := build(t, Config{PassThrough: true, Renderer: Fixed{URL: r.URL, Header: http.Header{
		"Host": {"crm.example"}, "Content-Length": {"7"}, "Connection": {"close"}, "Te": {"trailers"},
	}}})
	if got := deliver(t, d); got.Outcome != destination.Delivered {
		t.Fatalf("%+v", got)
	}
	h := r.Requests()[0].Header
	if h.Get("Connection") != "" || h.Get("Te") != "" || string(r.Requests()[0].Body) != string(item().Body) {
		t.Errorf("%v", h)
	}
	if p, err := d.Preview([]destination.Item{item()}); err != nil || p[0].Header.Get("Host") != "crm.example" {
		t.Errorf("%v, %v", p, err)
	}
}

func TestGetHasNoBody(t *testing.T) {
	r := standin.NewReceiver(t)
	d := build(t, Config{PassThrough: true, Renderer: Fixed{Method: "GET", URL: r.URL}})
	if got := deliver(t, d); got.Outcome != destination.Delivered || len(r.Requests()[0].Body) != 0 {
		t.Errorf("%+v, %q", got, r.Requests()[0].Body)
	}
}

func TestConfigurationErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"nothing":     {},
		"plain":       {PassThrough: true, Renderer: Fixed{URL: "http://crm.example"}},
		"no body":     {Renderer: Fixed{URL: "https://crm.example"}},
		"success 200": {PassThrough: true, Renderer: Fixed{URL: "https://crm.example"}, Success: []int{200}},
		"success 42":  {PassThrough: true, Renderer: Fixed{URL: "https://crm.example"}, Success: []int{42}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if d := build(t, Config{PassThrough: true, AllowHTTP: true, Renderer: Fixed{URL: "http://crm.example"}}); d.MaxBatch() != 1 {
		t.Error("MaxBatch")
	}
}

func BenchmarkPassThrough(b *testing.B) {
	d, err := New(Config{PassThrough: true, Renderer: Fixed{URL: "https://crm.example/hook"}})
	if err != nil {
		b.Fatal(err)
	}
	one := item()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := d.build(b.Context(), one); err != nil {
			b.Fatal(err)
		}
	}
}
