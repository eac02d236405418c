package pages

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/operate"
)

// deliverLine is where a tenant's calls go, and which of them.
type deliverLine struct {
	To string `json:"to"`
	If string `json:"if,omitempty"`
}

// deliverRow is a line of the form.
type deliverRow struct {
	deliverLine
	Chosen bool
	// Known tells that there is such a destination.
	Known bool
	// Wrong is what is wrong with the condition, and where; empty for nothing.
	Wrong string
}

// maxCondition bounds a condition that is typed, in bytes.
const maxCondition = 4096

// deliverRows are those of a form, in the order of the document first: what it has, and then every other destination.
func deliverRows(lines []deliverLine, names []string) (rows []deliverRow) {
	for _, l := range lines {
		rows = append(rows, deliverRow{deliverLine: l, Chosen: true, Known: slices.Contains(names, l.To)})
	}
	for _, name := range names {
		if !slices.ContainsFunc(rows, func(r deliverRow) bool { return r.To == name }) {
			rows = append(rows, deliverRow{deliverLine: deliverLine{To: name}, Known: true})
		}
	}
	return rows
}

// destinationsOf are the names that a tenant's deliver lines can have: destinations of all, and of its own.
func (q *request) destinationsOf(s *operate.Service, tenant string) (names []string, err error) {
	list, err := s.Destinations(q.ctx(), q.actor)
	if err != nil {
		return nil, err
	}
	for i := range list.Destinations {
		name, own := strings.CutPrefix(list.Destinations[i].Name, tenant+"/")
		if list.Destinations[i].Known && (own || !strings.Contains(name, "/")) {
			names = append(names, name)
		}
	}
	return names, nil
}

// formRows are those that somebody has sent: what stood in the form, in its order. A destination may have several lines, which
// together mean "or". A form of which one line is chosen says so by its place.
func formRows(v url.Values) (rows []deliverRow, wrong bool, err error) {
	to, conditions := v["to"], v["if"]
	if len(to) != len(conditions) {
		return nil, false, badRequest("each destination has one condition, which may be empty")
	}
	for i := range to {
		row := deliverRow{deliverLine: deliverLine{To: to[i], If: strings.TrimSpace(conditions[i])}, Known: true}
		if len(row.If) > maxCondition {
			return nil, false, badRequest("a condition has up to %d bytes", maxCondition)
		}
		row.Chosen = slices.Contains(v["chosen"], strconv.Itoa(i))
		row.Wrong = operate.WrongCondition(row.If)
		wrong = wrong || row.Wrong != "" && row.Chosen
		rows = append(rows, row)
	}
	return rows, wrong, nil
}

// deliverForm is what the page shows.
type deliverForm struct {
	Name, Back string
	Rows       []deliverRow
	// Version is that of the document that the form was made from.
	Version string
}

// tenantDeliver shows where a tenant's calls go and on which condition, checks what is typed, and keeps it.
func (q *request) tenantDeliver() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	name := q.args[0]
	data := deliverForm{Name: name, Back: q.link("tenants", name)}
	q.addScript("check.js")
	show := func() error { return q.show("deliver", "Where the calls of "+plain(name)+" go", &data) }
	if q.r.Method != http.MethodPost {
		d, err := q.document(s, name)
		if err != nil {
			return err
		}
		names, err := q.destinationsOf(s, name)
		if err != nil {
			return err
		}
		var lines []deliverLine
		if text := d.members["deliver"]; text != nil && json.Unmarshal(text, &lines) != nil {
			return &problem{http.StatusConflict, "what the document says of deliver is not in the form that this page knows; change the document as it is"}
		}
		data.Rows, data.Version = deliverRows(lines, names), strconv.Itoa(d.version)
		return show()
	}
	v, err := q.form()
	if err != nil {
		return err
	}
	wrong := false
	if data.Rows, wrong, err = formRows(v); err != nil {
		return err
	}
	// A check is asked for while somebody types. It reads nothing of the tenant, so that there is nothing to record either.
	if data.Version = v.Get("version"); wrong || v.Get("do") != "keep" {
		return show()
	}
	d, err := q.document(s, name)
	if err != nil {
		return err
	}
	if data.Version != strconv.Itoa(d.version) {
		return &problem{http.StatusConflict, "the tenant was changed since this form was opened; open it again, and change it there"}
	}
	var lines []deliverLine
	for _, row := range data.Rows {
		if row.Chosen {
			lines = append(lines, row.deliverLine)
		}
	}
	if d.set("deliver", lines); len(lines) == 0 {
		delete(d.members, "deliver")
	}
	if err := q.save(s, name, d, "where its calls go was changed", false); err != nil {
		return err
	}
	if len(lines) == 0 {
		return q.done(data.Back, "Its calls go where the route says.")
	}
	return q.done(data.Back, "Its calls go to "+plural(len(lines), "destination")+" from now on.")
}
