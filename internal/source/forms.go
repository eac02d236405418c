package source

import (
	"github.com/callgate/callgate/internal/jsonscan"
)

// formPresets are makers of forms and bookings.
//
// Guessed: the members that are read and what is sent again follow samples of others; the pages of Typeform, Tally and Cal.com
// were not opened.
var formPresets = []Preset{
	{
		Name: "typeform", Scheme: "typeform", Summary: "Typeform: answers, by the titles of their questions", Retries: true,
		format: &format{
			identify: func(d *document) Identity {
				return Identity{EventType: d.text("event_type"), EventID: d.text("event_id")}
			},
			read: readTypeform,
		},
	},
	{
		Name: "tally", Scheme: "tally", Summary: "Tally: answers, by their labels", Retries: true,
		format: platform(envelope{id: []string{"eventId"}, typ: [][]string{{"eventType"}}}),
	},
	{
		Name: "calcom", Scheme: "calcom", Summary: "Cal.com: bookings",
		format: calcom,
	},
}

// readTypeform reads {"form_response": {"definition": {"fields"}, "answers"}} (typeform.com/developers, "Example payload"): an
// answer is under the name of its type, and what was asked is in the definition.
func readTypeform(d *draft, doc *document) {
	form := doc.get("form_response")
	asked := form.Path("definition", "fields")
	g := newGroup("")
	for a := range form.Get("answers").Elements() {
		f := a.Get("field")
		name := first(f.Get("ref"), f.Get("id"))
		is := labelMeaning(text(f.Get("ref")))
		for q := range asked.Elements() {
			if text(q.Get("id")) == text(f.Get("id")) {
				if title := text(q.Get("title")); title != "" {
					name = title
					if m := labelMeaning(title); m.field != "" {
						is = m
					}
				}
				break
			}
		}
		v := a.Get(text(a.Get("type")))
		switch text(a.Get("type")) {
		case "choice":
			v = either(v.Get("label"), v.Get("other"))
		case "choices":
			v = v.Get("labels")
		case "phone_number":
			is = meaningOf("phone_number")
		case "email":
			is = meaningOf("email")
		}
		d.named.add(name, is, g, v)
		d.paramOf(name, is, collected(v))
	}
	d.fill()
	d.EndedAt = moment(form.Get("submitted_at"))
	d.collect(form.Get("hidden"))
	d.param("form_id", collected(form.Get("form_id")))
	d.param("response_id", collected(form.Get("token"))) // which is no secret, whatever its name says
	d.param("form_title", collected(form.Path("definition", "title")))
}

// calcom reads Cal.com's bookings: {"triggerEvent", "createdAt", "payload"} (cal.com/docs, "Webhooks"). A booking passes each
// state at a time of its own. When it takes place is no time of a call, and stays a parameter.
var calcom = &format{
	identify: func(d *document) Identity {
		id := Identity{EventType: d.text("triggerEvent")}
		id.EventID = eventID(id.EventType, d.text("payload", "uid"), d.text("createdAt"))
		return id
	},
	read: func(d *draft, doc *document) {
		p := doc.get("payload")
		g := newGroup("")
		for k, m := range p.Get("responses").Distinct() {
			v := unwrapped(m)
			is := labelMeaning(clean(k))
			if !d.named.composite(k, is, g, v) {
				d.named.add(clean(k), is, g, v)
			}
			d.paramOf(clean(k), is, collected(v))
		}
		d.fill()
		who := p.Get("attendees").Index(0)
		d.person(text(who.Get("name")), text(who.Get("firstName")), text(who.Get("lastName")))
		d.email(text(who.Get("email")))
		if n := text(who.Get("phoneNumber")); d.CallerNumber == "" && n != "" {
			d.CallerNumber = d.keep("caller", n)
		}
		if s := text(p.Get("additionalNotes")); d.Message == "" {
			d.Message = s
		}
		for k, m := range p.Distinct() {
			switch m.Kind() {
			case jsonscan.String, jsonscan.Number, jsonscan.True, jsonscan.False:
				d.paramOf(clean(k), meaning{}, collected(m))
			}
		}
	},
}
