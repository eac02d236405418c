package pgtest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy is a network between a client and a server that can fail: swallow what is sent, without a word, as when a cable is
// pulled; or close every connection.
type Proxy struct {
	target   string
	listener net.Listener

	mu     sync.Mutex
	passes *sync.Cond
	hole   bool // what is sent is held, and nobody is told
	conns  map[net.Conn]bool
	closed bool
}

// NewProxy listens on the loopback interface and hands connections on to an address.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listener: l, conns: make(map[net.Conn]bool)}
	p.passes = sync.NewCond(&p.mu)
	go p.serve()
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed, p.hole = true, false
		p.mu.Unlock()
		p.passes.Broadcast()
		p.Cut()
	})
	return p
}

// Port is where it listens on 127.0.0.1.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Swallow has everything that is sent from now on, in either direction, go nowhere, while connections seem to stand and new
// ones seem to be made.
func (p *Proxy) Swallow() { p.set(true) }

// Pass has new connections work again. Those that lost something are closed.
func (p *Proxy) Pass() {
	p.set(false)
	p.Cut()
}

func (p *Proxy) set(hole bool) {
	p.mu.Lock()
	p.hole = hole
	p.mu.Unlock()
	p.passes.Broadcast()
}

// Cut closes all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.connect(c)
	}
}

// open waits while everything is swallowed, and tells whether to go on.
func (p *Proxy) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hole {
		p.passes.Wait()
	}
	return !p.closed
}

func (p *Proxy) connect(c net.Conn) {
	p.add(c)
	defer p.remove(c)
	if !p.open() {
		return
	}
	s, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	p.add(s)
	defer p.remove(s)
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{s, c}, {c, s}} {
		wg.Go(func() {
			_ = p.copy(way[0], way[1]) // how a connection ends is the matter of its two ends
			way[0].Close()
			way[1].Close()
		})
	}
	wg.Wait()
}

func (p *Proxy) copy(to, from net.Conn) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.open() {
				return net.ErrClosed
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *Proxy) add(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *Proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}
