package sqlite

import (
	"context"
	"errors"
	"sync"

	"github.com/callgate/callgate/internal/store"
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
	c, err := p.waiting()
	if c == nil && err == nil {
		c, err = openSession(p.source)
	}
	return c, err
}

// waiting is one that nobody uses; nil if there is none.
func (p *sessions) waiting() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle) - 1
	switch {
	case p.closed: // the file may be another store's by now
		return nil, store.ErrClosed
	case n < 0:
		return nil, nil
	}
	c := p.idle[n]
	p.idle = p.idle[:n]
	return c, nil
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
