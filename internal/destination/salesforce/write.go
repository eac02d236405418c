package salesforce

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// maxRounds bounds how often one delivery is sent again with a complaint met. Salesforce reports what is wrong
// with a record bit by bit.
const maxRounds = 6

// write is one delivery under way.
type write struct {
	record *record
	// task is the call's log, nil when none is wanted or none can be written.
	task *task
	// saved is the id of the record once it is written, or of the contact that gets the log in its place.
	saved string
	// contact says that the log goes to a contact and no record is written. instead is what the call becomes when that log
	// is refused; nil when there is no other way.
	contact bool
	instead *alternative
	// looked says that the call's log was looked for, and logID is the id of the one that is there. unlogged says that
	// logs cannot be looked for, so that none can be written.
	looked   bool
	logID    string
	unlogged bool
	usage    string // the warning about the request limit
}

func (d *Destination) newWrite(it *destination.Item) *write {
	w := &write{record: d.newRecord(it)}
	if d.cfg.LogCall {
		w.task = d.newTask(it, w.record.key, "", "")
	}
	return w
}

// finish puts into res what is known of the delivery.
func (w *write) finish(res destination.Result) destination.Result {
	res.Warnings = w.record.warnings
	if w.usage != "" {
		res.Warnings = append(res.Warnings, w.usage)
	}
	if res.RemoteID == "" {
		res.RemoteID = w.saved
	}
	return res
}

func (w *write) delivered(status int) destination.Result {
	return w.finish(destination.Result{Outcome: destination.Delivered, Status: status})
}

// note remembers what an answer says of the request limit.
func (d *Destination) note(w *write, h http.Header) {
	if u, ok := parseUsage(h.Get(headerUsage)); ok {
		w.usage = u.warning(d.cfg.LimitWarning)
	}
}

// write writes record and log until Salesforce takes them or says something that cannot be met.
func (d *Destination) write(ctx context.Context, w *write) destination.Result {
	status := http.StatusOK
	if w.record.id != "" && len(w.record.values) == 0 {
		w.saved = w.record.id // there is nothing that the record does not know
	}
	for range maxRounds {
		if w.saved == "" {
			again, res := d.writeRecord(ctx, w)
			if !again && res.Outcome != destination.Delivered {
				return w.finish(res)
			}
			status = res.Status
			continue
		}
		if !w.logs() {
			return w.delivered(status)
		}
		again, res := d.writeTask(ctx, w)
		if !again && res.Outcome != destination.Delivered {
			return w.finish(res)
		}
	}
	switch {
	case w.saved == "":
		return w.finish(endless(status))
	case w.task != nil && !w.task.done:
		w.record.warn("the call was not logged: Salesforce found something else wrong with every version of the task")
	}
	return w.delivered(status)
}

// endless is the Result of a record that maxRounds were not enough for.
func endless(status int) destination.Result {
	return destination.Result{Outcome: destination.Dead, Status: status,
		Reason: "Salesforce found something else wrong with every version of the record: compare it with a preview, correct the mapping and replay"}
}

// logs says that a log is still to be written.
func (w *write) logs() bool { return w.task != nil && !w.task.done }

// wholeRequest is the request that writes the record, and its log when there is one to write.
func (d *Destination) wholeRequest(w *write) request {
	q := d.recordRequest(w.record)
	if !w.logs() {
		return q
	}
	id := w.record.id
	if id == "" {
		id = "@{" + refRecord + ".id}"
	}
	return d.compositeRequest(part{refRecord, q}, part{refTask, d.taskRequest(w.task, id)})
}

// writeRecord sends the record once, with its log when there is one. again says that another round makes sense.
func (d *Destination) writeRecord(ctx context.Context, w *write) (again bool, res destination.Result) {
	r, both := w.record, w.logs()
	a, err := d.send(ctx, d.wholeRequest(w), r.item)
	if err != nil {
		return false, d.whole(nil, err)
	}
	d.note(w, a.Header)
	if !both {
		return d.settle(ctx, w, readReply(a.Status, a.Body), a)
	}
	if a.Status != http.StatusOK {
		return d.settle(ctx, w, reply{status: a.Status, errs: parseErrors(a.Body)}, a)
	}
	parts, ok := readComposite(a.Body, refRecord, refTask)
	if !ok {
		return false, unreadable(a.Status)
	}
	logged := readReply(parts[1].status, parts[1].body)
	again, res = d.settle(ctx, w, readReply(parts[0].status, parts[0].body), a)
	if w.contact {
		if logged.ok() && logged.id != "" && w.task != nil {
			d.relog(w, logged.id) // it moves
		}
		return again, res
	}
	if w.saved == "" {
		// The log of a record that was there before does not depend on the update, and must not be written once more
		// with the next try at it.
		if logged.ok() {
			w.task.done = true
		}
		return again, res
	}
	again, taskRes := d.settleTask(ctx, w, logged)
	if !again && taskRes.Outcome != destination.Delivered {
		return false, taskRes
	}
	return again, res
}

// settle decides on the answer to the record.
func (d *Destination) settle(ctx context.Context, w *write, p reply, a *outbound.Answer) (again bool, res destination.Result) {
	r := w.record
	if p.ok() {
		if w.saved = p.id; w.saved == "" {
			w.saved = r.id
		}
		if w.saved == "" {
			return false, unreadable(p.status) // an upsert of a version that does not name the record
		}
		return false, destination.Result{Outcome: destination.Delivered, Status: p.status}
	}
	if p.broken {
		return false, unreadable(p.status)
	}
	if e, ok := has(p.errs, "DUPLICATES_DETECTED"); ok {
		return d.duplicate(ctx, w, p, e)
	}
	if _, ok := has(p.errs, convertedLead); ok && d.cfg.Object == "Lead" {
		return d.convertedMeanwhile(ctx, w, p.status)
	}
	if p.status == http.StatusBadRequest && d.amend(r, p.errs) {
		return true, destination.Result{Status: p.status}
	}
	for _, e := range p.errs {
		if d.cfg.ExternalID != "" && containsFold(e.Fields, d.cfg.ExternalID) && e.Code != "DUPLICATE_VALUE" {
			return false, destination.Result{Status: p.status, Pause: true, Reason: errorLine(p.status, p.errs) +
				": the external id field does not take call ids; make it Text(255), External ID and Unique, and resume"}
		}
	}
	if p.status == http.StatusNotFound && r.id != "" {
		return false, destination.Result{Status: p.status, Reason: errorLine(p.status, p.errs) + ": " + meanings["ENTITY_IS_DELETED"].hint}
	}
	if e, ok := has(p.errs, "INVALID_CROSS_REFERENCE_KEY"); ok && r.id != "" && len(e.Fields) == 0 {
		return false, destination.Result{Status: p.status, Reason: errorLine(p.status, p.errs) + ": " + meanings["ENTITY_IS_DELETED"].hint}
	}
	if d.misconfigured(r, p.errs) {
		return false, misconfiguration(p.status, p.errs)
	}
	if p.status == a.Status && p.status >= 300 {
		return false, d.whole(a, nil)
	}
	return false, verdict(p.status, p.errs)
}

// duplicate follows Config.Duplicates when a duplicate rule blocks the record.
func (d *Destination) duplicate(ctx context.Context, w *write, p reply, e apiError) (again bool, res destination.Result) {
	r := w.record
	ids, types := e.Duplicate.matches(d.cfg.Object)
	contacts, _ := e.Duplicate.matches("Contact")
	known := d.cfg.Object == "Lead" && len(contacts) > 0
	switch {
	case d.cfg.Duplicates != UpdateDuplicate, r.forced && !known:
		return false, blocked(d.cfg.Duplicates, p)
	case r.forced, known && len(ids) == 0 && !e.Duplicate.AllowSave:
		return d.blockedByContact(ctx, w, contacts[0], p.status)
	}
	if len(ids) > 0 && r.known != present {
		known, res, ok := d.fetch(ctx, w, ids[0])
		if !ok {
			return false, res
		}
		if known != nil && !known.converted() {
			r.warn("a duplicate rule found the record that was updated")
			d.adopt(r, known)
			return true, destination.Result{Status: p.status}
		}
	}
	r.forced = true
	found := "a record"
	if len(types) > 0 {
		found = strings.Join(types, ", ")
	}
	r.warn("saved although a duplicate rule found " + found)
	return true, destination.Result{Status: p.status}
}

// blocked is the Result of a record that a duplicate rule blocks for good. What helps depends on what is set.
func blocked(way Duplicates, p reply) destination.Result {
	res := verdict(p.status, p.errs)
	if res.Outcome == destination.Dead && way != BlockDuplicate {
		res.Reason = errorLine(p.status, p.errs) + ": a duplicate rule blocks it and lets nobody save over it; merge by hand, or have the rule allow saving with an alert, and replay"
	}
	return res
}

// writeTask sends the log alone, for a record that is there.
func (d *Destination) writeTask(ctx context.Context, w *write) (again bool, res destination.Result) {
	a, err := d.send(ctx, d.taskRequest(w.task, w.saved), w.record.item)
	if err != nil {
		return false, d.whole(nil, err)
	}
	d.note(w, a.Header)
	return d.settleTask(ctx, w, readReply(a.Status, a.Body))
}

// settleTask decides on the answer to the log. Where the record is there, nothing here may end a delivery but what
// passes; where the log is all there is, it must be written.
func (d *Destination) settleTask(ctx context.Context, w *write, p reply) (again bool, res destination.Result) {
	done := destination.Result{Outcome: destination.Delivered, Status: p.status}
	switch {
	case p.ok():
		w.task.done = true
		return false, done
	case p.broken:
		return false, unreadable(p.status)
	}
	if dropped, ok := w.task.amend(p.errs); ok {
		if d.blind() {
			// An upsert does not know whether it creates the log, and so it cannot know whether this may be sent.
			dropped = slices.DeleteFunc(dropped, func(f string) bool { return f == taskSubtype })
		}
		if len(dropped) > 0 {
			w.record.warn("left out of the call log: " + strings.Join(dropped, ", ") + "; check that these fields of Task may be written")
		}
		return true, done
	}
	if _, ok := has(p.errs, convertedLead); ok && d.cfg.Object == "Lead" && !w.contact {
		return d.convertedMeanwhile(ctx, w, p.status)
	}
	if p.status == http.StatusNotFound && w.task.id != "" {
		w.task = d.newTask(w.record.item, w.record.key, "", d.unsaid(w)) // deleted since it was found
		return true, done
	}
	res = verdict(p.status, p.errs)
	if !forGood(res) && !w.contact {
		res.Reason = "the record is saved, its call log not yet: " + res.Reason
		return false, res
	}
	if w.contact {
		if !forGood(res) || w.instead == nil {
			return false, res
		}
		w.record.warn("the caller is a contact, on which the call was not logged: " + res.Reason)
		d.backToLead(w)
		return true, done
	}
	w.record.warn("the call was not logged: " + res.Reason)
	w.task = nil
	return false, done
}
