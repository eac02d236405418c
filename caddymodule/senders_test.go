package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

// as sends a request that is signed by a scheme, through a gateway that runs.
func (g *running) as(c signature.Config, path, body string) (*http.Response, string) {
	g.t.Helper()
	if len(c.Secrets) == 0 {
		c.Secrets = []string{testSecret}
	}
	signer, err := signature.NewSigner(c)
	if err != nil {
		g.t.Fatal(err)
	}
	m := signature.Message{Method: http.MethodPost, URL: "http://gate.test" + path, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
	if err := signer.Sign(&m, "msg_1", time.Now()); err != nil {
		g.t.Fatal(err)
	}
	r, err := http.NewRequest(m.Method, m.URL, strings.NewReader(string(m.Body)))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header = m.Header
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res, string(b)
}

// TestSeveralEventsOfOneRequest: each event of a request is stored and delivered by itself, and one that came before in
// another request is not delivered again.
func TestSeveralEventsOfOneRequest(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(`{
	callgate {
		store sqlite STORE
		source batch {
			preset generic
			secret `+testSecret+`
			verify bearer
			split $.data.events
			event_id jsonpath $.data.events[0].kind $.data.events[0].call
		}
		source list {
			preset generic
			secret `+testSecret+`
			verify bearer
			split $
			event_id jsonpath $.id
		}
		destination crm http {
			url %s/{{event_id|urlencode}}
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	callgate /hubspot hubspot `+testSecret+` {
		name NAME-hubspot
		deliver crm
	}
	callgate /meta meta `+testSecret+` {
		name NAME-meta
		deliver crm
	}
	callgate /twilio twilio `+testSecret+` {
		name NAME-twilio
		deliver crm
	}
	callgate /bandwidth bandwidth user:`+testSecret+` {
		name NAME-bandwidth
		deliver crm
	}
	callgate /ads google-ads `+testSecret+` {
		name NAME-ads
		deliver crm
	}
	callgate /batch batch {
		name NAME-batch
		deliver crm
	}
	callgate /list list {
		name NAME-list
		deliver crm
	}
	respond 404
}`, c.URL))
	event := func(id int) string {
		return fmt.Sprintf(`{"eventId":%d,"subscriptionId":7,"objectId":%d,"occurredAt":1564113600000,"subscriptionType":"contact.creation"}`, id, id)
	}
	lead := func(ids ...int) string {
		var entries []string
		for _, id := range ids {
			entries = append(entries, fmt.Sprintf(`{"id":"153","time":1788256800,"changes":[{"field":"leadgen","value":{"leadgen_id":"%d"}}]}`, id))
		}
		return `{"object":"page","entry":[` + strings.Join(entries, ",") + `]}`
	}
	cloud := func(id string) string {
		return `{"specversion":"1.0","type":"com.twilio.messaging.inbound-message.received","id":"` + id + `","data":{"messageSid":"SM` + id + `"}}`
	}
	text := func(id string) string {
		return `{"type":"message-received","to":"+15550100999","message":{"id":"` + id + `","direction":"in","from":"+15550100123","to":["+15550100999"],"text":"Hello"}}`
	}
	batch := func(calls ...string) string {
		return `{"account":"a1","data":{"events":[` + strings.Join(calls, ", ") + `],"n":1}}`
	}
	call := func(id string) string { return `{"kind":"ended","call":"` + id + `"}` }
	bearer := signature.Config{Scheme: "bearer"}
	for _, x := range []struct {
		name, path string
		c          signature.Config
		first      string   // a request with several events
		parts      []string // that are delivered
		again      string   // one with an event of the first, and another
		more       []string // that are delivered then
	}{
		{"hubspot", "/hubspot", signature.Config{Scheme: "hubspot"}, "[" + event(1) + "," + event(2) + "," + event(3) + "]",
			[]string{event(1), event(2), event(3)}, "[" + event(3) + "," + event(4) + "]", []string{event(4)}},
		{"meta", "/meta", signature.Config{Scheme: "meta"}, lead(444, 445), []string{lead(444), lead(445)}, lead(446, 444), []string{lead(446)}},
		// In Twilio's signature names and values of a form can be moved into the URL, bodySHA256 among them, so that a list which
		// nobody sent could be made of a form that somebody saw. By its digest that is a copy; split it would be new events.
		{"twilio", "/twilio", signature.Config{Scheme: "twilio"}, "[" + cloud("EZ1") + "," + cloud("EZ2") + "]", []string{"[" + cloud("EZ1") + "," + cloud("EZ2") + "]"},
			"[" + cloud("EZ2") + "," + cloud("EZ3") + "]", []string{"[" + cloud("EZ2") + "," + cloud("EZ3") + "]"}},
		{"bandwidth", "/bandwidth", signature.Config{Scheme: "basic", Secrets: []string{"user:" + testSecret}},
			"[" + text("m1") + "," + text("m2") + "]", []string{text("m1"), text("m2")}, "[" + text("m2") + "," + text("m3") + "]", []string{text("m3")}},
		// Whose key nobody gets who gets the lead.
		{"google-ads", "/ads", signature.Config{Scheme: "google-ads"}, `{"lead_id":"L1"}`, []string{`{"google_key":null,"lead_id":"L1"}`},
			`{"lead_id":"L1","again":true}`, nil},
		{"generic, within", "/batch", bearer, batch(call("1"), call("2")), []string{batch(call("1")), batch(call("2"))},
			batch(call("2"), call("3")), []string{batch(call("3"))}},
		{"generic, one", "/batch", bearer, batch(call("5")), []string{batch(call("5"))}, batch(call("5"), call("6")), []string{batch(call("6"))}},
		{"generic, an array", "/list", bearer, `[{"id":"a"},{"id":"b"}]`, []string{`{"id":"a"}`, `{"id":"b"}`}, `[{"id":"b"}]`, nil},
	} {
		for _, send := range []struct {
			body string
			want []string
		}{{x.first, x.parts}, {x.again, x.more}} {
			res, answer := g.as(x.c, x.path, send.body)
			var got struct {
				ID     string
				Events []string
			}
			if err := json.Unmarshal([]byte(answer), &got); err != nil || res.StatusCode != http.StatusOK || got.ID == "" {
				t.Fatalf("%s: %d %s", x.name, res.StatusCode, answer)
			}
			var bodies []string
			for range send.want {
				bodies = append(bodies, c.next(t).body)
			}
			slices.Sort(bodies)
			if want := slices.Sorted(slices.Values(send.want)); !slices.Equal(bodies, want) {
				t.Errorf("%s: delivered\n%s\nwant\n%s", x.name, strings.Join(bodies, "\n"), strings.Join(want, "\n"))
			}
		}
	}
	c.nothingMore(t)
}

// TestHandshakesThroughTheServer: the gateway answers them itself, whoever stands behind it, and only where the sender shows
// what it was given.
func TestHandshakesThroughTheServer(t *testing.T) {
	g := newGateway(t, `http:// {
	callgate /zoom zoom zoom-secret-token {
		name NAME-zoom
	}
	callgate /slack slack `+testSecret+` {
		name NAME-slack
	}
	callgate /meta meta `+testSecret+` {
		name NAME-meta
		handshake_token v3rify
	}
	callgate /ringcentral ringcentral `+testSecret+` {
		name NAME-ringcentral
		verify api_key {
			header Verification-Token
		}
	}
	test_receiver
}`)
	send := func(c signature.Config, path, body string) *http.Response {
		return g.do(signed(t, c, "http://a.example"+path, body))
	}
	zoom := signature.Config{Scheme: "zoom", Secrets: []string{"zoom-secret-token"}}
	validation := `{"event":"endpoint.url_validation","event_ts":1,"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}`
	if got := text(t, send(zoom, "/zoom", validation)); got != `{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"d9e0d764a78494688ba3f2d5c0ed4ca311394b4834d959759213424d2df961e3"}` {
		t.Errorf("zoom: %s", got)
	}
	if c := code(t, send(signature.Config{Scheme: "zoom", Secrets: []string{"another"}}, "/zoom", validation)); c != "signature_invalid" {
		t.Errorf("zoom, another secret: %q", c)
	}
	res := send(signature.Config{Scheme: "slack"}, "/slack", `{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`)
	if got := text(t, res); got != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("slack: %s %v", got, res.Header)
	}
	ask := func(token string) *http.Response {
		q := url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"1158201444"}, "hub.verify_token": {token}}
		return g.do(httptest.NewRequest(http.MethodGet, "http://a.example/meta?"+q.Encode(), nil))
	}
	if got := text(t, ask("v3rify")); got != "1158201444" {
		t.Errorf("meta: %s", got)
	}
	if res := ask("guessed"); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("meta, another token: %d", res.StatusCode)
	}
	r := httptest.NewRequest(http.MethodPost, "http://a.example/ringcentral", nil)
	r.Header.Set("Validation-Token", "2fc4b0f6-7d6c-4b52")
	if res := g.do(r); res.StatusCode != http.StatusOK || res.Header.Get("Validation-Token") != "2fc4b0f6-7d6c-4b52" {
		t.Errorf("ringcentral: %d %v", res.StatusCode, res.Header)
	}
	if n := g.calls.Load(); n != 0 {
		t.Errorf("the receiver was asked %d times", n)
	}
	r = unsigned("http://a.example/ringcentral", `{"uuid":"1","event":"/account/telephony/sessions"}`)
	r.Header.Set("Validation-Token", "2fc4b0f6-7d6c-4b52")
	r.Header.Set("Verification-Token", testSecret)
	if res := g.do(r); res.Header.Get("X-Receiver") != "yes" || g.calls.Load() != 1 {
		t.Errorf("ringcentral, an event that has the header too: %d %v", res.StatusCode, res.Header)
	}
}

// TestSyncEventsGoToTheNextHandler: of a route that delivers, and each time anew where the request has no id.
func TestSyncEventsGoToTheNextHandler(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(`{
	callgate {
		store sqlite STORE
		source desk {
			preset generic
			secret `+testSecret+`
			verify bearer
			sync_events lookup route_request
		}
		destination crm http {
			url %s/
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	callgate /desk desk {
		name NAME-desk
		deliver crm
	}
	callgate /retell retell `+testSecret+` {
		name NAME-retell
		deliver crm
		sync_events call_started
	}
	respond "{http.request.uuid}"
}`, c.URL))
	bearer, retell := signature.Config{Scheme: "bearer"}, signature.Config{Scheme: "retell"}
	for _, x := range []struct {
		c          signature.Config
		path, body string
		waits      bool
	}{
		{bearer, "/desk", `{"event_type":"lookup","from":"+15550100123"}`, true},
		{bearer, "/desk", `{"event_type":"call_ended","from":"+15550100123"}`, false},
		{retell, "/retell", `{"event":"call_started","call":{"call_id":"c1"}}`, true},
		{retell, "/retell", `{"event":"call_inbound","call_inbound":{"from_number":"+15550100123"}}`, true}, // as ever
		{retell, "/retell", `{"event":"call_ended","call":{"call_id":"c1"}}`, false},
	} {
		res, answer := g.as(x.c, x.path, x.body)
		if accepted := strings.Contains(answer, `"accepted"`); res.StatusCode != http.StatusOK || accepted == x.waits {
			t.Errorf("%s: %d %s", x.body, res.StatusCode, answer)
			continue
		}
		if !x.waits {
			if got := c.next(t); got.body != x.body {
				t.Errorf("delivered %s, want %s", got.body, x.body)
			}
			continue
		}
		if strings.Contains(x.body, "c1") {
			continue // which has an id
		}
		if _, again := g.as(x.c, x.path, x.body); again == answer {
			t.Errorf("%s: the answer is a remembered one", x.body)
		}
	}
	c.nothingMore(t)
}
