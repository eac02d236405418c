package fhir

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// resource is one resource to be created.
type resource struct {
	kind Kind
	body any
	id   identifier
	// condition is the search for the same resource: identifier=system|value, encoded.
	condition string
	// old is what the EHR has of an earlier event; nil when it has nothing, or nobody looked.
	old *stored
}

// view is a call through the allow-list of fields.
type view struct {
	destination.Item
	d        *Destination
	warnings []string
	round    int    // how often the call was read and written, in this delivery
	left     []Kind // that were there, and were left as they are
	unasked  []Kind // that the EHR cannot search for
}

// text is a field as text, empty when it is missing or may not be sent.
func (v *view) text(name string) string {
	if !v.d.cfg.Minimized && !v.d.allowed[name] && !(v.d.allowed["params"] && strings.HasPrefix(name, "params.")) {
		return ""
	}
	value, ok := v.Call.Lookup(name)
	if !ok {
		return ""
	}
	switch value := value.(type) {
	case string:
		return v.clean(value)
	case []any, map[string]any:
		b, err := json.Marshal(value)
		if err != nil {
			return ""
		}
		return v.clean(string(b))
	default:
		return fmt.Sprint(value)
	}
}

// maxText is R4's limit for a string, in bytes.
const maxText = 1 << 20

// clean makes a text a FHIR string: UTF-8, no control characters but tab and line ends, not blank.
func (v *view) clean(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexFunc(s, control) >= 0 {
		s = strings.Map(func(r rune) rune {
			if control(r) {
				return -1
			}
			return r
		}, s)
	}
	if s = strings.TrimSpace(s); len(s) > maxText {
		cut := maxText
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
		v.warnings = append(v.warnings, "a text longer than FHIR's 1 MiB was cut")
	}
	return s
}

func control(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f
}

// stamp is a time as FHIR's dateTime and instant want it, with a zone; empty when times may not be sent.
func (v *view) stamp(times ...time.Time) string {
	if !v.d.times {
		return ""
	}
	for _, t := range times {
		if !t.IsZero() {
			return t.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

// resources are what the call becomes. subject is the patient, or nil when unknown.
func (v *view) resources(subject *reference) []resource {
	var all []resource
	add := func(kind Kind, suffix string, body func(id []identifier) any) {
		id := identifier{v.d.cfg.System, v.callID() + suffix}
		all = append(all, resource{kind: kind, body: body([]identifier{id}), id: id, condition: condition(id)})
	}
	cfg := &v.d.cfg
	service := ""
	for _, name := range v.d.services {
		if service = v.text(name); service != "" {
			break
		}
	}
	a := v.appointment(subject, service)
	// What the caller wants must not get lost where no resource is for it: then the people who read the others are told.
	untold := service
	if a != nil && slices.Contains(cfg.Kinds, Appointment) || subject != nil && slices.Contains(cfg.Kinds, ServiceRequest) {
		untold = ""
	}
	if slices.Contains(cfg.Kinds, Communication) {
		c := v.communication(subject, untold)
		add(Communication, "", func(id []identifier) any { c.Identifier = id; return c })
	}
	if slices.Contains(cfg.Kinds, Task) && v.Call.CallbackRequested {
		t := v.task(subject, untold)
		if len(all) > 0 {
			t.Focus = &reference{Reference: v.urn(Communication)}
			if cfg.Separate {
				t.Focus = &reference{Type: "Communication", Identifier: &identifier{cfg.System, v.callID()}}
			}
		}
		add(Task, "#callback", func(id []identifier) any { t.Identifier = id; return t })
	}
	if slices.Contains(cfg.Kinds, Appointment) && a != nil {
		add(Appointment, "#appointment", func(id []identifier) any { a.Identifier = id; return a })
	}
	if slices.Contains(cfg.Kinds, ServiceRequest) && service != "" {
		if subject == nil {
			v.warnings = append(v.warnings, "no ServiceRequest: FHIR wants a patient for it, and none was found")
		} else {
			s := &serviceRequest{
				ResourceType: "ServiceRequest", Status: "draft", Intent: "proposal", Priority: v.priority(),
				Code: &concept{Text: service}, Subject: subject, AuthoredOn: v.ended(),
			}
			add(ServiceRequest, "#service", func(id []identifier) any { s.Identifier = id; return s })
		}
	}
	return all
}

func (v *view) ended() string {
	return v.stamp(v.Call.EndedAt, v.Call.StartedAt, v.ReceivedAt)
}

func (v *view) priority() string {
	if v.Call.Urgent {
		return "urgent"
	}
	return "routine"
}

func (v *view) communication(subject *reference, service string) *communication {
	c := &communication{
		ResourceType: "Communication",
		Status:       "completed",
		Category: []concept{{
			Coding: []coding{{"http://terminology.hl7.org/CodeSystem/communication-category", "notification"}},
			Text:   v.d.cfg.Category,
		}},
		Medium: []concept{{
			Coding: []coding{{"http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", "PHONE"}},
		}},
		Subject:  subject,
		Sent:     v.stamp(v.Call.StartedAt),
		Received: v.ended(),
	}
	if v.Call.Urgent {
		c.Priority = "urgent"
	}
	if subject == nil {
		// Without a patient the number is all that staff have to go by.
		var who []string
		for _, s := range []string{v.name(), v.number()} {
			if s != "" {
				who = append(who, s)
			}
		}
		if len(who) > 0 {
			if person := (&reference{Display: strings.Join(who, ", ")}); v.Call.Direction == call.Outbound {
				c.Recipient = []*reference{person}
			} else {
				c.Sender = person
			}
		}
	}
	seen := map[string]bool{"": true}
	for _, name := range []string{"summary", "message", "notes", "issue", "transcript"} {
		if s := v.text(name); !seen[s] {
			seen[s] = true
			c.Payload = append(c.Payload, content{String: s})
		}
	}
	if service != "" {
		c.Payload = append(c.Payload, content{String: "Service requested: " + service})
	}
	for _, name := range v.d.extra {
		if name == "params" {
			for _, p := range slices.Sorted(maps.Keys(v.Call.Params)) {
				if s := v.text("params." + p); s != "" && !seen[s] && !slices.Contains(v.d.own, p) && !slices.Contains(v.d.extra, p) {
					c.Payload = append(c.Payload, content{String: p + ": " + s})
				}
			}
		} else if s := v.text(name); s != "" {
			c.Payload = append(c.Payload, content{String: strings.TrimPrefix(name, "params.") + ": " + s})
		}
	}
	if s := v.text("recording_url"); s != "" && !strings.ContainsAny(s, " \t\r\n") {
		c.Payload = append(c.Payload, content{Attachment: &attachment{URL: s, Title: "Recording"}})
	}
	return c
}

func (v *view) task(subject *reference, service string) *task {
	t := &task{
		ResourceType: "Task", Status: "requested", Intent: "order", Priority: v.priority(),
		Code: &concept{Text: "Return call"}, Description: "Call back", For: subject, AuthoredOn: v.ended(),
	}
	for _, name := range []string{"message", "notes", "issue", "summary"} {
		if s := v.text(name); s != "" {
			t.Description = "Call back: " + s
			break
		}
	}
	if s := v.number(); s != "" {
		t.Input = append(t.Input, taskInput{concept{Text: "callback number"}, s})
	}
	if service != "" {
		t.Input = append(t.Input, taskInput{concept{Text: "service"}, service})
	}
	if s := v.name(); s != "" && subject == nil {
		t.Input = append(t.Input, taskInput{concept{Text: "caller"}, s})
	}
	return t
}

func (v *view) number() string {
	if s := v.text("caller_number"); s != "" {
		return s
	}
	return v.text("phone")
}

func (v *view) name() string {
	if s := v.text("name"); s != "" {
		return s
	}
	return strings.TrimSpace(v.text("first_name") + " " + v.text("last_name"))
}

// newPatient is the patient to create on the condition that the identifier is unknown. Name and gender are there even where
// nobody told them: US Core, which American EHRs check, requires both of a patient, and has for a name that is not known
// an extension in its place (invariant us-core-6). The rules are from its published profile by heart; the text of the
// profile was not at hand.
func (v *view) newPatient(id identifier) resource {
	p := &patient{ResourceType: "Patient", Identifier: []identifier{id}, Gender: "unknown"}
	name := humanName{Family: v.text("last_name")}
	if first := v.text("first_name"); first != "" {
		name.Given = []string{first}
	}
	if name.Family == "" && name.Given == nil {
		words := strings.Fields(v.name())
		switch n := len(words); {
		case n == 0:
			name.Extension = []extension{{"http://hl7.org/fhir/StructureDefinition/data-absent-reason", "unknown"}}
		case n == 1:
			name.Given = words
		default:
			name.Given, name.Family = words[:n-1], words[n-1]
		}
	}
	p.Name = []humanName{name}
	if s := v.number(); s != "" {
		p.Telecom = []contact{{"phone", s}}
	}
	return resource{kind: "Patient", body: p, id: id, condition: condition(id)}
}
