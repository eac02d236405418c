package source

import (
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
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
		case id.EventType == "":
			id.EventType = vonageRequest(d)
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

// The types given to requests that ask for an NCCO, for which Vonage sends none (developer.vonage.com, "Webhook
// reference"): of a call that comes in or was answered; with what the caller said or pressed; of the action "notify"; in
// the place of one that failed.
const (
	vonageAnswer   = "answer"
	vonageInput    = "input"
	vonageNotify   = "notify"
	vonageFallback = "fallback"
)

// vonageRequest is which of them a request without a type of its own is.
func vonageRequest(d *document) string {
	switch {
	case d.get("original_request").Kind() == jsonscan.Object:
		return vonageFallback
	case d.get("dtmf").Kind() != jsonscan.Missing || d.get("speech").Kind() == jsonscan.Object:
		return vonageInput
	case d.get("payload").Kind() != jsonscan.Missing:
		return vonageNotify
	case first(d.get("to"), d.get("from")) != "" && first(d.get("uuid"), d.get("conversation_uuid")) != "":
		return vonageAnswer
	}
	return ""
}

// international puts a plus before a number of a sender that writes E.164 without one, whatever its length: with the code
// of their country, numbers of Singapore, Norway and Denmark have ten digits, as those of North America have without. What is
// no number so is left as it is.
func international(s string) string {
	if len(s) >= 7 && len(s) <= 15 && strings.Trim(s, "0123456789") == "" {
		if n, ok := call.NormalizeNumber("+"+s, ""); ok {
			return n
		}
	}
	return s
}
