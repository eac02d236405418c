package wire

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pool keeps the connections of a [Client].
type pool struct {
	mu     sync.Mutex
	hosts  map[Target]*host // only those with connections, or with somebody who waits for one
	idle   int              // connections idle, over all hosts
	closed bool
	timer  *time.Timer
	armed  bool
}

// host is what is known of one target.
type host struct {
	open    int     // connections that exist or are being opened
	idle    []*conn // the one used last is at the end and taken first
	waiting []chan *conn
}

// acquire returns an idle connection, or a new one, or waits for one if as many exist as may; it waits until by, unless that
// is zero.
func (c *Client) acquire(ctx context.Context, t Target, by time.Time) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p := &c.pool
	p.mu.Lock()
	h := p.hosts[t]
	if h == nil {
		if p.hosts == nil {
			p.hosts = make(map[Target]*host)
		}
		h = new(host)
		p.hosts[t] = h
	}
	if n := len(h.idle); n > 0 {
		cn := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		p.idle--
		p.mu.Unlock()
		return cn, nil
	}
	if !by.IsZero() {
		within, cancel := context.WithDeadlineCause(ctx, by, ErrLate)
		defer cancel()
		ctx = within
	}
	if c.MaxConnsPerHost <= 0 || h.open < c.MaxConnsPerHost {
		h.open++
		p.mu.Unlock()
		return c.openOrFree(ctx, t, h)
	}
	turn := make(chan *conn, 1)
	h.waiting = append(h.waiting, turn)
	p.mu.Unlock()

	select {
	case cn := <-turn:
		if cn == nil { // a connection was closed, and its place is ours
			return c.openOrFree(ctx, t, h)
		}
		return cn, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(h.waiting, turn)
	if i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it was our turn in the same moment: pass it on
		if cn := <-turn; cn != nil {
			c.release(cn, true)
		} else {
			p.free(t)
		}
	}
	return nil, context.Cause(ctx)
}

// openOrFree opens a connection in a place that was taken for it at h, which is what is known of t.
func (c *Client) openOrFree(ctx context.Context, t Target, h *host) (*conn, error) {
	cn, err := c.open(ctx, t)
	if err != nil {
		c.pool.free(t)
		return nil, err
	}
	cn.host = h
	return cn, nil
}

// release takes a connection back, to be used again if keep is true, and closed otherwise.
func (c *Client) release(cn *conn, keep bool) {
	p := &c.pool
	if !keep {
		cn.Conn.Close()
		p.free(cn.target)
		return
	}
	cn.used = true
	cn.idleSince = time.Now()
	p.mu.Lock()
	h := cn.host
	if len(h.waiting) > 0 && !p.closed {
		turn := h.waiting[0]
		h.waiting = slices.Delete(h.waiting, 0, 1)
		turn <- cn // has room: everyone who waits is served once
		p.mu.Unlock()
		return
	}
	if p.closed || c.MaxIdleConnsPerHost < 0 || c.MaxIdleConnsPerHost > 0 && len(h.idle) >= c.MaxIdleConnsPerHost {
		p.mu.Unlock()
		c.release(cn, false)
		return
	}
	h.idle = append(h.idle, cn)
	p.idle++
	var surplus *conn
	if c.MaxIdleConns > 0 && p.idle > c.MaxIdleConns {
		surplus = p.removeOldest()
	}
	if !p.armed && c.IdleTimeout > 0 {
		p.armed = true
		if p.timer == nil {
			p.timer = time.AfterFunc(c.IdleTimeout, c.sweep)
		} else {
			p.timer.Reset(c.IdleTimeout)
		}
	}
	p.mu.Unlock()
	if surplus != nil {
		surplus.Conn.Close()
		p.free(surplus.target)
	}
}

// free gives the place of a connection that is gone to whoever waits for one.
func (p *pool) free(t Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[t]
	if len(h.waiting) > 0 {
		turn := h.waiting[0]
		h.waiting = slices.Delete(h.waiting, 0, 1)
		turn <- nil
		return
	}
	h.open--
	if h.open == 0 {
		delete(p.hosts, t)
	}
}

// removeOldest takes the connection out that has been idle longest.
func (p *pool) removeOldest() *conn {
	var of *host
	for _, h := range p.hosts {
		if len(h.idle) > 0 && (of == nil || h.idle[0].idleSince.Before(of.idle[0].idleSince)) {
			of = h
		}
	}
	cn := of.idle[0]
	of.idle = slices.Delete(of.idle, 0, 1)
	p.idle--
	return cn
}

// sweep closes the connections that have been idle for too long, and wakes up again when the next one will have been.
func (c *Client) sweep() {
	p := &c.pool
	var old []*conn
	p.mu.Lock()
	now := time.Now()
	var next time.Time
	for _, h := range p.hosts {
		n := 0
		for n < len(h.idle) && now.Sub(h.idle[n].idleSince) >= c.IdleTimeout {
			n++
		}
		old = append(old, h.idle[:n]...)
		h.idle = slices.Delete(h.idle, 0, n)
		p.idle -= n
		if len(h.idle) > 0 && (next.IsZero() || h.idle[0].idleSince.Before(next)) {
			next = h.idle[0].idleSince
		}
	}
	p.armed = !next.IsZero() && !p.closed
	if p.armed {
		p.timer.Reset(next.Add(c.IdleTimeout).Sub(now))
	}
	p.mu.Unlock()
	for _, cn := range old {
		c.release(cn, false)
	}
}

// close closes the idle connections, and lets the others be closed when they are released.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var idle []*conn
	for _, h := range p.hosts {
		idle = append(idle, h.idle...)
		h.idle = nil
	}
	p.idle = 0
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	for _, cn := range idle {
		cn.Conn.Close()
		p.free(cn.target)
	}
}
