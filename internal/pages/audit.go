package pages

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/operate"
)

var auditPages = []page{
	{methods: getPost, pattern: "audit", operation: "AuditQuery", nav: "Audit", serve: (*request).audit},
	{methods: getPost, pattern: "audit/verify", operation: "AuditVerify", section: "audit", serve: (*request).verify},
	{methods: getPost, pattern: "audit/checkpoint", operation: "AuditCheckpoint", section: "audit", serve: (*request).checkpoint},
	{methods: post, pattern: "audit/export", operation: "AuditExport", section: "audit", serve: (*request).export},
}

// tokenAudit is what tokens of callers are for whom the log is searched.
const tokenAudit = "audit"

// auditMembers are what the log can be searched by, under the names that they have in the form.
var auditMembers = []struct{ name, label string }{
	{"from", "From"}, {"to", "Until"}, {"kind", "What"}, {"by", "By whom"}, {"tenant", "Tenant"}, {"event", "Event"}, {"destination", "Destination"}, {"outcome", "Outcome"},
}

// auditRow is a record as a page shows it: without what is empty, and without what proves it.
type auditRow struct {
	Seq       int64
	At        time.Time
	Kind, By  string
	Role, Via string
	Tenant    string
	Event, To string
	Outcome   string
	Why       string
	Mark      mark
	EventLink string
}

func (q *request) auditRow(l *audit.Leaf) auditRow {
	row := auditRow{Seq: l.Seq, At: l.At, Kind: string(l.Kind), By: l.Actor.ID, Role: l.Actor.Role, Via: l.Actor.Via, Tenant: l.Tenant, Event: l.Event,
		Outcome: l.Outcome, Mark: outcomeMark(l.Outcome)}
	if row.By == "" {
		row.By = string(l.Actor.Type)
	}
	var to []string
	for _, r := range l.To {
		to = append(to, r.Name)
	}
	row.To = enumerate(to, 3)
	var why []string
	for _, text := range []string{l.Operation, l.Reason, l.Why} {
		if text != "" && !slices.Contains(why, text) {
			why = append(why, text)
		}
	}
	if l.Count > 0 {
		why = append(why, count(l.Count))
	}
	if l.Status > 0 {
		why = append(why, "status "+strconv.Itoa(l.Status))
	}
	row.Why = strings.Join(why, ", ")
	if l.Event != "" && q.may("Event") {
		row.EventLink = q.link("events", l.Event)
	}
	return row
}

// outcomeMark is how a record ended.
func outcomeMark(outcome string) mark {
	switch outcome {
	case "":
		return mark{}
	case audit.OutcomeOK, audit.OutcomeClean, string(operate.JobDone):
		return mark{"ok", outcome}
	case audit.OutcomeDead, audit.OutcomeDenied, audit.OutcomeUnclean, string(operate.JobFailed):
		return mark{"dead", outcome}
	case audit.OutcomeRetry:
		return mark{"wait", outcome}
	}
	return mark{"off", outcome}
}

// auditMember is a member of the form.
type auditMember struct{ Name, Label, Value string }

// auditData is what the page shows.
type auditData struct {
	Status                     *auditor.Status
	Late                       bool // somebody takes no checkpoints
	Members                    []auditMember
	Rows                       []auditRow
	Newest                     bool   // they are the newest, the last first
	Next                       string // where the next page begins
	Searched                   bool
	Caller                     string // the token of a caller who is searched for, whose number is not shown
	Verify, Checkpoint, Export string
}

// audit shows records of the log: the newest, or what is searched for. A caller's number is posted, so that it stands in no
// address.
func (q *request) audit() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	v := q.query()
	if q.r.Method == http.MethodPost {
		if v, err = q.form(); err != nil {
			return err
		}
	} else if v.Get("caller") != "" {
		return badRequest("addresses are logged, so a caller's number must not stand in one; search for it in the form")
	}
	sel, data, err := q.auditSelection(v)
	if err != nil {
		return err
	}
	p, err := s.AuditQuery(q.ctx(), q.actor, sel)
	if errors.Is(err, operate.ErrNoAudit) {
		return q.show("noaudit", "Audit", nil)
	}
	if err != nil {
		return err
	}
	for _, line := range p.Records {
		l, err := audit.ParseLine(line)
		if err != nil {
			continue // a later version has written it
		}
		data.Rows = append(data.Rows, q.auditRow(l))
	}
	if data.Newest {
		slices.Reverse(data.Rows)
	} else if p.Next > 0 {
		data.Next = strconv.FormatInt(p.Next, 10)
	}
	if err := q.auditStanding(s, data); err != nil {
		return err
	}
	return q.show("audit", "Audit", data)
}

// auditSelection reads what is searched for.
func (q *request) auditSelection(v url.Values) (sel operate.AuditSelection, data *auditData, err error) {
	data = new(auditData)
	into := map[string]*string{"from": &sel.From, "to": &sel.To, "kind": &sel.Kind, "by": &sel.By, "tenant": &sel.Tenant, "event": &sel.Event,
		"destination": &sel.Destination, "outcome": &sel.Outcome}
	for _, m := range auditMembers {
		value := strings.TrimSpace(v.Get(m.name))
		*into[m.name] = value
		data.Searched = data.Searched || value != ""
		data.Members = append(data.Members, auditMember{m.name, m.label, value})
	}
	if token := v.Get("with"); token != "" {
		if err := q.ui.tokens.open(tokenAudit, q.actor, token, &sel.Caller); err != nil {
			return sel, nil, badRequest("the search was too long ago; begin it again")
		}
	} else {
		sel.Caller = strings.TrimSpace(v.Get("caller"))
	}
	if sel.Caller != "" {
		if data.Caller, err = q.ui.tokens.seal(tokenAudit, q.actor, sel.Caller, searchKept); err != nil {
			return sel, nil, err
		}
	}
	data.Searched = data.Searched || sel.Caller != ""
	if after := v.Get("after"); after != "" {
		if sel.After, err = strconv.ParseInt(after, 10, 64); err != nil || sel.After < 0 {
			return sel, nil, badRequest("after has to be a place in the log")
		}
	}
	if data.Newest = !data.Searched && v.Get("after") == ""; data.Newest {
		sel.Newest = 100
	}
	return sel, data, nil
}

// auditStanding adds how the log stands, for those who may see that, and what they can do.
func (q *request) auditStanding(s *operate.Service, data *auditData) (err error) {
	for _, do := range []struct {
		operation string
		into      *string
		path      string
	}{{"AuditVerify", &data.Verify, "verify"}, {"AuditCheckpoint", &data.Checkpoint, "checkpoint"}, {"AuditExport", &data.Export, "export"}} {
		if q.may(do.operation) {
			*do.into = q.link("audit", do.path)
		}
	}
	if !q.may("AuditStatus") {
		return nil
	}
	if data.Status, err = s.AuditStatus(q.ctx(), q.actor); err != nil {
		return err
	}
	data.Late = slices.ContainsFunc(data.Status.Sinks, func(k auditor.SinkStatus) bool { return !k.FailingSince.IsZero() })
	return nil
}

// verdict is what a check of the log came to.
type verdict struct {
	Mark  mark
	Text  string
	State *operate.AuditState
	Back  string
}

// verify asks, and checks the whole log as it lies in the store.
func (q *request) verify() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	back := q.link("audit")
	if q.r.Method != http.MethodPost {
		return q.show("ask", "Verify the log?", question{Title: "Verify the log?", Button: "Verify", Action: q.link("audit", "verify"), Back: back,
			Text: "Every record is read, and it is worked out anew whether none was changed, left out or slipped in since it was written. With many records that takes a while; the gateway goes on meanwhile."})
	}
	state, err := s.AuditVerify(q.ctx(), q.actor)
	data := verdict{Mark: mark{"ok", "whole"}, State: state, Back: back}
	var e *operate.Error
	switch {
	case err == nil:
		data.Text = "The log is as it was written: " + plural(int(state.Records), "record") + "."
	case errors.As(err, &e) && e.Kind == nil: // which is what it found
		data = verdict{Mark: mark{"dead", "not whole"}, Text: sentence(plain(e.Error())), Back: back}
	default:
		return err
	}
	return q.show("verdict", "The log was checked", data)
}

// checkpoint asks, and has a checkpoint be signed and handed out.
func (q *request) checkpoint() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	back := q.link("audit")
	if q.r.Method != http.MethodPost {
		return q.show("ask", "Sign a checkpoint now?", question{Title: "Sign a checkpoint now?", Button: "Sign", Action: q.link("audit", "checkpoint"), Back: back,
			Text: "What the log holds now is signed and handed out to all who get checkpoints. That is done by itself too."})
	}
	state, err := s.AuditCheckpoint(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	return q.done(back, "A checkpoint of "+plural(int(state.Records), "record")+" is signed and handed out.")
}

// exports are the forms of the log: their media types, and how their files end.
var exports = map[string][2]string{
	"jsonl": {"application/jsonl", "jsonl"}, "csv": {"text/csv; charset=utf-8", "csv"}, "fhir": {"application/fhir+ndjson", "fhir.ndjson"},
}

// export hands the log out as a file.
func (q *request) export() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	v, err := q.form()
	if err != nil {
		return err
	}
	as, ok := exports[v.Get("format")]
	if !ok {
		return badRequest("format has to be jsonl, csv or fhir")
	}
	out := &download{w: q.w, kind: as[0], name: "audit-" + q.now().Format("20060102-150405") + "." + as[1]}
	if _, err = s.AuditExport(q.ctx(), q.actor, operate.AuditExporting{Format: v.Get("format")}, out); err != nil && out.begun {
		panic(http.ErrAbortHandler) // whoever reads it sees that it is not whole
	}
	if err == nil && !out.begun {
		_, err = out.Write(nil)
	}
	return err
}

// download is a file that begins with its first byte: until then there can be an error page.
type download struct {
	w          http.ResponseWriter
	kind, name string
	begun      bool
}

// Write implements io.Writer.
func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		h := d.w.Header()
		h.Set("Content-Type", d.kind)
		h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	}
	if len(p) == 0 {
		return 0, nil
	}
	return d.w.Write(p)
}
