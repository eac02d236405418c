package source

import (
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// callrail reads CallRail's webhooks, which do not say which one they are (apidocs.callrail.com, "Webhooks"); the type is
// told by what is there. CallRail resends nothing, so where an event may come twice with other content (an edit, an
// outbound call, which looks the same after one) it has no id, and the hash of the body tells.
var callrail = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: callrailType(d)}
		switch id.EventType {
		case callrailReceived, callrailSent, callrailForm:
			id.EventID = eventID(id.EventType, first(d.get("resource_id"), d.get("id")))
			return id
		}
		id.CallID = first(d.get("id"), d.get("resource_id"), d.get("call_id"))
		switch id.EventType {
		case "pre_call", "call_routing_complete":
			id.EventID = eventID(id.EventType, id.CallID)
			if at := d.text("timestamp"); at != "" {
				id.EventID = eventID(id.EventType, id.CallID, at)
			}
		case "post_call":
			id.EventID = eventID(id.EventType, id.CallID)
		}
		return id
	},
	read: func(d *draft, doc *document) {
		switch callrailType(doc) {
		case callrailReceived, callrailSent:
			readCallrailText(d, doc)
			return
		case callrailForm:
			readCallrailForm(d, doc)
			return
		}
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

const (
	callrailReceived = "text_message_received"
	callrailSent     = "text_message_sent"
	callrailForm     = "form_submission"
)

// callrailType is the type of an event, in the words of CallRail's settings.
func callrailType(d *document) string {
	has := func(keys ...string) bool {
		for _, k := range keys {
			if collected(d.get(k)) != nil {
				return true
			}
		}
		return false
	}
	outbound := d.text("call_type") == "outbound"
	switch {
	case has("source_number") && has("destination_number"):
		if d.get("agent").Kind() != jsonscan.Missing { // only what is sent has one
			return callrailSent
		}
		return callrailReceived
	case has("form_url", "submitted_at") && !has("customer_phone_number", "tracking_phone_number", "duration"):
		return callrailForm
	case has("convert_assist", "convert_assist_id", "convert_assist_results"):
		return "convert_assist_complete"
	case has("changes") && outbound:
		return "outbound_call_modified"
	case has("changes"):
		return "call_modified"
	case outbound:
		return "outbound_post_call"
	case d.text("duration") != "":
		return "post_call"
	case has("business_phone_number", "agent_email"): // where the call went is not known before it is routed
		return "call_routing_complete"
	}
	return "pre_call"
}

func readCallrailText(d *draft, doc *document) {
	customer, business := doc.text("source_number"), doc.text("destination_number")
	d.Direction = call.Inbound
	if callrailType(doc) == callrailSent {
		d.Direction, customer, business = call.Outbound, business, customer
	}
	d.sides(customer, business)
	d.StartedAt = moment(doc.get("timestamp"))
	d.Message = doc.text("content")
	d.collect(doc.root, "id", "source_number", "destination_number", "content", "timestamp")
}

// readCallrailForm reads a form of the operator's website, whose fields have the names that they have there: form plugins
// like to call them "your-name".
func readCallrailForm(d *draft, doc *document) {
	d.StartedAt = moment(doc.get("submitted_at"))
	for k, v := range doc.get("form_data").Distinct() {
		name := strings.ToLower(k)
		name = strings.TrimPrefix(strings.TrimPrefix(name, "your-"), "your_")
		d.paramOf(clean(k), meaningOf(name), collected(v))
	}
	d.collect(doc.root, "id", "form_data", "submitted_at")
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
