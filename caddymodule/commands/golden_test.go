package commands

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// standIn is an admin endpoint that answers as it is told, by path. Its address is returned.
func standIn(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if strings.HasPrefix(a, `{"error"`) {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = w.Write([]byte(a))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

const (
	anEvent    = `{"id":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y","tenant":"acme","source":"retell","route":"r","event_type":"call_ended","event_id":"e-1","call_id":"c-1","received_at":"2026-01-31T12:00:00Z","bytes":2048,`
	aDelivery  = `{"id":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0","event_id":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y","tenant":"acme","destination":"crm",`
	itsTimes   = `"created_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:01Z"`
	twoAttempt = `"attempts":[{"attempt":1,"at":"2026-01-31T12:00:00Z","took_ms":12.34,"status":503,"reason":"the receiver is overloaded","state":"pending"},
		{"attempt":2,"at":"2026-01-31T12:00:10Z","took_ms":9,"status":201,"warnings":["a property was dropped"],"excerpt":"{\"id\":\u001b7}","state":"delivered"}]`
)

func TestTables(t *testing.T) {
	address := standIn(t, map[string]string{
		"/callgate/events": `{"events":[` + anEvent + `"deliveries":{"delivered":1,"dead":2}},
			{"id":"01JC0Q4Z6W5P9G2N8S3T7V1X0X","tenant":"","source":"next\u001b[31mphone","received_at":"2026-01-31T11:00:00+01:00","bytes":9,"deliveries":{}}]}`,
		"/callgate/deliveries": `{"deliveries":[` + aDelivery + `"state":"pending","attempts":2,"next_at":"2026-01-31T12:00:30Z","last_status":503,"reason":"` + strings.Repeat("long ", 30) + `",` + itsTimes + `},
			` + aDelivery + `"state":"pending","delivering":true,"attempts":0,` + itsTimes + `},
			` + aDelivery + `"state":"delivered","attempts":1,"last_status":200,` + itsTimes + `}],"next":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0"}`,
		"/callgate/stats": `{"events":1234,"bytes":5242880,"max_bytes":1073741824,"destinations":[
			{"name":"crm","known":true,"paused":true,"pause_reason":"tea","breaker":"open","in_flight":1,"pending":7,"delivered":1000,"dead":3,"oldest_pending":"2026-01-31T12:00:00Z"},
			{"name":"gone","known":false,"pending":1},
			{"name":"slow","known":true,"held_until":"2026-01-31T12:00:00Z"},
			{"name":"spool:r /x/*","known":true,"breaker":"closed"}]}`,
		"/callgate/events/01JC0Q4Z6W5P9G2N8S3T7V1X0Y": anEvent + `"deliveries":[` + aDelivery + `"state":"delivered","remote_id":"42",` + itsTimes + `,` + twoAttempt + `}]}`,
		"/callgate/events/01JC0Q4Z6W5P9G2N8S3T7V1X0Y/content": anEvent + `"deliveries":[` + aDelivery + `"state":"delivered","remote_id":"42",` + itsTimes + `,` + twoAttempt + `}],
			"content":{"call":{"provider":"retell","urgent":true},"uri":"/hook","headers":{"Content-Type":["application/json"]},"body":"{\"event\":\n\t\"call_ended\"}\u0007"}}`,
	})
	for golden, tt := range map[string]struct {
		fill func(*cobra.Command)
		args []string
	}{
		"events":       {fillEvents, nil},
		"deliveries":   {fillDeliveries, []string{"--limit", "3"}},
		"stats":        {fillStats, nil},
		"show":         {fillShow, []string{"01JC0Q4Z6W5P9G2N8S3T7V1X0Y"}},
		"show-content": {fillShow, []string{"01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0", "--content", "--reason", "a test"}},
	} {
		out, err := run(t, tt.fill, "", append(tt.args, "--address", address)...)
		if err != nil {
			t.Errorf("%s: %v", golden, err)
			continue
		}
		file := filepath.Join("testdata", golden+".txt")
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if out != string(want) {
			t.Errorf("%s: printed\n%s\nwant\n%s", golden, out, want)
		}
		for _, r := range out {
			if r < ' ' && r != '\n' {
				t.Errorf("%s: control character %q", golden, r)
			}
		}
	}
}

func TestListingsGoOnUntilTheirLimit(t *testing.T) {
	var limits []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b [1024]byte
		n, _ := r.Body.Read(b[:])
		limits = append(limits, string(b[:n]))
		rows := strings.TrimSuffix(strings.Repeat(anEvent+`"deliveries":{}},`, 500), ",")
		if len(limits) == 3 {
			_, _ = w.Write([]byte(`{"events":[` + anEvent + `"deliveries":{}}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"events":[` + rows + `],"next":"n` + string('0'+rune(len(limits))) + `"}`))
	}))
	defer s.Close()
	for limit, want := range map[string]string{
		"0":    `{"limit":500} {"before":"n1","limit":500} {"before":"n2","limit":500}`,
		"1000": `{"limit":500} {"before":"n1","limit":500}`,
		"1":    `{"limit":1}`,
		"501":  `{"limit":500} {"before":"n1","limit":1}`,
	} {
		limits = nil
		if _, err := run(t, fillEvents, "", "--limit", limit, "--json", "--address", s.Listener.Addr().String()); err != nil {
			t.Errorf("%s: %v", limit, err)
		}
		if got := strings.Join(limits, " "); got != want {
			t.Errorf("--limit %s asked for %s, want %s", limit, got, want)
		}
	}
}

func TestWhatIsNoGatewayIsTold(t *testing.T) {
	address := standIn(t, map[string]string{"/callgate/stats": "<html>"})
	if _, err := run(t, fillStats, "", "--address", address); err == nil || !strings.Contains(err.Error(), "not the gateway's") {
		t.Error(err)
	}
	if _, err := run(t, fillEvents, "", "--address", address); err == nil || !strings.Contains(err.Error(), "a Caddy without Callgate") {
		t.Error(err)
	}
	if _, err := run(t, fillShow, "", "a/b?c", "--address", standIn(t, map[string]string{"/callgate/events/a%2Fb%3Fc": `{"error":"the gateway's own words"}`})); err == nil || err.Error() != "the gateway's own words" {
		t.Error(err)
	}
}

func TestTimesCanBeGivenAsAgo(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"": "", "2026-01-30": "2026-01-30", "2026-01-30T01:02:03+01:00": "2026-01-30T01:02:03+01:00",
		"2h": "2026-01-31T10:00:00Z", "90m": "2026-01-31T10:30:00Z", "7d": "2026-01-24T12:00:00Z", "1.5d": "2026-01-30T00:00:00Z",
		"-2h": "!", "2": "!", "d": "!", "yesterday": "!", "9999999d": "!",
	} {
		got, err := when("from", in, now)
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzWhen: a time is refused or one that the gateway can read.
func FuzzWhen(f *testing.F) {
	for _, s := range []string{"2h", "7d", "2026-01-31", "2026-01-31T12:00:00Z", "-1d", "1e9d", "NaNd"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := when("from", s, now)
		if err != nil || got == "" && s == "" {
			return
		}
		at, err := time.Parse(time.RFC3339, got)
		if err != nil {
			if at, err = time.Parse(time.DateOnly, got); err != nil {
				t.Fatalf("%q became %q", s, got)
			}
		}
		if got != s && at.After(now) {
			t.Fatalf("%q became %q, which is not past", s, got)
		}
	})
}
