package source

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// The types given to requests of Twilio's that ask for something and have no type of their own: for the TwiML of a call,
// for that of a message that came in, and whether a worker gets a task.
const (
	twilioRequest    = "voice-request"
	twilioMessage    = "message-received"
	twilioAssignment = "task-assignment"
)

// twilioRequests are the types of which Twilio reads the answer, besides its status. The last are Conversations' webhooks
// before something happens, which can still be refused; those after it end in -ed.
var twilioRequests = []string{
	twilioRequest, twilioMessage, twilioAssignment,
	"onConversationAdd", "onConversationUpdate", "onConversationRemove", "onMessageAdd", "onMessageUpdate", "onMessageRemove",
	"onParticipantAdd", "onParticipantUpdate", "onParticipantRemove",
}

// twilio reads Twilio's forms, by what is in them: a call's status, a recording, a transcription, a message, an event of
// Conversations or TaskRouter, or a request for TwiML (twilio.com/docs/voice/twiml, "Twilio's request to your
// application"); and the JSON of Event Streams.
//
// Status callbacks are told apart by call, status and sequence number. A request for TwiML has no id, since a call makes
// many that look alike. (The header I-Twilio-Idempotency-Token, which stays the same over retries, is not signed.)
var twilio = &format{
	open:  openPayload,
	split: splitArray,
	identify: func(d *document) Identity {
		if d.form {
			return twilioIdentity(d)
		}
		return twilioStream(d)
	},
	read: func(d *draft, doc *document) {
		if doc.form {
			readTwilio(d, doc)
			return
		}
		readTwilioStream(d, doc)
	},
}

// twilioIdentity is that of a form in Twilio's words.
func twilioIdentity(d *document) Identity {
	id := Identity{CallID: d.text("CallSid")}
	status := d.text("CallStatus")
	notified := func(typ string, parts ...string) Identity {
		id.EventType, id.EventID = typ, eventID(parts...)
		return id
	}
	if by := d.text("CallbackSource"); by != "" && status != "" { // the most frequent, and nothing else has both
		if n := d.text("SequenceNumber"); n != "" {
			by = n
		}
		return notified(status, id.CallID, status, by)
	}
	switch {
	case d.text("EventType") != "" && twilioMessageStatus(d) == "":
		return twilioEvent(d, id)
	case d.text("TranscriptionSid") != "":
		if e := d.text("TranscriptionEvent"); e != "" { // one of many of a live transcription
			return notified(e, d.text("TranscriptionSid"), e, d.text("SequenceId"))
		}
		typ := "transcription-" + d.text("TranscriptionStatus")
		return notified(typ, d.text("TranscriptionSid"), typ)
	case d.text("StreamEvent") != "":
		return notified(d.text("StreamEvent"), d.text("StreamSid"), d.text("StreamEvent"))
	case d.text("SiprecEvent") != "":
		return notified(d.text("SiprecEvent"), d.text("SiprecSid"), d.text("SiprecEvent"))
	case d.text("ConferenceSid") != "" && d.text("StatusCallbackEvent") != "":
		e := d.text("StatusCallbackEvent")
		return notified(e, d.text("ConferenceSid"), e, d.text("SequenceNumber"))
	case d.text("RecordingStatus") != "":
		typ := "recording-" + d.text("RecordingStatus")
		return notified(typ, d.text("RecordingSid"), typ)
	case d.get("UnstableSpeechResult").Kind() != jsonscan.Missing, d.get("StableSpeechResult").Kind() != jsonscan.Missing:
		return notified("partial-result", id.CallID, "partial-result", d.text("SequenceNumber"))
	case d.text("AnsweredBy") != "" && status == "":
		return notified("async-amd", id.CallID, "async-amd", d.text("AnsweredBy"))
	case d.text("ReservationSid") != "" && d.text("TaskSid") != "":
		return notified(twilioAssignment)
	case d.text("PayloadType") != "" && d.text("Level") != "":
		return notified("debugger-"+strings.ToLower(d.text("Level")), d.text("Sid"))
	case first(d.get("MessageSid"), d.get("SmsSid")) != "":
		typ := "message-" + twilioMessageStatus(d)
		return notified(typ, first(d.get("MessageSid"), d.get("SmsSid")), typ)
	case status != "" && d.text("SequenceNumber") != "":
		return notified(status, id.CallID, status, d.text("SequenceNumber"))
	case slices.Contains(twilioFinal, status):
		return notified(status, id.CallID, status)
	case id.CallID != "" && first(d.get("CallStatus"), d.get("From"), d.get("To"), d.get("Direction"), d.get("Digits"), d.get("SpeechResult")) != "":
		return notified(twilioRequest)
	}
	return notified(first(d.get("StatusCallbackEvent"), d.get("Event"), d.get("Status")))
}

func twilioMessageStatus(d *document) string {
	return first(d.get("MessageStatus"), d.get("SmsStatus"))
}

// twilioEvent is an event that names its type: of TaskRouter, which has an id, or of Conversations, where what happened to
// a message or participant is told by its time.
func twilioEvent(d *document, id Identity) Identity {
	id.EventType = d.text("EventType")
	if sid := d.text("Sid"); sid != "" {
		id.EventID = eventID(id.EventType, sid)
		return id
	}
	of := first(d.get("MessageSid"), d.get("ParticipantSid"), d.get("ConversationSid"), d.get("ChannelSid"))
	id.EventID = eventID(id.EventType, of, first(d.get("DateUpdated"), d.get("DateCreated"), d.get("Timestamp")))
	return id
}

// twilioFinal are the states in which a call ends.
var twilioFinal = []string{"completed", "busy", "failed", "no-answer", "canceled"}

func readTwilio(d *draft, doc *document) {
	d.Direction = direction(doc.text("Direction"))
	if status := doc.text("MessageStatus"); status != "" && !strings.HasPrefix(status, "receiv") {
		d.Direction = call.Outbound // Twilio tells the state of messages that the business sent, and no direction
	}
	d.numbers(first(doc.get("From"), doc.get("Caller"), doc.get("Author")), first(doc.get("To"), doc.get("Called")))
	d.person(first(doc.get("CallerName"), doc.get("ProfileName")), "", "")
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
	d.collect(doc.root, "From", "Caller", "Author", "To", "Called", "CallSid", "MessageSid", "SmsMessageSid", "SmsSid", "Direction",
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
