package source

import (
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// bland reads Bland's post-call webhook, which has no event type: the status of the call stands for one. The events
// during a call, which have a category, come many times and have no id.
//
// Guessed: the members are those that receivers of others read; Bland's own page on them was not seen.
var bland = &format{
	identify: func(d *document) Identity {
		id := Identity{CallID: first(d.get("call_id"), d.get("c_id"))}
		if id.EventType = d.text("category"); id.EventType != "" {
			return id
		}
		if id.EventType = first(d.get("status"), d.get("queue_status")); id.EventType == "" && d.get("completed").Kind() == jsonscan.True {
			id.EventType = "completed"
		}
		id.EventID = eventID(id.CallID, id.EventType)
		return id
	},
	read: func(d *draft, doc *document) {
		if inbound, known := truth(collected(doc.get("inbound"))); known && inbound {
			d.Direction = call.Inbound
		} else if known {
			d.Direction = call.Outbound
		}
		d.numbers(doc.text("from"), doc.text("to"))
		d.StartedAt = moment(either(doc.get("started_at"), doc.get("created_at")))
		d.EndedAt = moment(doc.get("end_at"))
		d.length(duration(doc.get("corrected_duration"), seconds))
		d.length(duration(doc.get("call_length"), minutes))
		d.Summary = doc.text("summary")
		if d.Transcript = doc.text("concatenated_transcript"); d.Transcript == "" {
			d.Transcript = turns(doc.get("transcripts"), speakerNames, wordNames)
		}
		d.RecordingURL = doc.text("recording_url")
		d.collect(doc.get("analysis"))
		d.collect(doc.get("variables"), "now", "now_utc", "short_from", "short_to", "from", "to", "call_id", "timestamp", "timezone",
			"phone_number", "language", "metadata")
		d.collect(doc.get("metadata"))
		d.collect(doc.get("request_data"))
		for _, k := range []string{"answered_by", "call_ended_by", "disposition_tag", "batch_id", "error_message"} {
			d.param(k, collected(doc.get(k)))
		}
	},
}
