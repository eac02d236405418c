package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/outbound"
)

// site is a receiver on a network in memory, so that HTTP's own client and server keep a simulated clock.
type site struct {
	// accepts says whether something listens; nil means always.
	accepts func(since time.Duration) bool
	// answer answers the n-th request, counted from 1.
	answer func(w http.ResponseWriter, r *http.Request, n int, since time.Duration)

	began time.Time
	conns chan net.Conn
	shut  chan struct{}

	mu    sync.Mutex
	calls int
	taken map[string]int // webhook-ids that were answered with 2xx
	first []time.Duration
}

func (s *site) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.shut:
		return nil, net.ErrClosed
	}
}

func (s *site) Close() error   { return nil }
func (s *site) Addr() net.Addr { return &net.TCPAddr{} }

func (s *site) dial(ctx context.Context) (net.Conn, error) {
	if s.accepts != nil && !s.accepts(time.Since(s.began)) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	select {
	case s.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ServeHTTP counts what the site says it has taken.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	since := time.Since(s.began)
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.calls++
	n := s.calls
	s.first = append(s.first, since)
	s.mu.Unlock()
	took := &statusOf{ResponseWriter: w}
	defer func() {
		if took.status/100 == 2 {
			s.mu.Lock()
			s.taken[r.Header.Get("Webhook-Id")]++
			s.mu.Unlock()
		}
	}()
	s.answer(took, r, n, since)
}

type statusOf struct {
	http.ResponseWriter
	status int
}

func (w *statusOf) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusOf) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func answerOK(w http.ResponseWriter, _ *http.Request, _ int, _ time.Duration) {
	w.WriteHeader(http.StatusOK)
}

// until answers one way before a time, and with 200 after it.
func until(d time.Duration, before func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request, int, time.Duration) {
	return func(w http.ResponseWriter, r *http.Request, n int, since time.Duration) {
		if since < d {
			before(w, r)
			return
		}
		answerOK(w, r, n, since)
	}
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// hang answers nothing until the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// sites are receivers in every kind of trouble. All of them take calls two hours later.
func sites() map[string]*site {
	const trouble = time.Hour
	return map[string]*site{
		"well":    {answer: answerOK},
		"refuses": {accepts: func(since time.Duration) bool { return since >= trouble }, answer: answerOK},
		"hangs":   {answer: until(trouble, hang)},
		"fails":   {answer: until(trouble, status(http.StatusInternalServerError))},
		"busy": {answer: until(trouble, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
		})},
		"hangs up":  {answer: until(trouble, hangUp)},
		"redirects": {answer: until(trouble, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://well/", http.StatusFound) })},
		"cuts before the status": {answer: until(trouble, func(w http.ResponseWriter, _ *http.Request) {
			if conn, buf, err := http.NewResponseController(w).Hijack(); err == nil {
				buf.WriteString("HTTP/1.1 20")
				buf.Flush()
				conn.Close()
			}
		})},
		"cuts in the body": {answer: func(w http.ResponseWriter, _ *http.Request, _ int, _ time.Duration) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusOK)
			io.WriteString(w, "half")
		}},
		"is slow": {answer: func(w http.ResponseWriter, _ *http.Request, _ int, _ time.Duration) {
			time.Sleep(20 * time.Second)
			w.WriteHeader(http.StatusOK)
		}},
		"flaps": {answer: func(w http.ResponseWriter, r *http.Request, n int, since time.Duration) {
			if since < trouble && n%2 == 1 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			answerOK(w, r, n, since)
		}},
		"talks": {answer: func(w http.ResponseWriter, _ *http.Request, _ int, _ time.Duration) {
			w.WriteHeader(http.StatusOK)
			block := strings.Repeat("x", 1<<20)
			for range 10 {
				if _, err := io.WriteString(w, block); err != nil {
					return
				}
			}
		}},
	}
}

// TestReceiversInTrouble delivers to all of them at once for two hours. Whatever they do, the one that is well gets
// every call at once, and the others get every call by themselves when their trouble has passed.
func TestReceiversInTrouble(t *testing.T) {
	const calls, every = 30, time.Minute
	in(t, func(t *testing.T) {
		all := sites()
		shut := make(chan struct{})
		var servers sync.WaitGroup
		for _, s := range all {
			s.began, s.conns, s.shut, s.taken = time.Now(), make(chan net.Conn), shut, map[string]int{}
			servers.Go(func() {
				if err := (&http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}).Serve(s); !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		}
		host := func(name string) string { return strings.ReplaceAll(name, " ", "-") }
		transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			for name, s := range all {
				if address == host(name)+":80" {
					return s.dial(ctx)
				}
			}
			return nil, fmt.Errorf("nobody is called %s", address)
		}}
		client := outbound.NewClient(outbound.Options{Transport: transport})
		destinations, names := map[string]Config{}, []string{}
		for name := range all {
			d, err := httpdest.New(httpdest.Config{Renderer: httpdest.Fixed{URL: "http://" + host(name) + "/"}, PassThrough: true, Client: client, AllowHTTP: true})
			if err != nil {
				t.Fatal(err)
			}
			destinations[name], names = Config{Destination: d}, append(names, name)
		}
		r := newRig(t, Options{}, destinations)

		for range calls {
			r.accept("", "", names...)
			after(every)
		}
		after(2*time.Hour - calls*every)
		for _, name := range []string{"well", "cuts in the body", "is slow", "flaps", "talks"} {
			r.want(name, 0, calls, 0)
		}
		for i, at := range all["well"].first {
			if want := time.Duration(i) * every; at != want {
				t.Errorf("the receiver that is well got call %d at %s, want %s", i, at, want)
			}
		}
		if s := all["redirects"]; len(s.taken) != calls || len(r.spy.resumed) == 0 {
			t.Errorf("%d calls after the redirects ended, and told %q: want all, by itself", len(s.taken), r.spy.resumed)
		}
		after(2 * time.Hour)
		for _, name := range names {
			r.want(name, 0, calls, 0)
			if s := all[name]; len(s.taken) != calls {
				t.Errorf("%q has taken %d calls of %d", name, len(s.taken), calls)
			}
		}
		r.close()
		transport.CloseIdleConnections()
		close(shut)
		servers.Wait()
		synctest.Wait()
	})
}
