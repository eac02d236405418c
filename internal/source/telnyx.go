package source

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
)

// telnyx reads Telnyx's Call Control events: {"data": {"id", "event_type", "occurred_at", "payload"}}
// (developers.telnyx.com). A call here is a session, since its legs are one conversation. TeXML callbacks are forms in
// Twilio's words.
var telnyx = &format{
	identify: func(d *document) Identity {
		if d.form {
			return twilioIdentity(d)
		}
		p := d.get("data", "payload")
		return Identity{
			EventType: d.text("data", "event_type"),
			EventID:   d.text("data", "id"),
			CallID:    first(p.Get("call_session_id"), p.Get("call_leg_id"), p.Get("call_control_id")),
		}
	},
	read: func(d *draft, doc *document) {
		if doc.form {
			readTwilio(d, doc)
			return
		}
		p := doc.get("data", "payload")
		d.Direction = direction(text(p.Get("direction")))
		from, to := either(p.Get("from"), p.Path("from", "phone_number")), either(p.Get("to"), p.Get("to").Index(0).Get("phone_number"))
		d.numbers(text(from), text(to))
		if user := text(p.Get("telnyx_end_user_target")); user != "" {
			d.sides(user, text(p.Get("telnyx_agent_target")))
		}
		d.StartedAt = moment(either(p.Get("start_time"), p.Get("recording_started_at")))
		d.EndedAt = moment(p.Get("end_time"))
		if doc.text("data", "event_type") == "call.hangup" && d.EndedAt.IsZero() {
			d.EndedAt = moment(doc.get("data", "occurred_at"))
		}
		d.length(duration(either(p.Get("duration_secs"), p.Get("duration_sec")), seconds))
		d.person(text(p.Get("caller_id_name")), "", "")
		d.Transcript = first(p.Path("transcription_data", "transcript"), p.Get("transcription_text"))
		d.RecordingURL = first(p.Path("recording_urls", "mp3"), p.Path("recording_urls", "wav"),
			p.Path("public_recording_urls", "mp3"), p.Path("public_recording_urls", "wav"))
		d.Message = text(p.Get("text"))
		telnyxState(d, text(p.Get("client_state")))
		telnyxInsights(d, p.Get("results"))
		d.collect(p.Get("message_history").Get("params"))
		for _, k := range []string{
			"call_leg_id", "call_control_id", "connection_id", "hangup_cause", "hangup_source", "state", "sip_hangup_cause",
			"digits", "result", "tags", "custom_headers", "conversation_id", "assistant_id", "insight_group_id", "reason",
		} {
			d.param(k, collected(p.Get(k)))
		}
	},
}

// telnyxState adds what the operator's application had put into the call's state, which is base64 of its own text:
// the members of an object, or the text as client_state.
func telnyxState(d *draft, state string) {
	b, err := base64.StdEncoding.DecodeString(state)
	if err != nil || !utf8.Valid(b) {
		d.param("client_state", state)
		return
	}
	if !d.collectText(string(b)) {
		d.param("client_state", clean(string(b)))
	}
}

// telnyxInsights adds what an AI assistant found out about a conversation: what is text is the summary, and of objects the
// members are parameters.
func telnyxInsights(d *draft, results jsonscan.Value) {
	var texts []string
	for r := range results.Elements() {
		switch v := r.Get("result"); v.Kind() {
		case jsonscan.Object:
			d.collect(v)
		case jsonscan.String:
			if s := text(v); s != "" && !d.collectText(s) { // some are JSON in a text
				texts = append(texts, s)
			}
		}
	}
	if d.Summary == "" {
		d.Summary = strings.Join(texts, "\n")
	}
	d.param("results", collected(results))
}
