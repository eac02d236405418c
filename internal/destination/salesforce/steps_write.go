package salesforce

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
)

// The names in a delivery's progress.
const (
	stepRecord = "record"
	keptID     = "id"
)

// noted is for how long it is noted which record a step has made of a call; its events come within minutes. early is how much
// before a call came in its case may have been created by the clock of Salesforce.
const (
	noted = 24 * time.Hour
	early = 5 * time.Minute
)

// refAccount is the look-up of the contact's account.
const refAccount = "account"

// entry is a step of one delivery.
type entry struct {
	*step
	id     string // of the record that is there
	values []value
	done   bool
	result destination.Result
}

// stepped delivers one item whose destination has steps. Steps that were carried out in an earlier attempt are not repeated.
func (d *Destination) stepped(ctx context.Context, it *destination.Item) destination.Result {
	p, err := chain.Load(ctx, d.cfg.Progress, it.DeliveryID)
	if err != nil {
		return destination.Result{Reason: err.Error()}
	}
	w := d.newWrite(it)
	release, err := d.locks.Acquire(ctx, lockKeys(w.record))
	if err != nil {
		return destination.Result{Reason: "stopped before the call's turn came: nothing was sent, another attempt follows"}
	}
	defer release()
	res := destination.Result{Outcome: destination.Delivered, Status: http.StatusOK}
	if w.saved = p.Done[stepRecord][keptID]; w.saved == "" {
		if res = d.person(ctx, w); res.Outcome != destination.Delivered {
			return res
		}
	}
	if w.saved == "" {
		return res // nothing that anything could belong to
	}
	var entries []*entry
	for _, s := range d.steps {
		if _, done := p.Done[s.name]; !done && s.wanted(ctx, it) {
			entries = append(entries, &entry{step: s})
		}
	}
	if len(entries) == 0 {
		return w.finish(res)
	}
	res = d.carryOut(ctx, w, entries, res)
	if res.Outcome != destination.Delivered {
		d.keep(ctx, w, p, entries, res)
	}
	return w.finish(res)
}

// person writes the lead or contact, and the log.
func (d *Destination) person(ctx context.Context, w *write) destination.Result {
	if !d.looks() {
		d.decide(w.record, unknown)
		return d.write(ctx, w)
	}
	if res, ok := d.look(ctx, w); !ok {
		return w.finish(res)
	}
	return d.write(ctx, w)
}

// keep keeps what is carried out of a delivery that is not through. What belongs to a person who is gone begins anew.
func (d *Destination) keep(ctx context.Context, w *write, p *chain.Progress, entries []*entry, res destination.Result) {
	var err error
	if gone(res) {
		err = d.cfg.Progress.Keep(context.WithoutCancel(ctx), w.record.item.DeliveryID, nil)
	} else {
		for _, e := range entries {
			if e.done {
				p.Done[e.name] = map[string]string{keptID: e.id}
			}
		}
		err = p.Finish(ctx, stepRecord, map[string]string{keptID: w.saved})
	}
	if err != nil {
		w.record.warn("what is carried out cannot be noted (" + err.Error() + "), so that the next attempt may repeat it; see to the store")
	}
}

// gone says that the person whom a step's record was to belong to was deleted or merged.
func gone(res destination.Result) bool {
	return res.Outcome == destination.Retry && strings.Contains(res.Reason, personGone)
}

const personGone = "the lead or contact is not there any more; it is looked for again"

// carryOut looks for the records of the steps, and writes them in one request.
func (d *Destination) carryOut(ctx context.Context, w *write, entries []*entry, res destination.Result) destination.Result {
	account, failed, ok := d.find(ctx, w, entries)
	if !ok {
		failed.Reason = "step " + entries[0].name + ": the record is saved; " + failed.Reason
		return failed
	}
	for _, e := range entries {
		if e.done {
			continue
		}
		var warnings []string
		e.values, warnings = d.stepValues(e.step, w.record.item, e.id == "")
		for _, warning := range warnings {
			w.record.warn(warning)
		}
		if e.id == "" {
			e.values = append(e.values, e.relate(w.saved, account)...)
		}
		e.done = e.id != "" && len(e.values) == 0
	}
	for range maxRounds {
		open := slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return e.done || e.result.Reason != "" })
		if len(open) == 0 {
			break
		}
		if failed, ok := d.writeSteps(ctx, w, open); !ok {
			for _, e := range open {
				e.result = failed
			}
		}
	}
	// What somebody has to see to comes first, then what may pass.
	weigh := func(r destination.Result) int {
		switch {
		case r.Pause:
			return 3
		case r.Outcome == destination.Retry:
			return 2
		}
		return 1
	}
	worst := 0
	for _, e := range entries {
		switch {
		case e.done:
			continue
		case e.result.Reason == "":
			e.result = endless(http.StatusBadRequest)
		}
		if n := weigh(e.result); n > worst {
			worst, res = n, e.result
			res.Reason = "step " + e.name + ": the record is saved; " + res.Reason
		}
	}
	return res
}

// stepRequest is the request that writes the record of a step.
func (d *Destination) stepRequest(w *write, e *entry) request {
	q := request{method: http.MethodPatch, path: d.prefix + "/sobjects/" + e.object}
	switch {
	case e.id != "":
		q.path += "/" + e.id
	case e.ExternalID != "":
		q.path += "/" + e.ExternalID + "/" + escapeSegment(w.record.key)
	default:
		q.method = http.MethodPost
	}
	if e.object == "Case" && e.id != "" {
		q.header = append(q.header, headerAssign, "FALSE") // an owner that was found once stays
	}
	q.body = appendBody(make([]byte, 0, bodySize(e.values)), "", literals(e.values))
	return q
}

// writeSteps sends the open entries once. res is why none was answered, where ok is false.
func (d *Destination) writeSteps(ctx context.Context, w *write, open []*entry) (res destination.Result, ok bool) {
	parts := make([]part, len(open))
	refs := make([]string, len(open))
	for i, e := range open {
		parts[i], refs[i] = part{e.name, d.stepRequest(w, e)}, e.name
	}
	a, err := d.send(ctx, d.compositeRequest(parts...), w.record.item)
	if err != nil {
		return d.whole(nil, err), false
	}
	d.note(w, a.Header)
	if a.Status != http.StatusOK {
		return d.whole(a, nil), false
	}
	replies, read := readComposite(a.Body, refs...)
	if !read {
		return unreadable(a.Status), false
	}
	for i, e := range open {
		d.settleStep(ctx, w, e, readReply(replies[i].status, replies[i].body))
	}
	return res, true
}

// settleStep decides on the answer to one step. An entry without a result that is not done is sent again.
func (d *Destination) settleStep(ctx context.Context, w *write, e *entry, p reply) {
	_, member := has(p.errs, "DUPLICATE_VALUE")
	switch {
	case p.ok():
		if e.done = true; p.id != "" {
			e.id = p.id
		}
		d.remember(ctx, w, e)
	case p.broken:
		e.result = unreadable(p.status)
	case member && e.object == "CampaignMember":
		// Guessed: the Object Reference says that a second member of the same person is an error, and not which; the code is
		// from the reports of those who met it.
		e.done = true
	case p.status == http.StatusNotFound && e.id != "":
		e.id = "" // deleted since it was found
		e.values, _ = d.stepValues(e.step, w.record.item, true)
		e.values = append(e.values, e.relate(w.saved, "")...)
	default:
		d.refuseStep(w, e, p)
	}
}

// refuseStep leaves out what Salesforce does not take, or settles the entry.
func (d *Destination) refuseStep(w *write, e *entry, p reply) {
	r := record{values: e.values}
	dropped := false
	for _, refusal := range p.errs {
		fields := refusal.Fields
		if f := unknownColumn(refusal.Message); len(fields) == 0 && f != "" {
			fields = []string{f}
		}
		for _, f := range fields {
			relation := f == "ContactId" || f == "LeadId"
			switch {
			case relation && (refusal.Code == "INVALID_CROSS_REFERENCE_KEY" || refusal.Code == "ENTITY_IS_DELETED"):
				e.result = destination.Result{Status: p.status, Reason: errorLine(p.status, p.errs) + ": " + personGone}
				return
			case refusal.Code != "REQUIRED_FIELD_MISSING" && !refusal.locked() && (containsFold(e.fixed, f) || f == "CloseDate"):
				e.result = misconfiguration(p.status, p.errs)
				return
			case refusal.Code == "REQUIRED_FIELD_MISSING", !refusal.aboutField(), relation, strings.EqualFold(f, e.title):
			default:
				if r.drop(f) {
					dropped = true
					w.record.warn("left out of the " + e.name + ": " + f + "; Salesforce does not take it (" + refusal.Code + ")")
				}
			}
		}
	}
	if e.values = r.values; dropped {
		return
	}
	for _, refusal := range p.errs {
		if access[refusal.Code] || refusal.Code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" && strings.HasPrefix(refusal.Message, "entity type cannot be") {
			e.result = misconfiguration(p.status, p.errs)
			return
		}
	}
	e.result = verdict(p.status, p.errs)
}
