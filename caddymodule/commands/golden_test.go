package commands

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/operate"
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

const anID = "01JC0Q4Z6W5P9G2N8S3T7V1X0Y"

const (
	anEvent       = `{"id":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y","tenant":"acme","source":"retell","route":"r","event_type":"call_ended","provider_event_id":"e-1","call_id":"c-1","received_at":"2026-01-31T12:00:00Z","bytes":2048,`
	aDelivery     = `{"id":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0","event_id":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y","tenant":"acme","destination":"crm",`
	itsTimes      = `"created_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:01Z"`
	threeAttempts = `"attempts":3,"history":[{"attempt":1,"at":"2026-01-31T12:00:00Z","took_ms":12.34,"status":503,"reason":"the receiver is overloaded","state":"pending",
			"sent":{"requests":[{"method":"GET","host":"crm.example","bytes":0,"fields":["?email"]},{"method":"POST","host":"crm.example:8443","bytes":512,"hash":"00112233445566778899aabbccddeeff","fields":["properties.email","properties.\u001bfirstname"],"more_fields":3}],"more":1,"shared_by":3}},
		{"attempt":2,"at":"2026-01-31T12:00:05Z","took_ms":3,"status":503,"reason":"the receiver is overloaded","state":"pending",
			"sent":{"requests":[{"method":"POST","bytes":1,"hash":"00112233445566778899aabbccddeeff"}]}},
		{"attempt":3,"at":"2026-01-31T12:00:10Z","took_ms":9,"status":201,"warnings":["a property was dropped"],
			"sent":{"requests":[{"method":"POST","bytes":1,"hash":"00112233445566778899aabbccddeeff"}]},"excerpt":"{\"id\":\u001b7}","state":"delivered"}]`
)

func TestTables(t *testing.T) {
	address := standIn(t, map[string]string{
		"/callgate/events": `{"events":[` + anEvent + `"states":{"delivered":1,"dead":2}},
			{"id":"01JC0Q4Z6W5P9G2N8S3T7V1X0X","tenant":"","source":"next\u001b[31mphone","received_at":"2026-01-31T11:00:00+01:00","bytes":9,"states":{}}]}`,
		"/callgate/deliveries": `{"deliveries":[` + aDelivery + `"state":"pending","attempts":2,"next_at":"2026-01-31T12:00:30Z","last_status":503,"reason":"` + strings.Repeat("long ", 30) + `",` + itsTimes + `},
			` + aDelivery + `"state":"pending","attempts":1,"waits_for":"configuration","wait_reason":"tenant \"acme\" is not configured","reason":"503",` + itsTimes + `},
			` + aDelivery + `"state":"pending","attempts":0,"waits_for":"gateway","wait_reason":"no file descriptors",` + itsTimes + `},
			` + aDelivery + `"state":"pending","delivering":true,"attempts":0,` + itsTimes + `},
			` + aDelivery + `"state":"delivered","attempts":1,"last_status":200,` + itsTimes + `}],"next":"01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0"}`,
		"/callgate/stats": `{"events":1234,"bytes":5242880,"max_bytes":1073741824,"destinations":[
			{"name":"crm","known":true,"paused":true,"pause_reason":"tea","breaker":"open","in_flight":1,"pending":7,"delivered":1000,"dead":3,"oldest_pending":"2026-01-31T12:00:00Z"},
			{"name":"gone","known":false,"pending":1},
			{"name":"slow","known":true,"held_until":"2026-01-31T12:00:00Z"},
			{"name":"spool:r /x/*","known":true,"breaker":"closed"}]}`,
		"/callgate/cluster": `{"shared":true,"self":"g2","now":"2026-01-31T12:00:00Z","clock_ahead_seconds":3.25,"gateways":[
			{"id":"g1","name":"east","version":"v1.2.0","since":"2026-01-31T09:00:00Z","until":"2026-01-31T12:00:11Z","destinations":3,"lanes":2},
			{"id":"g2","name":"w\u001best","version":"v1.1.0","since":"2026-01-31T10:00:00Z","until":"2026-01-31T12:00:03Z","destinations":3,"lanes":2}],"lanes":[
			{"destination":"#maintenance","shard":0,"shards":1,"epoch":1,"gateway":"g1","holder":"east","since":"2026-01-31T09:00:00Z"},
			{"destination":"crm","shard":0,"shards":1,"epoch":7,"gateway":"g1","holder":"east","since":"2026-01-31T09:00:00Z","pending":12,"oldest_pending":"2026-01-31T11:59:00Z"},
			{"destination":"ehr","shard":0,"shards":1,"epoch":3,"since":"2026-01-31T09:00:00Z","pending":0},
			{"destination":"lake","shard":1,"shards":2,"epoch":9,"gateway":"g2","holder":"west","since":"2026-01-31T10:00:00Z","pending":0}],
			"vitals":{"server":"PostgreSQL 15.18","connections":21,"max_connections":100,"live_rows":12,"dead_rows":900,"oldest_transaction_ns":3600000000000,"xmin_age":123456,"oldest_holder":"backend 4711 (pg_dump)",
				"log_bytes":35000,"log_events":10,"synchronous":false,"standbys":[{"name":"b","state":"streaming","sync":"async","lag_ns":1500000,"lag_bytes":4096}],"warnings":["end what backend 4711 does"]}}`,
		"/callgate/rotations": `{"since":"2026-01-31T10:00:00Z","rotations":[
			{"source":"retell","route":"r","tenant":"acme","secrets":[{"secret":1,"last_used":"2026-01-31T12:00:00Z"},{"secret":2}]}]}`,
		"/callgate/events/01JC0Q4Z6W5P9G2N8S3T7V1X0Z": anEvent + `"deliveries":[
			` + aDelivery + `"state":"pending","attempts":0,"waits_for":"configuration","wait_reason":"destination \"crm\" is not configured",` + itsTimes + `,"history":[]},
			` + aDelivery + `"state":"pending","attempts":0,"waits_for":"hold","wait_reason":"404: nothing is at the URL",` + itsTimes + `,"history":[]}]}`,
		"/callgate/events/01JC0Q4Z6W5P9G2N8S3T7V1X0Y": anEvent + `"deliveries":[` + aDelivery + `"state":"delivered","remote_id":"42",` + itsTimes + `,` + threeAttempts + `}]}`,
		"/callgate/events/01JC0Q4Z6W5P9G2N8S3T7V1X0Y/content": anEvent + `"deliveries":[` + aDelivery + `"state":"delivered","remote_id":"42",` + itsTimes + `,` + threeAttempts + `}],
			"content":{"call":{"provider":"retell","urgent":true},"uri":"/hook","headers":{"Content-Type":["application/json"]},"body":"{\"event\":\n\t\"call_ended\"}\u0007"}}`,
	})
	for golden, tt := range map[string]struct {
		fill func(*cobra.Command)
		args []string
	}{
		"events":       {fillEvents, nil},
		"deliveries":   {fillDeliveries, []string{"--limit", "5"}},
		"stats":        {fillStats, nil},
		"cluster":      {fillCluster, nil},
		"rotations":    {fillStats, []string{"--secrets"}},
		"show-waits":   {fillShow, []string{"01JC0Q4Z6W5P9G2N8S3T7V1X0Z"}},
		"show":         {fillShow, []string{"01JC0Q4Z6W5P9G2N8S3T7V1X0Y"}},
		"show-content": {fillShow, []string{"01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0", "--reveal", "--reason", "a test"}},
	} {
		out, err := run(t, tt.fill, "", append(tt.args, "--utc", "--address", address)...)
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
		rows := strings.TrimSuffix(strings.Repeat(anEvent+`"states":{}},`, 500), ",")
		if len(limits) == 3 {
			_, _ = w.Write([]byte(`{"events":[` + anEvent + `"states":{}}]}`))
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

// inZone makes a zone this machine's for a test.
func inZone(t *testing.T, name string, offset time.Duration) {
	t.Helper()
	before := time.Local
	time.Local = time.FixedZone(name, int(offset.Seconds()))
	t.Cleanup(func() { time.Local = before })
}

func TestTimesAreThoseOfThisMachine(t *testing.T) {
	inZone(t, "EST", -5*time.Hour)
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.Local)
	f := filter{operate.Filter{From: "08:00", To: "2026-01-31 07:30:00Z", FailedSince: "yesterday"}}
	if err := f.settle(now); err != nil || f.From != "2026-01-31T08:00:00-05:00" || f.To != "2026-01-31T07:30:00Z" || f.FailedSince != "2026-01-30T00:00:00-05:00" {
		t.Errorf("%+v, %v", f, err)
	}
	f = filter{operate.Filter{From: "this morning"}}
	if err := f.settle(now); err == nil || !strings.HasPrefix(err.Error(), `--from "this morning": it is not a time; write 08:00`) {
		t.Error(err)
	}
	address := standIn(t, map[string]string{"/callgate/events": `{"events":[` + anEvent + `"states":{}}]}`})
	for flag, want := range map[string]string{"--utc=false": "2026-01-31 07:00:00-05:00", "--utc": "2026-01-31 12:00:00Z "} {
		if out, err := run(t, fillEvents, "", flag, "--address", address); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}

// TestTablesFitTheScreen: at 80 and at 120 columns every line fits, and what one acts by is there.
func TestTablesFitTheScreen(t *testing.T) {
	inZone(t, "IST", 5*time.Hour+30*time.Minute)
	long := strings.Repeat("long ", 30)
	due := time.Now().Add(90 * time.Minute).UTC().Format(time.RFC3339)
	address := standIn(t, map[string]string{
		"/callgate/events": `{"events":[` + anEvent + `"states":{"delivered":11,"dead":2,"pending":3}}]}`,
		"/callgate/deliveries": `{"deliveries":[
			` + aDelivery + `"state":"pending","attempts":12,"next_at":"` + due + `","waits_for":"schedule","last_status":503,"reason":"` + long + `",` + itsTimes + `},
			` + aDelivery + `"state":"pending","attempts":2,"next_at":"2026-01-31T12:00:30Z","waits_for":"breaker","last_status":503,"reason":"` + long + `",` + itsTimes + `},
			` + aDelivery + `"state":"delivered","attempts":1,"last_status":200,` + itsTimes + `}]}`,
		"/callgate/stats": `{"events":1234,"bytes":5242880,"destinations":[
			{"name":"crm","known":true,"paused":true,"pause_reason":"` + long + `","breaker":"half-open","in_flight":1,"pending":70000,"delivered":1000000,"dead":30000,"oldest_pending":"2026-01-31T12:00:00Z"}]}`,
		"/callgate/events/" + anID: anEvent + `"deliveries":[` + aDelivery + `"state":"dead",` + itsTimes + `,"history":[{"attempt":1,"at":"2026-01-31T12:00:00Z","took_ms":12.34,"status":503,"reason":"` + long + `","sent":{"requests":[{"method":"POST","host":"` + strings.Repeat("crm.", 30) + `example","bytes":512,"hash":"00112233445566778899aabbccddeeff","fields":["` + strings.Repeat(`properties.email","`, 30) + `last"]}]}}]}]}`,
	})
	for _, width := range []int{80, 120} {
		t.Setenv("COLUMNS", fmt.Sprint(width))
		for _, tt := range []struct {
			fill  func(*cobra.Command)
			args  []string
			shows []string
		}{
			{fillEvents, nil, []string{anID, "2026-01-31 17:30:00+05:30", "2 dead"}},
			{fillDeliveries, nil, []string{anID + ".0", "crm", "in 1h29m", "breaker open", "long long", "…"}},
			{fillStats, nil, []string{"crm", "paused: long", "70000", "d", "30000", "half-open"}},
			{fillShow, []string{anID}, []string{"2026-01-31 17:30:00+05:30", "503", "…", "properties.email, properties.email", "last"}},
		} {
			out, err := run(t, tt.fill, "", append(tt.args, "--address", address)...)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%d characters on a screen of %d: %s", n, width, line)
				}
			}
			for _, s := range tt.shows {
				if !strings.Contains(out, s) {
					t.Errorf("no %q at %d:\n%s", s, width, out)
				}
			}
			if wide, err := run(t, tt.fill, "", append(tt.args, "--wide", "--address", address)...); err != nil || len(wide) <= len(out) || strings.Contains(wide, "…") {
				t.Errorf("--wide: %v\n%s", err, wide)
			}
		}
	}
	t.Setenv("COLUMNS", "20") // there is a least width, which is better than nothing
	if out, err := run(t, fillDeliveries, "", "--address", address); err != nil || !strings.Contains(out, anID+".0") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestColumnsThatAreEmptyGoFirst(t *testing.T) {
	var out strings.Builder
	table := newTable(&out, 20, column{"A", 0, 0}, column{"EMPTY", 1, 0}, column{"LATER", 2, 0}, column{"TEXT", 0, 4})
	table.row("aaaa", "", "bbbb", "a text that is long")
	hidden, err := table.end()
	if err != nil || strings.Join(hidden, " ") != "EMPTY" || out.String() != "A     LATER  TEXT\naaaa  bbbb   a text…\n" {
		t.Errorf("hidden %v, %v\n%s", hidden, err, out.String())
	}
}

func TestSpansAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59*time.Second + 999*time.Millisecond: "59s", time.Minute: "1m", 61 * time.Minute: "1h1m",
		23*time.Hour + 59*time.Minute: "23h59m", 49 * time.Hour: "2d1h",
	} {
		if got := span(time.Unix(0, 0), time.Unix(0, 0).Add(d)); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
