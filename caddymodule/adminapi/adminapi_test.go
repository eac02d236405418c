package adminapi

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/user"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

func TestListingsGoThroughPagesNewestFirst(t *testing.T) {
	operated(t)
	var ids []string
	uri, pages := "/callgate/events?limit=4", 0
	for before := ""; ; pages++ {
		var p operate.EventPage
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
	var p operate.EventPage
	ask(t, "POST", "/callgate/events", `{"limit":6}`).ok(&p)
	if len(p.Events) != 6 || p.Next != "" {
		t.Errorf("%d events, next %q", len(p.Events), p.Next)
	}
	var seen []string
	for before := ""; ; {
		var p operate.DeliveryPage
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
	var all operate.EventPage
	ask(t, "GET", "/callgate/events", "").ok(&all)
	newest, oldest := all.Events[0], all.Events[5]
	after := newest.ReceivedAt.Add(time.Hour).Format(time.RFC3339) // a slow machine tries for long
	for _, tt := range []struct {
		filter             map[string]string
		events, deliveries int
	}{
		{map[string]string{}, 6, 12},
		{map[string]string{"tenant": "acme"}, 4, 8},
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
		{map[string]string{"failed_since": "2000-01-01"}, 6, 6},
		{map[string]string{"failed_since": "2000-01-01", "destination": "log"}, 0, 0},
		{map[string]string{"failed_since": after}, 0, 0},
	} {
		body, err := json.Marshal(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var e operate.EventPage
		var d operate.DeliveryPage
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
	var all operate.EventPage
	list := ask(t, "GET", "/callgate/events", "")
	list.ok(&all)
	id := all.Events[0].ID
	plain := ask(t, "GET", "/callgate/events/"+id, "")
	var e struct {
		ID         string
		Tenant     string
		Deliveries []struct {
			ID, Destination, State string
			Attempts               int
			History                []operate.AttemptDetail
		}
		Content *operate.EventContent
	}
	plain.ok(&e)
	if e.ID != id || e.Tenant != "beta" || len(e.Deliveries) != 2 || e.Deliveries[0].Destination != "crm" || e.Content != nil {
		t.Errorf("%s", plain.body)
	}
	if a := e.Deliveries[0].History; e.Deliveries[0].State != "dead" || e.Deliveries[0].Attempts != 1 || len(a) != 1 || a[0].Status != 503 || a[0].Reason == "" || a[0].TookMS <= 0 {
		t.Errorf("%s", plain.body)
	}
	for _, shown := range []string{list.body, plain.body, ask(t, "GET", "/callgate/deliveries", "").body} {
		if strings.Contains(shown, "Mike") || strings.Contains(shown, "private") || strings.Contains(shown, "987654") {
			t.Errorf("shows what a caller said: %s", shown)
		}
	}
	ask(t, "POST", "/callgate/events/"+id+"/content", `{"reason":"a test"}`).ok(&e)
	var record struct {
		CallerNumber string `json:"caller_number"`
	}
	if e.Content == nil || e.Content.Body != leadOf(5) || json.Unmarshal(e.Content.Record, &record) != nil || record.CallerNumber != "+15559876545" {
		t.Errorf("%+v", e.Content)
	}
}

// TestContentIsForThoseWhoMaySeeIt: that something can connect to the admin endpoint is not enough to read what is sealed.
func TestContentIsForThoseWhoMaySeeIt(t *testing.T) {
	crm := gatewaytest.NewReceiver(t)
	g := gatewaytest.Run(t, fmt.Sprintf(operatedConfig, crm.URL, crm.URL))
	g.Send("/hook/acme", leadOf(1))
	settled(t, "crm", 1, 0)
	var all operate.EventPage
	ask(t, "GET", "/callgate/events", "").ok(&all)
	target := "/callgate/events/" + all.Events[0].ID + "/content"
	request := func() *http.Request {
		r := httptest.NewRequest("POST", target, strings.NewReader(`{"reason":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	https, administrator := request(), request()
	https.TLS = &tls.ConnectionState{}
	administrator.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: "ada"}}}}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		r     *http.Request
		shown bool
		who   string
	}{
		"unknown":            {request(), false, "local"},
		"TCP":                {at(request(), &net.TCPAddr{Port: 2019}), false, "local"},
		"TLS":                {https, false, "local"},
		"administrator":      {administrator, true, "CN=ada"},
		"its owner's socket": {at(request(), socket(t, 0o600)), true, "socket of " + me.Username},
		"as Caddy makes one": {at(request(), socket(t, 0o200)), true, "socket of " + me.Username},
		"a group's socket":   {at(request(), socket(t, 0o660)), false, "socket"},
		"everybody's socket": {at(request(), socket(t, 0o602)), false, "socket"},
		"a socket that none": {at(request(), &net.UnixAddr{Name: "/nowhere", Net: "unix"}), false, "socket"},
		"an abstract socket": {at(request(), &net.UnixAddr{Name: "@callgate", Net: "unix"}), false, "socket"},
	} {
		if got := actor(tt.r); got.Name != tt.who || got.Via != "admin" || got.Bound != nil {
			t.Errorf("%s: %+v, want %s", name, got, tt.who)
		}
		got := serveAdmin(t, tt.r)
		if shown := strings.Contains(got.body, "private words"); shown != tt.shown || shown != (got.status == 200) {
			t.Errorf("%s: %d: %s", name, got.status, got.body)
		}
		if !tt.shown && (got.status != 403 || !strings.Contains(got.body, "only to somebody who is known")) {
			t.Errorf("%s: %d: %s", name, got.status, got.body)
		}
	}
	for _, reason := range []string{"", `{}`, `{"reason":""}`, `{"reason":"a\nb"}`, `{"reason":"` + strings.Repeat("x", 201) + `"}`} {
		if got := ask(t, "POST", target, reason); got.status != 400 || !strings.Contains(got.body, "why you look") {
			t.Errorf("%s: %d: %s", reason, got.status, got.body)
		}
	}
}

func TestReadinessIsTold(t *testing.T) {
	g, _, _ := operated(t)
	var r operate.Readiness
	ask(t, "GET", "/callgate/ready", "").ok(&r)
	if !r.Ready || r.Error != "" {
		t.Errorf("%+v", r)
	}
	ask(t, "POST", "/callgate/destinations/crm/pause", "").ok(new(any))
	g.Send("/hook/acme", leadOf(7))
	settled(t, "log", 7, 0)
	got := ask(t, "GET", "/callgate/ready?max_queue_age=1ns", "")
	if err := json.Unmarshal([]byte(got.body), &r); err != nil || got.status != 503 || r.Ready || r.Pending != 1 || !strings.Contains(r.Error, "has waited for") {
		t.Errorf("%d: %s", got.status, got.body)
	}
	ask(t, "GET", "/callgate/ready?max_queue_age=1h", "").ok(&r)
	if got := ask(t, "GET", "/callgate/ready?max_queue_age=x", ""); got.status != 400 {
		t.Errorf("%d: %s", got.status, got.body)
	}
	g.Stop()
	if got := ask(t, "GET", "/callgate/ready", ""); got.status != 503 || !strings.Contains(got.body, "no configuration") {
		t.Errorf("%d: %s", got.status, got.body)
	}
}

func TestWithoutAStoreTheAdminAPISaysSo(t *testing.T) {
	for name, config := range map[string]string{
		"none":      "http:// {\n\tbind SOCKET\n\trespond hello\n}",
		"a sidecar": "http:// {\n\tbind SOCKET\n\tcallgate nextphone " + gatewaytest.Secret + " {\n\t\tname NAME\n\t}\n\trespond hello\n}",
	} {
		g := gatewaytest.Run(t, config)
		if got := ask(t, "GET", "/callgate/ready", ""); (got.status == 200) != (name == "a sidecar") {
			t.Errorf("%s: ready: %d: %s", name, got.status, got.body)
		}
		for _, target := range []string{"/callgate/events", "/callgate/stats", "/callgate/tail"} {
			if got := ask(t, "GET", target, ""); got.status != 503 || !strings.Contains(got.body, "no store is open") {
				t.Errorf("%s: %s: %d: %s", name, target, got.status, got.body)
			}
		}
		g.Stop()
	}
}

// TestRotationsTellWhichSecretIsUsed: of those who have several, and since the gateway runs.
func TestRotationsTellWhichSecretIsUsed(t *testing.T) {
	crm := gatewaytest.NewReceiver(t)
	config := strings.Replace(operatedConfig, "secret "+gatewaytest.Secret, "secret the-new-one-of-acme "+gatewaytest.Secret, 1)
	g := gatewaytest.Run(t, fmt.Sprintf(config, crm.URL, crm.URL))
	rotations := func() operate.RotationList {
		t.Helper()
		var l operate.RotationList
		ask(t, "GET", "/callgate/rotations", "").ok(&l)
		if len(l.Rotations) != 1 || l.Rotations[0].Tenant != "acme" || l.Rotations[0].Source != "nextphone" || len(l.Rotations[0].Secrets) != 2 || l.Since.IsZero() {
			t.Fatalf("%+v", l)
		}
		return l
	}
	for _, s := range rotations().Rotations[0].Secrets {
		if !s.LastUsed.IsZero() {
			t.Errorf("used before there was a request: %+v", s)
		}
	}
	before := time.Now()
	for _, tenant := range []string{"beta", "acme"} {
		if status, body := g.Send("/hook/"+tenant, leadOf(1)); status != 200 {
			t.Fatal(body)
		}
	}
	got := rotations().Rotations[0].Secrets
	if !got[0].LastUsed.IsZero() || got[1].LastUsed.Before(before) || got[0].Secret != 1 || got[1].Secret != 2 {
		t.Errorf("%+v", got)
	}
	if body := ask(t, "GET", "/callgate/rotations", "").body; strings.Contains(body, gatewaytest.Secret) || strings.Contains(body, "the-new-one") {
		t.Errorf("shows a secret: %s", body)
	}
}
