package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/store"
)

// asked is what the admin API answered.
type asked struct {
	t      testing.TB
	status int
	body   string
}

// ask sends a request to the admin API as Caddy's endpoint would hand it on.
func ask(t testing.TB, method, target, body string) asked {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return serveAdmin(t, r)
}

func serveAdmin(t testing.TB, r *http.Request) asked {
	t.Helper()
	w := httptest.NewRecorder()
	err := (&Admin{ctx: caddy.Context{Context: t.Context()}}).serve(w, r)
	if err == nil {
		return asked{t, w.Code, w.Body.String()}
	}
	apiErr, ok := err.(caddy.APIError) // Caddy looks no deeper
	if !ok {
		t.Fatalf("%s %s: %v is no caddy.APIError", r.Method, r.URL, err)
	}
	if w.Body.Len() > 0 {
		t.Errorf("%s %s: an answer was begun before the error", r.Method, r.URL)
	}
	return asked{t, apiErr.HTTPStatus, apiErr.Error()}
}

func (a asked) ok(into any) {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("status %d: %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
}

func (a asked) count(member string) int {
	a.t.Helper()
	var counts map[string]any
	a.ok(&counts)
	n, ok := counts[member].(float64)
	if !ok {
		a.t.Fatalf("no %s in %s", member, a.body)
	}
	return int(n)
}

const operatedConfig = `{
	callgate {
		store sqlite STORE
		encryption_key 0000000000000000000000000000000000000000000000000000000000000001
		tenant acme {
			secret ` + testSecret + `
		}
		tenant beta {
			secret ` + testSecret + `
		}
		destination crm http {
			url %[1]s/leads
			pass_through
			retry 0s
			breaker off
		}
		destination log http {
			url %[2]s/log
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		tenant {path.1}
		deliver crm
		deliver log
	}
}`

func leadOf(n int) string {
	return fmt.Sprintf(`{"lead":{"name":"Mike Johnson","phone":"+1555987654%d","notes":"private words %d"}}`, n, n)
}

// operated is a gateway with six events, of which two are of tenant beta. Those for crm are dead.
func operated(t *testing.T) (g *running, down, up *crm) {
	t.Helper()
	down, up = newCRM(t), newCRM(t)
	down.down.Store(true)
	g = runGateway(t, fmt.Sprintf(operatedConfig, down.URL, up.URL))
	for n := range 6 {
		tenant := "acme"
		if n >= 4 {
			tenant = "beta"
		}
		if res, body := g.send("/hook/"+tenant, leadOf(n)); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, body)
		}
	}
	settled(t, "crm", 0, 6)
	settled(t, "log", 6, 0)
	return g, down, up
}

// settled waits until a destination has so many delivered and dead deliveries.
func settled(t *testing.T, destination string, delivered, dead int64) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var s storeSummary
		ask(t, "GET", "/callgate/stats", "").ok(&s)
		for _, d := range s.Destinations {
			if d.Name == destination && d.Pending == 0 && d.Delivered == delivered && d.Dead == dead {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not %d delivered and %d dead: %+v", destination, delivered, dead, s)
		}
		time.Sleep(5 * time.Millisecond) // the store has no event for this
	}
}

func TestListingsGoThroughPagesNewestFirst(t *testing.T) {
	operated(t)
	var ids []string
	uri, pages := "/callgate/events?limit=4", 0
	for before := ""; ; pages++ {
		var p eventPage
		ask(t, "GET", uri+before, "").ok(&p)
		for _, e := range p.Events {
			ids = append(ids, e.ID)
			if e.States[store.Dead] != 1 || e.States[store.Delivered] != 1 {
				t.Errorf("event %+v", e)
			}
		}
		if p.Next == "" {
			break
		}
		before = "&before=" + p.Next
	}
	descending := slices.Clone(ids)
	slices.Sort(descending)
	slices.Reverse(descending)
	if len(ids) != 6 || pages != 1 || !slices.Equal(ids, descending) {
		t.Errorf("%d pages after the first, events %v", pages, ids)
	}
	// A page that is just full is the last one.
	var p eventPage
	ask(t, "POST", "/callgate/events", `{"limit":6}`).ok(&p)
	if len(p.Events) != 6 || p.Next != "" {
		t.Errorf("%d events, next %q", len(p.Events), p.Next)
	}
	var seen []string
	for before := ""; ; {
		var p deliveryPage
		ask(t, "POST", "/callgate/deliveries", fmt.Sprintf(`{"limit":5,"before":%q}`, before)).ok(&p)
		for _, d := range p.Deliveries {
			seen = append(seen, d.ID)
		}
		if before = p.Next; before == "" {
			break
		}
	}
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); n != 12 || len(seen) != 12 {
		t.Errorf("%d deliveries, %d of them different", len(seen), n)
	}
}

func TestFiltersSelectWhatTheySay(t *testing.T) {
	operated(t)
	var all eventPage
	ask(t, "GET", "/callgate/events", "").ok(&all)
	newest, oldest := all.Events[0], all.Events[5]
	after := newest.ReceivedAt.Add(time.Second).Format(time.RFC3339)
	for _, tt := range []struct {
		filter             map[string]string
		events, deliveries int
	}{
		{map[string]string{}, 6, 12},
		{map[string]string{"tenant": "acme"}, 4, 8},
		{map[string]string{"tenant": "nobody"}, 0, 0},
		{map[string]string{"source": "nextphone"}, 6, 12},
		{map[string]string{"source": "retell"}, 0, 0},
		{map[string]string{"event_type": "lead", "tenant": "beta"}, 2, 4},
		{map[string]string{"destination": "crm"}, 6, 6},
		{map[string]string{"state": "dead"}, 6, 6},
		{map[string]string{"state": "delivered", "destination": "crm"}, 0, 0},
		{map[string]string{"reason": "503"}, 6, 6},
		{map[string]string{"event": newest.ID}, 1, 2},
		{map[string]string{"delivery": newest.ID + ".1"}, 1, 1},
		{map[string]string{"call_id": "none"}, 0, 0},
		{map[string]string{"caller": "+1 (555) 987-6543"}, 1, 2},
		{map[string]string{"caller": "+15550000000"}, 0, 0},
		{map[string]string{"from": oldest.ReceivedAt.UTC().Format(time.RFC3339Nano)}, 6, 12},
		{map[string]string{"from": newest.ReceivedAt.UTC().Format(time.RFC3339Nano)}, 1, 2},
		{map[string]string{"to": newest.ReceivedAt.UTC().Format(time.RFC3339Nano)}, 5, 10},
		{map[string]string{"from": "2000-01-01", "to": after}, 6, 12},
		{map[string]string{"to": "2000-01-01"}, 0, 0},
	} {
		body, err := json.Marshal(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var e eventPage
		var d deliveryPage
		ask(t, "POST", "/callgate/events", string(body)).ok(&e)
		ask(t, "POST", "/callgate/deliveries", string(body)).ok(&d)
		if len(e.Events) != tt.events || len(d.Deliveries) != tt.deliveries {
			t.Errorf("%v: %d events and %d deliveries, want %d and %d", tt.filter, len(e.Events), len(d.Deliveries), tt.events, tt.deliveries)
		}
		if tt.filter["caller"] != "" {
			continue
		}
		q := make(url.Values)
		for name, v := range tt.filter {
			q.Set(name, v)
		}
		ask(t, "GET", "/callgate/events?"+q.Encode(), "").ok(&e)
		ask(t, "GET", "/callgate/deliveries?"+q.Encode(), "").ok(&d)
		if len(e.Events) != tt.events || len(d.Deliveries) != tt.deliveries {
			t.Errorf("%v in a query: %d events and %d deliveries", tt.filter, len(e.Events), len(d.Deliveries))
		}
	}
}

func TestContentIsShownWhenAskedFor(t *testing.T) {
	operated(t)
	var all eventPage
	list := ask(t, "GET", "/callgate/events", "")
	list.ok(&all)
	id := all.Events[0].ID
	plain := ask(t, "GET", "/callgate/events/"+id, "")
	var e struct {
		ID         string
		Tenant     string
		Deliveries []struct {
			ID, Destination, State string
			Attempts               []attemptDetail
		}
		Content *eventContent
	}
	plain.ok(&e)
	if e.ID != id || e.Tenant != "beta" || len(e.Deliveries) != 2 || e.Deliveries[0].Destination != "crm" || e.Content != nil {
		t.Errorf("%s", plain.body)
	}
	if a := e.Deliveries[0].Attempts; e.Deliveries[0].State != "dead" || len(a) != 1 || a[0].Status != 503 || a[0].Reason == "" || a[0].TookMS <= 0 {
		t.Errorf("%s", plain.body)
	}
	for _, shown := range []string{list.body, plain.body, ask(t, "GET", "/callgate/deliveries", "").body} {
		if strings.Contains(shown, "Mike") || strings.Contains(shown, "private") || strings.Contains(shown, "987654") {
			t.Errorf("shows what a caller said: %s", shown)
		}
	}
	ask(t, "GET", "/callgate/events/"+id+"?content=1", "").ok(&e)
	var record struct {
		CallerNumber string `json:"caller_number"`
	}
	if e.Content == nil || e.Content.Body != leadOf(5) || json.Unmarshal(e.Content.Record, &record) != nil || record.CallerNumber != "+15559876545" {
		t.Errorf("%+v", e.Content)
	}
}

func TestReplaySendsAgainWhatItsDryRunCounts(t *testing.T) {
	_, down, up := operated(t)
	for range 6 {
		up.next(t)
	}
	replay := func(body string) int {
		t.Helper()
		return ask(t, "POST", "/callgate/replay", body).count("deliveries")
	}
	if n := replay(`{"destination":"crm","dry_run":true}`); n != 6 {
		t.Errorf("the dry run counts %d", n)
	}
	if n := replay(`{"destination":"log","dry_run":true}`); n != 0 {
		t.Errorf("without a state %d delivered ones are counted", n)
	}
	for body, want := range map[string]int{
		`{"all":true,"dry_run":true}`:                          6,
		`{"state":"any","dry_run":true}`:                       12,
		`{"state":"delivered","tenant":"beta","dry_run":true}`: 2,
		`{"caller":"+15559876541","dry_run":true}`:             1,
	} {
		if n := replay(body); n != want {
			t.Errorf("%s counts %d, want %d", body, n, want)
		}
	}
	settled(t, "crm", 0, 6) // nothing was changed
	down.down.Store(false)
	if n := replay(`{"destination":"crm","tenant":"acme"}`); n != 4 {
		t.Errorf("%d were replayed", n)
	}
	settled(t, "crm", 4, 2)
	for range 4 {
		down.next(t)
	}
	down.nothingMore(t)
	if n := replay(`{"state":"delivered","destination":"log","tenant":"beta"}`); n != 2 {
		t.Errorf("%d delivered ones were replayed", n)
	}
	up.next(t)
	up.next(t)
}

func TestEraseDeletesWhatItsDryRunCounts(t *testing.T) {
	operated(t)
	erase := func(body string) int {
		t.Helper()
		return ask(t, "POST", "/callgate/erase", body).count("events")
	}
	left := func() int {
		t.Helper()
		return ask(t, "GET", "/callgate/stats", "").count("events")
	}
	if n := erase(`{"caller":"+15559876540","dry_run":true}`); n != 1 || left() != 6 {
		t.Errorf("the dry run counts %d and leaves %d", n, left())
	}
	if n := erase(`{"caller":"+15559876540"}`); n != 1 || left() != 5 {
		t.Errorf("%d erased, %d left", n, left())
	}
	if n := erase(`{"tenant":"beta"}`); n != 2 || left() != 3 {
		t.Errorf("%d erased, %d left", n, left())
	}
	if n := erase(`{"all":true}`); n != 3 || left() != 0 {
		t.Errorf("%d erased, %d left", n, left())
	}
}

func TestAPausedDestinationKeepsWhatItGets(t *testing.T) {
	g, down, _ := operated(t)
	down.down.Store(false)
	var p struct {
		Paused bool
		Reason string
	}
	ask(t, "POST", "/callgate/destinations/crm/pause", `{"reason":"tea"}`).ok(&p)
	if !p.Paused || p.Reason != "tea" {
		t.Errorf("%+v", p)
	}
	g.send("/hook/acme", leadOf(7))
	settled(t, "log", 7, 0)
	var d struct {
		Destinations []struct {
			Name        string
			Paused      bool
			PauseReason string `json:"pause_reason"`
			Pending     int
		}
	}
	ask(t, "GET", "/callgate/destinations", "").ok(&d)
	if len(d.Destinations) != 2 || d.Destinations[0].Name != "crm" || !d.Destinations[0].Paused || d.Destinations[0].PauseReason != "tea" || d.Destinations[0].Pending != 1 {
		t.Errorf("%+v", d)
	}
	ask(t, "POST", "/callgate/destinations/crm/resume", "").ok(&p)
	if p.Paused {
		t.Errorf("%+v", p)
	}
	if got := down.next(t); got.body != leadOf(7) {
		t.Errorf("delivered %s", got.body)
	}
	if got := ask(t, "POST", "/callgate/destinations/crn/pause", ""); got.status != 404 || !strings.Contains(got.body, "crm, log") {
		t.Errorf("%d: %s", got.status, got.body)
	}
}

func TestWrongAdminRequestsAreRefused(t *testing.T) {
	operated(t)
	const unknown = "01JC0Q4Z6W5P9G2N8S3T7V1X0Y"
	for _, tt := range []struct {
		method, target, body string
		status               int
		says                 string
	}{
		{"GET", "/callgate/", "", 404, "no such resource"},
		{"GET", "/callgate/events/a/b", "", 404, "no such resource"},
		{"GET", "/callgate/destinations/crm/stop", "", 404, "no such resource"},
		{"DELETE", "/callgate/events", "", 405, "GET or POST"},
		{"GET", "/callgate/erase", "", 405, "POST"},
		{"POST", "/callgate/stats", "", 405, "GET"},
		{"GET", "/callgate/events?tenent=x", "", 400, "no query parameter"},
		{"GET", "/callgate/events?tenant=a&tenant=b", "", 400, "more than once"},
		{"GET", "/callgate/events?tenant=%zz", "", 400, "cannot be read"},
		{"GET", "/callgate/events?caller=%2B15551234567", "", 400, "POST the filter"},
		{"GET", "/callgate/events?limit=0", "", 400, "between 1 and 500"},
		{"GET", "/callgate/events?limit=501", "", 400, "between 1 and 500"},
		{"GET", "/callgate/events?limit=x", "", 400, "between 1 and 500"},
		{"GET", "/callgate/events?before=x", "", 400, "before"},
		{"GET", "/callgate/events?state=delivering", "", 400, "pending, delivered or dead"},
		{"GET", "/callgate/events?from=yesterday", "", 400, "from must be a time"},
		{"GET", "/callgate/events?from=2026-02-01&to=2026-01-01", "", 400, "earlier"},
		{"GET", "/callgate/events?tenant=a%0Ab", "", 400, "control characters"},
		{"GET", "/callgate/events?reason=" + strings.Repeat("x", maxFilterText+1), "", 400, "bytes"},
		{"GET", "/callgate/events/" + unknown, "", 404, "not found"},
		{"GET", "/callgate/events/x", "", 404, "not found"},
		{"GET", "/callgate/events/" + unknown + "?content=yes", "", 400, "content is 1"},
		{"GET", "/callgate/stats?x=1", "", 400, "no query parameter"},
		{"GET", "/callgate/tail?state=dead", "", 400, "no query parameter"},
		{"POST", "/callgate/events?tenant=a", "{}", 400, "no query parameter"},
		{"POST", "/callgate/events", `{"tenent":"x"}`, 400, `no member "tenent"`},
		{"POST", "/callgate/events", `{"limit":"x"}`, 400, `"limit" must be a int`},
		{"POST", "/callgate/events", `{"caller":"555-987-6543"}`, 400, "with its country"},
		{"POST", "/callgate/events", `{"caller":"anonymous"}`, 400, "no phone number"},
		{"POST", "/callgate/events", `{} {}`, 400, "after its JSON object"},
		{"POST", "/callgate/events", `[]`, 400, ""},
		{"POST", "/callgate/replay", "", 400, `"all": true`},
		{"POST", "/callgate/replay", `{"dry_run":true}`, 400, `"all": true`},
		{"POST", "/callgate/erase", `{}`, 400, `"all": true`},
		{"POST", "/callgate/erase", `{"all":true,"tenant":"acme"}`, 400, "either"},
		{"POST", "/callgate/erase", `{"state":"any"}`, 400, "pending, delivered or dead"},
		{"POST", "/callgate/replay", `{"state":"pending"}`, 400, "need no replay"},
		{"POST", "/callgate/replay", `{"tenant":"` + strings.Repeat("x", maxAdminBody) + `"}`, 413, "larger"},
		{"POST", "/callgate/destinations/crm/pause", `{"reason":"a\nb"}`, 400, "a line"},
		{"POST", "/callgate/destinations/crm/resume", `{"reason":"x"}`, 400, "no member"},
		{"POST", "/callgate/destinations/%2e%2e/pause", "", 404, "no such destination"},
	} {
		got := ask(t, tt.method, tt.target, tt.body)
		if got.status != tt.status || !strings.Contains(got.body, tt.says) {
			t.Errorf("%s %.60s %.60s: %d: %s", tt.method, tt.target, tt.body, got.status, got.body)
		}
		if strings.Contains(got.body, "987") {
			t.Errorf("a value is repeated: %s", got.body)
		}
	}
	// A form of a foreign web page is no JSON.
	r := httptest.NewRequest("POST", "/callgate/erase", strings.NewReader(`{"all":true}`))
	r.Header.Set("Content-Type", "text/plain")
	if got := serveAdmin(t, r); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if n := ask(t, "GET", "/callgate/stats", "").count("events"); n != 6 {
		t.Errorf("%d events are left", n)
	}
}

func TestWithoutAStoreTheAdminAPISaysSo(t *testing.T) {
	for name, config := range map[string]string{
		"none":      "http:// {\n\tbind SOCKET\n\trespond hello\n}",
		"a sidecar": "http:// {\n\tbind SOCKET\n\tcallgate nextphone " + testSecret + " {\n\t\tname NAME\n\t}\n\trespond hello\n}",
	} {
		g := runGateway(t, config)
		for _, target := range []string{"/callgate/events", "/callgate/stats", "/callgate/tail"} {
			if got := ask(t, "GET", target, ""); got.status != 503 || !strings.Contains(got.body, "no store is open") {
				t.Errorf("%s: %s: %d: %s", name, target, got.status, got.body)
			}
		}
		g.stop()
	}
}

func TestErrorsOfTheStoreHaveTheirStatus(t *testing.T) {
	for err, want := range map[error]int{
		store.ErrNotFound: 404, store.ErrClosed: 503, fmt.Errorf("%w: disk", store.ErrUnavailable): 503,
		fmt.Errorf("%w: disk", store.ErrFull): 503, errors.New("odd"): 500,
	} {
		if got := storeError(err).(caddy.APIError); got.HTTPStatus != want {
			t.Errorf("%v: %d, want %d", err, got.HTTPStatus, want)
		}
	}
}
