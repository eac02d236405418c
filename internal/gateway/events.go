package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/source"
)

// split takes the request's events apart, where its sender sends several at a time and they are delivered: each is a request
// of its own from here on, as if the sender had sent it alone. What bytes could be moved in is one event, whatever it looks
// like; so is what cannot be read in parts. It reports whether the request was split, and the first of the required fields
// that the first event lacks, where none of them has all.
func (rq *Request) split() (missing string, ok bool) {
	if len(rq.plan.Deliver) == 0 || rq.plan.Test || !rq.result.Exact(&rq.message) {
		return "", false
	}
	parts := rq.plan.Preset.Split(&rq.parsing)
	if len(parts) == 0 {
		return "", false
	}
	var events []*Request
	ids := make(map[string]string, len(parts))
	for _, part := range parts {
		one := &Request{route: rq.route, r: rq.r, plan: rq.plan, body: part}
		one.parsing = source.Request{Body: part, Query: rq.parsing.Query}
		c, err := one.record()
		if err != nil {
			return "", false
		}
		one.identity = source.Identity{EventType: c.EventType, EventID: c.EventID, CallID: c.ID}
		one.eventID, one.named = rq.partID(one, c)
		if other, twice := ids[one.eventID]; twice && other != string(part) {
			one.eventID, one.named = digestOf(part), false // the id is not the event's
		}
		one.noteID()
		ids[one.eventID] = string(part)
		if lacks := c.Missing(rq.plan.Require); lacks != "" {
			if missing == "" {
				missing = lacks
			}
			continue
		}
		events = append(events, one)
	}
	if len(events) == 0 {
		return missing, true
	}
	if n := len(parts) - len(events); n > 0 {
		rq.route.warnOfLacking(rq.plan.Tenant, n, missing)
	}
	rq.events = events
	return "", true
}

// partID tells an event from all others of its route and tenant by an id in it, or else by the digest of what it says.
func (rq *Request) partID(one *Request, c *call.Call) (id string, named bool) {
	from := rq.plan.EventID
	if from.Path != nil {
		if id, ok := from.Path.ID(one.parsing.Body); ok {
			return id, true
		}
	}
	if c.EventID != "" && !from.Digest {
		return c.EventID, true
	}
	return digestOf(one.parsing.Body), false
}

func digestOf(part []byte) string {
	return digestText(sha256.Sum256(part))
}

func digestText(sum [sha256.Size]byte) string { return "sha256:" + hex.EncodeToString(sum[:]) }

// partHeader is the header that is stored with a part of a body, which is JSON and not packed.
func partHeader(whole http.Header) http.Header {
	h := whole.Clone()
	h.Del("Content-Encoding")
	h.Set("Content-Type", "application/json")
	return h
}
