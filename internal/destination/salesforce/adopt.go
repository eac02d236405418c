package salesforce

import (
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
)

// adopt makes the delivery an update of a record that another call, or a person, has created. Who the caller is gets
// filled in where the record does not know; what this call is about is added to the description; other fields
// take the value of this call. Doing it twice changes nothing.
func (d *Destination) adopt(r *record, f found) {
	fresh := d.newRecord(r.item)
	r.values, r.id, r.base = fresh.values, f.text("Id"), f.text(description)
	d.decide(r, present)

	var notes []string
	r.values = slices.DeleteFunc(r.values, func(v value) bool {
		old := f.text(v.name)
		switch {
		case !slices.Contains(people, v.name) || blank(v.name, old, f):
			return false
		case strings.Contains(v.name, "Phone") && !sameNumber(old, v.text):
			notes = append(notes, v.name+" on a later call: "+v.text)
		case isEmail(v.name) && !strings.EqualFold(old, v.text):
			notes = append(notes, v.name+" on a later call: "+v.text)
		}
		return true
	})
	if !d.described {
		return
	}
	for _, n := range notes {
		if !strings.Contains(f.text(description), n) {
			d.appendText(r, description, n)
		}
	}
	v, old := r.find(description), f.text(description)
	if v == nil || old == "" || strings.Contains(normal(v.text), normal(old)) {
		return
	}
	if strings.Contains(normal(old), normal(v.text)) {
		r.drop(description)
		return
	}
	// The latest comes first, so that the oldest is cut where both are too long.
	v.text, _ = truncate(v.text+"\n\n"+old, max(d.lengths.of(description), noteLength))
}

// blank says that a record does not really know a field.
func blank(name, old string, f found) bool {
	if old = strings.TrimSpace(old); old == "" || strings.EqualFold(old, unknownText) {
		return true
	}
	// The default of a company is the caller's name.
	full := strings.TrimSpace(f.text("FirstName") + " " + f.text("LastName"))
	return name == "Company" && (strings.EqualFold(old, full) || strings.EqualFold(old, f.text("FirstName")))
}

// normal is s as it comes back from Salesforce, which writes line ends as CRLF and drops spaces at both ends.
func normal(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	a, okA := call.NormalizeNumber(a, "")
	b, okB := call.NormalizeNumber(b, "")
	return okA && okB && a == b
}
