package salesforce

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// A call of somebody who is a contact makes no lead: a lead is somebody who is not a customer yet. Contacts are looked
// for beside leads, a lead that was converted meanwhile leads to its contact, and so does a duplicate rule that forbids
// the lead. What is written then is the call's log alone, with whatever else the lead would have been told.

// contactNumbers are the fields of a contact in which a caller's number may stand.
var contactNumbers = []string{"Phone", "MobilePhone", "HomePhone", "OtherPhone"}

// alternative is what becomes of a call whose contact takes no log: an update of a lead, or a new one.
type alternative struct{ lead found }

// contactQuery is the query for contacts with the caller's address or number; empty when there is nothing to look for.
func (d *Destination) contactQuery(c *call.Call, without []string) string {
	if d.cfg.Match != MatchCaller || d.cfg.Object != "Lead" {
		return ""
	}
	any := conditions(c, contactNumbers, without)
	if len(any) == 0 {
		return ""
	}
	cols := slices.DeleteFunc([]string{"Id", "FirstName", "LastName", "Email"}, func(c string) bool { return slices.Contains(without, c) })
	return "SELECT " + strings.Join(cols, ", ") + " FROM Contact WHERE (" + strings.Join(any, " OR ") + ") ORDER BY CreatedDate DESC LIMIT 50"
}

// toContact makes the delivery a log of the call on the contact, also where calls are not logged otherwise: it is the only
// place that is left for what the caller said.
func (d *Destination) toContact(w *write, id string) {
	w.contact, w.saved = true, id
	w.task = d.newTask(w.record.item, w.record.key, w.logID, d.unsaid(w))
}

// unsaid lists what the record would have been told and a call's log does not hold of itself, one line for each field;
// nothing when the record is told.
func (d *Destination) unsaid(w *write) string {
	if !w.contact {
		return ""
	}
	var lines []string
	for i := range d.sources {
		s := &d.sources[i]
		if !s.fromCall() || s.Name == "FirstName" || s.Name == "LastName" || s.Name == description {
			continue
		}
		if text, _ := s.value(w.record.item); text != "" {
			lines = append(lines, s.Name+": "+text)
		}
	}
	return strings.Join(lines, "\n")
}

// backToLead gives up the contact that a look-up found, because its log is refused, and writes the lead.
func (d *Destination) backToLead(w *write) {
	lead := w.instead.lead
	w.contact, w.saved, w.task, w.instead = false, "", nil, nil
	if lead != nil {
		d.adopt(w.record, lead)
		return
	}
	d.decide(w.record, absent)
}

// follow goes from a lead that was converted to its contact.
func (d *Destination) follow(w *write, lead found) (res destination.Result, ok bool) {
	id := lead.text(columnContact)
	if !isID(id) || w.unlogged {
		return destination.Result{Outcome: destination.Dead, Status: http.StatusBadRequest,
			Reason: "the call's lead was converted, and its contact cannot be read or takes no log: let the user read contacts and create tasks, and replay"}, false
	}
	w.record.warn("the call's lead was converted; the call was logged on its contact")
	d.toContact(w, id)
	return res, true
}

// convertedMeanwhile is follow where Salesforce's refusal is the first that is heard of the conversion.
func (d *Destination) convertedMeanwhile(ctx context.Context, w *write, status int) (again bool, res destination.Result) {
	condition := "Id = '" + w.record.id + "'"
	if id := w.saved; w.record.id == "" && strings.HasPrefix(id, idPrefix["Lead"]) {
		condition = "Id = '" + id + "'"
	} else if w.record.id == "" {
		condition = string(appendIn(nil, d.cfg.ExternalID, []string{w.record.key}))
	}
	qs := []query{{refRecord, "SELECT " + strings.Join(d.fates(nil), ", ") + " FROM Lead WHERE " + condition + " LIMIT 1"}}
	rows, res, ok := d.askAlso(ctx, w, qs)
	if !ok {
		return false, res
	}
	var lead found
	if len(rows[refRecord]) > 0 {
		lead = rows[refRecord][0]
	}
	if res, ok = d.follow(w, lead); !ok {
		return false, res
	}
	return true, destination.Result{Outcome: destination.Delivered, Status: status}
}

// blockedByContact logs the call on the contact for which a duplicate rule forbids the lead.
func (d *Destination) blockedByContact(ctx context.Context, w *write, id string, status int) (again bool, res destination.Result) {
	if _, res, ok := d.askAlso(ctx, w, nil); !ok {
		return false, res
	}
	w.record.warn("a duplicate rule forbids the lead, because the caller is a contact; the call was logged there")
	d.toContact(w, id)
	return true, destination.Result{Outcome: destination.Delivered, Status: status}
}

// askAlso asks qs, and for the call's log where that has not been looked for yet: a log that an earlier attempt has
// written must be found again.
func (d *Destination) askAlso(ctx context.Context, w *write, qs []query) (rows map[string][]found, res destination.Result, ok bool) {
	if !w.looked {
		qs = append(qs, query{refTask, d.taskQuery(w.record.key)})
	}
	if len(qs) == 0 {
		return nil, res, true
	}
	replies, refs, res, ok := d.lookUp(ctx, w, qs)
	if !ok {
		return nil, res, false
	}
	rows = map[string][]found{}
	for i := range replies {
		found, readable := replies[i].rows()
		switch res := verdict(replies[i].status, replies[i].errs); {
		case readable:
			rows[refs[i]] = found
		case replies[i].status < 300:
			return nil, unreadable(replies[i].status), false
		case !forGood(res):
			return nil, res, false
		case refs[i] == refTask:
			w.unlogged = true
		}
	}
	w.looked = true
	if tasks := rows[refTask]; len(tasks) > 0 && isID(tasks[0].text("Id")) {
		d.relog(w, tasks[0].text("Id"))
	}
	return rows, res, true
}
