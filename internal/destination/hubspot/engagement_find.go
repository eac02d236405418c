package hubspot

import (
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/destination"
)

// findEntries finds the engagements that are there already.
func (r *run) findEntries(k kind, entries []*entry) {
	var open []*entry
	for _, e := range entries {
		m, ok := r.recall(k.object + ":" + e.key)
		if ok && !m.Pending {
			e.id, e.size = m.ID, m.Size
			continue
		}
		if ok {
			e.unclear = m.fresh(r.d.conf.Now())
		}
		open = append(open, e)
	}
	r.findOpen(k, open)
	for _, e := range open {
		if e.id == "" && e.unclear > 0 && r.halt == nil && r.d.unique(k) == "" {
			e.row.result = destination.Result{RetryAfter: e.unclear, Reason: "the contact is written; its " + k.what + " was perhaps created a moment ago, and HubSpot's search does not tell yet: it is looked for again; with a unique property (call_property, or unique of a deal or ticket) it needs no waiting"}
			e.row = nil
		}
	}
}

// unique is the property with unique values that holds the call's id; empty where there is none.
func (d *Destination) unique(k kind) string {
	switch {
	case k.step != nil:
		return k.step.conf.Unique
	case k.object == calls.object:
		return d.conf.CallProperty
	}
	return ""
}

// findOpen looks for the engagements that are not known from a moment ago.
func (r *run) findOpen(k kind, open []*entry) {
	switch {
	case len(open) == 0 || r.halt != nil:
	case r.d.unique(k) == "" && k.object != calls.object:
		r.findByReference(k, open)
	case r.d.unique(k) != "":
		ins := make([]*input, len(open))
		for i, e := range open {
			ins[i] = &input{trace: e.row.trace, id: e.key}
		}
		found := r.read(k.object, r.d.unique(k), ins, []string{k.body}, "finds the "+k.object+" that are there already")
		for _, e := range open {
			if rec, ok := found[e.key]; ok {
				e.id, e.size = string(rec.ID), len(rec.Properties[k.body])
			}
		}
	default:
		for chunk := range slices.Chunk(open, MaxInputs) {
			r.findCalls(chunk)
		}
	}
}

// findCalls searches calls by their external id. HubSpot wants the values of a list in lower case, and compares so.
func (r *run) findCalls(open []*entry) {
	values := make([]string, len(open))
	for i, e := range open {
		values[i] = strings.ToLower(e.key)
	}
	b := appendMember([]byte(`{"filterGroups":[{"filters":[{`), "propertyName", externalID)
	b = appendStrings(append(b, `,"operator":"IN","values":`...), values)
	b = appendStrings(append(b, `}]}],"properties":`...), []string{externalID, calls.body})
	found, _ := r.trySearch(calls.object, append(b, `,"limit":100}`...), false, "finds the calls that are logged already")
	for _, e := range open {
		for i := range found {
			if e.id == "" && string(found[i].Properties[externalID]) == e.key {
				e.id, e.size = string(found[i].ID), len(found[i].Properties[calls.body])
			}
		}
	}
}

// findByReference searches records by the reference in their text, five in one search.
func (r *run) findByReference(k kind, open []*entry) {
	for chunk := range slices.Chunk(open, 5) {
		if r.halt != nil {
			return
		}
		b := []byte(`{"filterGroups":[`)
		for i, e := range chunk {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendMember(append(b, `{"filters":[{`...), "propertyName", k.body)
			b = append(appendMember(append(b, `,"operator":"CONTAINS_TOKEN"`...), "value", e.token), `}]}`...)
		}
		b = appendStrings(append(b, `],"properties":`...), []string{k.body})
		found, _ := r.trySearch(k.object, append(b, `,"limit":100}`...), false, "finds the "+k.object+" that are written already")
		for _, e := range chunk {
			for i := range found {
				if body := string(found[i].Properties[k.body]); e.id == "" && strings.Contains(body, e.token) {
					e.id, e.size = string(found[i].ID), len(body)
				}
			}
		}
	}
}
