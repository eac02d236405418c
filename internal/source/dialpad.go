package source

import "github.com/callgate/callgate/internal/jsonscan"

// dialpad reads Dialpad's events of calls and text messages: the claims of the JWT that the event is signed as, or the same as plain JSON.
// Ids are numbers beyond what a float holds and keep their digits. Times and durations are milliseconds.
//
// Guessed: the members follow a webhook that somebody else recorded.
var dialpad = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: d.text("state"), CallID: d.text("call_id")}
		id.EventID = eventID(id.CallID, id.EventType, d.text("event_timestamp"))
		if dialpadText(d) {
			// The same message comes again when its status changes.
			id.EventType = "sms"
			id.EventID = eventID(id.EventType, d.text("id"), d.text("message_status"))
		}
		return id
	},
	read: func(d *draft, doc *document) {
		d.Direction = direction(doc.text("direction"))
		if dialpadText(doc) {
			readDialpadText(d, doc)
			return
		}
		d.sides(
			first(doc.get("external_number"), doc.get("contact", "phone")),
			first(doc.get("internal_number"), doc.get("target", "phone")),
		)
		d.StartedAt, d.EndedAt = moment(doc.get("date_started")), moment(doc.get("date_ended"))
		d.length(duration(doc.get("duration"), milliseconds))
		d.length(duration(doc.get("total_duration"), milliseconds))
		d.person(doc.text("contact", "name"), "", "")
		d.email(doc.text("contact", "email"))
		d.Transcript = doc.text("transcription_text")
		d.Summary = first(doc.get("recap_summary"), doc.get("summary"))
		d.RecordingURL = first(doc.get("recording_details").Index(0).Get("url"), doc.get("voicemail_link"), doc.get("recording_url").Index(0))
		for _, k := range []string{
			"callback_requested", "labels", "is_transferred", "was_recorded", "csat_score", "hold_time", "talk_time",
			"entry_point_call_id", "master_call_id", "date_connected",
		} {
			d.param(k, collected(doc.get(k)))
		}
		d.param("agent_name", collected(doc.get("target", "name")))
		d.param("agent_email", collected(doc.get("target", "email")))
	},
}

// dialpadText reports whether an event is a text message (developers.dialpad.com, "SMS events"), which has no state.
func dialpadText(d *document) bool {
	return d.text("state") == "" && d.text("from_number") != "" && d.get("to_number").Kind() != jsonscan.Missing
}

func readDialpadText(d *draft, doc *document) {
	to := doc.get("to_number")
	d.numbers(doc.text("from_number"), first(to, to.Index(0)))
	d.StartedAt = moment(doc.get("created_date"))
	d.Message = first(doc.get("text"), doc.get("text_content"))
	d.person(doc.text("contact", "name"), "", "")
	for _, k := range []string{"id", "message_status", "message_delivery_result", "mms", "mms_url", "is_internal", "sender_id"} {
		d.param(k, collected(doc.get(k)))
	}
	d.param("agent_name", collected(doc.get("target", "name")))
}
