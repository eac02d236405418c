package source

import (
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// aircall reads Aircall's webhooks: {"event", "resource", "timestamp", "token", "data"}. The token authenticates the
// sender and never gets into a record. Events that come once in a call are told apart by name and call, others (tags,
// comments, ringing) also by their time.
//
// Guessed: the envelope is from Aircall's page, the members of a call within it from what is generally known of them.
var aircall = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: d.text("event"), CallID: aircallID(d)}
		switch id.EventType {
		case "call.created", "call.answered", "call.hungup", "call.ended", "call.voicemail_left":
			id.EventID = eventID(id.EventType, id.CallID)
		default:
			id.EventID = eventID(id.EventType, first(d.get("data", "id"), d.get("data", "call_id")), d.text("timestamp"))
		}
		return id
	},
	read: readAircall,
}

// aircallID is the call's id: of a transcription or a summary, that of the call it belongs to.
func aircallID(d *document) string {
	if s := d.text("data", "call_id"); s != "" {
		return s
	}
	switch event := d.text("event"); {
	case d.text("resource") == "call", strings.HasPrefix(event, "call."):
		return d.text("data", "id")
	default:
		return ""
	}
}

func readAircall(d *draft, doc *document) {
	data := doc.get("data")
	contact := data.Get("contact")
	d.Direction = direction(text(data.Get("direction")))
	d.sides(
		first(data.Get("raw_digits"), contact.Get("phone_numbers").Index(0).Get("value")),
		first(data.Path("number", "e164_digits"), data.Path("number", "digits")),
	)
	d.StartedAt, d.EndedAt = moment(data.Get("started_at")), moment(data.Get("ended_at"))
	d.length(duration(data.Get("duration"), seconds))
	d.person("", text(contact.Get("first_name")), text(contact.Get("last_name")))
	d.email(text(contact.Get("emails").Index(0).Get("value")))
	d.Company = text(contact.Get("company_name"))
	d.RecordingURL = first(data.Get("recording"), data.Get("voicemail"), data.Get("asset"))
	switch event := doc.text("event"); {
	case strings.HasPrefix(event, "message."):
		d.Message = text(data.Get("body"))
		d.param("media_url", collected(data.Get("media_url")))
		d.StartedAt = moment(either(data.Get("sent_at"), data.Get("created_at")))
	case strings.HasPrefix(event, "summary."):
		d.Summary = first(data.Get("content"), data.Get("summary"), data.Path("content", "summary"))
	case strings.HasPrefix(event, "transcription."):
		d.Transcript = turns(data.Path("content", "utterances"), speakerNames, wordNames)
	}
	var comments, tags []string
	for c := range data.Get("comments").Elements() {
		if s := text(c.Get("content")); s != "" {
			comments = append(comments, s)
		}
	}
	for t := range data.Get("tags").Elements() {
		if s := text(t.Get("name")); s != "" {
			tags = append(tags, s)
		}
	}
	d.param("comments", strings.Join(comments, "\n"))
	d.param("tags", strings.Join(tags, ", "))
	for _, k := range []string{"status", "missed_call_reason", "direct_link", "answered_at", "cost"} {
		d.param(k, collected(data.Get(k)))
	}
	for k, v := range map[string]jsonscan.Value{
		"agent_name": data.Path("user", "name"), "agent_email": data.Path("user", "email"), "line_name": data.Path("number", "name"),
	} {
		d.param(k, collected(v))
	}
}
