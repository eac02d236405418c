package sqlite

import (
	"context"
	"errors"
	"sync"
)

// sessions are connections that read what deliveries are made of. It is read for every delivery, with statements that are known,
// so it is read without database/sql in between, which costs as much again. Each of them is used by one caller at a time.
type sessions struct {
	source string
	room   chan struct{} // has one for each that is in use

	mu     sync.Mutex
	idle   []*session
	closed bool
}

// sessionBytes is the page cache of each. What is written begins it anew, so that more would not be filled.
const sessionBytes = 1 << 20

func newSessions(source string, most int) *sessions {
	return &sessions{source: source, room: make(chan struct{}, most)}
}

// use calls f with one of them. After an error it is not used again: what SQLite holds in memory may be wrong.
func (p *sessions) use(ctx context.Context, f func(*session) error) error {
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.room }()
	c, err := p.take()
	if err != nil {
		return err
	}
	if err := f(c); err != nil {
		c.discard()
		return err
	}
	return p.give(c)
}

func (p *sessions) take() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	return openSession(p.source)
}

func (p *sessions) give(c *session) error {
	clear(c.args[:cap(c.args)])
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return c.close()
	}
	p.idle = append(p.idle, c)
	return nil
}

// close closes those that nobody uses; the others are closed when they are given back.
func (p *sessions) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	p.idle = nil
	return errors.Join(errs...)
}
