package caddymodule

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// readBody reads the request's body, once and at most as much as the plan allows, and gives the request a body that
// hands the same bytes on.
//
// The memory is never used again for another request: net/http's transport may still be reading it after the
// receiver answered.
func (rq *request) readBody(w http.ResponseWriter) *refusal {
	r, limit := rq.r, rq.plan.maxBody
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > limit {
		return tooLarge()
	}
	var err error
	if r.ContentLength >= 0 {
		rq.body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, rq.body)
	} else {
		var b bytes.Buffer
		_, err = b.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
		rq.body = b.Bytes()
	}
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return tooLarge()
		}
		return &refusal{outcome: malformedBody, message: "the body broke off before its end"}
	}
	if r.ContentLength < 0 {
		// It was chunked. Receivers of another age, FastCGI among them, want a length.
		r.TransferEncoding = nil
		r.Header.Del("Transfer-Encoding")
		r.Header.Set("Content-Length", strconv.Itoa(len(rq.body)))
	}
	rq.setBody(rq.body)
	return nil
}

func tooLarge() *refusal {
	return &refusal{outcome: bodyTooLarge, message: "the body is larger than this route accepts"}
}

// setBody makes b the request's body.
func (rq *request) setBody(b []byte) {
	rq.reader.Reset(b)
	rq.r.Body = &rq.reader
	rq.r.ContentLength = int64(len(b))
	// So that a request can be sent again that was written to a connection which the receiver had just closed.
	rq.r.GetBody = func() (io.ReadCloser, error) { return bodyOf(b), nil }
}

// body is a request body in memory.
type body struct{ bytes.Reader }

func bodyOf(b []byte) *body {
	v := new(body)
	v.Reset(b)
	return v
}

func (*body) Close() error { return nil }
