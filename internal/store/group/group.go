// Package group gathers requests that arrive during a commit into the next one, so that many share it: what a store costs is
// its commits.
package group

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Request is a change that waits for its commit.
type Request[T any] struct {
	Do T
	// Err is what came of it, set before Answer.
	Err   error
	state atomic.Int32 // waiting, taken by the writer, or left by its caller
	done  chan struct{}
}

const (
	waiting int32 = iota
	taken
	left
)

// Answer lets the caller go on.
func (r *Request[T]) Answer() { close(r.done) }

// Left tells whether the caller has gone without an answer. The request may be carried out all the same.
func (r *Request[T]) Left() bool { return r.state.Load() == left }

// Refusal is an error of a request that found out before it changed anything: the rest of its batch is not concerned.
type Refusal struct{ error }

// Unwrap gives the error itself.
func (r Refusal) Unwrap() error { return r.error }

// Refuse makes a refusal of an error.
func Refuse(err error) error { return Refusal{err} }

// Refused tells whether an error is a refusal.
func Refused(err error) bool {
	_, refused := err.(Refusal)
	return refused
}

// Group is the queue in front of a writer, which is one goroutine.
type Group[T any] struct {
	// Requests wait here.
	Requests chan *Request[T]
	// Closing is closed by Close.
	Closing chan struct{}
	// patience bounds how long anybody waits; 0 does not.
	patience time.Duration
	max      int
	forEach  time.Duration // how long a commit waits for each of those who are expected
	closed   atomic.Bool
	done     chan struct{} // closed by the writer at its end
	company  int           // how many requests the batch before was of; the writer's
	inside   atomic.Int64  // how many callers are in Do
	crowd    atomic.Int64  // the most that were there at once since the batch before was gathered
}

// New makes one. At most max requests share a commit, which under load waits for more: for so long for each of those who are
// about to come, and for longestWait at most. With patience a caller waits for no longer than that, and is told
// store.ErrUnavailable.
func New[T any](max int, forEach, patience time.Duration) *Group[T] {
	return &Group[T]{Requests: make(chan *Request[T], 2*max), Closing: make(chan struct{}), patience: patience, max: max, forEach: forEach, done: make(chan struct{})}
}

// Close has the writer end when it has answered those that wait. Wait waits for that.
func (g *Group[T]) Close() {
	if !g.closed.Swap(true) {
		close(g.Closing)
	}
}

// Wait waits for the writer's end.
func (g *Group[T]) Wait() { <-g.done }

// End is called by the writer when it has ended.
func (g *Group[T]) End() { close(g.done) }

var errNotTaken = fmt.Errorf("%w: its writer has been busy for too long, and nothing was stored", store.ErrUnavailable)

// errMaybe is said where a request was begun and nobody knows yet how it ends.
var errMaybe = fmt.Errorf("%w: its database has not confirmed in time; what was not acknowledged may be stored", store.ErrUnavailable)

// Do has the writer carry a request out and returns what came of it. If the context ends before the writer takes the
// request, nothing is changed; after that it is not looked at any more.
func (g *Group[T]) Do(ctx context.Context, v T) error {
	r := &Request[T]{Do: v, done: make(chan struct{})}
	n := g.inside.Add(1)
	defer g.inside.Add(-1)
	for most := g.crowd.Load(); n > most && !g.crowd.CompareAndSwap(most, n); {
		most = g.crowd.Load()
	}
	var late <-chan time.Time
	if g.patience > 0 {
		t := time.NewTimer(g.patience)
		defer t.Stop()
		late = t.C
	}
	select {
	case g.Requests <- r:
	case <-g.Closing:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return errNotTaken
	}
	ended := ctx.Done()
	for {
		select {
		case <-r.done:
		case <-g.done:
			select {
			case <-r.done:
			default:
				return store.ErrClosed
			}
		case <-ended:
			if r.state.CompareAndSwap(waiting, left) {
				return ctx.Err()
			}
			ended = nil
			continue
		case <-late:
			if r.state.CompareAndSwap(waiting, left) {
				return errNotTaken
			}
			if r.state.CompareAndSwap(taken, left) {
				return errMaybe
			}
			late = nil
			continue
		}
		if refused, ok := errors.AsType[Refusal](r.Err); ok {
			return refused.error
		}
		return r.Err
	}
}

// Take leaves those of the requests whose callers wait for them.
func Take[T any](rs []*Request[T]) []*Request[T] {
	n := 0
	for _, r := range rs {
		if r.state.CompareAndSwap(waiting, taken) {
			rs[n] = r
			n++
		}
	}
	return rs[:n]
}

// Fail gives requests an error, or none.
func Fail[T any](rs []*Request[T], err error) {
	for _, r := range rs {
		r.Err = err
	}
}

// longestWait bounds for how long a commit waits for others, whatever the crowd: when most of it goes away, those who stay
// lose this once.
const longestWait = 8 * time.Millisecond

// Gather adds the requests that wait to a batch. Under load it waits a moment for more: a commit costs nearly the same for
// twenty as for forty. Who was there while the batch before was committed, waiting for that one or for the next, is likely to
// come again; it waits for three quarters of them, so that one who is slow, or goes, holds up nobody, and for as many as were
// in the batch before. Many take longer to come than two, and have more to gain: so how long it waits at most goes by how many
// were there. A request that comes alone, after one that did, does not wait.
func (g *Group[T]) Gather(rs []*Request[T]) []*Request[T] {
	rs = g.waitingNow(rs)
	defer func() { g.company = len(rs) }()
	crowd := int(g.crowd.Swap(g.inside.Load()))
	if g.forEach <= 0 || g.company <= 1 && len(rs) <= 1 || g.closed.Load() {
		return rs
	}
	enough := max(g.company, crowd*3/4)
	if g.company <= 1 { // nobody knows how many are about to come
		enough = g.max
	}
	enough = min(enough, g.max)
	if len(rs) >= enough {
		return rs
	}
	longest := min(g.forEach*time.Duration(max(g.company, crowd)), longestWait)
	for late := time.After(longest); len(rs) < enough; {
		select {
		case r := <-g.Requests:
			rs = g.waitingNow(append(rs, r))
		case <-late:
			return rs
		case <-g.Closing:
			return g.waitingNow(rs)
		}
	}
	return rs
}

// waitingNow adds those that wait to a batch.
func (g *Group[T]) waitingNow(rs []*Request[T]) []*Request[T] {
	for len(rs) < g.max {
		select {
		case r := <-g.Requests:
			rs = append(rs, r)
		default:
			return rs
		}
	}
	return rs
}
