package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// network is a network in memory, for tests whose clock is not the machine's. Every address is served by the same
// handler, which answers "ok".
type network struct {
	opened, closed atomic.Int32
	hold           chan struct{} // answers wait for it to be closed; nil if they need not
}

// end tells the network that the client closed it.
type end struct {
	net.Conn
	once sync.Once
	n    *network
}

func (e *end) Close() error {
	e.once.Do(func() { e.n.closed.Add(1) })
	return e.Conn.Close()
}

func (n *network) dial(context.Context, string, string) (net.Conn, error) {
	n.opened.Add(1)
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		br := bufio.NewReader(server)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if n.hold != nil {
				<-n.hold
			}
			_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}()
	return &end{Conn: client, n: n}, nil
}

// to sends a request to an address and reads the answer.
func to(t *testing.T, c *Client, address string) error {
	t.Helper()
	res, err := c.Do(newRequest(t, "POST", address, "{}"), Target{Network: "tcp", Address: address})
	if err != nil {
		return err
	}
	_, err = io.ReadAll(res.Body)
	res.Body.Close()
	return err
}

func (n *network) want(t *testing.T, opened, closed int32) {
	t.Helper()
	if o, c := n.opened.Load(), n.closed.Load(); o != opened || c != closed {
		t.Errorf("%d connections opened, %d closed; want %d, %d", o, c, opened, closed)
	}
}

func TestIdleConnectionsAreClosedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		c := &Client{Dial: n.dial, IdleTimeout: 900 * time.Millisecond}
		for range 3 {
			if err := to(t, c, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond) // used again before its time
		}
		if err := to(t, c, "b"); err != nil {
			t.Fatal(err)
		}
		n.want(t, 2, 0)
		time.Sleep(399 * time.Millisecond)
		synctest.Wait()
		n.want(t, 2, 0)
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		n.want(t, 2, 1) // a: 900 ms after its last use
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		n.want(t, 2, 2)
		if len(c.pool.hosts) != 0 {
			t.Errorf("%d hosts remembered", len(c.pool.hosts))
		}
		if err := to(t, c, "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the timer is set again
		synctest.Wait()
		n.want(t, 3, 3)
	})
}

func TestIdleLimits(t *testing.T) {
	for _, tc := range []struct {
		name           string
		perHost, total int
		idle           int32 // connections left of three to a and then three to b
	}{
		{"none", 0, 0, 6},
		{"per host", 2, 0, 4},
		{"in all", 0, 4, 4},
		{"kept never", -1, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{hold: make(chan struct{})}
				c := &Client{Dial: n.dial, MaxIdleConnsPerHost: tc.perHost, MaxIdleConns: tc.total}
				for _, address := range []string{"a", "b"} {
					for range 3 {
						go func() {
							if err := to(t, c, address); err != nil {
								t.Error(err)
							}
						}()
					}
					synctest.Wait()
				}
				close(n.hold)
				synctest.Wait()
				n.want(t, 6, 6-tc.idle)
				c.CloseIdle()
				n.want(t, 6, 6)
			})
		})
	}
}

func TestConnectionLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{hold: make(chan struct{})}
		c := &Client{Dial: n.dial, MaxConnsPerHost: 2}
		var done atomic.Int32
		for range 10 {
			go func() {
				if err := to(t, c, "a"); err != nil {
					t.Error(err)
				}
				done.Add(1)
			}()
		}
		// Somebody who waits may leave, and may do so while others wait behind.
		gone, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		synctest.Wait()
		go func() {
			_, err := c.Do(newRequest(t, "POST", "a", "{}").WithContext(gone), Target{Network: "tcp", Address: "a"})
			left <- err
		}()
		synctest.Wait()
		n.want(t, 2, 0)
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
		close(n.hold)
		synctest.Wait()
		n.want(t, 2, 0)
		if done.Load() != 10 {
			t.Errorf("%d requests answered, want 10", done.Load())
		}
		c.CloseIdle()
	})
}

// TestConnectionLimitPassesPlacesOn breaks connections while others wait for them.
func TestConnectionLimitPassesPlacesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		var dials atomic.Int32
		n := new(network)
		c := &Client{MaxConnsPerHost: 1, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(time.Millisecond)
			if dials.Add(1)%2 == 1 {
				return nil, refused
			}
			return n.dial(ctx, network, address)
		}}
		var failed, fine atomic.Int32
		for range 20 {
			go func() {
				res, err := c.Do(newRequest(t, "POST", "a", "{}"), Target{Network: "tcp", Address: "a"})
				if err != nil {
					failed.Add(1)
					return
				}
				res.Body.Close() // before its end, so the connection is closed
				fine.Add(1)
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if failed.Load() != 10 || fine.Load() != 10 || n.opened.Load() != 10 || n.closed.Load() != 10 {
			t.Errorf("%d failed, %d fine, %d opened, %d closed", failed.Load(), fine.Load(), n.opened.Load(), n.closed.Load())
		}
		if len(c.pool.hosts) != 0 {
			t.Error("a place is lost")
		}
	})
}

func TestCloseIdleLetsRequestsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{hold: make(chan struct{})}
		c := &Client{Dial: n.dial, IdleTimeout: time.Minute}
		result := make(chan error, 1)
		go func() { result <- to(t, c, "a") }()
		synctest.Wait()
		c.CloseIdle()
		close(n.hold)
		if err := <-result; err != nil {
			t.Errorf("the request under way: %v", err)
		}
		n.want(t, 1, 1)
		if err := to(t, c, "a"); err != nil { // from a handler of the config that was replaced
			t.Error(err)
		}
		n.want(t, 2, 2)
		c.CloseIdle() // twice is no harm
	})
}

// TestManyAtOnce is for the race detector: cancellations, early ends and limits, all at the same time.
func TestManyAtOnce(t *testing.T) {
	s := serve(t, func(p *peer) {
		for p.request() {
			p.say("HTTP/1.1 200 OK\nContent-Length: 6000\n\n" + strings.Repeat("x", 6000))
			if p.s.requests.Load()%17 == 0 {
				return
			}
		}
	})
	c := &Client{Dial: dial, MaxConnsPerHost: 8, MaxIdleConnsPerHost: 4, IdleTimeout: time.Millisecond}
	var wg sync.WaitGroup
	var fine atomic.Int32
	for i := range 32 {
		wg.Go(func() {
			for k := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				req := newRequest(t, "POST", s.Addr().String(), "{}").WithContext(ctx)
				if (i+k)%5 == 0 {
					go cancel()
				}
				res, err := c.Do(req, Target{Network: "tcp", Address: s.Addr().String()})
				if err == nil {
					if (i+k)%7 != 0 {
						if b, err := io.ReadAll(res.Body); err == nil && len(b) == 6000 {
							fine.Add(1)
						}
					}
					res.Body.Close()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if fine.Load() < 500 {
		t.Errorf("only %d of 1600 requests were answered", fine.Load())
	}
	c.CloseIdle()
	remembered := func() int {
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		return len(c.pool.hosts)
	}
	// Idle connections whose time has come are closed on a goroutine of their own.
	for late := time.Now().Add(time.Minute); remembered() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%d hosts remembered", remembered())
		}
	}
}
