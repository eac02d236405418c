package source

import (
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// newPresets are senders whose formats follow.
//
// Guessed: the members that are read, the timeouts and what is sent again follow samples of others; the pages of Zoom, Meta and
// RingCentral that are named were not opened.
var newPresets = []Preset{
	{
		Name: "zoom", Scheme: "zoom", format: zoom, Timeout: 3 * time.Second, Retries: true,
		Summary: "Zoom Phone: calls, recordings and voice mail; the address is validated by the gateway",
	},
	{
		Name: "meta", Scheme: "meta", Timeout: 5 * time.Second,
		Summary: "Meta lead ads, in batches; handshake_token is the verify token",
		format:  meta,
	},
	{
		// The header of a token is the operator's to name, so there is no scheme.
		Name: "ringcentral", Timeout: 3 * time.Second, format: ringcentral,
		Summary: "RingCentral: telephony sessions; the address is validated by the gateway",
	},
}

// zoom reads Zoom Phone's events: {"event", "event_ts", "payload": {"object"}} (developers.zoom.us, "Zoom Phone events"). An
// event has no id; a call passes each state once, at the time that event_ts tells.
var zoom = &format{
	identify: func(d *document) Identity {
		o := d.get("payload", "object")
		id := Identity{EventType: d.text("event"), CallID: first(o.Get("call_id"), o.Get("id"))}
		id.EventID = eventID(id.EventType, id.CallID, d.text("event_ts"))
		return id
	},
	read: func(d *draft, doc *document) {
		o := doc.get("payload", "object")
		caller, callee := o.Get("caller"), o.Get("callee")
		d.Direction = direction(text(o.Get("direction")))
		if d.Direction == "" && text(callee.Get("user_id")) != text(caller.Get("user_id")) {
			d.Direction = call.Inbound
			if text(caller.Get("user_id")) != "" {
				d.Direction = call.Outbound // one side is a user of the account
			}
		}
		from := first(caller.Get("phone_number"), o.Get("caller_number"))
		to := first(callee.Get("phone_number"), o.Get("callee_number"))
		d.numbers(from, to)
		customer := caller
		if d.Direction == call.Outbound {
			customer = callee
		}
		d.person(first(customer.Get("name"), o.Get("caller_name")), "", "")
		d.StartedAt = moment(either(o.Get("ringing_start_time"), o.Get("date_time"), o.Get("call_start_time")))
		d.EndedAt = moment(o.Get("call_end_time"))
		d.length(duration(o.Get("duration"), seconds))
		d.collect(o, "caller", "callee", "direction", "ringing_start_time", "call_end_time", "call_id")
	},
}

// meta reads the notifications of Meta's lead ads: {"object": "page", "entry": [{"changes": [{"value": {"leadgen_id"}}]}]}
// (developers.facebook.com, "Webhooks for leads"). What the lead said is not in them: it is asked for by its id.
var meta = &format{
	split: splitMeta,
	identify: func(d *document) Identity {
		change := d.get("entry").Index(0).Get("changes").Index(0)
		id := Identity{EventType: first(change.Get("field"), d.get("object"))}
		if d.get("entry").Len() == 1 && d.get("entry").Index(0).Get("changes").Len() == 1 {
			id.EventID = eventID(id.EventType, text(change.Path("value", "leadgen_id")))
		}
		return id
	},
	read: func(d *draft, doc *document) {
		entry := doc.get("entry")
		change := entry.Index(0).Get("changes").Index(0)
		d.readFields(change.Get("value"))
		d.EndedAt = moment(either(change.Path("value", "created_time"), entry.Index(0).Get("time")))
		if entry.Len() > 1 || entry.Index(0).Get("changes").Len() > 1 {
			d.params = d.params[:0]
			d.param("events", collected(entry))
		}
	},
}

// ringcentral reads RingCentral's telephony sessions: {"uuid", "event", "body": {"parties"}} (developers.ringcentral.com,
// "Telephony sessions event"). The uuid is the notification's. The party that the account is has an extension.
var ringcentral = &format{
	identify: func(d *document) Identity {
		body := d.get("body")
		id := Identity{EventID: d.text("uuid"), CallID: first(body.Get("telephonySessionId"), body.Get("sessionId"))}
		id.EventType = text(body.Get("parties").Index(0).Path("status", "code"))
		if id.EventType == "" {
			id.EventType = d.text("event")
		}
		return id
	},
	read: func(d *draft, doc *document) {
		body := doc.get("body")
		party := body.Get("parties").Index(0)
		d.Direction = direction(text(party.Get("direction")))
		d.numbers(text(party.Path("from", "phoneNumber")), text(party.Path("to", "phoneNumber")))
		customer := party.Get("from")
		if d.Direction == call.Outbound {
			customer = party.Get("to")
		}
		d.person(text(customer.Get("name")), "", "")
		at := moment(either(body.Get("eventTime"), doc.get("timestamp")))
		switch text(party.Path("status", "code")) {
		case "Setup", "Proceeding":
			d.StartedAt = at
		case "Disconnected", "Gone":
			d.EndedAt = at
		}
		d.collect(body, "parties", "eventTime")
		for k, v := range party.Distinct() {
			if k == "missedCall" || k == "extensionId" || k == "recordings" {
				d.param(k, collected(v))
			}
		}
		if v := party.Path("status", "reason"); v.Kind() == jsonscan.String {
			d.param("reason", collected(v))
		}
	},
}
