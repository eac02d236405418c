package source

// dialpad reads Dialpad's call events: the claims of the JWT that the event is signed as, or the same as plain JSON.
// Ids are numbers beyond what a float holds and keep their digits. Times and durations are milliseconds.
var dialpad = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: d.text("state"), CallID: d.text("call_id")}
		id.EventID = eventID(id.CallID, id.EventType, d.text("event_timestamp"))
		return id
	},
	read: func(d *draft, doc *document) {
		d.Direction = direction(doc.text("direction"))
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
