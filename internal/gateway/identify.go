package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/source"
)

// readCall finds the event's id and checks the required fields.
func (rq *Request) readCall() *refusal {
	var err error
	if rq.parsing, err = source.Open(&rq.message, &rq.result, rq.plan.MaxBody); err != nil {
		return openRefusal(err)
	}
	rq.payload = rq.parsing.Body
	missing, err := rq.identify()
	if err != nil && rq.mustBeRead() {
		return malformed(err)
	}
	rq.sum = rq.result.Digest(&rq.message)
	rq.eventID, rq.named = source.EventID(&rq.message, &rq.result, &rq.parsing, rq.identity, rq.plan.EventID, rq.sum)
	if len(rq.events) > 0 { // what tells the first event from others does not tell the request from one that has others beside it
		rq.eventID, rq.named = digestText(rq.sum), false
	}
	rq.noteID()
	if missing != "" {
		return &refusal{outcome: fieldMissing, field: missing, message: "required field missing: " + missing}
	}
	return nil
}

// openRefusal answers a request whose signature holds and in which no event can be found that it covers.
func openRefusal(err error) *refusal {
	switch {
	case errors.Is(err, source.ErrUncovered):
		return &refusal{outcome: signatureInvalid, cause: err, message: "the signature does not cover the event; send it in a body"}
	case errors.Is(err, source.ErrTooLarge):
		return tooLarge()
	case errors.Is(err, source.ErrEncoding):
		return &refusal{
			outcome: malformedBody, cause: err, status: http.StatusUnsupportedMediaType,
			message: "this Content-Encoding or charset cannot be read here; send the body as it is or with gzip, in UTF-8",
		}
	}
	return malformed(err)
}

// identify finds out which event it is, and the first of the required fields that it has not. Where the record is needed
// later it is read now, since it tells both; a copy of an event is dearer for it, and every other event cheaper.
func (rq *Request) identify() (missing string, err error) {
	p := rq.plan
	switch {
	case len(p.Deliver) > 0 || p.Test || rq.route.Convert != nil:
		c, err := rq.record()
		if err != nil {
			return "", err
		}
		rq.identity = source.Identity{EventType: c.EventType, EventID: c.EventID, CallID: c.ID}
		if missing, split := rq.split(); split {
			return missing, nil
		}
		return c.Missing(p.Require), nil
	case len(p.Require) > 0:
		rq.identity, missing, err = p.Parser.Require(&rq.parsing, p.Require)
	default:
		rq.identity, err = p.Parser.Identify(&rq.parsing)
	}
	return missing, err
}

// mustBeRead reports whether a body that cannot be read has to be refused. What its sender signed and never said to be
// JSON, a form or XML is the receiver's to judge, unless this route itself needs something out of it.
func (rq *Request) mustBeRead() bool {
	p := rq.plan
	if len(p.Require) > 0 || len(p.Deliver) > 0 || p.EventID.Path != nil || p.Test || rq.route.Convert != nil {
		return true
	}
	if len(rq.payload) == 0 {
		return false
	}
	kind, _, _ := strings.Cut(rq.r.Header.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") || strings.HasPrefix(kind, "multipart/") ||
		kind == "application/x-www-form-urlencoded"
}

func malformed(err error) *refusal {
	return &refusal{outcome: malformedBody, cause: err, message: "the body cannot be read as the format that its Content-Type names"}
}

// record is the call record, read when it is first asked for.
func (rq *Request) record() (*call.Call, error) {
	if rq.call == nil && rq.callErr == nil {
		rq.call, rq.callErr = rq.plan.Parser.Parse(&rq.parsing)
		rq.noteID()
	}
	return rq.call, rq.callErr
}

// noteID has the record say the event's id where the operator said where that is, and not the source.
func (rq *Request) noteID() {
	if rq.call != nil && rq.named && rq.plan.EventID.Path != nil {
		rq.call.EventID = rq.eventID
	}
}
