package httpdest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
	"github.com/callgate/callgate/internal/template"
)

func keeps(t *testing.T, pairs ...string) (all []Kept) {
	t.Helper()
	for pair := range slices.Chunk(pairs, 2) {
		v, err := condition.CompileValue(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Kept{pair[0], v})
	}
	return all
}

// contactAndDeal is a chain of a contact, a deal for it, and a note at both.
func contactAndDeal(t *testing.T, r *standin.Receiver, change func(*ChainConfig)) *Chain {
	t.Helper()
	urgent, err := condition.Compile("!call.urgent")
	if err != nil {
		t.Fatal(err)
	}
	cfg := ChainConfig{Client: onPrem(), Steps: []Step{
		{Name: "contact", Keep: keeps(t, "id", "$.id", "etag", `header["etag"]`), Config: Config{Renderer: fromDocument(t, `{"url": "`+r.URL+`/contacts", "body_template": {"email": "{{email}}"}}`)}},
		{Name: "deal", When: urgent, Keep: keeps(t, "id", "$.data.id"), Config: Config{Success: []int{409}, Renderer: fromDocument(t, `{"url": "`+r.URL+`/deals", "headers": {"If-Match": "{{steps.contact.etag}}"}, "body_template": {"contact": "{{steps.contact.id|integer}}"}}`)}},
		{Name: "note", Config: Config{Renderer: fromDocument(t, `{"http_method": "PUT", "url": "`+r.URL+`/contacts/{{steps.contact.id}}/notes/{{delivery_id}}?deal={{steps.deal.id}}", "body_template": {"text": "{{caller_number}}"}}`)}},
	}}
	if change != nil {
		change(&cfg)
	}
	c, err := NewChain(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sent are the requests as "METHOD /uri body", from one on.
func sent(r *standin.Receiver, from int) (all []string) {
	for _, q := range r.Requests()[from:] {
		all = append(all, strings.TrimSpace(q.Method+" "+q.URI+" "+string(q.Body)))
	}
	return all
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %s\nwant %s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var (
	contactMade = standin.Reply{Status: 201, Header: http.Header{"Etag": {`"v1"`}}, Body: `{"id":7}`}
	dealMade    = standin.Reply{Status: 201, Body: `{"data":{"id":"d/9"}}`}
)

func TestAChainPassesValuesOn(t *testing.T) {
	r := standin.NewReceiver(t)
	r.Script(contactMade, dealMade)
	c := contactAndDeal(t, r, nil)
	got := c.Deliver(t.Context(), []destination.Item{item()})[0]
	if got.Outcome != destination.Delivered || got.RemoteID != "d/9" || got.Status != 200 {
		t.Errorf("%+v", got)
	}
	equal(t, "sent", sent(r, 0), []string{
		`POST /contacts {"email":"mike/x?y=1@email.com"}`, `POST /deals {"contact":7}`,
		`PUT /contacts/7/notes/dlv_1?deal=d%2F9 {"text":"+15559876543"}`,
	})
	all := r.Requests()
	for i, want := range []string{"dlv_1-contact", "dlv_1-deal", "dlv_1-note"} {
		if h := all[i].Header; h.Get("Idempotency-Key") != want || h.Get("Webhook-Id") != want {
			t.Errorf("request %d is known by %q and %q, want %q", i, h.Get("Idempotency-Key"), h.Get("Webhook-Id"), want)
		}
	}
	if got := all[1].Header.Get("If-Match"); got != `"v1"` {
		t.Errorf("the header of the answer before: %q", got)
	}
}

// A step that was carried out is not sent again: not after a failure of a later one, and not after a restart.
func TestAChainGoesOnAtTheStepThatFailed(t *testing.T) {
	r := standin.NewReceiver(t)
	store := chain.NewMemory()
	again := func() destination.Result {
		t.Helper()
		return contactAndDeal(t, r, func(c *ChainConfig) { c.Progress = store }).Deliver(t.Context(), []destination.Item{item()})[0]
	}
	r.Script(contactMade, standin.Reply{Status: 503, Header: http.Header{"Retry-After": {"7"}}})
	if got := again(); got.Outcome != destination.Retry || got.RetryAfter != 7*time.Second || !got.Unhealthy || !strings.HasPrefix(got.Reason, "step deal: 503") {
		t.Fatalf("%+v", got)
	}
	r.Script(standin.Reply{Hangup: true}) // its answer is lost
	if got := again(); got.Outcome != destination.Retry || !strings.HasPrefix(got.Reason, "step deal: ") {
		t.Fatalf("%+v", got)
	}
	// The receiver knows by the key that it has the deal already.
	r.Script(standin.Reply{Status: 409, Body: `{"data":{"id":9}}`}, standin.Reply{Status: 422})
	if got := again(); got.Outcome != destination.Dead || !strings.HasPrefix(got.Reason, "step note: 422") {
		t.Fatalf("%+v", got)
	}
	if got := again(); got.Outcome != destination.Delivered { // replayed
		t.Fatalf("%+v", got)
	}
	equal(t, "sent", sent(r, 0), []string{
		`POST /contacts {"email":"mike/x?y=1@email.com"}`, `POST /deals {"contact":7}`, `POST /deals {"contact":7}`, `POST /deals {"contact":7}`,
		`PUT /contacts/7/notes/dlv_1?deal=9 {"text":"+15559876543"}`, `PUT /contacts/7/notes/dlv_1?deal=9 {"text":"+15559876543"}`,
	})
	other := item()
	other.DeliveryID = "dlv_2"
	r.Script(contactMade, dealMade)
	contactAndDeal(t, r, func(c *ChainConfig) { c.Progress = store }).Deliver(t.Context(), []destination.Item{other})
	if n := len(r.Requests()); n != 9 {
		t.Errorf("another delivery sent %d requests", n-6)
	}
}

func TestAStepThatIsNotWanted(t *testing.T) {
	r := standin.NewReceiver(t)
	r.Script(contactMade)
	urgent := item()
	own := *urgent.Call
	own.Urgent = true
	urgent.Call = &own
	c := contactAndDeal(t, r, nil)
	if got := c.Deliver(t.Context(), []destination.Item{urgent})[0]; got.Outcome != destination.Delivered || got.RemoteID != "7" {
		t.Errorf("%+v", got)
	}
	equal(t, "sent", sent(r, 0), []string{`POST /contacts {"email":"mike/x?y=1@email.com"}`, `PUT /contacts/7/notes/dlv_1?deal= {"text":"+15559876543"}`})
	if p, err := c.Preview([]destination.Item{urgent}); err != nil || len(p) != 2 {
		t.Errorf("previewed %d requests, %v", len(p), err)
	}
}

// An answer without what later steps need is no success, and no step is made with nothing in its place.
func TestASuccessWithoutWhatIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		reply  standin.Reply
		astray bool
		reason string
	}{
		"no id":     {standin.Reply{Status: 200, Header: http.Header{"Etag": {"1"}}, Body: `{"ok":true}`}, true, "step contact: 200, but the answer has nothing for keep id; "},
		"no JSON":   {standin.Reply{Status: 200, Body: `OK`}, true, "nothing for keep id, etag"},
		"cut off":   {standin.Reply{Status: 200, Header: http.Header{"Etag": {"1"}}, Body: `{"id":7`, Cut: true}, false, "cut off"},
		"very long": {standin.Reply{Status: 200, Header: http.Header{"Etag": {"1"}}, Body: `{"id":"` + strings.Repeat("7", maxKept+1) + `"}`}, true, "keep id"},
	} {
		r := standin.NewReceiver(t)
		r.Script(c.reply)
		got := contactAndDeal(t, r, nil).Deliver(t.Context(), []destination.Item{item()})[0]
		if got.Outcome != destination.Retry || got.Astray != c.astray || !strings.Contains(got.Reason, c.reason) || len(r.Requests()) != 1 {
			t.Errorf("%s: %+v after %d requests", name, got, len(r.Requests()))
		}
	}
}

func TestAChainIsPreviewedAsAWhole(t *testing.T) {
	r := standin.NewReceiver(t)
	c := contactAndDeal(t, r, nil)
	p, err := c.Preview([]destination.Item{item()})
	if err != nil || len(p) != 3 || len(r.Requests()) != 0 {
		t.Fatalf("%d requests, %v, %d sent", len(p), err, len(r.Requests()))
	}
	for i, want := range []struct{ url, body, note string }{
		{"/contacts", `{"email":"mike/x?y=1@email.com"}`, `step contact: STEP_CONTACT_ID is $.id of its answer, STEP_CONTACT_ETAG is header["etag"] of its answer`},
		{"/deals", `{"contact":"STEP_CONTACT_ID"}`, "step deal: STEP_DEAL_ID is $.data.id of its answer"},
		{"/contacts/STEP_CONTACT_ID/notes/dlv_1?deal=STEP_DEAL_ID", `{"text":"+15559876543"}`, "step note"},
	} {
		if p[i].URL != r.URL+want.url || p[i].Body != want.body || p[i].Note != want.note {
			t.Errorf("%+v, want %+v", p[i], want)
		}
	}
	if got := p[1].Header.Get("If-Match"); got != "STEP_CONTACT_ETAG" {
		t.Errorf("If-Match: %q", got)
	}
}

// broken is a store that cannot be read, or not be written.
type broken struct{ read, write error }

func (b broken) Keep(context.Context, string, []byte) error   { return b.write }
func (b broken) Kept(context.Context, string) ([]byte, error) { return nil, b.read }

func TestAStoreThatFails(t *testing.T) {
	r := standin.NewReceiver(t)
	c := contactAndDeal(t, r, func(c *ChainConfig) { c.Progress = broken{read: errors.New("no disk")} })
	if got := c.Deliver(t.Context(), []destination.Item{item()})[0]; got.Outcome != destination.Retry || !strings.Contains(got.Reason, "no disk") || len(r.Requests()) != 0 {
		t.Errorf("%+v after %d requests", got, len(r.Requests()))
	}
	c = contactAndDeal(t, r, func(c *ChainConfig) { c.Progress = broken{write: errors.New("no disk")} })
	r.Script(contactMade, dealMade)
	if got := c.Deliver(t.Context(), []destination.Item{item()})[0]; got.Outcome != destination.Delivered || len(got.Warnings) != 2 || len(r.Requests()) != 3 {
		t.Errorf("%+v after %d requests", got, len(r.Requests()))
	}
}

// A receiver that knows no Idempotency-Key is asked before whether it has the contact, which a lost answer may have made.
func TestAStepIsLookedFor(t *testing.T) {
	r := standin.NewReceiver(t)
	c := contactAndDeal(t, r, func(c *ChainConfig) {
		c.Steps[0].Find = &Find{Renderer: fromDocument(t, `{"http_method": "GET", "url": "`+r.URL+`/contacts?email={{email}}"}`), Keep: keeps(t, "id", "$.items[0].id", "etag", "$.items[0].etag")}
	})
	const find, make = "GET /contacts?email=mike%2Fx%3Fy%3D1%40email.com", `POST /contacts {"email":"mike/x?y=1@email.com"}`
	for name, c2 := range map[string]struct {
		answer standin.Reply
		after  []standin.Reply
		want   []string
		reason string
	}{
		"there":      {standin.Reply{Body: `{"items":[{"id":7,"etag":"v1"}]}`}, []standin.Reply{dealMade}, []string{find, `POST /deals {"contact":7}`}, ""},
		"not there":  {standin.Reply{Body: `{"items":[]}`}, []standin.Reply{contactMade, dealMade}, []string{find, make, `POST /deals {"contact":7}`}, ""},
		"not found":  {standin.Reply{Status: 404}, []standin.Reply{contactMade, dealMade}, []string{find, make, `POST /deals {"contact":7}`}, ""},
		"no answer":  {standin.Reply{Status: 500}, nil, []string{find}, "step contact: find: 500"},
		"cut answer": {standin.Reply{Body: `{"items":[`, Cut: true}, nil, []string{find}, "step contact: find: the answer was cut off"},
	} {
		before := len(r.Requests())
		r.Script(append([]standin.Reply{c2.answer}, c2.after...)...)
		it := item()
		it.DeliveryID = name
		got := c.Deliver(t.Context(), []destination.Item{it})[0]
		if (got.Outcome == destination.Delivered) != (c2.reason == "") || !strings.HasPrefix(got.Reason, c2.reason) {
			t.Errorf("%s: %+v", name, got)
		}
		all := sent(r, before)
		equal(t, name, all[:min(len(all), len(c2.want))], c2.want)
	}
	for _, q := range r.Requests() {
		if q.Method == "GET" && (q.Header.Get("Idempotency-Key") != "" || q.Header.Get("Webhook-Id") != "") {
			t.Error("the question goes for the request itself")
		}
	}
	p, err := c.Preview([]destination.Item{item()})
	if err != nil || len(p) != 4 || p[0].Method != "GET" || !strings.Contains(p[1].Note, "if nothing is found") {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestChainsThatCannotBe(t *testing.T) {
	if _, err := NewChain(ChainConfig{}); err == nil {
		t.Error("a chain without steps")
	}
	var pairs []string
	for range maxKeeps + 1 {
		pairs = append(pairs, "x", "$.x")
	}
	if _, err := NewChain(ChainConfig{Steps: []Step{{Name: "a", Keep: keeps(t, pairs...), Config: Config{Renderer: Fixed{URL: "https://crm.example", Body: []byte("x")}}}}}); err == nil || !strings.Contains(err.Error(), "step a") {
		t.Errorf("too much is kept: %v", err)
	}
	if _, err := NewChain(ChainConfig{Steps: []Step{{Name: "b", Config: Config{Renderer: Fixed{URL: "ftp://crm.example"}}}}}); !errors.Is(err, outbound.ErrBadURL) || !strings.Contains(err.Error(), "step b") {
		t.Errorf("%v", err)
	}
}

// What a chain keeps of a delivery always fits into what a store takes.
func TestWhatIsKeptFits(t *testing.T) {
	progress, err := chain.Load(t.Context(), sized{}, "x")
	if err != nil {
		t.Fatal(err)
	}
	kept := make(map[string]string)
	for i := range maxKeeps {
		kept[strings.Repeat("n", 30)+string(rune('a'+i))] = strings.Repeat("v", maxKept)
	}
	if err := progress.Ask(t.Context(), &chain.Asking{Step: "a", URL: strings.Repeat("u", maxPlace), Kept: kept}); err != nil {
		t.Error(err)
	}
	if err := progress.Finish(t.Context(), "a", kept); err != nil {
		t.Error(err)
	}
}

type sized struct{}

func (sized) Keep(_ context.Context, _ string, value []byte) error {
	if len(value) > 4096 {
		return errors.New("too large")
	}
	return nil
}

func (sized) Kept(context.Context, string) ([]byte, error) { return nil, nil }

// A number that an answer would give can be previewed where missing and wrong values are errors.
func TestNumbersOfAnswersInAStrictPreview(t *testing.T) {
	d, _, err := definition.Parse([]byte(`{"url": "https://crm.example/deals", "body_template": {"contact": "{{steps.contact.id|integer}}"}}`), definition.Options{Policy: template.Strict})
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewChain(ChainConfig{Steps: []Step{
		{Name: "contact", Keep: keeps(t, "id", "$.id"), Config: Config{Renderer: Fixed{URL: "https://crm.example/contacts", Body: []byte("{}")}}},
		{Name: "deal", Config: Config{Renderer: FromDefinition(d)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.Preview([]destination.Item{item()}); err != nil || len(p) != 2 || p[1].Body != `{"contact":0}` {
		t.Errorf("%+v, %v", p, err)
	}
}
