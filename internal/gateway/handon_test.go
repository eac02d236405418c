package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/store"
)

// keeps is a store in memory.
type keeps struct{ events []*store.Event }

func (k *keeps) AcceptAll(_ context.Context, events []*store.Event, _ [][]string) ([]store.Accepted, error) {
	all := make([]store.Accepted, len(events))
	for i, ev := range events {
		k.events = append(k.events, ev)
		all[i] = store.Accepted{EventID: ev.ID}
	}
	return all, nil
}
func (k *keeps) Event(context.Context, string) (*store.Event, error) { return nil, store.ErrNotFound }
func (*keeps) CallerHash(string) string                              { return "" }
func (*keeps) FieldHash(string, string) (store.Subject, bool)        { return store.Subject{}, false }

func signedLead(t *testing.T, ctx context.Context, body string) *http.Request {
	t.Helper()
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks/demo", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if err := signer.Sign(&signature.Message{Method: r.Method, Header: r.Header, Body: []byte(body)}, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

// hangs is a receiver that does not answer while anybody waits, behind a proxy that says so as Caddy's does.
var hangs = HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
	<-r.Context().Done()
	w.WriteHeader(statusClientGone)
	return nil
})

// answersOK is a receiver that takes everything.
func answersOK(w http.ResponseWriter, r *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
}

// TestAReceiverThatHangs is waited for within a bound, and what it did not take is stored where the route spools, whether
// the sender is still there or not.
func TestAReceiverThatHangs(t *testing.T) {
	for name, c := range map[string]struct {
		patience time.Duration // of the sender
		spool    bool
		status   int // what the sender gets, if it is still there
		outcome  Outcome
		stored   bool
		failed   bool // as far as the breaker is concerned
	}{
		"the sender waits":           {time.Hour, false, 504, upstreamFailed, false, true},
		"the sender waits, spool":    {time.Hour, true, 200, accepted, true, true},
		"the sender goes":            {5 * time.Second, false, 0, clientGone, false, true},
		"the sender goes, spool":     {5 * time.Second, true, 0, accepted, true, true},
		"the sender goes at once":    {time.Second, false, 0, clientGone, false, false},
		"it goes at once, and spool": {time.Second, true, 0, accepted, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt, kept := testRoute(t), new(keeps)
				rt.Spool = c.spool
				rt.Store = func(context.Context) Store { return kept }
				plan := rt.Plans["demo"]
				plan.ReceiverTimeout = time.Minute
				plan.Breaker = breaker.New(breaker.Settings{ConsecutiveFailures: 1}.WithDefaults(), nil)
				ctx, cancel := context.WithTimeout(t.Context(), c.patience)
				defer cancel()
				w := httptest.NewRecorder()
				rq := rt.NewRequest(signedLead(t, ctx, `{"first_name":"Ann"}`))
				err := rq.Serve(w, hangs)
				status := w.Code
				if own, ok := err.(*Error); ok {
					status = own.Status
				} else if err != nil {
					t.Fatal(err)
				}
				if rq.outcome != c.outcome || c.status != 0 && status != c.status {
					t.Errorf("%s, answered %d", rq.outcome, status)
				}
				if stored := len(kept.events) == 1; stored != c.stored {
					t.Errorf("%d events are stored", len(kept.events))
				}
				if failed := plan.Breaker.State() == breaker.Open; failed != c.failed {
					t.Errorf("breaker %s", plan.Breaker.State())
				}
			})
		})
	}
}

// TestOwnTroubleIsNotTheReceivers: a gateway without descriptors learns nothing of the receiver, whose breaker stays as it
// is; a receiver that refuses is found out as ever.
func TestOwnTroubleIsNotTheReceivers(t *testing.T) {
	for code, want := range map[syscall.Errno]breaker.State{syscall.EMFILE: breaker.Closed, syscall.ECONNREFUSED: breaker.Open} {
		rt := testRoute(t)
		plan := rt.Plans["demo"]
		plan.Breaker = breaker.New(breaker.Settings{ConsecutiveFailures: 1}.WithDefaults(), nil)
		dial := &Error{http.StatusBadGateway, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", code)}}
		err := rt.NewRequest(signedLead(t, t.Context(), `{"first_name":"Ann"}`)).Serve(httptest.NewRecorder(), HandlerFunc(func(http.ResponseWriter, *http.Request) error { return dial }))
		if own, ok := err.(*Error); !ok || own.Status != http.StatusBadGateway {
			t.Errorf("%v: %v, want 502", code, err)
		}
		if state := plan.Breaker.State(); state != want {
			t.Errorf("%v: the breaker is %s, want %s", code, state, want)
		}
	}
}

// TestABoundOnTheReceiverEndsWithItsAnswer: what begins in time may go on for as long as it likes.
func TestABoundOnTheReceiverEndsWithItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := testRoute(t)
		rt.Plans["demo"].ReceiverTimeout = time.Minute
		w := httptest.NewRecorder()
		err := rt.NewRequest(signedLead(t, t.Context(), `{"first_name":"Ann"}`)).Serve(w, HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			time.Sleep(50 * time.Second)
			w.WriteHeader(http.StatusOK)
			for range 10 {
				time.Sleep(time.Minute)
				if r.Context().Err() != nil {
					t.Error("given up although it had begun to answer")
				}
				io.WriteString(w, "x")
			}
			return nil
		}))
		if err != nil || w.Body.String() != "xxxxxxxxxx" {
			t.Errorf("%v: %q", err, w.Body)
		}
	})
}

// TestConnectionNamesNothingOfOurs: what the gateway adds arrives, whatever the sender's Connection header names.
func TestConnectionNamesNothingOfOurs(t *testing.T) {
	for given, want := range map[string]string{
		"":                              "",
		"close":                         "close",
		"Keep-Alive":                    "Keep-Alive",
		"X-Callgate-Tenant, close":      "close",
		"x-callgate-event-id":           "",
		"keep-alive, X-Mine, upgrade":   "keep-alive, Upgrade",
		" X-Signature ,, X-Callgate-Id": "",
	} {
		rt := testRoute(t)
		r := signedLead(t, t.Context(), `{"first_name":"Ann"}`)
		r.Header.Set("X-Mine", "of the connection")
		if given != "" {
			r.Header.Set("Connection", given)
		}
		var got http.Header
		err := rt.NewRequest(r).Serve(httptest.NewRecorder(), HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			got = r.Header
			w.WriteHeader(http.StatusOK)
			return nil
		}))
		if err != nil || got.Get("Connection") != want || got.Get("X-Callgate-Tenant") != "demo" || got.Get("X-Callgate-Event-Id") == "" {
			t.Errorf("Connection: %s: %v, handed on with %v", given, err, got)
		}
		if named := strings.Contains(given, "X-Mine"); named == (got.Get("X-Mine") != "") {
			t.Errorf("Connection: %s: X-Mine is %q", given, got.Get("X-Mine"))
		}
	}
}

// TestWhatACopyOfAFileIsAnsweredWith: io.Copy must not go past the recorder.
func TestWhatACopyOfAFileIsAnsweredWith(t *testing.T) {
	rt := testRoute(t)
	answers := 0
	next := HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		answers++
		_, err := io.Copy(w, strings.NewReader("from a file"))
		return err
	})
	for range 2 {
		w := httptest.NewRecorder()
		if err := rt.NewRequest(signedLead(t, t.Context(), `{"first_name":"Ann"}`)).Serve(fromReader{w}, next); err != nil || w.Body.String() != "from a file" {
			t.Errorf("%v: %q", err, w.Body)
		}
	}
	if answers != 1 {
		t.Errorf("the receiver was asked %d times", answers)
	}
}

// fromReader is a ResponseWriter that io.Copy hands a reader to, as net/http's is.
type fromReader struct{ http.ResponseWriter }

func (f fromReader) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(onlyWriter{f.ResponseWriter}, r)
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was waited for")
	return 0, io.EOF
}

func TestStrangersAreRefusedBeforeTheirBodyIsRead(t *testing.T) {
	for name, header := range map[string]string{"missing": "", "not hex": "xyz", "too short": "abcd"} {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", unread{t})
		r.ContentLength = 1000
		if header != "" {
			r.Header.Set("X-NextPhone-Signature", header)
		}
		rq := testRoute(t).NewRequest(r)
		w := httptest.NewRecorder()
		if err := rq.Serve(w, hangs); err != nil || w.Code != http.StatusForbidden {
			t.Errorf("%s: %v, %d %s", name, err, w.Code, w.Body)
		}
	}
}

// TestWhatWasVerifiedIsHandedOn: the signature covers a form in which the last of two members counts; a receiver may take
// the first one of the body as it came.
func TestWhatWasVerifiedIsHandedOn(t *testing.T) {
	const sent = `{"phone":"+19995550000","amount":1e400,"phone":"+14155550123"}`
	const verified = `{"phone":"+14155550123","amount":null}`
	for _, spooled := range []bool{false, true} {
		rt, kept := testRoute(t), new(keeps)
		rt.Spool = spooled
		rt.Store = func(context.Context) Store { return kept }
		r := signedLead(t, t.Context(), verified)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(sent)), int64(len(sent))
		got, length := "", int64(0)
		err := rt.NewRequest(r).Serve(httptest.NewRecorder(), HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			b, err := io.ReadAll(r.Body)
			got, length = string(b), r.ContentLength
			w.WriteHeader(http.StatusBadGateway)
			return err
		}))
		if err != nil || got != verified || length != int64(len(verified)) || r.Header.Get("Content-Length") != "38" {
			t.Errorf("%v: handed on %s (%d, %s)", err, got, length, r.Header.Get("Content-Length"))
		}
		if spooled && (len(kept.events) != 1 || string(kept.events[0].Body) != verified) {
			t.Errorf("stored %+v", kept.events)
		}
	}
}

// TestALiveCallIsNotSpooled: who waits for what to say next is told that the receiver failed, and has a fallback for it.
func TestALiveCallIsNotSpooled(t *testing.T) {
	for _, waits := range []bool{false, true} {
		rt, kept := testRoute(t), new(keeps)
		rt.Spool = true
		rt.Store = func(context.Context) Store { return kept }
		if waits {
			rt.Plans["demo"].Preset.Synchronous = []string{"lead"}
		}
		w := httptest.NewRecorder()
		err := rt.NewRequest(signedLead(t, t.Context(), `{"lead":{"name":"Ann","phone":"+15559876543"}}`)).Serve(w, HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(http.StatusBadGateway)
			return nil
		}))
		want := map[bool]int{false: http.StatusOK, true: http.StatusBadGateway}[waits]
		if err != nil || w.Code != want || (len(kept.events) == 1) == waits {
			t.Errorf("the sender waits: %v; %v, answered %d, %d stored", waits, err, w.Code, len(kept.events))
		}
	}
}
