package salesforce

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/destination"
)

// Preview implements destination.Destination. Where a look-up decides, it shows the look-up and what is sent when
// that finds nothing.
func (d *Destination) Preview(items []destination.Item) ([]destination.Request, error) {
	var out []destination.Request
	if len(items) > 1 && d.MaxBatch() > 1 {
		writes := make([]*write, len(items))
		rows := make([]int, 0, len(items))
		seen := map[string]bool{}
		for i := range items {
			writes[i] = &write{record: d.newRecord(&items[i])}
			d.decide(writes[i].record, unknown)
			if !seen[writes[i].record.key] {
				rows = append(rows, i)
			}
			seen[writes[i].record.key] = true
		}
		out = append(out, d.show(d.collectionRequest(rows, writes), nil, noteUpsert))
		if len(rows) == len(items) {
			return out, nil
		}
		out[0].Note += ". Further events of the same calls follow in a request of their own"
		return out, nil
	}
	for i := range items {
		out = append(out, d.previewOne(&items[i])...)
	}
	return out, nil
}

const (
	noteUpsert   = "creates the record, or updates the one that carries the call's id"
	noteDefaults = "only if Salesforce answers REQUIRED_FIELD_MISSING, because the record is new: the same with defaults"
	noteLookup   = "looks for the caller's record"
	noteLookLog  = "looks for the call's log"
	noteLookBoth = "looks for the caller's record and the call's log"
	noteContact  = "; where the caller is a contact, the call is logged there and nothing else is written"
	noteCreate   = "if the look-up finds nothing; otherwise the record that it finds is updated"
)

func (d *Destination) previewOne(it *destination.Item) (out []destination.Request) {
	w := d.newWrite(it)
	note := noteUpsert
	qs := d.queries(w, nil)
	asked := func(ref string) bool {
		return slices.ContainsFunc(qs, func(q query) bool { return q.ref == ref })
	}
	blind := d.cfg.ExternalID != "" && !asked(refRecord)
	if len(qs) > 0 {
		looks := noteLookBoth
		switch {
		case !asked(refTask):
			looks = noteLookup
		case len(qs) == 1:
			looks = noteLookLog
		}
		q, _ := d.lookup(qs)
		out = append(out, d.show(q, it, looks))
		note = noteCreate
		if asked(refContact) {
			note += noteContact
		}
	}
	if blind {
		d.decide(w.record, unknown)
	} else {
		d.decide(w.record, absent)
	}
	out = append(out, d.show(d.wholeRequest(w), it, note))
	if blind && d.addDefaults(w.record, nil) {
		out = append(out, d.show(d.wholeRequest(w), it, noteDefaults))
	}
	return append(out, d.previewSteps(w)...)
}

// RecordID stands in a preview for the id of the lead or contact that Salesforce would have answered.
const RecordID = "RECORD_ID"

// previewSteps shows the look-up and the write of the steps for a person who is new.
func (d *Destination) previewSteps(w *write) []destination.Request {
	w.saved = RecordID
	if d.cfg.Object == "Contact" {
		w.saved = "003" + RecordID
	}
	var entries []*entry
	var qs []query
	var parts []part
	var names []string
	for _, s := range d.steps {
		if !s.wanted(context.Background(), w.record.item) {
			continue
		}
		e := &entry{step: s}
		e.values, _ = d.stepValues(s, w.record.item, true)
		e.values = append(e.values, s.relate(w.saved, "")...)
		entries, names = append(entries, e), append(names, s.name)
		qs = append(qs, query{s.name, d.stepQuery(w, s)})
		parts = append(parts, part{s.name, d.stepRequest(w, e)})
	}
	if len(entries) == 0 {
		return nil
	}
	list := strings.Join(names, ", ")
	q, _ := d.lookup(qs)
	return []destination.Request{
		d.show(q, w.record.item, "step "+list+": looks whether it is there; "+w.saved+" is the id of the lead or contact that the call was written to"),
		d.show(d.compositeRequest(parts...), w.record.item, "step "+list+": what is not there yet; what is there is updated"),
	}
}

// show is q as Preview lists it.
func (d *Destination) show(q request, it *destination.Item, note string) destination.Request {
	h := make(http.Header, 8)
	d.dress(h, q, it)
	d.auth.Mask(h)
	return destination.Request{Method: q.method, URL: d.cfg.Instance + q.path, Header: h, Body: string(q.body), Note: note}
}
