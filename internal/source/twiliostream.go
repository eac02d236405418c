package source

import (
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// twilioStream is the identity of what Twilio sends as JSON: Event Streams, which are lists of CloudEvents, and Voice
// Intelligence. Of several events it is made of the ids of all.
func twilioStream(d *document) Identity {
	if d.root.Kind() != jsonscan.Array {
		return twilioCloudEvent(d.root)
	}
	id := twilioCloudEvent(d.root.Index(0))
	var all []string
	for e := range d.root.Elements() {
		one := twilioCloudEvent(e)
		if one.EventType != id.EventType {
			id.EventType = "" // it is of no one type
		}
		if one.CallID != id.CallID {
			id.CallID = ""
		}
		if one.EventID == "" {
			all = nil
			break
		}
		all = append(all, one.EventID)
	}
	slices.Sort(all) // the order within a batch is not promised
	id.EventID = strings.Join(all, ",")
	return id
}

func twilioCloudEvent(e jsonscan.Value) Identity {
	data := e.Get("data")
	if e.Get("specversion").Kind() == jsonscan.String {
		return Identity{EventType: text(e.Get("type")), EventID: text(e.Get("id")), CallID: first(data.Get("call_sid"), data.Get("callSid"), data.Get("CallSid"))}
	}
	typ := first(e.Get("event_type"), e.Get("EventType"), e.Get("type"))
	return Identity{EventType: typ, EventID: eventID(typ, first(e.Get("transcript_sid"), e.Get("sid"), e.Get("id")))}
}

// readTwilioStream reads the first event; where there are several, all are kept as the parameter "events".
func readTwilioStream(d *draft, doc *document) {
	e := doc.root
	if e.Kind() == jsonscan.Array {
		d.param("events", collected(e))
		e = e.Index(0)
	}
	data := e
	if v := e.Get("data"); v.Kind() == jsonscan.Object {
		data = v
	}
	d.Direction = direction(first(data.Get("direction"), data.Get("Direction")))
	d.numbers(first(data.Get("from"), data.Get("From")), first(data.Get("to"), data.Get("To")))
	d.Message = first(data.Get("body"), data.Get("Body"))
	d.collect(data, "from", "From", "to", "To", "body", "Body", "direction", "Direction", "account_sid", "accountSid", "AccountSid")
}
