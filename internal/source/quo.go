package source

import (
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// quo reads the webhooks of Quo, formerly OpenPhone: of the API of 2026-03-30, {"id", "type", "data": {"resource",
// "context"}} with a Standard Webhooks header, and the earlier one, {"id", "type", "data": {"object"}}, which webhooks
// made in the app still send.
//
// Guessed: the members of the earlier API are from the notes of others on its guide, and of the newer one no sample was seen.
var quo = &format{
	identify: func(d *document) Identity {
		o := quoObject(d)
		id := Identity{EventType: d.text("type"), EventID: d.text("id"), CallID: text(o.Get("callId"))}
		if id.CallID == "" && !strings.HasPrefix(id.EventType, "message.") {
			id.CallID = text(o.Get("id"))
		}
		return id
	},
	read: readQuo,
}

func quoObject(d *document) jsonscan.Value {
	if v := d.get("data", "resource"); v.Kind() == jsonscan.Object {
		return v
	}
	return d.get("data", "object")
}

func readQuo(d *draft, doc *document) {
	o := quoObject(doc)
	d.Direction = direction(text(o.Get("direction")))
	quoNumbers(d, doc, o)
	d.StartedAt = moment(o.Get("createdAt"))
	d.EndedAt = moment(o.Get("completedAt"))
	d.length(duration(o.Get("duration"), seconds))
	d.Summary = lines(o.Get("summary"))
	d.param("nextSteps", collected(o.Get("nextSteps")))
	d.Message = first(o.Get("body"), o.Get("text"))
	d.Transcript = quoDialogue(o.Get("dialogue"))
	for _, list := range []jsonscan.Value{o.Get("recordings"), o.Get("media")} {
		for m := range list.Elements() {
			if d.RecordingURL == "" {
				d.RecordingURL = text(m.Get("url"))
			}
		}
	}
	if d.RecordingURL == "" {
		d.RecordingURL = first(o.Path("voicemail", "url"), o.Get("recordingUrl"))
	}
	for _, k := range []string{"status", "answeredBy", "answeredAt", "initiatedBy", "forwardedFrom", "forwardedTo", "phoneNumberId", "userId", "contactIds"} {
		d.param(k, collected(o.Get(k)))
	}
}

// quoNumbers sets both sides of the call: from the context of the new API, from and to, the participants, or the
// identifiers in a transcript, of which those with a user are the business.
func quoNumbers(d *draft, doc *document, o jsonscan.Value) {
	context := doc.get("data", "context")
	from := first(context.Get("senderIdentifier"), o.Get("from"))
	to := first(context.Get("recipientIdentifiers").Index(0), o.Get("to"), o.Get("to").Index(0))
	participants := o.Get("participants")
	switch {
	case from != "" || to != "":
		d.numbers(from, to)
	case participants.Len() == 1:
		d.sides(text(participants.Index(0)), "")
	case participants.Len() > 1:
		quoParticipants(d, text(participants.Index(0)), text(participants.Index(1)))
	default:
		for t := range o.Get("dialogue").Elements() {
			if n := text(t.Get("identifier")); n != "" && text(t.Get("userId")) == "" {
				d.sides(n, "")
				return
			}
		}
	}
}

// quoParticipants sets both sides from participants in the order in which the earlier API lists them: the one who
// dialled, then the one who was dialled.
func quoParticipants(d *draft, a, b string) {
	if d.Direction == "" && d.settings.own[d.keep("caller", a)] {
		d.Direction = call.Outbound
	}
	d.numbers(a, b)
}

// quoDialogue is a transcript. Turns with a user were spoken by the business.
func quoDialogue(list jsonscan.Value) string {
	var b transcriptText
	for t := range list.Elements() {
		who := "User"
		if text(t.Get("userId")) != "" {
			who = "Agent"
		}
		b.turn(who, text(t.Get("content")))
	}
	return b.String()
}
