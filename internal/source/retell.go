package source

import "github.com/callgate/callgate/internal/jsonscan"

// retellFunction is the event type given to the call of a custom function, for which Retell sends none.
const retellFunction = "custom_function"

// retell reads Retell's webhooks: {"event", "call"}, or "chat" (docs.retellai.com/features/webhook). Another page of
// the documentation calls the event "event_type", so both are read. Times are milliseconds.
var retell = &format{
	identify: func(d *document) Identity {
		c := retellCall(d)
		id := Identity{
			EventType: first(d.get("event"), d.get("event_type")),
			CallID:    first(c.Get("call_id"), c.Get("chat_id")),
		}
		switch id.EventType {
		case "call_started", "call_ended", "call_analyzed", "chat_started", "chat_ended", "chat_analyzed":
			// Others, such as transcript_updated, come many times in a call.
			id.EventID = eventID(id.EventType, id.CallID)
		case "":
			if d.get("args").Kind() == jsonscan.Object {
				id.EventType = retellFunction
			}
		}
		return id
	},
	read: func(d *draft, doc *document) {
		c := retellCall(doc)
		d.Direction = direction(c.Get("direction").Text())
		d.numbers(text(c.Get("from_number")), text(c.Get("to_number")))
		d.StartedAt, d.EndedAt = moment(c.Get("start_timestamp")), moment(c.Get("end_timestamp"))
		d.length(duration(c.Get("duration_ms"), milliseconds))
		if d.Transcript = text(c.Get("transcript")); d.Transcript == "" {
			d.Transcript = turns(c.Get("transcript_object"), speakerNames, wordNames)
		}
		analysis := c.Get("call_analysis")
		if analysis.Kind() == jsonscan.Missing {
			analysis = c.Get("chat_analysis")
		}
		d.Summary = first(analysis.Get("call_summary"), analysis.Get("chat_summary"))
		d.RecordingURL = first(c.Get("recording_url"), c.Get("scrubbed_recording_url"))
		d.collect(doc.get("args"))
		d.collect(analysis.Get("custom_analysis_data"))
		d.collect(c.Get("collected_dynamic_variables"))
		d.collect(c.Get("metadata"))
		d.collect(c.Get("retell_llm_dynamic_variables"))
		for _, k := range []string{"in_voicemail", "user_sentiment", "call_successful"} {
			d.param(k, collected(analysis.Get(k)))
		}
		for _, k := range []string{"agent_id", "agent_name", "call_status", "disconnection_reason"} {
			d.param(k, collected(c.Get(k)))
		}
	},
}

// retellCall is the object that describes the call: of an inbound call that is not answered yet, "call_inbound".
func retellCall(d *document) jsonscan.Value {
	for _, k := range []string{"call", "chat", "call_inbound", "chat_inbound"} {
		if v := d.get(k); v.Kind() == jsonscan.Object {
			return v
		}
	}
	return jsonscan.Value{}
}
