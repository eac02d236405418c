package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/source"
)

// readCall finds the event's id and checks the required fields.
func (rq *Request) readCall() *refusal {
	if refused := rq.openPayload(); refused != nil {
		return refused
	}
	missing, err := rq.identify()
	if err != nil && rq.mustBeRead() {
		return malformed(err)
	}
	if rq.identity.EventID == "" {
		rq.identity.EventID = rq.result.ID
	}
	rq.sum = sha256.Sum256(rq.signed())
	rq.eventID = rq.findEventID()
	if missing != "" {
		return &refusal{outcome: fieldMissing, message: "required field missing: " + missing}
	}
	return nil
}

// signed is the content that the signature vouches for. Were an event known by the hash of the body as it came, anybody
// could send it once more with a space added, where the signature does not cover the spaces.
func (rq *Request) signed() []byte {
	if rq.result.Payload != nil {
		return rq.result.Payload
	}
	return rq.body
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
		return c.Missing(p.Require), nil
	case len(p.Require) > 0:
		rq.identity, missing, err = p.Parser.Require(rq.sourceRequest(), p.Require)
	default:
		rq.identity, err = p.Parser.Identify(rq.sourceRequest())
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

func (rq *Request) sourceRequest() *source.Request {
	s := &rq.parsing
	s.Body, s.ContentType, s.Header = rq.payload, rq.r.Header.Get("Content-Type"), rq.r.Header
	if len(rq.payload) == 0 {
		s.Query = rq.r.URL.Query()
	}
	return s
}

// record is the call record, read when it is first asked for.
func (rq *Request) record() (*call.Call, error) {
	if rq.call == nil && rq.callErr == nil {
		rq.call, rq.callErr = rq.plan.Parser.Parse(rq.sourceRequest())
	}
	return rq.call, rq.callErr
}

// findEventID is what tells the event from all others of its tenant on its route.
func (rq *Request) findEventID() string {
	from := &rq.plan.EventID
	var id string
	switch {
	case from.Header != "":
		id = rq.r.Header.Get(from.Header)
	case from.Path != nil:
		id, _ = from.Path.ID(rq.payload)
	case !from.Body:
		id = rq.identity.EventID
	}
	if id != "" && len(id) <= maxEventID {
		return id
	}
	sum := rq.sum
	if len(rq.body) == 0 || id != "" {
		// An event that was sent with an empty body is in the URL; an id that is too long to keep is hashed.
		s := sha256.New()
		s.Write([]byte(rq.r.Method + " " + rq.r.URL.RequestURI() + "\n" + id + "\n"))
		s.Write(sum[:])
		s.Sum(sum[:0])
	}
	text := [len(hashed) + 2*sha256.Size]byte{}
	return string(hex.AppendEncode(append(text[:0], hashed...), sum[:]))
}

// hashed begins the ids that are hashes.
const hashed = "sha256:"

// maxEventID is how long an id may be to serve as it stands.
const maxEventID = 256
