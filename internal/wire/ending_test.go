package wire

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// noticed is how long net/http may take to notice that a server has closed a connection, also on a busy machine.
const noticed = 50 * time.Millisecond

// TestClosedIdleConnectionIsNotUsed has the server close every connection after its answer without saying so. No
// request may be lost to that, also not a POST.
func TestClosedIdleConnectionIsNotUsed(t *testing.T) {
	for _, rest := range []string{"", "HTTP/1.1 408 Request Timeout\nConnection: close\n\n"} {
		for _, sub := range subjects {
			t.Run(sub.name, func(t *testing.T) {
				gone := make(chan struct{})
				s := serve(t, func(p *peer) {
					p.request()
					p.say(ok)
					if rest != "" {
						time.Sleep(time.Millisecond) // so that it is not read together with the answer
						p.say(rest)
					}
					p.Conn.Close()
					gone <- struct{}{}
				})
				do, closeIdle := sub.make(options{})
				defer closeIdle()
				for range 20 {
					run(do, newRequest(t, "POST", s.Addr().String(), "{}")).check(t, okOutcome())
					<-gone
					if sub.isStd {
						time.Sleep(noticed) // its reader has to see it first
					}
				}
				if n := s.requests.Load(); n != 20 {
					t.Errorf("%d requests reached the server, want 20", n)
				}
			})
		}
	}
}

// TestSurplusEndsConnection makes sure that what a server sends after an answer is not taken for the next one.
func TestSurplusEndsConnection(t *testing.T) {
	for _, sub := range subjects {
		t.Run(sub.name, func(t *testing.T) {
			s := serve(t, func(p *peer) {
				p.request()
				p.say(ok + "HTTP/1.1 200 OK\nContent-Length: 6\n\npoison")
				p.ended()
			})
			do, closeIdle := sub.make(options{})
			defer closeIdle()
			for range 5 {
				run(do, newRequest(t, "POST", s.Addr().String(), "{}")).check(t, okOutcome())
				if sub.isStd {
					time.Sleep(noticed)
				}
			}
			if n := s.conns.Load(); n != 5 {
				t.Errorf("%d connections, want 5", n)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	cause := errors.New("the caller is gone")
	for _, sub := range subjects {
		for _, tc := range []struct {
			name string
			say  string // before the context ends
			end  func(context.Context) (context.Context, func())
			want error
		}{
			{"before the head", "", withCancel, context.Canceled},
			{"in the head", "HTTP/1.1 200 OK\n", withCancel, context.Canceled},
			{"in the body", "HTTP/1.1 200 OK\nContent-Length: 9\n\nabc", withCancel, context.Canceled},
			{"with a cause", "", func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(ctx)
				return ctx, func() { cancel(cause) }
			}, cause},
			{"deadline", "", func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithTimeout(ctx, patience)
				t.Cleanup(cancel)
				return ctx, func() {}
			}, context.DeadlineExceeded},
		} {
			t.Run(sub.name+" "+tc.name, func(t *testing.T) {
				ctx, end := tc.end(t.Context())
				closed := make(chan struct{})
				s := serve(t, func(p *peer) {
					p.request()
					p.say(tc.say)
					time.Sleep(10 * time.Millisecond) // for the client to read it
					end()
					p.ended() // or the test hangs
					close(closed)
				})
				do, closeIdle := sub.make(options{})
				defer closeIdle()
				got := run(do, newRequest(t, "POST", s.Addr().String(), "{}").WithContext(ctx))
				if got.err == nil {
					got.err = got.bodyErr
				}
				if !errors.Is(got.err, tc.want) {
					t.Errorf("error %v, want %v", got.err, tc.want)
				}
				<-closed
			})
		}
	}
}

func withCancel(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, cancel
}

func TestBodyClosedEarly(t *testing.T) {
	for _, sub := range subjects {
		t.Run(sub.name, func(t *testing.T) {
			closed := make(chan struct{}, 2)
			s := serve(t, func(p *peer) {
				p.request()
				p.say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n") // and no end
				p.ended()
				closed <- struct{}{}
			})
			do, closeIdle := sub.make(options{maxConns: 1})
			defer closeIdle()
			for range 2 { // the second needs the place of the first
				res, err := do(newRequest(t, "GET", s.Addr().String(), ""))
				if err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 3)
				if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "abc" {
					t.Errorf("read %q, %v", b, err)
				}
				res.Body.Close()
				if _, err := res.Body.Read(b); err == nil {
					t.Error("read after close succeeded")
				}
				<-closed
			}
		})
	}
}
