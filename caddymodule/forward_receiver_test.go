package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// handsOn are the two ways to hand on to a receiver, which have to do alike: lines in the route, and what comes after it.
var handsOn = map[string]func(to string) (inside, after string){
	"reverse_proxy": func(to string) (string, string) { return "", "reverse_proxy " + to + " {\ntransport callgate\n}" },
	"forward":       func(to string) (string, string) { return "forward " + to, "" },
}

// handOnBoth runs a test for both ways.
func handOnBoth(t *testing.T, test func(t *testing.T, config func(to, lines string) string)) {
	for name, way := range handsOn {
		t.Run(name, func(t *testing.T) {
			test(t, func(to, lines string) string {
				inside, after := way(to)
				return fmt.Sprintf("{\ncallgate {\nstore sqlite STORE\n}\n}\nhttp:// {\nbind SOCKET\ncallgate nextphone %s {\nname NAME\n%s\n%s\n}\n%s\n}\n", testSecret, lines, inside, after)
			})
		})
	}
}

// receiverOf is a receiver that does what the test says at the moment.
type receiverOf struct {
	*httptest.Server
	calls atomic.Int64
	do    atomic.Pointer[http.HandlerFunc]
}

func newReceiverOf(t testing.TB, do http.HandlerFunc) *receiverOf {
	t.Helper()
	c := new(receiverOf)
	c.do.Store(&do)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.calls.Add(1)
		(*c.do.Load())(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *receiverOf) address() string { return c.Listener.Addr().String() }

func TestForwardedAnswersAreRemembered(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		release := make(chan struct{})
		c := newReceiverOf(t, func(w http.ResponseWriter, r *http.Request) {
			<-release
			w.Header().Set("X-Answer", "one")
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "taken")
		})
		g := runGateway(t, config(c.address(), ""))
		var wg sync.WaitGroup
		var replayed atomic.Int64
		for range 8 {
			wg.Go(func() {
				res, answer, err := g.try("/calls", leadBody)
				if err != nil || res.StatusCode != http.StatusAccepted || answer != "taken" || res.Header.Get("X-Answer") != "one" {
					t.Errorf("%v %v %q", err, res, answer)
					return
				}
				if res.Header.Get("Idempotency-Replayed") == "true" {
					replayed.Add(1)
				}
			})
		}
		time.Sleep(50 * time.Millisecond)
		close(release)
		wg.Wait()
		res, answer := g.send("/calls", leadBody)
		if res.StatusCode != http.StatusAccepted || answer != "taken" || res.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("the copy got %v %q", res, answer)
		}
		if c.calls.Load() != 1 || replayed.Load() != 7 {
			t.Errorf("the receiver got %d, and %d were replayed", c.calls.Load(), replayed.Load())
		}
	})
}

func TestForwardIsUnderTheBreaker(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		c := newReceiverOf(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		g := runGateway(t, config(c.address(), "idempotency off\nbreaker {\nfailures 3\n}"))
		var got []int
		for range 5 {
			res, _ := g.send("/calls", leadBody)
			got = append(got, res.StatusCode)
		}
		if fmt.Sprint(got) != "[500 500 500 503 503]" || c.calls.Load() != 3 {
			t.Errorf("answered %v, and the receiver got %d", got, c.calls.Load())
		}
	})
}

func TestForwardIsNotWaitedForLongerThanReceiverTimeout(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		end := make(chan struct{})
		c := newReceiverOf(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/never" {
				<-end
				return
			}
			w.WriteHeader(http.StatusOK)
			for range 4 { // longer than the time that it may take to begin
				_ = http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
				_, _ = io.WriteString(w, "part ")
			}
		})
		defer close(end)
		g := runGateway(t, config(c.address(), "idempotency off\nreceiver_timeout 200ms\nmax_body 4MiB"))
		if res, answer := g.send("/slowly", leadBody); res.StatusCode != 200 || answer != "part part part part " {
			t.Errorf("%d %q", res.StatusCode, answer)
		}
		for _, body := range []string{leadBody, `{"x":"` + strings.Repeat("y", 1<<20) + `"}`} {
			began := time.Now()
			res, _ := g.send("/never", body)
			if took := time.Since(began); res.StatusCode != http.StatusGatewayTimeout || took < 200*time.Millisecond || took > 10*time.Second {
				t.Errorf("%d bytes: %d after %s", len(body), res.StatusCode, took)
			}
		}
	})
}

func TestForwardSpools(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		crm := newCRM(t)
		g := runGateway(t, config(crm.Listener.Addr().String(), "spool 0s 20ms 50ms 100ms 200ms 400ms 1s 2s 4s\nbreaker off"))
		crm.down.Store(true)
		res, answer := g.send("/calls?x=1", leadBody)
		if res.StatusCode != http.StatusOK || !strings.Contains(answer, "accepted") {
			t.Fatalf("%d %s", res.StatusCode, answer)
		}
		g.stop()
		g.start()
		crm.down.Store(false)
		again := crm.next(t)
		forgetAnswers()
		h := again.header
		if again.uri != "/calls?x=1" || again.body != leadBody || again.method != http.MethodPost {
			t.Errorf("sent again as %+v", again)
		}
		if h.Get("X-Callgate-Attempt") == "" || h.Get("Idempotency-Key") == "" || h.Get("Via") != "1.1 Caddy" {
			t.Errorf("sent again with %v", h)
		}
	})
}

func TestForwardToNobody(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		g := runGateway(t, config(freeAddress(t), "breaker off"))
		if res, _ := g.send("/calls", leadBody); res.StatusCode != http.StatusBadGateway {
			t.Errorf("%d", res.StatusCode)
		}
	})
}

// A receiver is not left working for a sender that has gone.
func TestForwardForASenderThatHasGone(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		arrived, gone := make(chan struct{}), make(chan struct{})
		c := newReceiverOf(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(arrived)
			<-r.Context().Done()
			close(gone)
		})
		g := runGateway(t, config(c.address(), ""))
		ctx, leave := context.WithCancel(t.Context())
		r := lead(t, "http://gate.test/calls", leadBody).WithContext(ctx)
		r.RequestURI = ""
		go func() { <-arrived; leave() }()
		if res, err := unixClient(g.socket).Do(r); err == nil {
			res.Body.Close()
			t.Error("there was an answer")
		}
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Error("the receiver's connection is still there")
		}
		ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "taken") })
		c.do.Store(&ok)
		if res, answer := g.send("/calls", leadBody); res.StatusCode != 200 || answer != "taken" || res.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("sent again: %d %q", res.StatusCode, answer)
		}
	})
}

func TestAReloadLeavesForwardedRequestsAlone(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		arrived, release := make(chan struct{}), make(chan struct{})
		c := newReceiverOf(t, func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-release
			_, _ = io.WriteString(w, "late, and whole")
		})
		g := runGateway(t, config(c.address(), ""))
		done := make(chan string)
		go func() {
			res, answer, err := g.try("/calls", leadBody)
			if err != nil {
				answer = err.Error()
			} else {
				answer = res.Status + " " + answer
			}
			done <- answer
		}()
		<-arrived
		g.config = g.fill.Replace(config(c.address(), "require caller_number"))
		g.start()
		close(release)
		if got := <-done; got != "200 OK late, and whole" {
			t.Error(got)
		}
	})
}

func TestForwardToACertificateOfNobody(t *testing.T) {
	c := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Error("a receiver whose certificate is nobody's got a request")
	}))
	t.Cleanup(c.Close)
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		to := "https://" + c.Listener.Addr().String()
		text := config(to, "")
		text = strings.Replace(text, "transport callgate", "transport callgate {\ntls\n}", 1)
		g := runGateway(t, text)
		if res, _ := g.send("/calls", leadBody); res.StatusCode != http.StatusBadGateway {
			t.Errorf("%d", res.StatusCode)
		}
	})
}

func TestForwardToASocket(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		socket := filepath.Join(t.TempDir(), "receiver")
		rc := newRawReceiver(t, "unix", socket)
		g := runGateway(t, config("unix/"+socket, ""))
		res, answer := g.send("/calls", leadBody)
		if res.StatusCode != 200 || answer != "ok" {
			t.Errorf("%d %q", res.StatusCode, answer)
		}
		if got := rc.next(); !strings.HasPrefix(got, "POST /calls HTTP/1.1\n") || !strings.Contains(got, "\nHost: gate.test\n") {
			t.Errorf("the receiver got\n%s", got)
		}
	})
}

// A connection that the receiver closes between two requests costs nobody his request.
func TestForwardOnAConnectionThatWasClosed(t *testing.T) {
	handOnBoth(t, func(t *testing.T, config func(to, lines string) string) {
		rc := newRawReceiver(t, "tcp", "127.0.0.1:0")
		closed := make(chan struct{}, 10)
		rc.answer(func(c net.Conn, head bool) bool {
			ok := says("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")(c, head)
			c.Close()
			closed <- struct{}{}
			return ok
		})
		g := runGateway(t, config(rc.address, "idempotency off"))
		for range 5 {
			if res, answer := g.send("/calls", leadBody); res.StatusCode != 200 || answer != "ok" {
				t.Errorf("%d %q", res.StatusCode, answer)
			}
			<-closed
		}
	})
}

func TestReceiversOfForward(t *testing.T) {
	t.Setenv("CALLGATE_TEST_RECEIVER", "crm.example:81")
	for text, want := range map[string]string{
		"localhost:3000":               "tcp localhost:3000 localhost:3000",
		"localhost":                    "tcp localhost:80 localhost",
		":3000":                        "tcp :3000 :3000",
		"[::1]:3000":                   "tcp [::1]:3000 [::1]:3000",
		"http://[::1]":                 "tcp [::1]:80 [::1]",
		"http://h.example:8080":        "tcp h.example:8080 h.example:8080",
		"https://h.example":            "tcp h.example:443 h.example:443 tls h.example",
		"https://h.example:8443":       "tcp h.example:8443 h.example:8443 tls h.example",
		"unix//run/r.sock":             "unix /run/r.sock localhost",
		"tcp4/h:1":                     "tcp4 h:1 h:1",
		"{env.CALLGATE_TEST_RECEIVER}": "tcp crm.example:81 crm.example:81",
	} {
		to, err := parseReceiver(text)
		got := to.target.Network + " " + to.target.Address + " " + to.host
		if to.target.TLS {
			got += " tls " + to.target.ServerName
		}
		if err != nil || got != want {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	for text, want := range map[string]error{
		"": errForwardNone, "unix/": errForwardNone, "http://": errForwardNone, "https://:443": errForwardNone,
		"h2c://h": errForwardScheme, "srv+http://h": errForwardScheme, "unix+h2c//run/r": errForwardScheme, "udp/h:1": errForwardScheme, "ftp://h": errForwardScheme,
		"http://h/": errForwardPath, "http://h/api": errForwardPath, "http://h?x": errForwardPath, "h/api": errForwardPath, "h:1/api": errForwardPath,
		"http://me:s3cr3t@h": errForwardUser,
		"h:0":                errForwardPort, "h:65536": errForwardPort, "h:3000-3005": errForwardPort, "http://h:3000-3005": errForwardPort, "h:http": errForwardPort,
		"{http.request.host}:80": errForwardRequest, "a:1 b:2": errForwardSeveral, "a:1,b:2": errForwardSeveral,
	} {
		if _, err := parseReceiver(text); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	if _, err := parseReceiver("http://me:s3cr3t@h:x"); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Error(err)
	}
	_, err := provision("http:// {\ncallgate nextphone s {\nname NAME\nforward http://h/api\n}\n}")
	if err == nil || !strings.Contains(err.Error(), "forward: "+errForwardPath.Error()) {
		t.Error(err)
	}
}
