package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// readBody reads the request's body, once and at most as much as the plan allows, and gives the request a body that
// hands the same bytes on.
//
// Who sends it is a stranger as yet. So its memory grows with what arrives and not with what was announced, all bodies
// together stay within the process's budget until they are verified, and a sender has to keep up a rate.
//
// The memory is never used again for another request: net/http's transport may still be reading it after the
// receiver answered.
func (rq *Request) readBody(w http.ResponseWriter) *refusal {
	r, limit := rq.r, rq.plan.MaxBody
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil
	}
	if r.ContentLength > limit {
		return tooLarge()
	}
	in := incoming{r: r, limit: limit, budget: rq.route.State.Unverified, rate: rq.plan.MinBodyRate, began: time.Now()}
	if in.rate > 0 {
		in.deadline = deadliner(w)
	}
	refused := in.read()
	rq.body, rq.held = in.b, in.held
	if refused != nil {
		return refused
	}
	rq.whole = true
	if r.ContentLength < 0 {
		// It was chunked. Receivers of another age, FastCGI among them, want a length.
		r.TransferEncoding = nil
		r.Header.Del("Transfer-Encoding")
		r.Header.Set("Content-Length", strconv.Itoa(len(rq.body)))
	}
	rq.setBody(rq.body)
	return nil
}

// incoming is a body that is being read.
type incoming struct {
	r        *http.Request
	limit    int64
	b        []byte
	budget   *Budget
	held     int64         // what b holds of the budget
	paid     int64         // how many bytes have been waited for
	rate     int64         // bytes a second; 0 for none
	deadline readDeadliner // nil where there is none to set
	began    time.Time
}

// readDeadliner is a ResponseWriter with the deadline of its connection.
type readDeadliner interface{ SetReadDeadline(time.Time) error }

// deadliner finds the ResponseWriter that has a deadline, as http.ResponseController does, and makes nothing for it.
func deadliner(w http.ResponseWriter) readDeadliner {
	for {
		switch v := w.(type) {
		case readDeadliner:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

const (
	// firstRead is how much memory an announced body gets at first, which is enough for most calls.
	firstRead = 4 << 10
	// bodyGrace is how long a body may take besides what its rate allows it.
	bodyGrace = 10 * time.Second
)

func (in *incoming) read() *refusal {
	defer in.unbound()
	length := in.r.ContentLength
	for {
		if refused := in.grow(); refused != nil {
			return refused
		}
		in.bound()
		n, err := io.ReadFull(in.r.Body, in.b[len(in.b):cap(in.b)])
		in.b = in.b[:len(in.b)+n]
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			if length >= 0 && int64(len(in.b)) != length {
				return brokenOff()
			}
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &refusal{outcome: bodyTooSlow, message: "the body came too slowly; send it again"}
		case err != nil:
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				return tooLarge()
			}
			return brokenOff()
		case int64(len(in.b)) == length:
			return nil
		case int64(len(in.b)) > in.limit:
			return tooLarge()
		}
	}
}

// grow makes room for more: twice as much as there is, and no more than there can come.
func (in *incoming) grow() *refusal {
	most := in.limit + 1 // one byte more shows that a chunked body is too large
	if in.r.ContentLength >= 0 {
		most = in.r.ContentLength
	}
	size := min(max(2*int64(cap(in.b)), firstRead), most)
	whole := max(size, in.r.ContentLength)
	ok := (size <= light || in.wait(size, most)) && in.budget.take(size-in.held, whole)
	if !ok && whole > light { // refused at once, it would come again at once
		ok = in.wait(size, most) && in.budget.take(size-in.held, whole)
	}
	if !ok {
		return &refusal{
			outcome: overloaded, retryAfter: time.Second,
			message: "the gateway is reading as many bodies as it has memory and time for; send again later",
		}
	}
	in.held = size
	b := make([]byte, len(in.b), size)
	copy(b, in.b)
	in.b = b
	return nil
}

// wait waits for the time that a large body takes. Where its length was announced that is for all of it, so
// that whoever is refused later has waited too. The wait is not the sender's, who is given as much more time.
func (in *incoming) wait(size, most int64) bool {
	if in.paid >= size {
		return true
	}
	n := size - in.paid
	if in.r.ContentLength >= 0 {
		n = most
	}
	wait, ok := in.budget.wait(n)
	if !ok {
		return false
	}
	in.paid += n
	if wait > 0 {
		in.began = in.began.Add(wait)
		in.bound()
		time.Sleep(wait)
	}
	return true
}

// bound gives the sender the time for what there is room for now.
func (in *incoming) bound() {
	if in.deadline == nil {
		return
	}
	t := in.began.Add(bodyGrace + time.Duration(float64(cap(in.b))/float64(in.rate)*float64(time.Second)))
	if in.deadline.SetReadDeadline(t) != nil {
		in.deadline = nil // a server without deadlines, as in some tests
	}
}

// unbound takes the deadline off the connection, which would end the request while it is carried out.
func (in *incoming) unbound() {
	if in.deadline != nil {
		_ = in.deadline.SetReadDeadline(time.Time{})
	}
}

func brokenOff() *refusal {
	return &refusal{outcome: malformedBody, message: "the body broke off before its end"}
}

// release gives back what the body holds of the budget: it was verified, or refused.
func (rq *Request) release() {
	rq.route.State.Unverified.give(rq.held)
	rq.held = 0
}

func tooLarge() *refusal {
	return &refusal{outcome: bodyTooLarge, message: "the body is larger than this route accepts"}
}

// setBody makes b the request's body, before anybody else reads it.
func (rq *Request) setBody(b []byte) {
	rq.reader.Reset(b)
	rq.setReader(&rq.reader, b)
}

// setReader makes b the request's body, read by r.
func (rq *Request) setReader(r *body, b []byte) {
	rq.going = b
	rq.r.Body = r
	rq.r.ContentLength = int64(len(b))
	// So that a request can be sent again that was written to a connection which the receiver had just closed.
	rq.r.GetBody = func() (io.ReadCloser, error) { return bodyOf(b), nil }
}

// leftOutHeader is stored with the header of an event whose body is not what the sender sent, with the member of the body
// that was emptied.
const leftOutHeader = "Callgate-Left-Out"

// dropAudio takes a recording out of the body of an event that will be stored, where no destination asks for it, and lets go
// of what came: what is held from here on, and stored, does not grow with the recording. What tells the event from others
// was made from all of it before.
func (rq *Request) dropAudio() {
	if !rq.plan.DropAudio || rq.plan.Test || !rq.isAsync() {
		return
	}
	rest, member := rq.plan.Preset.WithoutAudio(rq.payload)
	if member == "" {
		return
	}
	rq.leftOut = member
	rq.body, rq.payload, rq.message.Body, rq.parsing.Body, rq.result.Payload = rest, rest, rest, rest, nil
	rq.r.Header.Del("Content-Encoding") // the payload is expanded
	rq.r.Header.Set("Content-Length", strconv.Itoa(len(rest)))
	rq.setBody(rest)
}

// body is a request body in memory.
type body struct{ bytes.Reader }

func bodyOf(b []byte) *body {
	v := new(body)
	v.Reset(b)
	return v
}

func (*body) Close() error { return nil }
