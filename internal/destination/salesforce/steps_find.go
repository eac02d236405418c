package salesforce

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
)

// find finds the records that are there already, and the account of the contact that a new opportunity belongs to.
func (d *Destination) find(ctx context.Context, w *write, entries []*entry) (account string, res destination.Result, ok bool) {
	var qs []query
	for _, e := range entries {
		if e.id = d.noted(ctx, w, e.step); e.id == "" {
			qs = append(qs, query{e.name, d.stepQuery(w, e.step)})
		}
		if e.object == "Opportunity" && e.id == "" && strings.HasPrefix(w.saved, "003") {
			qs = append(qs, query{refAccount, "SELECT AccountId FROM Contact WHERE Id = '" + w.saved + "'"})
		}
	}
	if len(qs) == 0 {
		return "", res, true
	}
	replies, refs, res, ok := d.lookUp(ctx, w, qs)
	if !ok {
		return "", res, false
	}
	for i := range replies {
		p := &replies[i]
		rows, readable := p.rows()
		at := slices.IndexFunc(entries, func(e *entry) bool { return e.name == refs[i] })
		switch {
		case refs[i] == refAccount:
			if readable && len(rows) > 0 && isID(rows[0].text("AccountId")) {
				account = rows[0].text("AccountId") // without it the opportunity has its contact all the same
			}
		case !readable && p.status < 300:
			entries[at].result = unreadable(p.status)
		case !readable:
			entries[at].result = d.unfound(entries[at], p)
		case len(rows) > 0 && isID(rows[0].text("Id")):
			entries[at].id = rows[0].text("Id")
			entries[at].done = entries[at].object == "CampaignMember" // once is enough
		}
	}
	return account, res, true
}

// unfound is the result of a step whose record cannot be looked for.
func (d *Destination) unfound(e *entry, p *reply) destination.Result {
	res := verdict(p.status, p.errs)
	if refusal, unseen := has(p.errs, "INVALID_FIELD"); unseen && e.ExternalID != "" && strings.EqualFold(unknownColumn(refusal.Message), e.ExternalID) {
		return destination.Result{Status: p.status, Pause: true, Reason: errorLine(p.status, p.errs) + ": " + noExternalID}
	}
	if res.Outcome == destination.Dead { // nothing is wrong with the call
		res.Outcome, res.Pause = destination.Retry, true
	}
	return res
}

// stepQuery is the query for the record of a step.
func (d *Destination) stepQuery(w *write, s *step) string {
	b := []byte("SELECT Id FROM " + s.object + " WHERE ")
	switch {
	case s.object == "CampaignMember":
		b = appendIn(b, "CampaignId", []string{s.Campaign})
		of := s.relate(w.saved, "")[0]
		b = appendIn(append(b, " AND "...), of.name, []string{of.text})
	case s.ExternalID != "":
		b = appendIn(b, s.ExternalID, []string{w.record.key})
	default:
		values, _ := d.stepValues(s, w.record.item, true)
		title := values[slices.IndexFunc(values, func(v value) bool { return v.name == s.title })]
		b = appendIn(b, s.title, []string{literal(title.text)})
		b = append(b, " AND CreatedDate >= "+w.record.item.ReceivedAt.Add(-early).UTC().Format(time.RFC3339)...)
		b = append(b, " ORDER BY CreatedDate DESC"...)
	}
	return string(append(b, " LIMIT 1"...))
}

// noteName is what the record of a step is noted under.
func (d *Destination) noteName(w *write, s *step) string {
	return d.cfg.Instance + " " + s.name + " " + w.record.key
}

// noted is the id of the record that the step has made of the call, as far as it is noted.
func (d *Destination) noted(ctx context.Context, w *write, s *step) string {
	if d.cfg.Notes == nil || s.object == "CampaignMember" || s.ExternalID != "" {
		return ""
	}
	b, err := d.cfg.Notes.Noted(ctx, d.noteName(w, s)) // one that cannot be read is none, and the query is asked
	if id := string(b); err == nil && isID(id) {
		return id
	}
	return ""
}

// remember notes which record the step has made of the call.
func (d *Destination) remember(ctx context.Context, w *write, e *entry) {
	if d.cfg.Notes == nil || e.object == "CampaignMember" || e.ExternalID != "" || e.id == "" {
		return
	}
	// Without it a later event of the call may make a second one, which is no reason to fail.
	_ = d.cfg.Notes.Note(context.WithoutCancel(ctx), d.noteName(w, e.step), []byte(e.id), d.now().Add(noted))
}
