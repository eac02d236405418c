package main

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/callgate/callgate/bench/gateway"
)

// strangers are the senders of an attack. Each has a connection, opened again when it breaks, and sends its next request
// when the last was refused.
type strangers struct {
	address string
	cancel  context.CancelFunc
	all     sync.WaitGroup

	mu       sync.Mutex
	sent     int64
	statuses map[string]int64
	failures int64 // connections that broke, or could not be opened
}

// retry is how long a stranger waits after its connection broke, so that one that cannot do harm does not do nothing else.
const retry = 10 * time.Millisecond

// send lets strangers loose until they are stopped. Their requests are made before.
func (o *options) send(ctx context.Context, g *gateway.Server, a attack) (*strangers, error) {
	u, err := url.Parse(g.URL)
	if err != nil {
		return nil, err
	}
	s := &strangers{address: u.Host, statuses: make(map[string]int64)}
	ctx, s.cancel = context.WithCancel(ctx)
	ready := make([][]byte, len(a.requests))
	for i, r := range a.requests {
		ready[i] = r.bytes(u.Host, gateway.Path)
	}
	for i := range o.strangers {
		n := i % len(a.requests)
		s.all.Go(func() { s.run(ctx, a.requests[n], ready[n], nil) })
	}
	return s, nil
}

// stop ends them. It can be called again.
func (s *strangers) stop() {
	s.cancel()
	s.all.Wait()
}

// total is what they have sent, by the status of the answers, and how many connections broke.
func (s *strangers) total() (sent int64, statuses map[string]int64, failures int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, maps.Clone(s.statuses), s.failures
}

// run is one stranger. With ticks, it sends a request at each of them only.
func (s *strangers) run(ctx context.Context, r request, ready []byte, ticks <-chan time.Time) {
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends what waits for it
			_ = s.converse(ctx, conn, r, ready, ticks)                  // how it ended does not matter: it is counted below
			stop()
			_ = conn.Close()
		}
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.failures++
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// converse sends requests over a connection until it breaks.
func (s *strangers) converse(ctx context.Context, conn net.Conn, r request, ready []byte, ticks <-chan time.Time) error {
	in := bufio.NewReader(conn)
	for {
		if ticks != nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ticks:
			}
		}
		s.mu.Lock()
		s.sent++
		s.mu.Unlock()
		if _, err := conn.Write(ready); err != nil {
			s.answered(in) // some are refused before all of it was sent
			return err
		}
		if r.pause > 0 {
			trickling, done := context.WithCancel(ctx)
			s.all.Go(func() { trickle(trickling, conn, r) })
			err := s.answered(in)
			done()
			if err != nil {
				return err
			}
			continue
		}
		if err := s.answered(in); err != nil {
			return err
		}
	}
}

// trickle sends what is left of a body byte by byte.
func trickle(ctx context.Context, conn net.Conn, r request) {
	every := time.NewTicker(r.pause)
	defer every.Stop()
	for range r.left() {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if _, err := conn.Write([]byte("1")); err != nil {
			return
		}
	}
}

// answered waits for an answer and counts it.
func (s *strangers) answered(in *bufio.Reader) error {
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close() // it was read
	s.mu.Lock()
	s.statuses[strconv.Itoa(res.StatusCode)]++
	s.mu.Unlock()
	if err == nil && res.Close {
		err = io.EOF
	}
	return err
}
