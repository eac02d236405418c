package fhir

import (
	"reflect"
	"slices"
	"strings"
)

// Somebody may have worked on what an earlier event of the call has written, and that event may have known what this one
// does not. So nothing is taken away: statuses, links and texts that are there stay; what is missing is filled in; an
// urgent call stays urgent; new texts are added. Only of the time that a caller wants the latest counts, and the earlier
// wish goes into the comment.

// settled says that a resource is done with, so that a later event must not change what people have made of it.
func settled(kind Kind, status string) bool {
	switch kind {
	case Communication:
		return status == "entered-in-error"
	case Task:
		return slices.Contains([]string{"completed", "cancelled", "failed", "rejected", "entered-in-error"}, status)
	case Appointment:
		return !slices.Contains([]string{"proposed", "pending", "waitlist"}, status)
	default:
		return status != "draft"
	}
}

// merge adds to old what fresh knows more: the same resource as this event alone would make it.
func (v *view) merge(kind Kind, old, fresh map[string]any) {
	switch kind {
	case Communication:
		v.mergeCommunication(old, fresh)
	case Task:
		raise(old, fresh)
		fill(old, fresh, "for", "focus", "authoredOn", "code")
		addText(old, fresh, "description", "\n\n")
		union(old, fresh, "input")
	case Appointment:
		mergeAppointment(old, fresh)
	default:
		raise(old, fresh)
		fill(old, fresh, "subject", "authoredOn")
		also := textIn(fresh["code"])
		switch {
		case textIn(old["code"]) == "":
			fill(old, fresh, "code")
		case also != "" && also != textIn(old["code"]):
			addNote(old, "Also wanted: "+also)
		}
	}
}

func (v *view) mergeCommunication(old, fresh map[string]any) {
	if old["subject"] == nil && old["sender"] == nil && old["recipient"] == nil {
		fill(old, fresh, "sender", "recipient")
	}
	raise(old, fresh)
	fill(old, fresh, "subject", "sent", "received", "category", "medium")
	if !v.Call.EndedAt.IsZero() && fresh["received"] != nil {
		old["received"] = fresh["received"] // else it is when the event came in
	}
	payload, _ := old["payload"].([]any)
	more, _ := fresh["payload"].([]any)
	for _, item := range more {
		payload = addPayload(payload, item)
	}
	if len(payload) > 0 {
		old["payload"] = payload
	}
}

// addPayload adds a part of a message, unless it is there. A text that has grown, as a transcript does, takes the place of
// its beginning.
func addPayload(payload []any, item any) []any {
	s := stringOf(item, "contentString")
	for i, p := range payload {
		have := stringOf(p, "contentString")
		switch {
		case reflect.DeepEqual(p, item), s != "" && strings.HasPrefix(have, s):
			return payload
		case have != "" && strings.HasPrefix(s, have):
			payload[i] = item
			return payload
		}
	}
	return append(payload, item)
}

func mergeAppointment(old, fresh map[string]any) {
	if wanted, had := fresh["requestedPeriod"], old["requestedPeriod"]; wanted != nil && !reflect.DeepEqual(wanted, had) {
		if before := startOf(had); before != "" && before != startOf(wanted) {
			addLine(old, "comment", "Wanted before: "+before)
		}
		old["requestedPeriod"] = wanted
	}
	if s, _ := fresh["comment"].(string); s != "" {
		addLine(old, "comment", s)
	}
	addText(old, fresh, "description", ", ")
	fill(old, fresh, "created")
	who, _ := fresh["participant"].([]any)
	all, _ := old["participant"].([]any)
	if len(who) == 0 {
		return
	}
	patient, _ := who[0].(map[string]any)
	for _, p := range all {
		// The patient of an event that knew none has a type alone.
		if p, ok := p.(map[string]any); ok && patient["actor"] != nil && p["actor"] == nil && typed(p, "patient") {
			p["actor"] = patient["actor"]
			delete(p, "type")
			return
		}
	}
}

func typed(participant map[string]any, text string) bool {
	types, _ := participant["type"].([]any)
	return slices.ContainsFunc(types, func(t any) bool { return textIn(t) == text })
}

// later is what a resource that is done with is not told, as parts of the Communication.
func later(fresh map[string]any) []content {
	var all []content
	add := func(title, s string) {
		if s != "" {
			all = append(all, content{String: title + s})
		}
	}
	switch fresh["resourceType"] {
	case "Appointment":
		add("Appointment wanted: ", startOf(fresh["requestedPeriod"]))
		add("", stringOf(fresh, "comment"))
	case "Task":
		add("", stringOf(fresh, "description"))
	default:
		add("Service requested: ", textIn(fresh["code"]))
	}
	return all
}

// fill takes members that are missing.
func fill(old, fresh map[string]any, names ...string) {
	for _, n := range names {
		if old[n] == nil && fresh[n] != nil {
			old[n] = fresh[n]
		}
	}
}

// raise makes urgent what has become so. Asap and stat are more.
func raise(old, fresh map[string]any) {
	if p := old["priority"]; fresh["priority"] == "urgent" && p != "asap" && p != "stat" || p == nil && fresh["priority"] != nil {
		old["priority"] = fresh["priority"]
	}
}

// addText makes a text say what both say.
func addText(old, fresh map[string]any, name, between string) {
	have, say := stringOf(old, name), stringOf(fresh, name)
	switch {
	case strings.Contains(have, say):
	case strings.Contains(say, have):
		old[name] = say
	default:
		old[name] = have + between + say
	}
}

// addLine adds a line to a text that does not have it yet.
func addLine(old map[string]any, name, line string) {
	have := stringOf(old, name)
	switch {
	case have == "":
		old[name] = line
	case !strings.Contains(have, line):
		old[name] = have + "\n" + line
	}
}

// union adds the elements of a list that are not in it yet.
func union(old, fresh map[string]any, name string) {
	have, _ := old[name].([]any)
	more, _ := fresh[name].([]any)
	for _, m := range more {
		if !slices.ContainsFunc(have, func(h any) bool { return reflect.DeepEqual(h, m) }) {
			have = append(have, m)
		}
	}
	if len(have) > 0 {
		old[name] = have
	}
}

func addNote(old map[string]any, text string) {
	notes, _ := old["note"].([]any)
	if !slices.ContainsFunc(notes, func(n any) bool { return stringOf(n, "text") == text }) {
		old["note"] = append(notes, map[string]any{"text": text})
	}
}

func textIn(concept any) string { return stringOf(concept, "text") }

func startOf(periods any) string {
	list, _ := periods.([]any)
	if len(list) == 0 {
		return ""
	}
	return stringOf(list[0], "start")
}

func stringOf(v any, name string) string {
	m, _ := v.(map[string]any)
	s, _ := m[name].(string)
	return s
}
