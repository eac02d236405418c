package source

import (
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// senderPresets are telephone systems, voice agents and makers of leads whose requests are signed in ways of their own, or not
// at all.
//
// Guessed: but for Ultravox and Sinch Voice, whose pages were read in part, members, event types and who waits for an answer
// follow samples of others and what is generally known; who sends again after a 4xx or a 5xx is said only where it was read.
var senderPresets = []Preset{
	{
		Name: "google-ads", Scheme: "google-ads", format: googleAds,
		Summary: "Google Ads lead forms; the secret is the key that was typed in beside the address",
	},
	{
		Name: "plivo", Scheme: "plivo", format: plivo, Summary: "Plivo: calls, recordings and messages",
		Synchronous: []string{plivoAnswer, plivoInput, "StartApp", "Redirect"},
	},
	{
		Name: "livekit", Scheme: "livekit", format: livekit, Summary: "LiveKit: rooms and participants, with the numbers of those who call by SIP",
	},
	{
		Name: "justcall", Scheme: "justcall", format: justcall, Summary: "JustCall: calls and messages", MaxBody: withTranscript,
	},
	{
		// It signs nothing: verify api_key { query token } takes a token from the address that Jotform is given.
		Name: "jotform", format: jotform, Summary: "Jotform: submissions; it signs nothing, so give it an address with a token (verify api_key with query)",
	},
	{
		Name: "gohighlevel", Scheme: "gohighlevel", format: gohighlevel, Summary: "GoHighLevel (HighLevel): calls, messages and contacts; no key need be given, but it is one for all customers, so deliver where call.params.locationId is yours",
	},
	{
		// docs.ultravox.ai/webhooks/overview: any 4xx or 5xx is sent again.
		Name: "ultravox", Scheme: "ultravox", format: ultravox, Summary: "Ultravox: call.started, call.joined, call.ended, call.billed",
		Retries: true, RetriesClientErrors: true, MaxBody: withTranscript,
	},
	{
		Name: "sinch", Scheme: "sinch", format: sinch, Summary: "Sinch Voice: the events of calls, of which ice, ace and pie wait for an answer; messages want verify sinch-webhook",
		Synchronous: []string{"ice", "ace", "pie"},
	},
	{
		// dev.bandwidth.com/docs/messaging/webhooks: messages come as a list, are sent again for a day until there is a 2xx, and
		// wait 10 seconds.
		Name: "bandwidth", Scheme: "basic", format: bandwidth, Summary: "Bandwidth: calls and messages; the secret is user:password",
		Retries: true, RetriesClientErrors: true, Timeout: 10 * time.Second,
		Synchronous: []string{"initiate", "answer", "gather", "redirect", "transferAnswer", "transferComplete", "recordComplete", "machineDetectionComplete"},
	},
	{
		// It can be given an address alone, as Jotform.
		Name: "calltrackingmetrics", format: trackingMetrics, MaxBody: withTranscript,
		Summary: "CallTrackingMetrics: calls; it signs nothing, so give it an address with a token (verify api_key with query)",
	},
}

// googleAds reads the leads of Google's lead forms: {"lead_id", "user_column_data": [{"column_id", "string_value"}]}.
var googleAds = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: "lead", EventID: d.text("lead_id")}
		if d.get("is_test").Kind() == jsonscan.True {
			id.EventType = "test_lead" // all of them have one id
			id.EventID = ""
		}
		return id
	},
	read: func(d *draft, doc *document) {
		readAny(d, doc)
		d.drop("google_key") // the secret, where it is still there
	},
}

// The event types given to what Plivo sends without one.
const (
	plivoAnswer = "answer"
	plivoInput  = "input"
)

// plivo reads Plivo's forms. A request for XML has the status of a call and no event; what a caller typed or said wants XML
// too.
var plivo = &format{
	open: openPayload,
	identify: func(d *document) Identity {
		id := Identity{CallID: d.text("CallUUID"), EventType: d.text("Event")}
		if message := d.text("MessageUUID"); message != "" {
			if id.EventType = "message"; d.text("Text") == "" {
				id.EventType = "message_status"
			}
			id.EventID = eventID(id.EventType, message, first(d.get("Status"), d.get("To")))
			return id
		}
		status := d.text("CallStatus")
		switch {
		case id.EventType != "":
		case d.text("RecordUrl") != "":
			id.EventType = "recording"
			id.EventID = eventID(id.EventType, d.text("RecordingID"))
		case d.text("Digits") != "" || d.text("Speech") != "":
			id.EventType = plivoInput
		case status == "ringing" || status == "in-progress":
			id.EventType = plivoAnswer
		default:
			id.EventType = status
		}
		if status == "completed" {
			id.EventID = eventID(id.EventType, id.CallID, status)
		}
		return id
	},
	read: func(d *draft, doc *document) {
		d.Direction = direction(doc.text("Direction"))
		d.numbers(doc.text("From"), doc.text("To"))
		d.person(doc.text("CallerName"), "", "")
		d.StartedAt = moment(either(doc.get("StartTime"), doc.get("SessionStart")))
		d.EndedAt = moment(doc.get("EndTime"))
		d.length(duration(either(doc.get("Duration"), doc.get("RecordingDuration")), seconds))
		d.RecordingURL = doc.text("RecordUrl")
		d.Message = first(doc.get("Text"), doc.get("Speech"))
		d.collect(doc.root, "From", "To", "Direction", "CallUUID", "CallerName", "Duration", "StartTime", "EndTime", "RecordUrl", "Text")
	},
}

// livekit reads LiveKit's events: {"event", "id", "createdAt", "room", "participant"}. Who calls by SIP is a participant with
// attributes.
var livekit = &format{
	identify: func(d *document) Identity {
		return Identity{EventType: d.text("event"), EventID: d.text("id"), CallID: d.text("participant", "attributes", "sip.callID")}
	},
	read: func(d *draft, doc *document) {
		a := doc.get("participant", "attributes")
		d.sides(text(a.Get("sip.phoneNumber")), text(a.Get("sip.trunkPhoneNumber")))
		d.person(doc.text("participant", "name"), "", "")
		switch at := moment(doc.get("createdAt")); doc.text("event") {
		case "participant_joined", "room_started":
			d.StartedAt = at
		case "participant_left", "room_finished", "egress_ended":
			d.EndedAt = at
		}
		d.collect(a, "sip.phoneNumber", "sip.trunkPhoneNumber", "sip.callID")
		d.param("room", collected(doc.get("room", "name")))
		d.param("identity", collected(doc.get("participant", "identity")))
		d.param("recording", collected(doc.get("egressInfo", "file", "location")))
	},
}

// justcall reads JustCall's events: {"type", "webhook_url", "data"}. A call passes each state once; it can be updated often.
var justcall = &format{
	identify: func(d *document) Identity {
		data := d.get("data")
		id := Identity{EventType: d.text("type"), CallID: first(data.Get("call_sid"), data.Get("id"))}
		if id.EventType != "" && !strings.HasSuffix(id.EventType, "updated") {
			id.EventID = eventID(id.EventType, id.CallID)
		}
		return id
	},
	read: func(d *draft, doc *document) {
		data := doc.get("data")
		info := data.Get("call_info")
		d.Direction = direction(first(info.Get("direction"), data.Get("direction")))
		d.sides(text(data.Get("contact_number")), text(data.Get("justcall_number")))
		d.person(text(data.Get("contact_name")), "", "")
		d.email(text(data.Get("contact_email")))
		d.length(duration(data.Path("call_duration", "total_duration"), seconds))
		d.RecordingURL = first(info.Get("recording"), info.Get("voicemail_transcription_url"))
		d.Message = first(data.Path("sms_info", "body"), info.Get("notes"))
		d.collect(data, "contact_number", "justcall_number", "contact_name", "contact_email", "call_info", "call_duration", "call_sid")
		d.collect(info, "direction", "recording")
	},
}

// jotform reads Jotform's submissions: a form whose field rawRequest is the JSON of all answers. Its field webhookURL is our
// own address with the token in it.
var jotform = &format{
	open: openPayload,
	identify: func(d *document) Identity {
		return Identity{EventType: "form_submission", EventID: d.text("submissionID")}
	},
	read: func(d *draft, doc *document) {
		readAny(d, doc)
		for _, k := range []string{"webhookURL", "pretty", "slug", "path", "validatedNewRequiredFieldIDs", "jsExecutionTracker", "submitSource", "buildDate", "uploadServerUrl", "eventObserver", "event_id", "timeToSubmit"} {
			d.drop(k)
		}
	},
}

// gohighlevel reads HighLevel's events (marketplace.gohighlevel.com/docs/webhook): those of calls and messages are called
// InboundMessage and OutboundMessage; others are contacts, appointments and opportunities. What a workflow sends has no type.
var gohighlevel = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: d.text("type"), EventID: d.text("webhookId")}
		if strings.HasSuffix(id.EventType, "boundMessage") {
			id.CallID = d.text("messageId")
		}
		return id
	},
	read: func(d *draft, doc *document) {
		if !strings.HasSuffix(doc.text("type"), "boundMessage") {
			readAny(d, doc)
			return
		}
		d.Direction = direction(doc.text("direction"))
		d.numbers(doc.text("from"), doc.text("to"))
		d.StartedAt = moment(doc.get("dateAdded"))
		d.length(duration(doc.get("callDuration"), seconds))
		if called := doc.text("messageType") == "CALL"; called {
			d.RecordingURL = text(doc.get("attachments").Index(0))
		}
		d.Message = doc.text("body")
		d.collect(doc.root, "from", "to", "direction", "dateAdded", "callDuration", "attachments", "body", "type", "webhookId", "messageId", "timestamp")
	},
}

// ultravox reads Ultravox's events: {"event", "call"} (docs.ultravox.ai/webhooks/available-webhooks).
var ultravox = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: d.text("event"), CallID: d.text("call", "callId")}
		id.EventID = eventID(id.EventType, id.CallID)
		return id
	},
	read: func(d *draft, doc *document) {
		c := doc.get("call")
		meta, sip := c.Get("metadata"), c.Path("medium", "sip")
		if out := sip.Get("outgoing"); out.Kind() == jsonscan.Object {
			d.Direction = call.Outbound
			d.numbers(text(out.Get("from")), text(out.Get("to")))
		} else {
			d.numbers(first(meta.Get("ultravox.sip.caller_id"), meta.Get("ultravox.telephony.from")), first(meta.Get("ultravox.sip.callee_id"), meta.Get("ultravox.telephony.to")))
		}
		d.StartedAt = moment(either(c.Get("joined"), c.Get("created")))
		d.EndedAt = moment(c.Get("ended"))
		d.Summary = first(c.Get("summary"), c.Get("shortSummary"))
		d.collect(meta)
		for _, k := range []string{"endReason", "agentId", "shortSummary", "errorCount"} {
			d.param(k, collected(c.Get(k)))
		}
	},
}

// sinch reads the callbacks of Sinch Voice (developers.sinch.com/docs/voice): {"event", "callid", "cli", "to"}. ice is a call
// that comes in, ace one that is answered, pie what a caller typed, and dice the end.
var sinch = &format{
	identify: func(d *document) Identity {
		id := templated(d)
		if d.text("event") != "" {
			id = Identity{EventType: d.text("event"), CallID: d.text("callid")}
			if id.EventType == "dice" {
				id.EventID = eventID(id.EventType, id.CallID)
			}
		}
		return id
	},
	read: func(d *draft, doc *document) {
		if doc.text("callid") == "" {
			readAny(d, doc)
			return
		}
		d.numbers(first(doc.get("cli"), doc.get("from")), first(doc.get("to", "endpoint"), doc.get("to")))
		switch at := moment(doc.get("timestamp")); doc.text("event") {
		case "ice":
			d.Direction, d.StartedAt = call.Inbound, at
		case "dice":
			d.EndedAt = at
		}
		d.length(duration(doc.get("duration"), seconds))
		d.Message = doc.text("menuResult", "value")
		d.paramOf("reason", meaning{}, collected(doc.get("reason"))) // for which the call ended, not what it was about
		d.collect(doc.root, "event", "callid", "cli", "from", "to", "timestamp", "duration", "version")
	},
}

// bandwidth reads Bandwidth's events: of messages a list of {"type", "message"}, and of calls {"eventType", "callId"}.
var bandwidth = &format{
	open:  openPayload,
	split: splitArray,
	identify: func(d *document) Identity {
		e := oneOf(d.root)
		id := Identity{EventType: first(e.Get("eventType"), e.Get("type")), CallID: text(e.Get("callId"))}
		switch {
		case d.root.Kind() == jsonscan.Array && d.root.Len() > 1: // which are split where each is one by itself
		case id.CallID != "":
			id.EventID = eventID(id.EventType, id.CallID, first(e.Get("eventTime"), e.Get("endTime")))
		default:
			id.EventID = eventID(id.EventType, text(e.Path("message", "id")), text(e.Get("to")))
		}
		return id
	},
	read: func(d *draft, doc *document) {
		e := oneOf(doc.root)
		m := e.Get("message")
		d.Direction = direction(first(m.Get("direction"), e.Get("direction")))
		to := m.Get("to")
		if to.Kind() == jsonscan.Array {
			to = to.Index(0)
		}
		d.numbers(first(m.Get("from"), e.Get("from")), first(to, e.Get("to")))
		d.StartedAt = moment(either(e.Get("startTime"), m.Get("time")))
		d.EndedAt = moment(e.Get("endTime"))
		d.Message = text(m.Get("text"))
		d.RecordingURL = text(e.Get("mediaUrl"))
		d.collect(e, "message", "from", "to", "direction", "startTime", "endTime", "eventType", "type", "callId", "mediaUrl")
		d.collect(m, "from", "to", "direction", "text", "time")
		if doc.root.Kind() == jsonscan.Array && doc.root.Len() > 1 {
			d.param("events", collected(doc.root))
		}
	},
}

// oneOf is the first event of a list, or the event itself.
func oneOf(v jsonscan.Value) jsonscan.Value {
	if v.Kind() == jsonscan.Array {
		return v.Index(0)
	}
	return v
}

// trackingMetrics reads CallTrackingMetrics' calls. A call comes again at each of its states, so that what tells one from
// another is what it says.
var trackingMetrics = &format{
	open: openPayload,
	identify: func(d *document) Identity {
		return Identity{EventType: first(d.get("event"), d.get("activity_type")), CallID: first(d.get("id"), d.get("sid"))}
	},
	read: func(d *draft, doc *document) {
		d.Direction = direction(doc.text("direction"))
		d.sides(first(doc.get("caller_number"), doc.get("caller_number_complete")), first(doc.get("tracking_number"), doc.get("receiving_number")))
		d.person(first(doc.get("name"), doc.get("cnam")), "", "")
		d.email(doc.text("email"))
		d.StartedAt = moment(either(doc.get("unix_time"), doc.get("called_at")))
		d.length(duration(doc.get("duration"), seconds))
		d.RecordingURL = doc.text("audio")
		d.Transcript = first(doc.get("transcription_text"), doc.get("transcription", "text"))
		d.Summary, d.Message = doc.text("summary"), first(doc.get("message_body"), doc.get("notes"))
		d.collect(doc.root, "caller_number", "tracking_number", "name", "cnam", "email", "called_at", "unix_time", "duration", "audio", "direction", "id", "sid", "transcription_text", "transcription", "summary", "message_body")
	},
}
