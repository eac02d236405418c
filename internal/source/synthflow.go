package source

import (
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// synthflowInbound is the type, and the only member, of the request for the data of a call that comes in.
const synthflowInbound = "call_inbound"

// synthflow reads Synthflow's post-call webhook: {"status", "call", "lead", "analysis", ...}. Its signature covers the
// call's id and nothing else, so that is the event's id too: a signature that was seen cannot make a second event.
var synthflow = &format{
	identify: func(d *document) Identity {
		id := first(d.get("call_id"), d.get("call", "call_id"))
		return Identity{EventType: first(d.get("event"), d.get("status"), d.get("call", "status")), EventID: id, CallID: id}
	},
	read: func(d *draft, doc *document) {
		if in := doc.get(synthflowInbound); in.Kind() == jsonscan.Object { // a call that is about to be answered
			d.Direction = call.Inbound
			d.numbers(text(in.Get("from_number")), text(in.Get("to_number")))
			d.collect(in, "from_number", "to_number")
			return
		}
		c, lead := doc.get("call"), doc.get("lead")
		get := func(keys ...string) jsonscan.Value {
			for _, k := range keys {
				if v := either(c.Get(k), doc.get(k)); v.Kind() != jsonscan.Missing {
					return v
				}
			}
			return jsonscan.Value{}
		}
		d.Direction = direction(text(get("type_of_call", "direction")))
		d.numbers(text(get("phone_number_from")), text(get("phone_number_to")))
		// Who dialled says less than who is the lead, and who the agent.
		if n := d.keep("caller", first(lead.Get("phone_number"), lead.Get("phone"), get("lead_phone_number"))); n != "" {
			d.CallerNumber = n
		}
		if n := d.keep("receiving", text(get("agent_phone_number"))); n != "" {
			d.ReceivingNumber = n
		}
		d.StartedAt, d.EndedAt = moment(get("start_time", "created_at")), moment(get("end_time"))
		d.length(spokenDuration(text(get("duration", "telephony_duration"))))
		d.person(text(lead.Get("name")), "", "")
		d.email(text(lead.Get("email")))
		d.Transcript = text(get("transcript"))
		d.Summary = first(get("summary", "call_summary"), doc.get("analysis", "summary"))
		d.RecordingURL = text(get("recording_url"))
		d.collectVariables(doc.get("collected_variables"))
		d.collect(doc.get("executed_actions"))
		d.collect(lead, "phone_number", "phone", "name", "email")
		d.collect(doc.get("metadata"))
		d.collect(doc.get("analysis"), "summary")
		d.param("end_call_reason", collected(get("end_call_reason")))
		d.param("model_id", collected(get("model_id")))
	},
}

// collectVariables adds what an agent got out of the caller. Each variable is {"value", "collected"}, by its name, or since
// February 2026 by the agent's id and then its name (docs.synthflow.ai, changelog of 2026-02-04); of several agents the
// first that has a value counts. Older payloads have the value itself.
func (d *draft) collectVariables(v jsonscan.Value) {
	for k, m := range v.Distinct() {
		if m.Kind() == jsonscan.Object && !valueObject(m) && holdsVariables(m) {
			d.collectVariables(m) // an agent's
			continue
		}
		d.param(clean(k), collected(unwrapped(m)))
	}
}

// holdsVariables reports whether an object has nothing but variables.
func holdsVariables(v jsonscan.Value) bool {
	for _, m := range v.Members() {
		if !valueObject(m) {
			return false
		}
	}
	return v.Len() > 0
}
