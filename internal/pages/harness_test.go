package pages

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/net/html"

	"github.com/callgate/callgate/internal/access"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// receiver is a destination that works, and answers 404 while it is down.
type receiver struct{ down, slow atomic.Bool }

func (r *receiver) Deliver(_ context.Context, items []destination.Item) []destination.Result {
	out := make([]destination.Result, len(items))
	for i := range out {
		out[i] = destination.Result{Outcome: destination.Delivered, Status: 201, RemoteID: "contact 55121"}
		if r.down.Load() {
			out[i] = destination.Result{Outcome: destination.Dead, Status: 404, Reason: "no handler for /jobs"}
		}
		if r.slow.Load() {
			out[i] = destination.Result{Outcome: destination.Retry, Status: 503, Reason: "try later"}
		}
	}
	return out
}

func (r *receiver) Preview([]destination.Item) ([]destination.Request, error) { return nil, nil }
func (r *receiver) MaxBatch() int                                             { return 1 }

// desk is a gateway with its pages, for tests in a bubble of testing/synctest. Its destinations are crm and dispatch, and
// its people those of grants.
type desk struct {
	t             *testing.T
	ui            *UI
	store         store.Store
	engine        *delivery.Engine
	service       *operate.Service
	meter         *operate.Meter
	crm, dispatch *receiver
	policy        *access.Policy
	log           strings.Builder
	number        int
	// away makes the gateway have nothing to operate.
	away atomic.Bool
	// faulty are the tenants that the gateway runs without.
	faulty []string
}

// settings are those of crm; dispatch lives in the store.
func settings(destination string) operate.Settings {
	if destination == "crm" {
		return operate.Settings{Kind: "hubspot", List: []operate.Setting{{Name: "to.token", Shown: "$HUBSPOT_TOKEN"}, {Name: "hash_key", Shown: "set, 20 characters", Masked: true}}}
	}
	return operate.Settings{Kind: "http", Managed: true}
}

// metering hands a meter what the engine does, as the gateway's observer does.
type metering struct {
	delivery.NopObserver
	meter *operate.Meter
}

func (o metering) Accepted(_ context.Context, e *store.Event, a store.Accepted, _ []string) {
	if a.Duplicate {
		o.meter.Copied(e.Route, e.Tenant, e.EventID)
		return
	}
	o.meter.Accepted(e.Tenant)
}

func (o metering) AttemptFinished(a delivery.Attempted) { o.meter.Attempt(operate.AttemptInfo(&a)) }

// grants are the roles of the people of these tests. dora is bound to the tenant acme.
var grants = []access.Grant{
	{Role: "viewer", Users: []string{"vera"}},
	{Role: "operator", Users: []string{"otto"}},
	{Role: "operator", Users: []string{"dora"}, Tenants: []string{"acme"}},
	{Role: "builder", Users: []string{"bill"}},
	{Role: "auditor", Users: []string{"audrey"}},
	{Role: "eraser", Users: []string{"erna"}},
	{Role: "admin", Users: []string{"ada"}},
	{Role: "reveal", Users: []string{"rita", "ron"}},
	{Role: "viewer", Users: []string{"ron"}},
}

// people are those names, and one who has no role.
var people = []string{"vera", "otto", "dora", "bill", "audrey", "erna", "ada", "rita", "ron", "nobody"}

// inBubble runs a test with a desk under /ops/.
func inBubble(t *testing.T, test func(t *testing.T, d *desk)) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{t: t, store: storetest.NewMemory(storetest.Options{DataKeys: true}), crm: new(receiver), dispatch: new(receiver)}
		log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&d.log), zap.DebugLevel))
		d.meter = operate.NewMeter(t.Context(), d.store, nil)
		d.engine = delivery.New(delivery.Options{Store: d.store, Log: log, Observer: metering{meter: d.meter}})
		d.engine.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{
			"crm":      {Destination: d.crm, Schedule: delivery.ListSchedule(0, time.Hour, time.Hour)},
			"dispatch": {Destination: d.dispatch, Schedule: delivery.ListSchedule(0, time.Hour, time.Hour)},
		}})
		defer d.engine.Close(context.Background())
		d.service = operate.New(operate.Options{Store: d.store, Engine: d.engine, Log: log, Meter: d.meter, Settings: settings, Faulty: func() []string { return d.faulty }, Names: func() operate.Names {
			return operate.Names{Tenants: []string{"acme", "beta"}, Sources: []string{"nextphone", "retell"}}
		}})
		var err error
		if d.policy, err = access.New(grants); err != nil {
			t.Fatal(err)
		}
		d.ui, err = New(Options{Prefix: "/ops/", Log: log, Ready: func() *operate.Service { return d.service }, Service: func() (*operate.Service, error) {
			if d.away.Load() {
				return nil, operate.NoStore()
			}
			return d.service, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		test(t, d)
	})
}

// record is a call as sources make it, full of what must not be seen.
const record = `{"provider":"nextphone","event_type":"lead","caller_number":"+15559876543","receiving_number":"+15551230000",` +
	`"first_name":"Michaela","last_name":"Johansson","email":"michaela@johansson.example","message":"leaky pipe in the kitchen",` +
	`"urgent":false,"callback_requested":true,"params":{"address":"123 Maple Street","patient_id":"PT-10023"}}`

// personal is what must not be seen of it.
var personal = []string{"Michaela", "Johansson", "michaela@", "johansson.example", "leaky", "kitchen", "Maple", "PT-10023", "9876543", "1230000", "555) 987"}

// accept accepts an event of a tenant, and lets it be delivered.
func (d *desk) accept(tenant string) (id string) {
	return d.acceptRecord(tenant, record)
}

func (d *desk) acceptRecord(tenant, record string) (id string) {
	d.t.Helper()
	d.number++
	e := &store.Event{
		ID: ulid.MustNew(ulid.Timestamp(time.Now()), ulid.DefaultEntropy()).String(), Tenant: tenant, Source: "nextphone", Route: "calls",
		EventType: "lead", CallID: fmt.Sprintf("c-%d", d.number), CallerHash: "+15559876543", ReceivedAt: time.Now(),
		Header: map[string][]string{"X-Caller": {"Michaela"}},
		Body:   []byte(record), Record: []byte(record), Key: [16]byte{byte(d.number), byte(d.number >> 8)},
	}
	if _, err := d.engine.Accept(d.t.Context(), e, []string{"crm", "dispatch"}); err != nil {
		d.t.Fatal(err)
	}
	d.settle()
	return e.ID
}

// settle lets happen what happens now.
func (d *desk) settle() {
	time.Sleep(time.Millisecond)
	synctest.Wait()
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// as asks for a page as somebody; path is behind the prefix.
func (d *desk) as(name, path string) answer { return d.ask(name, http.MethodGet, path, nil) }

// post sends a form as somebody.
func (d *desk) post(name, path string, form url.Values) answer {
	return d.ask(name, http.MethodPost, path, form)
}

func (d *desk) ask(name, method, path string, form url.Values) answer {
	d.t.Helper()
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(d.t.Context(), method, "https://ops.test/ops/"+strings.TrimPrefix(path, "/ops/"), body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	d.ui.Serve(w, r, d.policy.Actor(name, nil, "dashboard"))
	a := answer{w.Code, w.Header(), w.Body.String()}
	wellFormed(d.t, name+" "+method+" "+path, a)
	return a
}

// follow sends a form and asks for the page that it leads to.
func (d *desk) follow(name, path string, form url.Values) answer {
	d.t.Helper()
	a := d.post(name, path, form)
	if a.status != http.StatusSeeOther {
		d.t.Fatalf("%s %s: %d, no other page: %s", name, path, a.status, text(d.t, a.body))
	}
	return d.as(name, a.header.Get("Location"))
}

// voids are the elements that have no end.
var voids = []string{"meta", "link", "input", "br", "img", "hr", "path", "circle"}

// wellFormed holds every page that any test asks for to what all of them promise.
func wellFormed(t *testing.T, name string, a answer) {
	t.Helper()
	if a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.body == "" {
		return
	}
	if len(a.body) > 50<<10 {
		t.Errorf("%s: %d bytes", name, len(a.body))
	}
	if strings.Contains(a.body, "ZgotmplZ") || strings.Contains(a.body, "%!") {
		t.Errorf("%s: a value is in a place where it cannot be", name)
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("%s: policy %q", name, csp)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: it can be kept: %q", name, a.header.Get("Cache-Control"))
	}
	z := html.NewTokenizer(strings.NewReader(a.body))
	var open []string
	ids := map[string]bool{}
	h1, captions, tables := 0, 0, 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		tok := z.Token()
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			for _, at := range tok.Attr {
				if at.Key == "style" || strings.HasPrefix(at.Key, "on") {
					t.Errorf("%s: <%s %s> is inline", name, tok.Data, at.Key)
				}
				if at.Key == "id" {
					if ids[at.Val] {
						t.Errorf("%s: id %s stands twice", name, at.Val)
					}
					ids[at.Val] = true
				}
				if (at.Key == "href" || at.Key == "src" || at.Key == "action") && !strings.HasPrefix(at.Val, "/ops/") && !strings.HasPrefix(at.Val, "#") {
					t.Errorf("%s: <%s %s=%q> leads away", name, tok.Data, at.Key, at.Val)
				}
			}
			switch tok.Data {
			case "h1":
				h1++
			case "table":
				tables++
			case "caption":
				captions++
			case "style":
				t.Errorf("%s: has a style of its own", name)
			}
			if kind == html.StartTagToken && !slices.Contains(voids, tok.Data) {
				open = append(open, tok.Data)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != tok.Data {
				t.Errorf("%s: </%s> ends %v", name, tok.Data, open)
				return
			}
			open = open[:len(open)-1]
		}
	}
	if h1 != 1 || captions != tables || len(open) != 0 {
		t.Errorf("%s: %d h1, %d tables with %d captions, open at the end: %v", name, h1, tables, captions, open)
	}
}

// text is what a page says, without its markup.
func text(t *testing.T, body string) string {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(body))
	var b strings.Builder
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.Join(strings.Fields(b.String()), " ")
		case html.TextToken:
			b.Write(z.Text())
			b.WriteByte(' ')
		}
	}
}

// says reports whether a page says something, wherever its markup divides it.
func says(t *testing.T, a answer, what string) bool {
	t.Helper()
	plain := strings.NewReplacer(" .", ".", " ,", ",", " :", ":").Replace(text(t, a.body))
	return strings.Contains(plain, what)
}

// links are the addresses of links of a page.
func links(body string) (all []string) {
	z := html.NewTokenizer(strings.NewReader(body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return all
		case html.StartTagToken:
			tok := z.Token()
			for _, at := range tok.Attr {
				if at.Key == "href" && tok.Data == "a" && !strings.HasPrefix(at.Val, "#") {
					all = append(all, at.Val)
				}
			}
		}
	}
}
