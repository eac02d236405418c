package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/signature"
)

func TestACopyGetsTheFirstAnswerAgain(t *testing.T) {
	g := newRoute(t, "")
	g.respond = func(w http.ResponseWriter, r *http.Request) error {
		w.Header()["X-Kept"] = []string{"a", "b"}
		w.WriteHeader(201)
		_, err := fmt.Fprintf(w, "answer %d", g.calls.Load())
		return err
	}
	for i := range 3 {
		res := g.do(lead(t, "http://gate.test/hook/acme", leadBody))
		if res.StatusCode != 201 || text(t, res) != "answer 1" || len(res.Header["X-Kept"]) != 2 {
			t.Fatalf("copy %d: %d %v", i, res.StatusCode, res.Header)
		}
		if replayed := res.Header.Get("Idempotency-Replayed") == "true"; replayed != (i > 0) {
			t.Errorf("copy %d: Idempotency-Replayed is %q", i, res.Header.Get("Idempotency-Replayed"))
		}
	}
	if n := g.calls.Load(); n != 1 {
		t.Errorf("the receiver was asked %d times", n)
	}
}

func TestALargeAnswerIsReplayedWithoutItsBody(t *testing.T) {
	g := newRoute(t, "idempotency {\nmax_replay_body 10B\n}")
	g.respond = func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Length", "20")
		_, err := io.WriteString(w, strings.Repeat("x", 20))
		return err
	}
	first := g.do(lead(t, "http://gate.test/hook/acme", leadBody))
	second := g.do(lead(t, "http://gate.test/hook/acme", leadBody))
	if len(text(t, first)) != 20 || second.StatusCode != 200 || text(t, second) != "" || second.Header.Get("Content-Length") != "" {
		t.Errorf("replayed with %v", second.Header)
	}
}

func TestFailuresAreNotRememberedSoThatRetriesRun(t *testing.T) {
	g := newRoute(t, "")
	answers := []caddyhttp.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(500); return nil },
		func(w http.ResponseWriter, r *http.Request) error { return caddyhttp.Error(502, errors.New("refused")) },
		func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(404); return nil },
		func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(302); return nil },
		func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(204); return nil },
	}
	g.respond = func(w http.ResponseWriter, r *http.Request) error { return answers[g.calls.Load()-1](w, r) }
	for i, want := range []int{500, 502, 404, 302, 204, 204} {
		if res := g.do(lead(t, "http://gate.test/hook/acme", leadBody)); res.StatusCode != want {
			t.Errorf("attempt %d: status %d, want %d", i+1, res.StatusCode, want)
		}
	}
	if n := g.calls.Load(); n != 5 {
		t.Errorf("the receiver was asked %d times", n)
	}
}

func TestCopiesAtOnceReachTheReceiverOnce(t *testing.T) {
	g := newRoute(t, "")
	synctest.Test(t, func(t *testing.T) {
		g.respond = func(w http.ResponseWriter, r *http.Request) error {
			time.Sleep(3 * time.Second)
			_, err := io.WriteString(w, "done")
			return err
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if res := g.do(lead(t, "http://gate.test/hook/acme", leadBody)); res.StatusCode != 200 || text(t, res) != "done" {
					t.Errorf("status %d", res.StatusCode)
				}
			})
		}
		wg.Wait()
		if n := g.calls.Load(); n != 1 {
			t.Errorf("the receiver was asked %d times", n)
		}
	})
}

func TestACopyWaitsOnlySoLongForTheFirst(t *testing.T) {
	g := newRoute(t, "idempotency {\nwait 2s\n}")
	synctest.Test(t, func(t *testing.T) {
		g.respond = func(w http.ResponseWriter, r *http.Request) error {
			time.Sleep(time.Minute)
			return nil
		}
		var wg sync.WaitGroup
		wg.Go(func() { g.do(lead(t, "http://gate.test/hook/acme", leadBody)) })
		synctest.Wait()
		began := time.Now()
		res := g.do(lead(t, "http://gate.test/hook/acme", leadBody))
		if c := code(t, res); res.StatusCode != 503 || c != "in_flight" || res.Header.Get("Retry-After") == "" {
			t.Errorf("answered %d %s", res.StatusCode, c)
		}
		if waited := time.Since(began); waited != 2*time.Second {
			t.Errorf("waited %s", waited)
		}
		wg.Wait()
	})
}

func TestTheNextCopyRunsWhenTheFirstComesToNothing(t *testing.T) {
	for name, first := range map[string]caddyhttp.HandlerFunc{
		"panic":         func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
		"client's gone": func(_ http.ResponseWriter, r *http.Request) error { <-r.Context().Done(); return r.Context().Err() },
		"failure":       func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(504, errors.New("timeout")) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRoute(t, "")
			synctest.Test(t, func(t *testing.T) {
				g.respond = func(w http.ResponseWriter, r *http.Request) error {
					if g.calls.Load() > 1 {
						w.WriteHeader(200)
						return nil
					}
					time.Sleep(time.Second)
					return first(w, r)
				}
				var wg sync.WaitGroup
				ctx, cancel := context.WithCancel(t.Context())
				wg.Go(func() {
					defer func() { _ = recover() }() // as net/http does
					g.do(lead(t, "http://gate.test/hook/acme", leadBody).WithContext(ctx))
				})
				synctest.Wait()
				wg.Go(func() {
					if res := g.do(lead(t, "http://gate.test/hook/acme", leadBody)); res.StatusCode != 200 {
						t.Errorf("the copy was answered with %d", res.StatusCode)
					}
				})
				time.Sleep(2 * time.Second)
				cancel()
				wg.Wait()
				if n := g.calls.Load(); n != 2 {
					t.Errorf("the receiver was asked %d times", n)
				}
			})
		})
	}
}

func TestEventIDsAreFoundWhereTheyAreSaidToBe(t *testing.T) {
	const at = "http://gate.test/hook/acme"
	body := func(id, note string) string {
		return fmt.Sprintf(`{"id":%q,"lead":{"phone":"+15559876543","notes":%q}}`, id, note)
	}
	header := func(r *http.Request, v string) *http.Request {
		r.Header.Set("X-Event", v)
		r.Header.Set("X-Api-Key", testSecret)
		return r
	}
	for name, c := range map[string]struct {
		lines  string
		first  func(t *testing.T) *http.Request
		second func(t *testing.T) *http.Request
		copies bool
	}{
		"the body's hash, same": {"", func(t *testing.T) *http.Request { return lead(t, at, body("1", "a")) },
			func(t *testing.T) *http.Request { return lead(t, at, body("1", "a")) }, true},
		"the body's hash, other": {"", func(t *testing.T) *http.Request { return lead(t, at, body("1", "a")) },
			func(t *testing.T) *http.Request { return lead(t, at, body("1", "b")) }, false},
		"jsonpath, same": {"event_id jsonpath $.id", func(t *testing.T) *http.Request { return lead(t, at, body("1", "a")) },
			func(t *testing.T) *http.Request { return lead(t, at, body("1", "b")) }, true},
		"jsonpath, other": {"event_id jsonpath $.id", func(t *testing.T) *http.Request { return lead(t, at, body("1", "a")) },
			func(t *testing.T) *http.Request { return lead(t, at, body("2", "a")) }, false},
		"header, same": {"verify api_key\nevent_id header X-Event", func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "a")), "7") },
			func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "b")), "7") }, true},
		"header, other": {"verify api_key\nevent_id header X-Event", func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "a")), "7") },
			func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "a")), "8") }, false},
		"header missing": {"verify api_key\nevent_id header X-Event", func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "a")), "") },
			func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "a")), "") }, true},
		"long header, other": {"verify api_key\nevent_id header X-Event", func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "a")), strings.Repeat("7", 300)) },
			func(t *testing.T) *http.Request { return header(lead(t, at, body("1", "a")), strings.Repeat("7", 301)) }, false},
		"off": {"idempotency off", func(t *testing.T) *http.Request { return lead(t, at, body("1", "a")) },
			func(t *testing.T) *http.Request { return lead(t, at, body("1", "a")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRoute(t, c.lines)
			g.do(c.first(t))
			res := g.do(c.second(t))
			if copied := res.Header.Get("Idempotency-Replayed") != ""; copied != c.copies || res.StatusCode != 200 {
				t.Errorf("status %d, taken for a copy: %t, want %t", res.StatusCode, copied, c.copies)
			}
		})
	}
}

// TestAQuestionAskedAgainIsAnsweredAnew: a caller who calls again, or presses the same key twice, sends the same bytes. The
// application is asked each time, but for a copy of a request that it is being asked about; where the sender gives the
// request an id, the copy is told by it.
func TestAQuestionAskedAgainIsAnsweredAnew(t *testing.T) {
	for name, c := range map[string]struct {
		preset, body string
		asked        int64
	}{
		"a call that comes in":      {"retell", `{"event":"call_inbound","call_inbound":{"agent_id":"a","from_number":"+15559876543"}}`, 2},
		"a call that is over":       {"retell", `{"event":"call_ended","call":{"call_id":"c-1"}}`, 1},
		"a key pressed":             {"twilio", `CallSid=CA1&CallStatus=in-progress&From=%2B15559876543&Digits=1`, 2},
		"a call's state":            {"twilio", `CallSid=CA1&CallStatus=completed&CallbackSource=call-progress-events&SequenceNumber=1`, 1},
		"a question that has an id": {"elevenlabs", `{"caller_id":"+15559876543","agent_id":"a","called_number":"+15551234567","call_sid":"CA1"}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			config := strings.Replace(fmt.Sprintf(oneRoute, ""), "callgate nextphone {", "callgate "+c.preset+" {", 1)
			g := newGateway(t, config)
			ask := func() *http.Request {
				r := httptest.NewRequest("POST", "http://gate.test/hook/acme", strings.NewReader(c.body))
				if c.body[0] != '{' {
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				}
				signRequest(t, signature.Config{Scheme: c.preset}, r, c.body, time.Now())
				return r
			}
			for range 2 {
				if res := g.do(ask()); res.StatusCode != 200 {
					t.Fatalf("status %d: %s", res.StatusCode, text(t, res))
				}
			}
			if n := g.calls.Load(); n != c.asked {
				t.Errorf("the application was asked %d times, want %d", n, c.asked)
			}
			synctest.Test(t, func(t *testing.T) { // two at once
				before := g.calls.Load()
				g.respond = func(w http.ResponseWriter, _ *http.Request) error {
					time.Sleep(time.Second)
					w.WriteHeader(200)
					return nil
				}
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() { g.do(ask()) })
				}
				wg.Wait()
				if n := g.calls.Load() - before; n != c.asked-1 {
					t.Errorf("of two at once %d came to the application", n)
				}
			})
		})
	}
}

func TestStrictIdempotencyRefusesAnIDThatComesWithAnotherBody(t *testing.T) {
	g := newRoute(t, "event_id jsonpath $.id\nidempotency strict")
	g.do(lead(t, "http://gate.test/hook/acme", `{"id":"1","phone":"+15559876543"}`))
	res := g.do(lead(t, "http://gate.test/hook/acme", `{"id":"1","phone":"+15550000000"}`))
	if c := code(t, res); res.StatusCode != 422 || c != "event_id_reused" {
		t.Errorf("answered %d %s", res.StatusCode, c)
	}
}

// TestWhatTheSignatureDoesNotCoverMakesNoOtherEvent changes a body in ways that its JavaScript form does not have.
func TestWhatTheSignatureDoesNotCoverMakesNoOtherEvent(t *testing.T) {
	const first = `{"id":"1","lead":{"phone":"+15559876543","notes":"a"}}`
	for name, again := range map[string]string{
		"spaces":              `{"id": "1", "lead": {"phone": "+15559876543", "notes": "a"}}`,
		"escapes":             `{"id":"\u0031","lead":{"phone":"+15559876543","notes":"a"}}`,
		"a member of one key": `{"id":"2","id":"1","lead":{"phone":"+15550000000","phone":"+15559876543","notes":"a"}}`,
	} {
		for _, lines := range []string{"", "event_id jsonpath $.id"} {
			t.Run(name+" "+lines, func(t *testing.T) {
				g := newRoute(t, lines)
				g.do(lead(t, "http://gate.test/hook/acme", first))
				r := lead(t, "http://gate.test/hook/acme", first)
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(again)), int64(len(again))
				if res := g.do(r); res.StatusCode != 200 || res.Header.Get("Idempotency-Replayed") == "" {
					t.Errorf("status %d, and not taken for a copy", res.StatusCode)
				}
			})
		}
	}
}
