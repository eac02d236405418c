package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
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

// converted says that a lead has become a contact.
func (f found) converted() bool { return f["IsConverted"] == true }

// Columns of a converted lead.
const (
	columnConverted = "IsConverted"
	columnContact   = "ConvertedContactId"
)

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

// conditions say which records may be the caller's, by the address and the fields that hold numbers; none when the call
// says nothing of the caller.
func conditions(c *call.Call, numbers, without []string) []string {
	var out []string
	if email := call.TrimAddress(c.Email); email != "" && !slices.Contains(without, "Email") {
		out = append(out, string(appendIn(nil, "Email", []string{email})))
	}
	if c.CallerNumber != "" {
		forms := phoneForms(c.CallerNumber)
		for _, f := range numbers {
			if !slices.Contains(without, f) {
				out = append(out, string(appendIn(nil, f, forms)))
			}
		}
	}
	return out
}

// query is one part of the look-up.
type query struct {
	ref  string
	soql string
}

// queries are the parts of the look-up. They go out as a composite request even when there is one, because that
// has them in its body: addresses and numbers in URLs end up in logs. A composite request takes 25 parts, of which five
// may be queries (REST API Developer Guide, "Composite"). without are columns that the user may not see, by reference.
func (d *Destination) queries(w *write, without map[string][]string) []query {
	var out []query
	add := func(ref, soql string) {
		if soql != "" {
			out = append(out, query{ref, soql})
		}
	}
	add(refRecord, d.recordQuery(w.record, without[refRecord]))
	add(refCaller, d.callerQuery(w.record.item, without[refCaller]))
	contacts := d.contactQuery(w.record.item.Call, without[refContact])
	add(refContact, contacts)
	if w.task != nil && (d.cfg.TaskExternalID == "" || !d.blind()) || contacts != "" {
		add(refTask, d.taskQuery(w.record.key))
	}
	return out
}

// recordQuery is the query for the record that carries the call's id; empty when it need not be known.
func (d *Destination) recordQuery(r *record, without []string) string {
	matching := d.cfg.Match == MatchCaller && len(conditions(r.item.Call, d.numbers(), nil)) > 0
	if d.cfg.ExternalID == "" || !d.createOnly && !matching {
		return ""
	}
	b := append([]byte("SELECT "), strings.Join(d.fates(without), ", ")...)
	b = append(append(b, " FROM "...), d.cfg.Object...)
	b = appendIn(append(b, " WHERE "...), d.cfg.ExternalID, []string{r.key})
	return string(append(b, " LIMIT 1"...))
}

// fates are the columns that say whether a record is there, and whether it is a lead no more.
func (d *Destination) fates(without []string) []string {
	cols := []string{"Id"}
	if d.cfg.Object != "Lead" {
		return cols
	}
	for _, c := range []string{columnConverted, columnContact} {
		if !slices.Contains(without, c) {
			cols = append(cols, c)
		}
	}
	return cols
}

// numbers are the fields of the object in which a caller's number may stand.
func (d *Destination) numbers() []string {
	if d.cfg.Object == "Contact" {
		return contactNumbers
	}
	return []string{"Phone", "MobilePhone"}
}

// callerQuery is the query for records of the object with the caller's address or number; empty when there is nothing to
// look for.
func (d *Destination) callerQuery(item *destination.Item, without []string) string {
	if d.cfg.Match != MatchCaller {
		return ""
	}
	any := conditions(item.Call, d.numbers(), without)
	if len(any) == 0 {
		return ""
	}
	q := d.selection(without) + " WHERE (" + strings.Join(any, " OR ") + ")"
	if d.cfg.Object == "Lead" {
		q += " AND IsConverted = false"
	}
	if d.cfg.Window > 0 {
		q += " AND CreatedDate >= " + d.since()
	}
	return q + " ORDER BY CreatedDate DESC LIMIT 50"
}

// since is the beginning of the window as SOQL writes it, without quotes. Whole days are counted by Salesforce (SOQL and SOSL
// Reference, "Date Formats and Date Literals"), so that a repeated look-up is the same to the byte.
func (d *Destination) since() string {
	const day = 24 * time.Hour
	if d.cfg.Window%day == 0 {
		return "LAST_N_DAYS:" + strconv.Itoa(int(d.cfg.Window/day))
	}
	return d.now().Add(-d.cfg.Window).UTC().Format(time.RFC3339)
}

func (d *Destination) selection(without []string) string {
	cols := slices.DeleteFunc(d.columns(), func(c string) bool { return slices.Contains(without, c) })
	return "SELECT " + strings.Join(cols, ", ") + " FROM " + d.cfg.Object
}

// taskQuery is the query for the log of the call.
func (d *Destination) taskQuery(key string) string {
	field, value := "CallObject", literal(key)
	if d.cfg.TaskExternalID != "" {
		field, value = d.cfg.TaskExternalID, key // which stands in a URL, where nothing looks for references
	}
	b := appendIn([]byte("SELECT Id, "+d.relation()+" FROM Task WHERE "), field, []string{value})
	return string(append(b, " ORDER BY CreatedDate DESC LIMIT 1"...))
}

// lookup is the request that asks all of qs.
func (d *Destination) lookup(qs []query) (q request, refs []string) {
	parts := make([]part, len(qs))
	for i, q := range qs {
		parts[i] = part{q.ref, request{method: http.MethodGet, path: d.prefix + "/query?q=" + escapeSegment(q.soql)}}
		refs = append(refs, q.ref)
	}
	return d.compositeRequest(parts...), refs
}

// lookUp sends queries and returns the reply to each, with its reference; ok is false where there are none, and res says why.
func (d *Destination) lookUp(ctx context.Context, w *write, qs []query) (replies []reply, refs []string, res destination.Result, ok bool) {
	q, refs := d.lookup(qs)
	a, err := d.send(ctx, q, w.record.item)
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
	return replies, refs, res, true
}

// ask sends the queries and returns the records that each found, by reference; those of a query that was not asked are
// nil. A column that the user may not see is done without.
func (d *Destination) ask(ctx context.Context, w *write) (rows map[string][]found, res destination.Result, ok bool) {
	without := map[string][]string{}
	for range maxRounds {
		qs := d.queries(w, without)
		if len(qs) == 0 {
			return nil, res, true
		}
		replies, refs, res, ok := d.lookUp(ctx, w, qs)
		if !ok {
			return nil, res, false
		}
		rows = make(map[string][]found, len(refs))
		again := false
		for i := range replies {
			p, ref := &replies[i], refs[i]
			if found, readable := p.rows(); readable {
				rows[ref] = found
				continue
			}
			hidden, res := d.unanswered(w, ref, p, without[ref])
			if hidden == "" && res.Reason != "" {
				return nil, res, false
			}
			if hidden != "" {
				without[ref], again = append(without[ref], hidden), true
			}
		}
		if !again {
			return rows, res, true
		}
	}
	return nil, destination.Result{Outcome: destination.Dead, Reason: "callers cannot be looked for, because the user may not read the fields for it: grant access to Email and Phone, or use match call with an external id, and replay"}, false
}

// unanswered decides on a query that Salesforce did not answer. It returns the column to do without, or what ends the
// delivery; neither when the delivery can do without the answer.
func (d *Destination) unanswered(w *write, ref string, p *reply, without []string) (hidden string, res destination.Result) {
	if p.status < 300 {
		return "", unreadable(p.status)
	}
	e, unseen := has(p.errs, "INVALID_FIELD")
	column := unknownColumn(e.Message)
	refusal := verdict(p.status, p.errs)
	switch {
	case ref == refTask && forGood(refusal):
		// The log is worth less than the lead.
		if w.task != nil {
			w.record.warn("the call was not logged: " + refusal.Reason)
		}
		w.task, w.unlogged = nil, true
		return "", destination.Result{}
	case ref == refRecord && unseen && strings.EqualFold(column, d.cfg.ExternalID):
		refusal.Outcome, refusal.Pause = destination.Retry, true
		refusal.Reason = errorLine(p.status, p.errs) + ": " + noExternalID
		return "", refusal
	case unseen && column != "" && column != "Id" && !slices.Contains(without, column):
		return column, destination.Result{}
	case ref == refContact && forGood(refusal):
		w.record.warn("contacts were not searched for the caller: " + errorLine(p.status, p.errs) + ": let the user read contacts")
		return "", destination.Result{}
	}
	return "", refusal
}

// look finds the record and the log of the call, and prepares the delivery for what is there. When ok is false, res is
// the delivery's result.
func (d *Destination) look(ctx context.Context, w *write) (res destination.Result, ok bool) {
	rows, res, ok := d.ask(ctx, w)
	if !ok {
		return res, false
	}
	w.looked = true
	var owner string
	if tasks := rows[refTask]; len(tasks) > 0 {
		if id := tasks[0].text("Id"); isID(id) {
			d.relog(w, id)
		}
		owner = tasks[0].text(d.relation())
	}
	if own := rows[refRecord]; len(own) > 0 {
		if own[0].converted() {
			return d.follow(w, own[0])
		}
		d.decide(w.record, present)
		return res, true
	}
	if d.cfg.Match == MatchCaller {
		if settled, res, ok := d.match(ctx, w, rows, owner); settled || !ok {
			return res, ok
		}
	}
	if d.cfg.ExternalID != "" && rows[refRecord] == nil {
		d.decide(w.record, unknown)
	} else {
		d.decide(w.record, absent)
	}
	return res, true
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

// fetch reads one record by its id; nil when it is gone. A column that the user may not see, or that the object does
// not have, is done without: what is to be found out is above all whether the record is there, and still a lead.
func (d *Destination) fetch(ctx context.Context, w *write, id string) (f found, res destination.Result, ok bool) {
	var without []string
	for {
		cols := d.columns()
		for _, c := range d.fates(nil) {
			if !slices.Contains(cols, c) {
				cols = append(cols, c)
			}
		}
		asked := slices.DeleteFunc(slices.Clone(cols), func(c string) bool { return slices.Contains(without, c) })
		q := "SELECT " + strings.Join(asked, ", ") + " FROM " + d.cfg.Object + " WHERE Id = '" + id + "'"
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
		case !readable && hidden && column != "Id" && slices.Contains(asked, column):
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
