package adminapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReplaySendsAgainWhatItsDryRunCounts(t *testing.T) {
	_, down, up := operated(t)
	for range 6 {
		up.Next(t)
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
	down.Down.Store(false)
	if n := replay(`{"destination":"crm","tenant":"acme"}`); n != 4 {
		t.Errorf("%d were replayed", n)
	}
	settled(t, "crm", 4, 2)
	for range 4 {
		down.Next(t)
	}
	down.NothingMore(t)
	if n := replay(`{"state":"delivered","destination":"log","tenant":"beta"}`); n != 2 {
		t.Errorf("%d delivered ones were replayed", n)
	}
	up.Next(t)
	up.Next(t)
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
	down.Down.Store(false)
	var p struct {
		Paused bool
		Reason string
	}
	ask(t, "POST", "/callgate/destinations/crm/pause", `{"reason":"tea"}`).ok(&p)
	if !p.Paused || p.Reason != "tea" {
		t.Errorf("%+v", p)
	}
	g.Send("/hook/acme", leadOf(7))
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
	if got := down.Next(t); got != leadOf(7) {
		t.Errorf("delivered %s", got)
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
		{"GET", "/callgate/events?tenant=acne", "", 404, "no such tenant; there are: acme, beta"},
		{"GET", "/callgate/deliveries?destination=crn", "", 404, "no such destination; there are: crm, log"},
		{"GET", "/callgate/events?source=nextfone", "", 404, "nextphone"},
		{"GET", "/callgate/tail?tenant=acne", "", 404, "no such tenant"},
		{"POST", "/callgate/erase", `{"tenant":"acne"}`, 404, "no such tenant"},
		{"POST", "/callgate/replay", `{"destination":"crn"}`, 404, "no such destination"},
		{"POST", "/callgate/retry", `{"destination":"crn"}`, 404, "no such destination"},
		{"GET", "/callgate/events?failed_since=today", "", 400, "failed_since must be a time"},
		{"GET", "/callgate/events?state=delivering", "", 400, "pending, delivered or dead"},
		{"GET", "/callgate/events?from=yesterday", "", 400, "from must be a time"},
		{"GET", "/callgate/events?from=2026-02-01&to=2026-01-01", "", 400, "earlier"},
		{"GET", "/callgate/events?tenant=a%0Ab", "", 400, "control characters"},
		{"GET", "/callgate/events?reason=" + strings.Repeat("x", 513), "", 400, "bytes"},
		{"GET", "/callgate/events/" + unknown, "", 404, "not found"},
		{"GET", "/callgate/events/x", "", 404, "not found"},
		{"GET", "/callgate/events/" + unknown + "?content=1", "", 400, "POST"},
		{"GET", "/callgate/events/" + unknown + "/content", "", 405, "POST"},
		{"GET", "/callgate/stats?x=1", "", 400, "no query parameter"},
		{"GET", "/callgate/tail?state=dead", "", 400, "no query parameter"},
		{"POST", "/callgate/events?tenant=a", "{}", 400, "no query parameter"},
		{"POST", "/callgate/events", `{"tenent":"x"}`, 400, `no member "tenent"`},
		{"POST", "/callgate/events", `{"limit":"x"}`, 400, `"limit" must be a number`},
		{"POST", "/callgate/events", `{"caller":"555-987-6543"}`, 400, "with its country"},
		{"POST", "/callgate/events", `{"caller":"anonymous"}`, 400, "no phone number"},
		{"POST", "/callgate/events", `{} {}`, 400, "after its JSON object"},
		{"POST", "/callgate/events", `[]`, 400, "the whole must be an object"},
		{"POST", "/callgate/replay", "", 400, `"all": true`},
		{"POST", "/callgate/replay", `{"dry_run":true}`, 400, `"all": true`},
		{"POST", "/callgate/erase", `{}`, 400, `"all": true`},
		{"POST", "/callgate/erase", `{"all":true,"tenant":"acme"}`, 400, "either"},
		{"POST", "/callgate/erase", `{"state":"any"}`, 400, "pending, delivered or dead"},
		{"POST", "/callgate/replay", `{"state":"pending"}`, 400, "need no replay"},
		{"POST", "/callgate/replay", `{"tenant":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "larger"},
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
	for _, tt := range [][3]string{
		{"/callgate/erase", `{"all":true}`, "text/plain"}, {"/callgate/erase", `{"all":true}`, ""},
		// Nor is a request without a body, which needs no leave of a browser either.
		{"/callgate/destinations/crm/pause", "", ""}, {"/callgate/destinations/crm/resume", "", "text/plain"},
		{"/callgate/destinations/crm/resume", "", "application/x-www-form-urlencoded"}, {"/callgate/events", "", ""},
	} {
		r := httptest.NewRequest("POST", tt[0], strings.NewReader(tt[1]))
		if tt[2] != "" {
			r.Header.Set("Content-Type", tt[2])
		}
		if got := serveAdmin(t, r); got.status != http.StatusUnsupportedMediaType || !strings.Contains(got.body, "application/json") {
			t.Errorf("%v: status %d: %s", tt, got.status, got.body)
		}
	}
	if n := ask(t, "GET", "/callgate/stats", "").count("events"); n != 6 {
		t.Errorf("%d events are left", n)
	}
}
