package pages

import (
	"encoding/json"
	"net/http"
	"slices"
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

// tenantDeliver shows where a tenant's calls go and on which condition, checks what is typed, and keeps it.
func (q *request) tenantDeliver() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	name, back := q.args[0], q.link("tenants", q.args[0])
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
	data := struct {
		Name, Back string
		Rows       []deliverRow
		Wrong      bool
	}{Name: name, Back: back, Rows: deliverRows(lines, names)}
	if q.r.Method == http.MethodPost {
		v, err := q.form()
		if err != nil {
			return err
		}
		to, conditions := v["to"], v["if"]
		if len(to) != len(conditions) {
			return badRequest("each destination has one condition, which may be empty")
		}
		lines = nil
		for i := range data.Rows {
			row := &data.Rows[i]
			at := slices.Index(to, row.To)
			if at < 0 { // it came meanwhile, or went
				row.Chosen = false
				continue
			}
			row.If, row.Chosen = strings.TrimSpace(conditions[at]), slices.Contains(v["chosen"], row.To)
			if len(row.If) > maxCondition {
				return badRequest("a condition has up to %d bytes", maxCondition)
			}
			row.Wrong = operate.WrongCondition(row.If)
			data.Wrong = data.Wrong || row.Wrong != "" && row.Chosen
			if row.Chosen {
				lines = append(lines, row.deliverLine)
			}
		}
		if !data.Wrong && v.Get("do") == "keep" {
			if d.set("deliver", lines); len(lines) == 0 {
				delete(d.members, "deliver")
			}
			if err := q.save(s, name, d, "where its calls go was changed", false); err != nil {
				return err
			}
			if len(lines) == 0 {
				return q.done(back, "Its calls go where the route says.")
			}
			return q.done(back, "Its calls go to "+plural(len(lines), "destination")+" from now on.")
		}
	}
	q.addScript("check.js")
	return q.show("deliver", "Where the calls of "+plain(name)+" go", data)
}
