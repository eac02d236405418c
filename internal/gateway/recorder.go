package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/idempotency"
)

// recorder passes an answer through and keeps what is needed to give it again.
type recorder struct {
	http.ResponseWriter
	status    int
	keep      bool // the answer may have to be given again
	truncated bool
	max       int64
	buf       bytes.Buffer

	// ctx is the request's with the bound on the receiver, and timer is that bound, which the beginning of an answer
	// lifts; both are nil without one.
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

var recorders = sync.Pool{New: func() any { return new(recorder) }}

// maxPooledBuffer keeps a few large answers from staying in memory for ever.
const maxPooledBuffer = 64 << 10

func newRecorder(w http.ResponseWriter, keep bool, max int64) *recorder {
	rec := recorders.Get().(*recorder)
	rec.ResponseWriter, rec.keep, rec.max = w, keep, max
	return rec
}

func (rec *recorder) free() {
	rec.lift()
	if rec.buf.Cap() > maxPooledBuffer {
		return
	}
	rec.buf.Reset()
	rec.ResponseWriter, rec.status, rec.truncated, rec.ctx, rec.cancel, rec.timer = nil, 0, false, nil, nil, nil
	recorders.Put(rec)
}

// WriteHeader implements http.ResponseWriter. Informational answers (1xx) pass and are not the answer.
func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		rec.status = status
		if rec.timer != nil {
			rec.timer.Stop()
		}
	}
	if status == statusClientGone && rec.late() {
		return // it is the gateway that has gone, and it has an answer of its own
	}
	rec.ResponseWriter.WriteHeader(status)
}

// lift ends the bound on the receiver.
func (rec *recorder) lift() {
	if rec.timer != nil {
		rec.timer.Stop()
		rec.cancel(nil)
	}
}

// late reports whether the receiver was given up because it did not begin to answer.
func (rec *recorder) late() bool { return rec.ctx != nil && context.Cause(rec.ctx) == errReceiverLate }

// answered reports whether an answer of the receiver's has begun.
func (rec *recorder) answered() bool { return rec.status != 0 && rec.status != statusClientGone }

// Write implements http.ResponseWriter.
func (rec *recorder) Write(p []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
		if rec.timer != nil {
			rec.timer.Stop()
		}
	}
	if rec.keep && !rec.truncated && rec.status/100 == 2 {
		if int64(rec.buf.Len()+len(p)) <= rec.max {
			rec.buf.Write(p)
		} else {
			rec.truncated = true
			rec.buf.Reset()
		}
	}
	return rec.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, which io.Copy uses: for a file without a copy in memory, where the answer need not be
// kept.
func (rec *recorder) ReadFrom(r io.Reader) (int64, error) {
	if from, ok := rec.ResponseWriter.(io.ReaderFrom); ok && !rec.keep {
		if rec.status == 0 {
			rec.status = http.StatusOK
		}
		return from.ReadFrom(r)
	}
	return io.Copy(onlyWriter{rec}, r)
}

// onlyWriter hides ReadFrom from io.Copy.
type onlyWriter struct{ io.Writer }

// Push implements http.Pusher.
func (rec *recorder) Push(target string, opts *http.PushOptions) error {
	if p, ok := rec.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap is for http.ResponseController.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// notReplayed are headers that belong to a connection or a moment and not to an answer.
var notReplayed = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Transfer-Encoding": true, "Upgrade": true,
	"Trailer": true, "Te": true, "Date": true, "Server": true, "Alt-Svc": true, "Via": true,
}

// answer is what was answered. It is to be committed before the recorder is freed.
func (rec *recorder) answer(status int) idempotency.Answer {
	a := idempotency.Answer{Status: status, Header: rec.Header(), Omit: notReplayed, Truncated: rec.truncated}
	if !rec.truncated {
		a.Body = rec.buf.Bytes()
	}
	return a
}
