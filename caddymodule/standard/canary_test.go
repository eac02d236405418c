package standard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/source"
)

// contentTypes are those of the samples by their endings; SOAP and forms among them.
var contentTypes = map[string]string{
	".json": "application/json", ".xml": "text/xml", ".form": "application/x-www-form-urlencoded", ".multipart": "multipart/form-data; boundary=xYz",
}

// canarySample is what a sender sends, and what of it tells of a person.
type canarySample struct {
	preset, contentType string
	body                []byte
	personal            []string
}

// personalFields are the members of a record that tell of a person.
var personalFields = []string{"caller_number", "caller_name", "first_name", "last_name", "email", "message", "summary", "transcript", "notes", "address"}

// canarySamples are the samples of all presets.
func canarySamples(t *testing.T) (all []canarySample) {
	t.Helper()
	const dir = "../../internal/source/"
	files, err := filepath.Glob(dir + "samples/payloads/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		ending := filepath.Ext(file)
		name := strings.TrimSuffix(filepath.Base(file), ending)
		s := canarySample{contentType: contentTypes[ending]}
		for _, p := range source.Presets() {
			if strings.HasPrefix(name, p.Name+"-") && len(p.Name) > len(s.preset) {
				s.preset = p.Name
			}
		}
		text, err := os.ReadFile(dir + "testdata/records/" + name + ".json")
		if err != nil || s.preset == "" || s.contentType == "" {
			continue // several in one, or sent in an address
		}
		fields := map[string]any{}
		if json.Unmarshal(text, &fields) != nil {
			continue
		}
		if s.body, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		params, _ := fields["params"].(map[string]any)
		for _, field := range personalFields {
			for _, of := range []map[string]any{fields, params} {
				if value, ok := of[field].(string); ok {
					s.personal = append(s.personal, forms(field, value)...)
				}
			}
		}
		all = append(all, s)
	}
	return all
}

// forms are those in which a value may stand somewhere: a number also by its last digits and as people write it, and of what
// was said each line.
func forms(field, value string) (all []string) {
	if field == "caller_number" {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, value)
		if len(digits) < 10 {
			return nil
		}
		last := digits[len(digits)-10:]
		return []string{last, fmt.Sprintf("%s) %s-%s", last[:3], last[3:6], last[6:]), last[:3] + "-" + last[3:6] + "-" + last[6:], last[3:6] + "-" + last[6:]}
	}
	for line := range strings.SplitSeq(value, "\n") {
		if _, said, ok := strings.Cut(line, ": "); ok {
			line = said
		}
		if line = strings.TrimSpace(line); len(line) > 4 {
			all = append(all, line[:min(len(line), 30)])
		}
	}
	return all
}

// echo is a receiver that fails, and says in its answer whatever it got: receivers quote what they do not like. It keeps the
// headers and addresses of what it gets, and how many bodies it got.
type echo struct {
	*httptest.Server
	mu    sync.Mutex
	heads bytes.Buffer
	said  bytes.Buffer
}

func newEcho(t *testing.T) *echo {
	e := new(echo)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		fmt.Fprintln(&e.heads, r.Method, r.URL)
		_ = r.Header.Write(&e.heads)
		e.said.Write(body)
		e.mu.Unlock()
		switch r.URL.Path {
		case "/well":
			return
		case "/dead":
			w.WriteHeader(http.StatusUnprocessableEntity)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(e.Close)
	return e
}

const canaryConfig = `{
	callgate {
		store sqlite STORE
		encryption_key 0000000000000000000000000000000000000000000000000000000000000001
		audit {
			key PRIVATE+KEY+clinic.example/callgate+eeb37340+Aa0FWCFyYiGVq1YvOXIwuNHypXJrdeaE6H2/M3ImhZjb
			checkpoint 1h file STORE.published
			record_first
		}
		alert {
			url ALERTS
			dead_letter
			breaker_open
			paused
			success_rate 99%%
			cooldown 1s
		}
		metrics {
			per_tenant
		}
		%s
		destination well http {
			url ECHO/well
			body ` + "`" + `{"n":"{{caller_number}}","f":"{{first_name}}","l":"{{last_name}}","e":"{{email}}","m":"{{message}}","s":"{{summary}}","t":"{{transcript}}"}` + "`" + `
		}
		destination dead http {
			url ECHO/dead
			pass_through
		}
		destination failing http {
			url ECHO/failing
			body ` + "`" + `{"said":"{{summary}}","n":"{{caller_number}}"}` + "`" + `
		}
		destination crm hubspot {
			token of-the-tests
			base_url ECHO
		}
		destination ehr fhir {
			base ECHO/fhir
		}
	}
}
http:// {
	bind SOCKET
	log
	%s
	callgate /signed nextphone ` + gatewaytest.Secret + ` {
		name NAME-signed
		verify nextphone
		deliver well
	}
	handle {
		reverse_proxy HOST
	}
}`

// canaryGateway is a gateway that takes what every preset sends, and whose log, at the level DEBUG, goes to a file.
type canaryGateway struct {
	t             *testing.T
	admin, client *http.Client
	log, store    string
	stopped       bool
	heads         bytes.Buffer // of all its answers
}

func onSocket(name string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}}}
}

func runCanaries(t *testing.T, alerts, receiver *echo) *canaryGateway {
	t.Helper()
	dir := t.TempDir()
	g := &canaryGateway{t: t, log: filepath.Join(dir, "log"), store: filepath.Join(dir, "store.db")}
	var sources, routes strings.Builder
	for _, p := range source.Presets() {
		fmt.Fprintf(&sources, "source %s {\nverify none {\nunsafe\n}\nremote_ip 192.0.2.7\n}\n", p.Name)
		fmt.Fprintf(&routes, "callgate /in/%[1]s %[1]s {\nname NAME-%[1]s\ndeliver well\ndeliver dead\ndeliver failing\ndeliver crm\ndeliver ehr\n}\n", p.Name)
		fmt.Fprintf(&routes, "callgate /sync/%[1]s %[1]s {\nname NAME-sync-%[1]s\n}\n", p.Name)
	}
	// What comes over a socket has the address that the front says it has.
	config := strings.NewReplacer("SOCKET", "unix/"+filepath.Join(dir, "s"), "STORE", g.store, "ALERTS", alerts.URL, "ECHO", receiver.URL,
		"HOST", strings.TrimPrefix(receiver.URL, "http://"), "NAME", "canary").Replace(fmt.Sprintf(canaryConfig, sources.String(), routes.String()))
	var c map[string]any
	if err := json.Unmarshal(gatewaytest.Adapt(t, config, "unix/"+filepath.Join(dir, "admin")), &c); err != nil {
		t.Fatal(err)
	}
	c["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{
		"level": "DEBUG", "writer": map[string]any{"output": "file", "filename": g.log}, "encoder": map[string]any{"format": "json"},
	}}}
	for _, server := range c["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any) {
		server.(map[string]any)["trusted_proxies"] = map[string]any{"source": "static", "ranges": []string{"0.0.0.0/0"}}
		server.(map[string]any)["trusted_proxies_unix"] = true
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(text, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stop)
	g.client, g.admin = onSocket(filepath.Join(dir, "s")), onSocket(filepath.Join(dir, "admin"))
	return g
}

// stop ends the gateway, so that its log is whole.
func (g *canaryGateway) stop() {
	g.t.Helper()
	if g.stopped {
		return
	}
	g.stopped = true
	g.client.CloseIdleConnections()
	g.admin.CloseIdleConnections()
	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil {
		g.t.Error(err)
	}
	if err := caddy.Stop(); err != nil {
		g.t.Error(err)
	}
}

func (g *canaryGateway) send(path, contentType string, body []byte) int {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://gate.test"+path, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // a receiver's own answer goes to the sender as it is
	_ = res.Header.Write(&g.heads)
	return res.StatusCode
}

// ask gives what the admin endpoint answers.
func (g *canaryGateway) ask(method, path, body string) string {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := g.admin.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("%s %s: %d, %v, %s", method, path, res.StatusCode, err, b)
	}
	return string(b)
}

// TestNothingOfACallIsSeenAnywhere: what senders of all presets say of people goes to the receivers, and is in no log, metric,
// alert or record, in no configuration and no header; also where a receiver quotes it in its refusal, and where it is refused.
func TestNothingOfACallIsSeenAnywhere(t *testing.T) {
	alerts, receiver := newEcho(t), newEcho(t)
	g := runCanaries(t, alerts, receiver)
	samples := canarySamples(t)
	taken, presets := 0, map[string]bool{}
	var personal []string
	for _, s := range samples {
		if g.send("/in/"+s.preset, s.contentType, s.body) == http.StatusOK && len(s.personal) > 0 {
			taken++
			presets[s.preset] = true
		}
		g.send("/sync/"+s.preset, s.contentType, s.body)
		g.send("/signed", s.contentType, s.body)                                    // whose signature is missing
		g.send("/in/"+s.preset, "application/json", s.body[:max(0, len(s.body)-3)]) // cut off
		personal = append(personal, s.personal...)
	}
	slices.Sort(personal)
	personal = slices.Compact(personal)
	if taken < 60 || len(presets) < 25 || len(personal) < 60 {
		t.Fatalf("%d samples of %d were taken, of %d presets, with %d values", taken, len(samples), len(presets), len(personal))
	}
	// All have reached one receiver; of those that fail some have been tried, before the gateway gave the receiver a rest, and
	// that is told.
	deadline := time.Now().Add(60 * time.Second)
	var stats string
	for {
		var s struct {
			Destinations []struct {
				Name            string
				Delivered, Dead int64
			}
		}
		stats = g.ask("GET", "/callgate/stats", "")
		if err := json.Unmarshal([]byte(stats), &s); err != nil {
			t.Fatal(err)
		}
		delivered, dead := int64(0), int64(0)
		for _, d := range s.Destinations {
			delivered, dead = max(delivered, d.Delivered), max(dead, d.Dead)
		}
		alerts.mu.Lock()
		told := alerts.said.Len()
		alerts.mu.Unlock()
		if delivered >= int64(taken) && dead > 4 && told > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all is tried: %s, and alerts of %d bytes", stats, told)
		}
		time.Sleep(50 * time.Millisecond)
	}
	seen := map[string]string{
		"the configuration": g.ask("GET", "/config/", ""), "the metrics": g.ask("GET", "/metrics", ""), "the statistics": stats,
		"the events":     g.ask("GET", "/callgate/events?limit=500", ""),
		"the deliveries": g.ask("GET", "/callgate/deliveries?limit=500", ""),
	}
	for _, format := range []string{"jsonl", "csv", "fhir"} {
		seen["the export as "+format] = g.ask("POST", "/callgate/audit/export", `{"format":"`+format+`"}`)
	}
	g.stop()
	for what, file := range map[string]string{"the log": g.log, "the checkpoints": g.store + ".published"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen[what] = string(text)
	}
	receiver.mu.Lock()
	seen["the headers of what was sent"], seen["the headers of answers"] = receiver.heads.String(), g.heads.String()
	received := receiver.said.String()
	receiver.mu.Unlock()
	alerts.mu.Lock()
	seen["an alert"] = alerts.said.String()
	alerts.mu.Unlock()

	arrived := 0
	for _, value := range personal {
		if strings.Contains(received, value) {
			arrived++
		}
		for what, text := range seen {
			if at := strings.Index(text, value); at >= 0 {
				t.Errorf("%q stands in %s: …%s…", value, what, text[max(0, at-100):min(len(text), at+100)])
			}
		}
	}
	if arrived*2 < len(personal) {
		t.Errorf("of %d values %d reached a receiver, so that little is tried here", len(personal), arrived)
	}
	for what, text := range seen {
		if len(text) < 100 {
			t.Errorf("%s is %q, in which there could not be anything", what, text)
		}
	}
}
