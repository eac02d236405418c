package outbound

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// maxSent bounds the requests that are noted of one attempt. A batch takes a dozen at most.
const maxSent = 16

// Sent is one request that left, without its values.
type Sent struct {
	Method string
	// Host is the receiver's host, with its port if that is not the usual one. The rest of a URL may hold a secret.
	Host string
	// Bytes is the length of the body.
	Bytes int64
	// Sum is the SHA-256 of the body. It tells who guesses a body that the guess was right: keep it only under a key.
	Sum [sha256.Size]byte
	// Fields are the names of what had a value: see fieldNames. More counts those that are left out.
	Fields []string
	More   int
}

// Record notes what is sent under a context. It is safe for concurrent use.
type Record struct {
	mu   sync.Mutex
	sent []Sent
	more int
	one  [1]Sent // what sent begins in: mostly it is one
}

type recordKey struct{}

// recorded is a context with its record.
type recorded struct {
	context.Context
	record Record
}

// Value implements context.Context.
func (c *recorded) Value(key any) any {
	if key == (recordKey{}) {
		return &c.record
	}
	return c.Context.Value(key)
}

// Recorded is a context under which all that Clients send is noted, but for what they sign in with.
func Recorded(ctx context.Context) (context.Context, *Record) {
	c := &recorded{Context: ctx}
	c.record.sent = c.record.one[:0]
	return c, &c.record
}

// unrecorded is the context for requests that fetch tokens: nothing of a call is in them.
func unrecorded(ctx context.Context) context.Context {
	if trialOf(ctx) != nil {
		ctx = context.WithValue(ctx, trialKey{}, (*Trial)(nil))
	}
	if r, _ := ctx.Value(recordKey{}).(*Record); r == nil {
		return ctx
	}
	return context.WithValue(ctx, recordKey{}, (*Record)(nil))
}

// Sent are the requests that were noted, in their order, and how many more there were than are kept.
func (r *Record) Sent() (list []Sent, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent, r.more
}

// NoteSent notes a request that was sent without a Client. err is what came of it: nothing is noted of a request that
// certainly did not leave. Where the context is not recorded it does nothing.
func NoteSent(ctx context.Context, req *http.Request, err error) { noteSent(ctx, req, err, nil) }

// lately keeps the names of the fields that a Client sent last, of which those of the next request are made.
type lately struct{ names atomic.Pointer[[]string] }

// noteSent is NoteSent. last may be nil.
func noteSent(ctx context.Context, req *http.Request, err error, last *lately) {
	r, _ := ctx.Value(recordKey{}).(*Record)
	if r == nil || unsent(err) {
		return
	}
	r.mu.Lock()
	full := len(r.sent) >= maxSent
	if full {
		r.more++
	}
	r.mu.Unlock()
	if full {
		return
	}
	s := Sent{Method: req.Method, Host: req.URL.Host, Bytes: max(0, req.ContentLength)}
	if s.Method == "" {
		s.Method = http.MethodGet
	}
	memory := copies.Get().(*[]byte)
	body := bodyOf(req, (*memory)[:0])
	if body != nil {
		s.Bytes, s.Sum = int64(len(body)), sha256.Sum256(body)
	}
	s.Fields, s.More = last.fieldNames(req, body)
	if body != nil && cap(body) <= maxCopy {
		*memory = body
	}
	copies.Put(memory)
	r.mu.Lock()
	r.sent = append(r.sent, s)
	r.mu.Unlock()
}

// fieldNames is fieldNames with the names before.
func (l *lately) fieldNames(req *http.Request, body []byte) (list []string, more int) {
	if l == nil {
		return fieldNames(req, body, nil)
	}
	var before []string
	if p := l.names.Load(); p != nil {
		before = *p
	}
	list, more = fieldNames(req, body, before)
	if len(list) > 0 && (len(before) == 0 || &list[0] != &before[0]) {
		kept := list
		l.names.Store(&kept)
	}
	return list, more
}

// unsent reports whether an error says that no connection came about.
func unsent(err error) bool {
	if err == nil {
		return false
	}
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case Refused, DNS, TLS, Forbidden, Own, Barred, ProxyLogin:
		return true
	}
	return false
}

// copies is the memory that bodies are read into once more: of what is noted nothing lies in it. That of large ones is not
// kept.
var copies = sync.Pool{New: func() any { return new([]byte) }}

const maxCopy = 64 << 10

// bodyOf is the body of a request that can be sent twice, in the memory if it fits there; nil if there is none, or it cannot be
// read again.
func bodyOf(req *http.Request, memory []byte) []byte {
	if req.GetBody == nil {
		return nil
	}
	r, err := req.GetBody()
	if err != nil {
		return nil
	}
	defer r.Close()
	if n := req.ContentLength; n > 0 && n <= 1<<20 { // as long as it is said to be: no need to look for the end
		b := slices.Grow(memory, int(n))[:n]
		if _, err := io.ReadFull(r, b); err != nil {
			return nil
		}
		return b
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return b
}
