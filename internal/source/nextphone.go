package source

import (
	"github.com/callgate/callgate/internal/jsonscan"
)

// nextphone reads what NextPhone sends, which is whatever the operator's body template says: flat parameters, a lead,
// a contact with metadata, the forms of HubSpot and Salesforce, or a few fields chosen for HIPAA. NextPhone has no
// variable for an event or a call, so there is an event id only where the operator's template puts one into the body,
// as event_id, delivery_id, webhook_id or idempotency_key. A call id alone is none: one call may fire several webhooks.
var nextphone = &format{
	open: openLead,
	identify: func(d *document) Identity {
		id := templated(d)
		if id.EventType == "" {
			id.EventType = "lead"
		}
		return id
	},
	read: readAny, readsAll: true,
}

// openLead reads a body of any kind and wants an object in it, or what stands for one: a list of names and values.
func openLead(d *document, r *Request) error {
	if err := openPayload(d, r); err != nil {
		return err
	}
	if d.root.Kind() == jsonscan.Object {
		return nil
	}
	if !pairList(d.root) {
		return malformed("the body is not a JSON object")
	}
	return nil
}

// generic reads bodies of any sender by the names of their members. Besides the names of an identity that a template
// might use it knows the envelope of an id, a type and data that many senders share, and CloudEvents (id, type and
// specversion).
var generic = &format{
	open:  openPayload,
	split: splitArray,
	identify: func(d *document) Identity {
		id := templated(d)
		typ := d.text("type")
		if id.EventType == "" {
			id.EventType = typ
		}
		enveloped := d.get("data").Kind() == jsonscan.Object || d.get("specversion").Kind() == jsonscan.String
		if id.EventID == "" && typ != "" && enveloped {
			id.EventID = d.text("id")
		}
		return id
	},
	read: readAny, readsAll: true,
}

// groups are the objects that an identity may be in, besides the top.
var groups = []string{"metadata", "call", "lead", "contact", "data", "event"}

// templated is the identity that a body may carry under the usual names, at the top or in a group.
func templated(d *document) Identity {
	root := d.root
	if d.xmlRoot != "" {
		root = root.Get(d.xmlRoot)
	}
	id := Identity{
		EventType: firstOf(root, eventTypeNames), EventID: firstOf(root, eventIDNames), CallID: firstOf(root, callIDNames),
	}
	for _, g := range groups {
		v := root.Get(g)
		if v.Kind() != jsonscan.Object {
			continue
		}
		if id.EventType == "" {
			id.EventType = firstOf(v, eventTypeNames)
		}
		if id.EventID == "" {
			id.EventID = firstOf(v, eventIDNames)
		}
		if id.CallID == "" {
			id.CallID = firstOf(v, callIDNames)
		}
	}
	if id.CallID == "" {
		c, inner := root.Get("call"), root.Path("data", "call")
		id.CallID = first(c.Get("id"), c.Get("sid"), inner.Get("id"), inner.Get("sid"))
	}
	return id
}

// openPayload reads a body of any kind. A form whose field "payload" is JSON, as GitHub and Slack send, is that JSON,
// and an array of events may stand for an object.
func openPayload(d *document, r *Request) error {
	if err := openAny(d, r); err != nil {
		return err
	}
	if d.form {
		inner := d.root.Get("payload").Text()
		if len(inner) > 1 && inner[0] == '{' {
			outer := d.buf
			d.buf = nil // the scan must not overwrite what it reads
			if d.json([]byte(inner)) == nil {
				d.form = false
			} else if err := d.json(outer); err != nil {
				return err
			}
		}
	}
	switch d.root.Kind() {
	case jsonscan.Array:
		if d.root.Len() == 1 {
			d.root = d.root.Index(0)
		}
	case jsonscan.Object:
	default:
		return malformed("the body is not a JSON object")
	}
	return nil
}

// readAny reads an object by the names of its members, or a list of names and values; of several events the first fills
// the fields, and all are kept as the parameter "events".
func readAny(d *draft, doc *document) {
	switch {
	case doc.root.Kind() != jsonscan.Array:
		d.readFields(doc.shaped())
		return
	case !d.pairs(doc.root, newGroup("")):
		d.gather(doc.root.Index(0), newGroup(""), 0)
		d.params = d.params[:0] // they are among the events
		d.param("events", collected(doc.root))
	}
	d.fill()
}
