package source

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
)

// twilioRequest is the event type given to a request for TwiML, whose answer is what happens next in the call.
const twilioRequest = "voice-request"

// twilio reads Twilio's forms, by what is in them: a call's status, a recording, a transcription, a message, or a
// request for TwiML (twilio.com/docs/voice/twiml, "Twilio's request to your application").
//
// Status callbacks are told apart by call, status and sequence number. A request for TwiML has no id, since a call makes
// many that look alike. (The header I-Twilio-Idempotency-Token, which stays the same over retries, is not signed.)
var twilio = &format{
	identify: twilioIdentity,
	read:     readTwilio,
}

func twilioIdentity(d *document) Identity {
	id := Identity{CallID: d.text("CallSid")}
	status := d.text("CallStatus")
	switch {
	case d.text("TranscriptionSid") != "":
		if id.EventType = d.text("TranscriptionEvent"); id.EventType != "" { // one of many of a live transcription
			id.EventID = eventID(d.text("TranscriptionSid"), id.EventType, d.text("SequenceId"))
			break
		}
		id.EventType = "transcription-" + d.text("TranscriptionStatus")
		id.EventID = eventID(d.text("TranscriptionSid"), id.EventType)
	case d.text("ConferenceSid") != "" && d.text("StatusCallbackEvent") != "":
		id.EventType = d.text("StatusCallbackEvent")
		id.EventID = eventID(d.text("ConferenceSid"), id.EventType, d.text("SequenceNumber"))
	case d.text("RecordingStatus") != "":
		id.EventType = "recording-" + d.text("RecordingStatus")
		id.EventID = eventID(d.text("RecordingSid"), id.EventType)
	case d.text("MessageSid") != "":
		id.EventType = "message-" + first(d.get("MessageStatus"), d.get("SmsStatus"))
		id.EventID = eventID(d.text("MessageSid"), id.EventType)
	case status != "" && (d.text("CallbackSource") != "" || d.text("SequenceNumber") != ""):
		id.EventType = status
		id.EventID = eventID(id.CallID, status, first(d.get("SequenceNumber"), d.get("CallbackSource")))
	case slices.Contains(twilioFinal, status):
		id.EventType, id.EventID = status, eventID(id.CallID, status)
	case id.CallID != "":
		id.EventType = twilioRequest
	}
	return id
}

// twilioFinal are the states in which a call ends.
var twilioFinal = []string{"completed", "busy", "failed", "no-answer", "canceled"}

func readTwilio(d *draft, doc *document) {
	d.Direction = direction(doc.text("Direction"))
	if status := doc.text("MessageStatus"); status != "" && !strings.HasPrefix(status, "receiv") {
		d.Direction = call.Outbound // Twilio tells the state of messages that the business sent, and no direction
	}
	d.numbers(first(doc.get("From"), doc.get("Caller")), first(doc.get("To"), doc.get("Called")))
	d.person(doc.text("CallerName"), "", "")
	d.length(duration(doc.get("CallDuration"), seconds))
	d.StartedAt = moment(doc.get("StartTime"))
	at := moment(doc.get("Timestamp"))
	switch status := doc.text("CallStatus"); {
	case slices.Contains(twilioFinal, status):
		d.EndedAt = at
	case status == "queued" || status == "initiated" || status == "ringing":
		d.StartedAt = at
	}
	d.RecordingURL = doc.text("RecordingUrl")
	d.Transcript = doc.text("TranscriptionText")
	d.Message = first(doc.get("Body"), doc.get("SpeechResult"))
	d.collect(doc.root, "From", "Caller", "To", "Called", "CallSid", "MessageSid", "SmsMessageSid", "SmsSid", "Direction",
		"CallDuration", "Duration", "Timestamp", "StartTime", "RecordingUrl", "TranscriptionText", "Body", "ApiVersion",
		"CallerName", "AccountSid", "CallToken", "SequenceNumber", "CallbackSource")
	// The URL that the operator gave Twilio is signed too, and what they put into its query is theirs to use.
	if doc.form && len(doc.req.Body) > 0 && doc.req.Query != "" {
		q, _ := url.ParseQuery(doc.req.Query)
		for _, k := range slices.Sorted(maps.Keys(q)) {
			if vs := q[k]; len(vs) > 0 && !strings.EqualFold(k, "bodySHA256") {
				d.param(clean(k), clean(vs[len(vs)-1]))
			}
		}
	}
}
