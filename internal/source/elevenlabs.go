package source

import (
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// elevenlabsInitiation is the event type given to the request for the data of a call that comes in, which has none.
// It is the name that its answer has to have.
const elevenlabsInitiation = "conversation_initiation_client_data"

// elevenlabs reads the post-call webhooks of ElevenLabs' agents: {"type", "event_timestamp", "data"}
// (elevenlabs.io/docs, "Post-call webhooks"). The audio of post_call_audio is left where it is: it is megabytes of
// base64, and a record is text.
var elevenlabs = &format{
	audio: []string{"data", "full_audio"},
	identify: func(d *document) Identity {
		id := Identity{EventType: d.text("type"), CallID: d.text("data", "conversation_id")}
		if id.EventType == "" && d.get("called_number").Kind() == jsonscan.String {
			id.EventType, id.CallID = elevenlabsInitiation, d.text("call_sid")
		}
		switch id.EventType {
		case "post_call_transcription", "post_call_audio", "call_initiation_failure", elevenlabsInitiation:
			id.EventID = eventID(id.EventType, id.CallID)
		}
		return id
	},
	read: func(d *draft, doc *document) {
		data := doc.get("data")
		meta, analysis := data.Get("metadata"), data.Get("analysis")
		phone := meta.Get("phone_call")
		client := data.Get("conversation_initiation_client_data")
		vars := client.Get("dynamic_variables")
		d.Direction = direction(text(phone.Get("direction")))
		if carrier := meta.Get("body"); carrier.Kind() == jsonscan.Object { // of a call that could not be made: Twilio's words
			d.Direction = direction(text(carrier.Get("Direction")))
			d.numbers(text(carrier.Get("From")), text(carrier.Get("To")))
		} else {
			d.sides(
				first(phone.Get("external_number"), vars.Get("system__caller_id"), doc.get("caller_id")),
				first(phone.Get("agent_number"), vars.Get("system__called_number"), doc.get("called_number")),
			)
		}
		d.StartedAt = moment(meta.Get("start_time_unix_secs"))
		d.length(duration(meta.Get("call_duration_secs"), seconds))
		d.Transcript = turns(data.Get("transcript"), speakerNames, wordNames)
		d.Summary = text(analysis.Get("transcript_summary"))
		for k, v := range analysis.Get("data_collection_results").Distinct() {
			d.param(clean(k), collected(v.Get("value")))
		}
		for k, v := range vars.Distinct() {
			if !strings.HasPrefix(k, "system__") { // those are about the call and not from it
				d.param(clean(k), collected(v))
			}
		}
		d.param("call_successful", collected(analysis.Get("call_successful")))
		for _, k := range []string{"agent_id", "user_id", "status", "failure_reason"} {
			d.param(k, collected(data.Get(k)))
		}
		d.param("termination_reason", collected(meta.Get("termination_reason")))
	},
}
