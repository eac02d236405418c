package gateway

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// refusal is an answer that the gateway gives itself. Its message never holds a secret or a part of the request.
type refusal struct {
	outcome    Outcome
	status     int // 0: that of the outcome
	message    string
	retryAfter time.Duration
	cause      error
	field      string // the required field that is missing
}

// refuse answers a refused request and logs it.
func (rq *Request) refuse(w http.ResponseWriter, f *refusal) error {
	if f.status == 0 {
		f.status = outcomeTable[f.outcome].status
	}
	rq.log(f)
	h := w.Header()
	if f.retryAfter > 0 {
		h.Set("Retry-After", retryAfter(f.retryAfter))
	}
	if rq.leftover() {
		h.Set("Connection", "close")
	}
	if rq.route.PassErrors {
		return &Error{f.status, errors.New(f.outcome.String() + ": " + f.message)}
	}
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(struct {
		Error     detail `json:"error"`
		RequestID string `json:"request_id"`
	}{detail{f.outcome.String(), f.message}, rq.route.Server.RequestID(rq.r)})
	if err != nil {
		return err
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(f.status)
	_, err = w.Write(append(body, '\n'))
	return ignoreGone(rq.r, err)
}

// leftover reports whether so much of the body was not read that it is not worth reading on only to keep the connection,
// as the server would do with up to 256 KiB: a stranger could send that much again and again, and have it read. HTTP/2
// ends a stream without its connection.
func (rq *Request) leftover() bool {
	r := rq.r
	if rq.whole || r.ProtoMajor != 1 || r.Body == nil || r.Body == http.NoBody {
		return false
	}
	return r.ContentLength < 0 || r.ContentLength-int64(len(rq.body)) > light
}

// ignoreGone drops the error of writing to a client that is no longer there.
func ignoreGone(r *http.Request, err error) error {
	if r.Context().Err() != nil {
		return nil
	}
	return err
}

// retryAfter is a wait in whole seconds, rounded up, and at least one: RFC 9110, section 10.2.3.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64(math.Max(1, math.Ceil(d.Seconds()))), 10)
}
