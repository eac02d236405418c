package source

import "github.com/callgate/callgate/internal/jsonscan"

// The types given to requests for which SignalWire sends none: for a SWML document that says what happens in a call, and
// for the answer of a function that an AI agent calls (SWAIG).
const (
	signalwireDocument = "swml-request"
	signalwireFunction = "swaig-function"
)

// signalwire reads SignalWire's calling events ({"event_type", "timestamp", "params"}) and cXML callbacks, which are
// forms in Twilio's words. The state is a part of the id where the event has one, and so is what it is the state of: a
// call may play and record many times.
var signalwire = &format{
	identify: func(d *document) Identity {
		if d.form {
			return twilioIdentity(d)
		}
		p := d.get("params")
		id := Identity{
			EventType: first(d.get("event_type"), d.get("event")),
			CallID:    first(p.Get("call_id"), d.get("call", "call_id"), d.get("call_id")),
		}
		if id.EventType == "" {
			switch {
			case d.text("function") != "":
				id.EventType = signalwireFunction
			case d.get("call").Kind() == jsonscan.Object:
				id.EventType = signalwireDocument
			}
			return id // the answer is for this request alone
		}
		id.EventID = firstOf(d.root, eventIDNames)
		if state := first(p.Get("call_state"), p.Get("state")); id.EventID == "" {
			id.EventID = eventID(id.EventType, id.CallID, state)
			if control := text(p.Get("control_id")); control != "" && id.EventID != "" {
				id.EventID = eventID(id.EventType, id.CallID, control, state)
			}
		}
		return id
	},
	read: func(d *draft, doc *document) {
		if doc.form {
			readTwilio(d, doc)
			return
		}
		p := doc.get("params")
		device := p.Path("device", "params")
		d.Direction = direction(text(p.Get("direction")))
		d.numbers(
			first(device.Get("from_number"), device.Get("from"), p.Get("from")),
			first(device.Get("to_number"), device.Get("to"), p.Get("to")),
		)
		d.StartedAt, d.EndedAt = moment(p.Get("start_time")), moment(p.Get("end_time"))
		d.RecordingURL = first(p.Get("url"), p.Get("recording_url"))
		d.readFields(doc.root)
	},
}
