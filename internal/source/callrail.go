package source

import "strings"

// callrail reads CallRail's webhooks, which do not say which one they are: a call without a duration is still going
// on (pre_call), one with "changes" was edited afterwards (call_modified), others are over (post_call). A call can be
// edited often and CallRail resends nothing, so an edit has no id.
var callrail = &format{
	identify: func(d *document) Identity {
		id := Identity{CallID: first(d.get("id"), d.get("resource_id"), d.get("call_id"))}
		switch {
		case collected(d.get("changes")) != nil:
			id.EventType = "call_modified"
			return id
		case d.text("duration") == "":
			id.EventType = "pre_call"
		default:
			id.EventType = "post_call"
		}
		id.EventID = eventID(id.EventType, id.CallID)
		return id
	},
	read: func(d *draft, doc *document) {
		d.Direction = direction(doc.text("direction"))
		d.sides(
			first(doc.get("customer_phone_number"), doc.get("callernum")),
			first(doc.get("tracking_phone_number"), doc.get("trackingnum"), doc.get("business_phone_number")),
		)
		d.StartedAt = moment(either(doc.get("start_time"), doc.get("timestamp"), doc.get("created_at")))
		d.length(spokenDuration(doc.text("duration")))
		d.person(first(doc.get("customer_name"), doc.get("formatted_customer_name"), doc.get("callername")), "", "")
		d.email(doc.text("customer_email"))
		d.Message = doc.text("note")
		d.Summary = doc.text("call_summary")
		if d.Transcript = first(doc.get("conversational_transcript"), doc.get("transcription")); d.Transcript == "" {
			d.Transcript = turns(doc.get("conversational_transcript"), speakerNames, []string{"phrase", "text", "content"})
		}
		d.RecordingURL = first(doc.get("recording"), doc.get("recording_player"))
		// The form that the caller filled in before calling, if any, tells the most.
		d.collect(doc.get("form_data"))
		for k, v := range doc.root.Distinct() {
			if !callrailSkipped[k] && !strings.HasPrefix(k, "formatted_") {
				d.param(clean(k), collected(v))
			}
		}
	},
}

// callrailSkipped are members that are fields of the record, old spellings of another member, or CallRail's account:
// company_name is the business and not the caller's company.
var callrailSkipped = map[string]bool{
	"id": true, "resource_id": true, "call_id": true, "direction": true, "customer_phone_number": true, "callernum": true,
	"tracking_phone_number": true, "trackingnum": true, "start_time": true, "timestamp": true, "created_at": true,
	"datetime": true, "duration": true, "customer_name": true, "callername": true, "customer_email": true, "note": true,
	"call_summary": true, "transcription": true, "conversational_transcript": true, "recording": true,
	"recording_player": true, "company_name": true, "callercity": true, "callercountry": true, "callerstate": true,
	"destinationnum": true, "form_data": true, "integration_data": true, "company_time_zone": true,
}
