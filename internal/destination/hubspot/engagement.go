package hubspot

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/destination"
)

// kind is a type of engagement: what it is called, what associates it with a contact (HubSpot, "Association type IDs"),
// and where its text goes.
type kind struct {
	object string
	assoc  int
	body   string
	what   string
	step   *step // nil for an engagement
}

var (
	calls = kind{"calls", 194, "hs_call_body", "call log", nil}
	notes = kind{"notes", 202, "hs_note_body", "note", nil}
)

// externalID is the default property of calls that holds the id of the call elsewhere.
const externalID = "hs_call_external_id"

// entry is one engagement to write, for all items of one call.
type entry struct {
	key   string
	token string // of a note
	row   *row
	props []property
	// first are properties for a new engagement only.
	first []property
	id    string
	size  int // of the text that it has already, in bytes
	// unclear is how much longer it may take until a search tells whether an earlier request has created it.
	unclear time.Duration
}

// engage writes the calls or notes of all rows whose contact is written.
func (r *run) engage(k kind) {
	entries := r.entriesOf(k)
	if len(entries) == 0 {
		return
	}
	r.findEntries(k, entries)
	for range 2 { // a second time for what turns out to be there, or gone
		if r.halt != nil {
			break
		}
		var ins []*input
		var es []*entry
		for _, verb := range []string{"update", "create"} {
			ins, es = ins[:0], es[:0]
			for _, e := range entries {
				if e.row == nil || (e.id != "") != (verb == "update") {
					continue
				}
				in := &input{trace: e.row.trace + "/" + shortHash(e.key), id: e.id, props: slices.Clone(e.props)}
				if verb == "create" {
					in.props = append(in.props, e.first...)
					in.links = append(in.links, link{e.row.id, k.assoc})
					if k.step != nil && e.row.company != "" {
						in.links = append(in.links, link{e.row.company, k.step.company})
					}
				} else if e.size > len(valueOf(e.props, k.body)) {
					// The longer text knows more, whichever event came last.
					in.props = slices.DeleteFunc(in.props, func(p property) bool { return p.name == k.body })
				}
				if k.step != nil {
					in.fixed = k.step.fixed
				}
				ins, es = append(ins, in), append(es, e)
			}
			for _, e := range es {
				if verb == "create" {
					r.remember(k.object+":"+e.key, memo{Pending: true})
				}
			}
			r.write(batch{k.object, verb, verb + "s the " + k.what}, ins)
			r.takeEntries(k, es, ins)
		}
	}
	r.finishEntries(k, entries)
}

// finishEntries unsettles the rows whose engagement is not written: the delivery is repeated as a whole, which changes
// nothing at the contact.
func (r *run) finishEntries(k kind, entries []*entry) {
	for _, e := range entries {
		if e.row == nil {
			continue
		}
		res := destination.Result{Reason: "the contact is written, but not yet the " + k.what + " that belongs to it"}
		if r.halt != nil {
			res = *r.halt
		}
		if k.step != nil {
			res.Reason = "step " + k.what + ": " + res.Reason
		}
		e.row.result = res
	}
}

// takeEntries takes what became of the inputs. An entry that is done with has no row any more.
func (r *run) takeEntries(k kind, es []*entry, ins []*input) {
	for i, in := range ins {
		e := es[i]
		for _, w := range in.warnings {
			e.row.warn(w)
		}
		switch {
		case e.id != "" || in.done:
		case in.unknown: // the time in which a search does not tell begins anew
			r.remember(k.object+":"+e.key, memo{Pending: true})
		case in.result == nil:
			r.d.forget(r.ctx, k.object+":"+e.key) // it was certainly not created
		}
		switch {
		case in.done:
			e.row.did(doneOf(k.object, e.key))
			if id := in.recordID; id != "" {
				r.remember(k.object+":"+e.key, memo{ID: id, Size: max(e.size, len(valueOf(in.props, k.body)))})
			}
			e.row = nil
		case in.fail != nil && in.fail.existing() != "" && e.id == "":
			e.id = in.fail.existing()
		case in.fail != nil && e.id != "" && (in.fail.Category == "OBJECT_NOT_FOUND" || in.result != nil && in.result.Status == http.StatusNotFound):
			r.d.forget(r.ctx, k.object+":"+e.key)
			e.id, e.size = "", 0
		case in.fail != nil || in.result != nil:
			res := in.result
			if res == nil {
				row := in.fail.row()
				res = &row
			}
			if k.step != nil {
				e.row.result = k.step.refused(*res, in)
			} else if res.Outcome == destination.Dead {
				// The lead is in; its log must not make it fail for ever.
				e.row.warn("the " + k.what + " could not be written: " + res.Reason)
			} else {
				e.row.result = *res
			}
			e.row = nil
		}
	}
}

// entriesOf makes the entries, of which several items of one call share one.
func (r *run) entriesOf(k kind) []*entry {
	var entries []*entry
	byKey := make(map[string]*entry)
	for _, row := range r.rows {
		if !row.settled || row.result.Outcome != destination.Delivered {
			continue
		}
		if row.id == "" && r.halt == nil {
			row.result = destination.Result{Reason: "HubSpot did not tell the contact's id, which the " + k.what + " needs; the contact is looked for again"}
			continue
		}
		for _, i := range row.items {
			it := &r.items[i]
			if k.step != nil && !k.step.wanted(r.ctx, it) {
				continue
			}
			key := callKey(it)
			if row.done[doneOf(k.object, key)] {
				continue
			}
			e := byKey[key]
			if e == nil {
				e = &entry{key: key, row: row, token: "cg" + shortHash(key)}
				byKey[key] = e
				entries = append(entries, e)
			}
			if k.step != nil {
				e.props = merge(e.props, k.step.describe(k, it, e, row))
			} else {
				e.props = merge(e.props, r.d.describe(k, it, e, row))
			}
		}
	}
	return entries
}

// merge adds later properties to earlier ones; of two texts the longer one stays.
func merge(into, more []property) []property {
	for _, p := range more {
		i := slices.IndexFunc(into, func(q property) bool { return q.name == p.name })
		switch {
		case i < 0:
			into = append(into, p)
		case p.name == calls.body || p.name == notes.body || p.name == dealBody || p.name == ticketBody:
			if len(p.value) >= len(into[i].value) {
				into[i].value = p.value
			}
		default:
			into[i].value = p.value
		}
	}
	return into
}

// shortHash is 16 hexadecimal digits that stand for a key: one word for HubSpot's search.
func shortHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8])
}

func valueOf(ps []property, name string) string {
	for _, p := range ps {
		if p.name == name {
			return p.value
		}
	}
	return ""
}
