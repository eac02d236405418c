package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/store"
)

// crm is a receiving system: it keeps what it gets, and fails while it is told to.
type crm struct {
	*httptest.Server
	down atomic.Bool
	got  chan *seen
}

func newCRM(t testing.TB) *crm {
	t.Helper()
	c := &crm{got: make(chan *seen, 1000)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b, _ := io.ReadAll(r.Body)
		c.got <- &seen{r.Method, r.RequestURI, r.Header.Clone(), string(b), r.ContentLength}
		_, _ = w.Write([]byte("ok"))
	}))
	t.Cleanup(c.Close)
	return c
}

// next waits for a delivery.
func (c *crm) next(t testing.TB) *seen {
	t.Helper()
	select {
	case s := <-c.got:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing was delivered")
		return nil
	}
}

func (c *crm) nothingMore(t testing.TB) {
	t.Helper()
	select {
	case s := <-c.got:
		t.Errorf("delivered once too often: %s", s.body)
	default:
	}
}

// running is a gateway that runs in this process with a store in a directory of the test's.
type running struct {
	t            testing.TB
	socket, name string
	client       *http.Client
	config       string
	fill         *strings.Replacer
}

// runGateway starts a configuration in which SOCKET, STORE and NAME are filled in.
func runGateway(t testing.TB, config string) *running {
	t.Helper()
	dir := t.TempDir()
	g := &running{t: t, socket: filepath.Join(dir, "s"), name: fmt.Sprintf("run-%d", gateways.Add(1))}
	g.fill = strings.NewReplacer("SOCKET", "unix/"+g.socket, "STORE", filepath.Join(dir, "store.db"), "NAME", g.name)
	g.config = g.fill.Replace(config)
	g.client = unixClient(g.socket)
	g.client.Transport = again{g.client.Transport}
	g.start()
	t.Cleanup(g.stop)
	return g
}

func (g *running) start() {
	g.t.Helper()
	if err := load(g.t, g.config); err != nil {
		g.t.Fatal(err)
	}
}

func (g *running) stop() {
	g.client.CloseIdleConnections()
	if err := caddy.Stop(); err != nil {
		g.t.Error(err)
	}
}

// send sends a signed body and gives status and answer.
func (g *running) send(path, body string) (*http.Response, string) {
	g.t.Helper()
	res, answer, err := g.try(path, body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res, answer
}

func (g *running) try(path, body string) (*http.Response, string, error) {
	g.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://gate.test"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	signRequest(g.t, signature.Config{Scheme: "nextphone"}, r, body, time.Now())
	res, err := g.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// store is the store of the gateway that runs.
func (g *running) store() (s store.Store) {
	dispatchers.Range(func(_, v any) bool {
		s = v.(*dispatcher).store
		return false
	})
	return s
}

// forgetAnswers empties the process's memory, as a real restart does. Tests that provision without end keep it.
func forgetAnswers() {
	if s := currentShared(); s != nil {
		s.Answers.SetLimits(idempotency.Limits{Entries: 1, Bytes: 1})
		r, _, _ := s.Answers.TryAcquire(idempotency.NewKey("displaces", "the last"), [16]byte{}, false)
		if r != nil {
			r.Commit(&idempotency.Answer{}, time.Hour)
		}
	}
}

const deliveringConfig = `{
	callgate {
		store sqlite STORE
		tenant acme {
			secret ` + testSecret + `
			vars {
				owner_name "ABC Plumbing"
			}
		}
		destination crm http {
			url %[1]s/leads/{{phone}}
			body ` + "`" + `{"name":"{{first_name}}","owner":"{{owner_name}} {{website}}","urgent":"{{urgent}}"}` + "`" + `
			retry 0s 10ms 10ms 10ms 10ms 10ms 10ms 10ms 10ms 10ms
			breaker off
		}
		destination oncall http {
			url %[1]s/oncall
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		tenant {path.1}
		vars {
			website https://abc.example
		}
		deliver crm
		deliver oncall ` + "`call.urgent`" + `
	}
}`

func TestAnAcceptedCallIsDeliveredWhereItsConditionsSay(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(deliveringConfig, c.URL))
	res, body := g.send("/hook/acme", `{"lead":{"first_name":"Mike \"M\"","phone":"(555) 987-6543","notes":"a quote please"}}`)
	var answer struct{ ID, Status string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || res.StatusCode != 200 || answer.Status != "accepted" || len(answer.ID) != 26 {
		t.Fatalf("status %d, answer %s", res.StatusCode, body)
	}
	got := c.next(t)
	if got.uri != "/leads/%2B15559876543" && got.uri != "/leads/+15559876543" {
		t.Errorf("sent to %s", got.uri)
	}
	if got.body != `{"name":"Mike \"M\"","owner":"ABC Plumbing https://abc.example","urgent":false}` && got.body != `{"name":"Mike \"M\"","owner":"ABC Plumbing https://abc.example","urgent":"false"}` {
		t.Errorf("sent %s", got.body)
	}
	if got.header.Get("Webhook-Id") == "" || got.header.Get("Idempotency-Key") == "" {
		t.Errorf("headers %v", got.header)
	}
	urgent := `{"lead":{"first_name":"Ann","phone":"+15551112222","notes":"This is an EMERGENCY, gas leak"}}`
	g.send("/hook/acme", urgent)
	uris := map[string]string{}
	for range 2 {
		got := c.next(t)
		uris[got.uri] = got.body
	}
	if uris["/oncall"] != urgent {
		t.Errorf("the urgent call went to %v", uris)
	}
	c.nothingMore(t)
}

func TestACopyIsAcceptedAndDeliveredOnceAlsoAfterARestart(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(deliveringConfig, c.URL))
	_, first := g.send("/hook/acme", leadBody)
	res, again := g.send("/hook/acme", leadBody)
	if again != first || res.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the copy was answered %s, the first %s", again, first)
	}
	c.next(t)
	g.stop()
	forgetAnswers()
	g.start()
	res, again = g.send("/hook/acme", leadBody)
	if again != first || res.StatusCode != 200 || res.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("after the restart the copy was answered %d %s, the first %s", res.StatusCode, again, first)
	}
	g.send("/hook/acme", numbered(1))
	if got := c.next(t); strings.Contains(got.body, "Mike") {
		t.Error("the copy was delivered")
	}
}

func TestADestinationThatFailsGetsItsCallsWhenItRecovers(t *testing.T) {
	c := newCRM(t)
	c.down.Store(true)
	g := runGateway(t, fmt.Sprintf(deliveringConfig, c.URL))
	for n := range 5 {
		if res, body := g.send("/hook/acme", numbered(n)); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, body)
		}
	}
	g.stop() // with deliveries between their attempts
	g.start()
	c.down.Store(false)
	for range 5 {
		c.next(t)
	}
}

func TestReloadsDeliverEverythingOnce(t *testing.T) {
	c := newCRM(t)
	config := fmt.Sprintf(deliveringConfig, c.URL)
	g := runGateway(t, config)
	var sender sync.WaitGroup
	done := make(chan struct{})
	sent := 0
	sender.Go(func() {
		for ; ; sent++ {
			select {
			case <-done:
				return
			default:
			}
			r, _ := http.NewRequest(http.MethodPost, "http://gate.test/hook/acme", nil)
			body := numbered(sent)
			for { // Caddy closes connections at a reload; the sender sends again
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				signRequest(t, signature.Config{Scheme: "nextphone"}, r, body, time.Now())
				res, err := g.client.Do(r)
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("status %d", res.StatusCode)
				}
				break
			}
		}
	})
	original := g.config
	for i := range 30 {
		g.config = strings.Replace(original, "name ", fmt.Sprintf("region %s\nname ", []string{"US", "GB"}[i%2]), 1)
		g.start()
	}
	close(done)
	sender.Wait()
	deadline := time.Now().Add(time.Minute)
	for {
		stats, err := g.store().Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(stats.Destinations) > 0 && stats.Destinations[0].Pending == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %+v", stats)
		}
		time.Sleep(5 * time.Millisecond) // the store has no event for this
	}
	if n := len(c.got); n != sent {
		t.Errorf("%d accepted, %d delivered", sent, n)
	}
	t.Logf("%d calls through 30 reloads", sent)
}

const spoolingConfig = `{
	callgate {
		store sqlite STORE
	}
}
http:// {
	bind SOCKET
	handle /dispatch/* {
		callgate nextphone ` + testSecret + ` {
			name NAME
			spool 0s 10ms 10ms 10ms 10ms 10ms 10ms 10ms 10ms 10ms
			sign stripe dispatch-secret
			breaker {
				failures 3
				open_for 20ms
			}
		}
		uri strip_prefix /dispatch
		reverse_proxy %s {
			header_up X-Dispatch yes
		}
	}
	handle {
		respond "elsewhere"
	}
}`

func TestWhatAReceiverFailsToTakeIsSpooled(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(spoolingConfig, c.Listener.Addr()))
	// While it works, its own answers pass.
	if res, body := g.send("/dispatch/leads?x=1", numbered(0)); res.StatusCode != 200 || body != "ok" {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	c.next(t)
	c.down.Store(true)
	for n := 1; n <= 6; n++ { // the breaker opens on the way
		res, body := g.send("/dispatch/leads?x=1", numbered(n))
		if res.StatusCode != 200 || !strings.Contains(body, `"status":"accepted"`) {
			t.Fatalf("request %d: status %d: %s", n, res.StatusCode, body)
		}
		if again, b := g.send("/dispatch/leads?x=1", numbered(n)); b != body || again.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("the copy of request %d was answered %s", n, b)
		}
	}
	g.stop()
	g.start() // nothing has come through the route in this run
	c.down.Store(false)
	v, err := signature.New(signature.Config{Scheme: "stripe", Secrets: []string{"dispatch-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]bool{}
	for range 6 {
		got := c.next(t)
		if got.uri != "/leads?x=1" || got.header.Get("X-Dispatch") != "yes" || got.header.Get("X-Callgate-Event-Id") == "" {
			t.Errorf("the receiver got %+v", got)
		}
		m := signature.Message{Method: got.method, Header: got.header, Body: []byte(got.body)}
		if _, err := v.Verify(&m, time.Now()); err != nil {
			t.Error(err)
		}
		bodies[got.body] = true
	}
	for n := 1; n <= 6; n++ {
		if !bodies[numbered(n)] {
			t.Errorf("request %d was lost", n)
		}
	}
	c.nothingMore(t)
}

// again sends a request once more whose connection was closed before an answer came. Caddy does that in a reload, also to
// new connections, and net/http does not send a POST again by itself.
type again struct{ http.RoundTripper }

func (a again) RoundTrip(r *http.Request) (*http.Response, error) {
	for tries := 0; ; tries++ {
		res, err := a.RoundTripper.RoundTrip(r)
		if err == nil || tries == 20 || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) &&
			!strings.Contains(err.Error(), "server closed idle connection") { // which net/http has no name for
			return res, err
		}
		r = r.Clone(r.Context())
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// CloseIdleConnections is what http.Client looks for.
func (a again) CloseIdleConnections() { a.RoundTripper.(*http.Transport).CloseIdleConnections() }
