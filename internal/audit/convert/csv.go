// Package convert writes records of an audit log in forms that others read: CSV for spreadsheets, and FHIR for the audit
// repositories of hospitals. What it writes cannot be verified; the export it is made from can.
package convert

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/callgate/callgate/internal/audit"
)

// columns are the columns of the CSV, in the order of the members of a record.
var columns = []struct {
	name string
	of   func(*audit.Leaf) string
}{
	{"seq", func(l *audit.Leaf) string { return strconv.FormatInt(l.Seq, 10) }},
	{"at", func(l *audit.Leaf) string { return l.At.UTC().Format("2006-01-02T15:04:05.000Z") }},
	{"kind", func(l *audit.Leaf) string { return text(string(l.Kind)) }},
	{"boot", func(l *audit.Leaf) string { return text(l.Boot) }},
	{"actor_type", func(l *audit.Leaf) string { return text(l.Actor.Type) }},
	{"actor_id", func(l *audit.Leaf) string { return text(l.Actor.ID) }},
	{"actor_role", func(l *audit.Leaf) string { return text(l.Actor.Role) }},
	{"actor_via", func(l *audit.Leaf) string { return text(l.Actor.Via) }},
	{"actor_ip", func(l *audit.Leaf) string { return text(l.Actor.IP) }},
	{"operation", func(l *audit.Leaf) string { return text(l.Operation) }},
	{"tenant", func(l *audit.Leaf) string { return text(l.Tenant) }},
	{"route", func(l *audit.Leaf) string { return text(l.Route) }},
	{"source", func(l *audit.Leaf) string { return text(l.Source) }},
	{"event", func(l *audit.Leaf) string { return text(l.Event) }},
	{"delivery", func(l *audit.Leaf) string { return text(l.Delivery) }},
	{"attempt", func(l *audit.Leaf) string { return number(int64(l.Attempt)) }},
	{"version", func(l *audit.Leaf) string { return number(int64(l.Version)) }},
	{"to_name", func(l *audit.Leaf) string { return recipients(l, func(r audit.Recipient) string { return r.Name }) }},
	{"to_kind", func(l *audit.Leaf) string { return recipients(l, func(r audit.Recipient) string { return r.Kind }) }},
	{"to_host", func(l *audit.Leaf) string { return recipients(l, func(r audit.Recipient) string { return r.Host }) }},
	{"fields", func(l *audit.Leaf) string { return text(strings.Join(l.Fields, "; ")) }},
	{"bytes", func(l *audit.Leaf) string { return number(l.Bytes) }},
	{"sent", func(l *audit.Leaf) string { return commitment(l.Sent) }},
	{"count", func(l *audit.Leaf) string { return number(l.Count) }},
	{"outcome", func(l *audit.Leaf) string { return text(l.Outcome) }},
	{"status", func(l *audit.Leaf) string { return number(int64(l.Status)) }},
	{"took_ms", func(l *audit.Leaf) string { return number(l.TookMS) }},
	{"reason", func(l *audit.Leaf) string { return text(l.Reason) }},
	{"config", func(l *audit.Leaf) string { return text(l.Config) }},
	{"policy", func(l *audit.Leaf) string { return text(l.Policy) }},
	{"why", func(l *audit.Leaf) string { return text(l.Why) }},
	{"subject", func(l *audit.Leaf) string { return commitment(l.Subject) }},
}

// CSV writes records as RFC 4180 has it, under a line of names.
type CSV struct {
	w   *csv.Writer
	row []string
}

// NewCSV writes the names.
func NewCSV(w io.Writer) (*CSV, error) {
	c := &CSV{w: csv.NewWriter(w), row: make([]string, len(columns))}
	c.w.UseCRLF = true
	for i, col := range columns {
		c.row[i] = col.name
	}
	return c, c.w.Write(c.row)
}

// Write writes a record.
func (c *CSV) Write(l *audit.Leaf) error {
	for i, col := range columns {
		c.row[i] = col.of(l)
	}
	return c.w.Write(c.row)
}

// Close writes what is left. It does not close the writer.
func (c *CSV) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// formulas begin what a spreadsheet carries out rather than shows; the wide forms too, in some languages.
const formulas = "=+-@|%＝＋－＠"

// text makes a cell that a spreadsheet shows as it stands. Senders and operators wrote it, and one that begins like a formula
// would run on the auditor's machine; an apostrophe before it makes it text.
func text(s string) string {
	trimmed := strings.TrimLeftFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\ufeff' })
	if trimmed != "" && strings.ContainsRune(formulas, []rune(trimmed)[0]) || s != trimmed {
		return "'" + s
	}
	return s
}

// commitment may begin with a minus, as base64url does.
func commitment(c audit.Commitment) string {
	if c.IsZero() {
		return ""
	}
	return text(c.String())
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func recipients(l *audit.Leaf, of func(audit.Recipient) string) string {
	all := make([]string, len(l.To))
	for i, r := range l.To {
		all[i] = of(r)
	}
	return text(strings.Join(all, "; "))
}
