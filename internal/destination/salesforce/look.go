package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// found is a record that is there already: the values of the fields that were asked for.
type found map[string]any

func (f found) text(name string) string {
	s, _ := f[name].(string)
	return s
}

// people are the fields that say who somebody is. What they hold was perhaps corrected by a person, so that only blanks
// are filled.
var people = []string{"FirstName", "MiddleName", "LastName", "Company", "Phone", "MobilePhone", "HomePhone", "Email", "Title"}

// columns are the fields of existing records that decide what they are sent.
func (d *Destination) columns() []string {
	cols := []string{"Id", "Email", "Phone"}
	for i := range d.sources {
		if n := d.sources[i].Name; (slices.Contains(people, n) || n == description) && !slices.Contains(cols, n) {
			cols = append(cols, n)
		}
	}
	return cols
}

// conditions say which records may be the caller's; none when the call says nothing of the caller.
func (d *Destination) conditions(c *call.Call, without []string) []string {
	var out []string
	if c.Email != "" && !slices.Contains(without, "Email") {
		out = append(out, string(appendIn(nil, "Email", []string{c.Email})))
	}
	if c.CallerNumber != "" {
		forms := phoneForms(c.CallerNumber)
		for _, f := range []string{"Phone", "MobilePhone"} {
			if !slices.Contains(without, f) {
				out = append(out, string(appendIn(nil, f, forms)))
			}
		}
	}
	return out
}

// recordQuery is the query for the record; empty when there is nothing to look for.
func (d *Destination) recordQuery(r *record, without []string) string {
	if d.cfg.ExternalID != "" {
		if !d.createOnly {
			return ""
		}
		b := append([]byte("SELECT Id FROM "), d.cfg.Object...)
		b = appendIn(append(b, " WHERE "...), d.cfg.ExternalID, []string{r.key})
		return string(append(b, " LIMIT 1"...))
	}
	any := d.conditions(r.item.Call, without)
	if len(any) == 0 {
		return ""
	}
	q := d.selection(without) + " WHERE (" + strings.Join(any, " OR ") + ")"
	if d.cfg.Object == "Lead" {
		q += " AND IsConverted = false"
	}
	if d.cfg.Window > 0 {
		// In SOQL a date is not quoted.
		q += " AND CreatedDate >= " + d.now().Add(-d.cfg.Window).UTC().Format(time.RFC3339)
	}
	return q + " ORDER BY CreatedDate DESC LIMIT 50"
}

func (d *Destination) selection(without []string) string {
	cols := slices.DeleteFunc(d.columns(), func(c string) bool { return slices.Contains(without, c) })
	return "SELECT " + strings.Join(cols, ", ") + " FROM " + d.cfg.Object
}

// taskQuery is the query for the log of the call.
func (d *Destination) taskQuery(t *task) string {
	b := append([]byte("SELECT Id, "+d.relation()+" FROM Task WHERE "), appendIn(nil, "CallObject", []string{literal(t.key)})...)
	return string(append(b, " ORDER BY CreatedDate DESC LIMIT 1"...))
}

// queries are the parts of the look-up. They go out as a composite request even when there is one, because that
// has them in its body: addresses and numbers in URLs end up in logs.
func (d *Destination) queries(w *write, without []string) (parts []part, refs []string) {
	add := func(ref, soql string) {
		parts = append(parts, part{ref, request{method: http.MethodGet, path: d.prefix + "/query?q=" + escapeSegment(soql)}})
		refs = append(refs, ref)
	}
	if q := d.recordQuery(w.record, without); q != "" {
		add(refRecord, q)
	}
	if w.task != nil && d.cfg.TaskExternalID == "" {
		add(refTask, d.taskQuery(w.task))
	}
	return parts, refs
}

// look finds the record and the log of the call, and prepares the delivery for what is there. When ok is false, res is
// the delivery's result.
func (d *Destination) look(ctx context.Context, w *write) (res destination.Result, ok bool) {
	records, tasks, res, ok := d.ask(ctx, w)
	if !ok {
		return res, false
	}
	r := w.record
	var owner string
	if len(tasks) > 0 && w.task != nil {
		if id := tasks[0].text("Id"); isID(id) {
			w.task.id = id
		}
		owner = tasks[0].text(d.relation())
	}
	switch {
	case d.cfg.ExternalID != "" && !d.createOnly:
		d.decide(r, unknown)
	case d.cfg.ExternalID != "" && len(records) > 0:
		d.decide(r, present)
	case d.cfg.ExternalID != "":
		d.decide(r, absent)
	default:
		match := choose(records, r.item.Call, owner)
		if isID(owner) && strings.HasPrefix(owner, idPrefix[d.cfg.Object]) && (match == nil || match.text("Id") != owner) {
			logged, res, ok := d.fetch(ctx, w, owner)
			if !ok {
				return res, false
			}
			if logged != nil {
				match = logged
			}
		}
		if match == nil {
			d.decide(r, absent)
		} else {
			d.adopt(r, match)
		}
	}
	return destination.Result{}, true
}

// idPrefix are the first characters of the ids of the objects that callers are looked for in.
var idPrefix = map[string]string{"Lead": "00Q", "Contact": "003"}

// ask sends the queries. A column that the user may not see is done without.
func (d *Destination) ask(ctx context.Context, w *write) (records, tasks []found, res destination.Result, ok bool) {
	var without []string
	for range maxRounds {
		parts, refs := d.queries(w, without)
		if len(parts) == 0 {
			return nil, nil, res, true
		}
		a, err := d.send(ctx, d.compositeRequest(parts...), w.record.item)
		if err != nil {
			return nil, nil, d.whole(nil, err), false
		}
		d.note(w, a.Header)
		if a.Status != http.StatusOK {
			return nil, nil, d.whole(a, nil), false
		}
		replies, read := readComposite(a.Body, refs...)
		if !read {
			return nil, nil, unreadable(a.Status), false
		}
		again := false
		for i, p := range replies {
			rows, readable := p.rows()
			e, hidden := has(p.errs, "INVALID_FIELD")
			column := unknownColumn(e.Message)
			switch {
			case readable && refs[i] == refRecord:
				records = rows
			case readable:
				tasks = rows
			case p.status < 300:
				return nil, nil, unreadable(p.status), false
			case refs[i] == refTask && forGood(verdict(p.status, p.errs)):
				// The log is worth less than the lead.
				w.record.warn("the call was not logged: " + verdict(p.status, p.errs).Reason)
				w.task = nil
			case hidden && column != "" && column != "Id" && d.cfg.ExternalID == "" && !slices.Contains(without, column):
				without, again = append(without, column), true
			default:
				return nil, nil, verdict(p.status, p.errs), false
			}
		}
		if !again {
			return records, tasks, res, true
		}
	}
	return nil, nil, destination.Result{Outcome: destination.Dead, Reason: "callers cannot be looked for, because the user may not read the fields for it: grant access to Email and Phone, or use an external id, and replay"}, false
}

// forGood says that the same request will not succeed until somebody changes something.
func forGood(res destination.Result) bool { return res.Pause || res.Outcome == destination.Dead }

// rows are the records of a query's answer.
func (p *reply) rows() ([]found, bool) {
	if p.status != http.StatusOK {
		return nil, false
	}
	var answer struct {
		Records []found `json:"records"`
	}
	if json.Unmarshal(p.body, &answer) != nil || answer.Records == nil {
		return nil, false
	}
	return answer.Records, true
}

// choose picks the caller's record: the one that the call's log belongs to, the one with the caller's address,
// or the latest with the caller's number, unless that carries another address: several people share a number.
func choose(records []found, c *call.Call, owner string) found {
	for _, f := range records {
		if owner != "" && f.text("Id") == owner {
			return f
		}
	}
	for _, f := range records {
		if c.Email != "" && strings.EqualFold(f.text("Email"), c.Email) && isID(f.text("Id")) {
			return f
		}
	}
	for _, f := range records {
		if (c.Email == "" || f.text("Email") == "") && isID(f.text("Id")) {
			return f
		}
	}
	return nil
}

// fetch reads one record by its id; nil when it is gone or converted. A column that the user may not see, or that the
// object does not have, is done without: what is to be found out is above all whether the record is there.
func (d *Destination) fetch(ctx context.Context, w *write, id string) (f found, res destination.Result, ok bool) {
	var without []string
	for {
		q := d.selection(without) + " WHERE Id = '" + id + "'"
		if d.cfg.Object == "Lead" {
			q += " AND IsConverted = false"
		}
		a, err := d.send(ctx, request{method: http.MethodGet, path: d.prefix + "/query?q=" + escapeSegment(q)}, w.record.item)
		if err != nil {
			return nil, d.whole(nil, err), false
		}
		p := reply{status: a.Status, body: a.Body}
		rows, readable := p.rows()
		e, hidden := has(parseErrors(a.Body), "INVALID_FIELD")
		column := unknownColumn(e.Message)
		switch {
		case !readable && a.Status == http.StatusOK:
			return nil, unreadable(a.Status), false
		case !readable && hidden && column != "Id" && slices.Contains(d.columns(), column) && !slices.Contains(without, column):
			without = append(without, column)
			continue
		case !readable:
			return nil, d.whole(a, nil), false
		case len(rows) == 0 || !isID(rows[0].text("Id")):
			return nil, res, true
		}
		return rows[0], res, true
	}
}
