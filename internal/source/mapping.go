package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// Mapping says where in a payload things are, for senders without a preset and for presets that need a correction.
// A place is a JSONPath ("$.lead.phone"), or without the dollar sign a form field ("From") or the way to an XML element
// ("Lead/Contact/Phone", "Lead/@id"; the outermost element may be left out). What is not there leaves the preset's own
// reading as it is.
type Mapping struct {
	// Fields maps fields of the call record to places: caller_number, receiving_number, first_name, last_name, name,
	// email, company, message, summary, transcript, recording_url, direction, started_at, ended_at, duration
	// (seconds, or text such as "1:05"), duration_ms, duration_minutes, urgent, callback_requested. phone, company_name,
	// call_duration and timestamp are other names for caller_number, company, duration and ended_at. call_id, event_id
	// and event_type may stand here too.
	Fields map[string]string
	// EventID, EventType and CallID are the places of the identity.
	EventID, EventType, CallID string
	// Params maps names of parameters to places.
	Params map[string]string
}

// fieldSetters set a field of the record from what its place holds.
var fieldSetters = map[string]func(d *draft, v any, s string){
	"caller_number":    func(d *draft, _ any, s string) { d.CallerNumber = d.keep("caller", s) },
	"receiving_number": func(d *draft, _ any, s string) { d.ReceivingNumber = d.keep("receiving", s) },
	"first_name":       func(d *draft, _ any, s string) { d.FirstName = s },
	"last_name":        func(d *draft, _ any, s string) { d.LastName = s },
	"name":             func(d *draft, _ any, s string) { d.FirstName, d.LastName = call.SplitName(s) },
	"email":            func(d *draft, _ any, s string) { d.Email = ""; d.email(s) },
	"company":          func(d *draft, _ any, s string) { d.Company = s },
	"message":          func(d *draft, _ any, s string) { d.Message = s },
	"summary":          func(d *draft, _ any, s string) { d.Summary = s },
	"transcript":       func(d *draft, _ any, s string) { d.Transcript = s },
	"recording_url":    func(d *draft, _ any, s string) { d.RecordingURL = s },
	"direction":        func(d *draft, _ any, s string) { d.Direction = direction(s) },
	"started_at":       func(d *draft, _ any, s string) { d.StartedAt = d.moment(s) },
	"ended_at":         func(d *draft, _ any, s string) { d.EndedAt = d.moment(s) },
	"duration":         func(d *draft, _ any, s string) { d.Duration = spokenDuration(s) },
	"duration_ms":      func(d *draft, _ any, s string) { d.Duration = scaled(s, milliseconds) },
	"duration_minutes": func(d *draft, _ any, s string) { d.Duration = scaled(s, minutes) },
	"urgent":           func(d *draft, v any, _ string) { d.Urgent = urgency.says("urgent", v) },
	"callback_requested": func(d *draft, v any, _ string) {
		d.CallbackRequested = callback.says("callback_requested", v)
	},
}

var fieldSynonyms = map[string]string{
	"phone": "caller_number", "company_name": "company", "call_duration": "duration", "timestamp": "ended_at",
}

// mapping is a Mapping, compiled.
type mapping struct {
	eventID, eventType, callID *path
	fields                     []mappedField
	params                     []mappedParam
}

type mappedField struct {
	path path
	set  func(d *draft, v any, s string)
}

type mappedParam struct {
	path path
	name string
}

// compile makes the mapping ready. Names are taken in order, so that the same settings always do the same.
func (m *Mapping) compile() (*mapping, error) {
	c := &mapping{}
	for _, id := range []struct {
		name, text string
		to         **path
	}{{"event_id", m.EventID, &c.eventID}, {"event_type", m.EventType, &c.eventType}, {"call_id", m.CallID, &c.callID}} {
		if id.text == "" {
			id.text = m.Fields[id.name]
		}
		if id.text == "" {
			continue
		}
		p, err := compilePath(id.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id.name, err)
		}
		*id.to = &p
	}
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		switch name {
		case "event_id", "event_type", "call_id":
			continue
		}
		field := name
		if s, ok := fieldSynonyms[name]; ok {
			field = s
		}
		set, ok := fieldSetters[field]
		if !ok {
			return nil, fmt.Errorf("%w: the call record has no field %q; name it as a parameter instead, or use one of: %s",
				ErrConfig, name, strings.Join(slices.Sorted(maps.Keys(fieldSetters)), ", "))
		}
		p, err := compilePath(m.Fields[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.fields = append(c.fields, mappedField{path: p, set: set})
	}
	for _, name := range slices.Sorted(maps.Keys(m.Params)) {
		if name == "" {
			return nil, fmt.Errorf("%w: a parameter has no name", ErrConfig)
		}
		p, err := compilePath(m.Params[name])
		if err != nil {
			return nil, fmt.Errorf("params.%s: %w", name, err)
		}
		c.params = append(c.params, mappedParam{path: p, name: name})
	}
	return c, nil
}

func (m *mapping) identify(doc *document, id *Identity) {
	for _, part := range []struct {
		path *path
		to   *string
	}{{m.eventID, &id.EventID}, {m.eventType, &id.EventType}, {m.callID, &id.CallID}} {
		if part.path == nil {
			continue
		}
		if s := part.path.text(doc); s != "" {
			*part.to = s
		}
	}
}

// apply sets the fields and parameters whose places hold something.
func (m *mapping) apply(d *draft, doc *document) {
	for i := range m.fields {
		f := &m.fields[i]
		v, s := f.path.found(doc)
		if v != nil {
			f.set(d, v, s)
		}
	}
	for i := range m.params {
		p := &m.params[i]
		v := p.path.collected(doc)
		if v == nil {
			continue
		}
		d.drop(p.name)
		d.param(p.name, v)
	}
}

// found is what is at the path, also as text: of an array its texts, one a line.
func (p *path) found(doc *document) (v any, s string) {
	if v = p.collected(doc); v == nil {
		return nil, ""
	}
	switch v.(type) {
	case []any, map[string]any:
		if p.expr != nil {
			return v, ""
		}
		at := p.value(doc)
		if at.Kind() == jsonscan.Array && at.Index(0).Kind() == jsonscan.Object {
			return v, turns(at, speakerNames, wordNames)
		}
		return v, lines(at)
	default:
		return v, p.text(doc)
	}
}
