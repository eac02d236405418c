package source

import (
	"strings"

	"github.com/callgate/callgate/internal/call"
)

// vonage reads Vonage's voice events and messages, which come as JSON or, where the operator chose GET, as a query.
// A call passes each state once, at a time that the event tells.
var vonage = &format{
	identify: func(d *document) Identity {
		id := Identity{
			EventType: first(d.get("status"), d.get("type"), d.get("message_type")),
			CallID:    first(d.get("uuid"), d.get("conversation_uuid")),
		}
		switch {
		case d.text("message_uuid") != "":
			if d.text("status") == "" {
				id.EventType = "message"
			}
			id.EventID = eventID(d.text("message_uuid"), id.EventType)
		case d.text("recording_uuid") != "":
			id.EventType = "record"
			id.EventID = eventID(d.text("recording_uuid"), id.EventType)
		case d.text("status") != "" && d.text("timestamp") != "":
			id.EventID = eventID(id.CallID, id.EventType, d.text("timestamp"))
		case d.text("status") != "":
			id.EventID = eventID(id.CallID, id.EventType)
		}
		return id
	},
	read: func(d *draft, doc *document) {
		d.Direction = direction(doc.text("direction"))
		d.numbers(international(doc.text("from")), international(doc.text("to")))
		d.StartedAt, d.EndedAt = moment(doc.get("start_time")), moment(doc.get("end_time"))
		d.length(duration(doc.get("duration"), seconds))
		d.RecordingURL = doc.text("recording_url")
		d.Message = doc.text("text")
		d.collect(doc.root, "from", "to", "direction", "start_time", "end_time", "timestamp", "duration", "recording_url",
			"text", "uuid")
	},
}

// international puts a plus before a number that Vonage writes in E.164 without one. Ten digits and fewer may as well be
// a national number that somebody typed in.
func international(s string) string {
	if len(s) > 10 && len(s) <= 15 && strings.Trim(s, "0123456789") == "" {
		if n, ok := call.NormalizeNumber("+"+s, ""); ok {
			return n
		}
	}
	return s
}
