package source

import (
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// maxWrapping is how deep objects that only group others are looked into.
const maxWrapping = 6

// wrappers are the objects that forms and templates group members in. Their members are the payload's as much as
// those at the top are.
var wrappers = map[string]bool{
	"lead": true, "contact": true, "customer": true, "caller": true, "patient": true, "client": true, "person": true,
	"call": true, "metadata": true, "parameters": true, "params": true, "variables": true, "properties": true,
	"fields": true, "data": true, "payload": true, "body": true, "attributes": true, "message": true, "event": true,
	"details": true, "record": true, "envelope": true, "request": true, "args": true, "arguments": true,
	"custom_fields": true, "customfields": true, "custom": true, "inputs": true, "resource": true, "object": true,
	"questions_and_answers": true, "item": true, "detail": true, "records": true, "leads": true, "contacts": true,
	"responses": true, "answers": true, "form_response": true, "form_data": true, "formdata": true, "submission": true,
	"customdata": true, "custom_data": true, "rawrequest": true, "collected_variables": true, "user_data": true,
}

// named are the members of a payload that FieldOf knows, one for each field.
type named []namedValue

type namedValue struct {
	field, key string
	value      jsonscan.Value
	rank       int
}

// readFields fills the record from a payload that follows no provider's rules, by the names of its members: flat, in
// groups such as "lead", or as a list of names and values. Everything in it becomes a parameter too.
func (d *draft) readFields(v jsonscan.Value) {
	d.gather(v, newGroup(""), 0)
	d.fill()
}

// gather notes the members of an object and makes parameters of them: its own first, then those of the groups in it.
// g is the group that it is itself.
func (d *draft) gather(v jsonscan.Value, g group, depth int) {
	alone := v.Len() == 1
	groups := false
	for k, m := range v.Distinct() {
		key := clean(k)
		if depth < maxWrapping && grouping(key, m, alone).Kind() != jsonscan.Missing {
			groups = true
			continue
		}
		if m.Kind() == jsonscan.Array && d.pairs(m, g) {
			continue
		}
		if depth == 0 && slices.Contains(d.files, k) {
			d.paramOf(key, meaning{}, collected(m)) // the name of a file is nothing that a field holds
			continue
		}
		m = unwrapped(m)
		is := d.meaningIn(g, key, m)
		if !d.named.composite(key, is, g, m) {
			d.named.add(key, is, g, m)
		}
		// A transcript is long, and not what anybody asked the caller for.
		if is.field != "transcript" || missing(inside(is.field, m)) {
			d.grouped(g, key, is, collected(m))
		}
	}
	if !groups {
		return
	}
	for k, m := range v.Distinct() {
		key := clean(k)
		if inner := grouping(key, m, alone); inner.Kind() != jsonscan.Missing {
			d.gather(inner, newGroup(key), depth+1)
		}
	}
}

// grouping is the object, if a member is one that only groups others: by its name, or as the only member there is. A
// group may also stand in an array by itself.
func grouping(key string, m jsonscan.Value, alone bool) jsonscan.Value {
	switch m.Kind() {
	case jsonscan.Object:
		if _, _, ok := labelMeaning(key).parts(m); ok || valueObject(m) {
			return jsonscan.Value{}
		}
		if wrappers[strings.ToLower(key)] || alone && missing(m.Get("value")) {
			return m
		}
	case jsonscan.Array:
		if e := m.Index(0); e.Kind() == jsonscan.Object && m.Len() == 1 && wrappers[strings.ToLower(key)] {
			if !pairList(m) {
				return e
			}
		}
	}
	return jsonscan.Value{}
}

// collectText is collect for an object that is JSON within a text. It reports whether the text is one.
func (d *draft) collectText(s string) bool {
	if s = strings.TrimSpace(s); s == "" || s[0] != '{' {
		return false
	}
	var doc jsonscan.Doc
	if doc.Scan([]byte(s)) != nil {
		return false
	}
	d.collect(doc.Root())
	return true
}

// grouped adds a parameter. Where another group had one of that name, and it was not the same, the name of the group is
// put before it, so that neither is lost.
func (d *draft) grouped(g group, key string, is meaning, v any) {
	if g.name == "" || v == nil || len(d.params) == maxParams {
		d.paramOf(key, is, v)
		return
	}
	if i := d.find(key); i >= 0 && !same(d.params[i].value, v) {
		d.param(g.name+"_"+key, v)
		return
	}
	d.paramOf(key, is, v)
}

// same reports whether two values are one text, number or truth value.
func same(a, b any) bool {
	switch a.(type) {
	case []any, map[string]any:
		return false
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

// pairs adds the members of a list of names and values, which is how HubSpot's contacts/v1 writes an object
// ([{"property": "firstname", "value": "Mike"}]), and how most forms send what was filled in. It reports whether the list
// was one.
func (d *draft) pairs(list jsonscan.Value, g group) bool {
	if !pairList(list) {
		return false
	}
	for e := range list.Elements() {
		key, is, v, ok := pair(e)
		if !ok || key == "" {
			continue
		}
		if !d.named.composite(key, is, g, v) {
			d.named.add(key, is, g, v)
		}
		d.grouped(g, key, is, collected(v))
	}
	return true
}

// people are the groups that describe the caller. A "name" in one of them is the caller's before any other is: that
// at the top may be the event's.
var people = map[string]bool{
	"lead": true, "contact": true, "customer": true, "caller": true, "patient": true, "client": true, "person": true,
	"args": true, "arguments": true, "parameters": true,
}

// group is an object that groups members; the payload itself has no name.
type group struct {
	name string
	// order is which of members of one name counts: what a group of people has comes first, then what has no group.
	order int
}

func newGroup(name string) group {
	switch {
	case people[strings.ToLower(name)]:
		return group{name, 0}
	case name == "":
		return group{name, 1}
	default:
		return group{name, 2}
	}
}

// meaningIn is the meaning of a member of a group. A "number" is that of many things, but of a person the one to call.
func (d *draft) meaningIn(g group, key string, m jsonscan.Value) meaning {
	if g.order == 0 && strings.EqualFold(key, "number") {
		if _, ok := call.NormalizeNumber(text(m), d.settings.region); ok {
			return meaningOf("phone_number")
		}
	}
	return labelMeaning(key)
}

// add notes a member, if its name is known and no plainer one has a value.
func (n *named) add(key string, is meaning, g group, v jsonscan.Value) {
	if is.field == "" {
		return
	}
	if v = inside(is.field, v); missing(v) {
		return
	}
	rank := 3*is.rank + g.order
	found := namedValue{field: is.field, key: key, value: v, rank: rank}
	switch old := n.find(is.field); {
	case old == nil:
		*n = append(*n, found)
	case rank < old.rank:
		*old = found
	}
}

// insides are the members under which an object that stands for a field has what the field is to hold. An XML element
// with attributes has #text, and forms and HubSpot put what is known of a value around it.
var insides = map[string][]string{
	"transcript":    {"text", "content", "transcript", "messages", "turns", "utterances", "segments", "dialogue"},
	"summary":       {"text", "content", "summary"},
	"recording_url": {"url", "recording_url"},
}

// inside is what an object holds for a field; any other value as it is.
func inside(field string, v jsonscan.Value) jsonscan.Value {
	if v.Kind() != jsonscan.Object {
		return v
	}
	for _, k := range [...]string{"#text", "value"} {
		if t := v.Get(k); !missing(t) {
			return t
		}
	}
	for _, k := range insides[field] {
		if t := v.Get(k); !missing(t) {
			return t
		}
	}
	return v
}

func (n named) find(field string) *namedValue {
	for i := range n {
		if n[i].field == field {
			return &n[i]
		}
	}
	return nil
}

// of is the member for a field; its zero value if there is none.
func (n named) of(field string) (v namedValue) {
	if found := n.find(field); found != nil {
		v = *found
	}
	return v
}

// missing reports whether a member has nothing for a field.
func missing(v jsonscan.Value) bool {
	switch v.Kind() {
	case jsonscan.String, jsonscan.Number:
		return text(v) == ""
	case jsonscan.Array:
		return v.Len() == 0
	default:
		return true
	}
}

// text is the text of the member for a field; of a list, as contacts have of numbers, that of its first element.
func (n named) text(field string) string {
	v := n.of(field).value
	return first(v, v.Index(0))
}

// fill sets the fields of the record that are not set yet.
func (d *draft) fill() {
	n := d.named
	if d.Direction == "" {
		d.Direction = direction(n.text("direction"))
	}
	d.fillNumbers(n)
	d.person(n.text("name"), n.text("first_name"), n.text("last_name"))
	d.email(n.text("email"))
	set := func(to *string, s string) {
		if *to == "" {
			*to = s
		}
	}
	set(&d.Company, n.text("company"))
	set(&d.Message, lines(n.of("message").value))
	set(&d.Summary, lines(n.of("summary").value))
	set(&d.RecordingURL, n.text("recording_url"))
	if list := n.of("transcript").value; list.Kind() == jsonscan.Array {
		set(&d.Transcript, turns(list, speakerNames, wordNames))
	} else {
		set(&d.Transcript, text(list))
	}
	if d.StartedAt.IsZero() {
		d.StartedAt = d.moment(text(n.of("started_at").value))
	}
	if d.EndedAt.IsZero() {
		d.EndedAt = d.moment(text(n.of("ended_at").value))
	}
	d.length(duration(n.of("duration_ms").value, milliseconds))
	d.length(spokenDuration(n.text("duration")))
}

// fillNumbers sets both sides of the call. "from" and "to" say who dialled, other names who is the customer.
func (d *draft) fillNumbers(n named) {
	if d.CallerNumber != "" || d.ReceivingNumber != "" {
		return
	}
	caller, receiving := n.text("caller_number"), n.text("receiving_number")
	switch strings.ToLower(strings.ReplaceAll(n.of("caller_number").key, "_", "")) {
	case "from", "fromnumber", "caller", "callerid", "":
		d.numbers(caller, receiving)
	default:
		d.sides(caller, receiving)
	}
}
