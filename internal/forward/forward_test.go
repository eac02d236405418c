package forward

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/wire"
)

// TestForwardOverTLS has a receiver that speaks both versions of HTTP, and one that speaks HTTP/2 only.
func TestForwardOverTLS(t *testing.T) {
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				w.Header().Set("X-Got", r.Host+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Forwarded-Host")+" "+r.UserAgent()+string(b[:4]))
				w.Header().Set("Trailer", "X-Sum")
				_, _ = io.WriteString(w, r.Proto)
				w.Header().Set("X-Sum", "1")
			}))
			s.EnableHTTP2 = true
			s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				if name == "HTTP/2" && !slices.Contains(hello.SupportedProtos, "h2") {
					// Go's own servers let such clients in as if they had named no protocol.
					return &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"none"}}, nil
				}
				return nil, nil
			}}
			s.StartTLS()
			t.Cleanup(s.Close)
			trusted := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			address := s.Listener.Addr().String()
			rc := New(wire.Target{Network: "tcp", Address: address, TLS: true, ServerName: "127.0.0.1"}, address, zap.NewNop())
			rc.standard.TLSClientConfig, rc.wire.TLS = &tls.Config{RootCAs: trusted}, &tls.Config{RootCAs: trusted}
			t.Cleanup(rc.CloseIdle)
			for _, body := range []string{"body", "body" + strings.Repeat("x", 1<<20)} {
				r := httptest.NewRequest(http.MethodPost, "http://gate.test/a%2Fb?c", nil)
				w := httptest.NewRecorder()
				if err := rc.Forward(w, Exchange{Request: r, Body: []byte(body)}); err != nil {
					t.Fatal(err)
				}
				res := w.Result()
				b, _ := io.ReadAll(res.Body)
				want := name
				if name == "HTTP/2" || len(body) > 10 { // net/http carries what is large, over whatever there is
					want = "HTTP/2.0"
				}
				if string(b) != want || res.Header.Get("X-Got") != address+" /a%2Fb?c gate.test body" || res.Trailer.Get("X-Sum") != "1" {
					t.Errorf("%s %v %v", b, res.Header, res.Trailer)
				}
				if via := res.Header["Via"]; !slices.Equal(via, []string{strings.TrimPrefix(want, "HTTP/") + " Caddy"}) {
					t.Error(via)
				}
			}
			if rc.declined.Load() != (name == "HTTP/2") {
				t.Error("what the receiver declined is not remembered, or it declined nothing")
			}
		})
	}
}

// receiver is one that serve answers, and that requests name as it is dialled.
func receiver(t *testing.T, serve http.HandlerFunc) *Receiver {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	rc := New(wire.Target{Network: "tcp", Address: s.Listener.Addr().String()}, "", zap.NewNop())
	t.Cleanup(rc.CloseIdle)
	return rc
}

// bodies are one that goes over a connection of ours, and one that net/http carries.
var bodies = map[string][]byte{"small": []byte("{}"), "large": make([]byte, wire.DefaultMaxBody+1)}

// A call may be there twice for it where a request is sent again, whatever it bears.
func TestARequestIsSentOnce(t *testing.T) {
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			var came atomic.Int32
			rc := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				if came.Add(1); r.URL.Path == "/broken" {
					panic(http.ErrAbortHandler)
				}
			})
			send := func(path string) error {
				r := httptest.NewRequest(http.MethodPost, path, nil)
				r.Header.Set("Idempotency-Key", "1")
				r.Header.Set("X-Idempotency-Key", "1")
				return rc.Forward(httptest.NewRecorder(), Exchange{Request: r, Body: body})
			}
			if err := send("/"); err != nil {
				t.Fatal(err)
			}
			if err := send("/broken"); err == nil || came.Load() != 2 {
				t.Errorf("%v, and %d requests came in place of 2", err, came.Load())
			}
		})
	}
}

// A receiver that is dialled without a host's name has to get large calls too.
func TestAReceiverWithoutAHost(t *testing.T) {
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			rc := receiver(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "http://gate.test/", nil)
			if err := rc.Forward(w, Exchange{Request: r, Body: body}); err != nil || w.Body.String() != "gate.test" {
				t.Errorf("%v %q", err, w.Body)
			}
			r.Host = "" // as HTTP/1.0 allows
			if err := rc.Forward(httptest.NewRecorder(), Exchange{Request: r, Body: body}); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is no answer to such a request is an error, and not given to the sender.
func TestAnswersThatAreNone(t *testing.T) {
	for _, head := range []string{"101 Switching Protocols", "099 What"} {
		for name, body := range bodies {
			t.Run(head+", "+name, func(t *testing.T) {
				rc := receiver(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					c, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						panic(err)
					}
					_, _ = io.WriteString(c, "HTTP/1.1 "+head+"\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
					_ = c.Close()
				})
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, "/", nil)
				if err := rc.Forward(w, Exchange{Request: r, Body: body}); err == nil {
					t.Errorf("answered %d", w.Code)
				}
			})
		}
	}
}

// What a request of the usual kind takes is bounded, as little work for it is what the package is for.
func TestWriteTakesLittle(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://gate.test/hook", nil)
	r.Header.Set("Content-Type", "application/json")
	m := new(wire.Message)
	if n := testing.AllocsPerRun(100, func() { (&Exchange{Request: r, Body: m.B[:0]}).write(m, "gate.test") }); n > 2 {
		t.Errorf("%v allocations to write a request", n)
	}
}
