package hubspot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/destination"
)

// maxValue is how long a text property can be, in characters (HubSpot, "Property field types").
const maxValue = 65_536

// DefaultProperties maps the caller to properties that every HubSpot account has. Config.Properties adds to it and
// replaces; an empty template there takes one away.
func DefaultProperties() map[string]string {
	return map[string]string{
		"firstname": "first_name",
		"lastname":  "last_name",
		"email":     "email",
		"phone":     "caller_number",
		"company":   "company",
		"message":   "message",
	}
}

// property is one property with its value for HubSpot, where all values are text.
type property struct{ name, value string }

// part is a piece of a template: literal text, or a variable.
type part struct{ text, variable string }

// mapped is a HubSpot property and what it is filled from.
type mapped struct {
	name  string
	parts []part
}

// fields are the record's fields, which may stand as a template without braces.
var fields = map[string]bool{
	"caller_number": true, "phone": true, "receiving_number": true, "first_name": true, "last_name": true, "name": true,
	"email": true, "company": true, "company_name": true, "message": true, "notes": true, "issue": true, "summary": true,
	"transcript": true, "recording_url": true, "call_id": true, "event_id": true, "event_type": true, "provider": true,
	"direction": true, "started_at": true, "ended_at": true, "timestamp": true, "duration": true, "call_duration": true,
	"urgent": true, "callback_requested": true, "tenant": true,
}

// compile reads a template: the bare name of a record's field, of a parameter ("params.issue") or of a tenant's
// variable ("vars.website"); or text with {{variables}}. Any other text stands for itself.
func compile(template string) ([]part, error) {
	t := strings.TrimSpace(template)
	if fields[t] || strings.HasPrefix(t, "params.") || strings.HasPrefix(t, "vars.") {
		return []part{{variable: t}}, nil
	}
	var parts []part
	for rest := template; rest != ""; {
		text, after, found := strings.Cut(rest, "{{")
		if text != "" {
			parts = append(parts, part{text: text})
		}
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}}")
		name = strings.TrimSpace(name)
		if !closed || name == "" || strings.ContainsAny(name, "{} |") {
			return nil, fmt.Errorf("a template's variables are written {{name}}, without filters")
		}
		parts = append(parts, part{variable: name})
		rest = tail
	}
	return parts, nil
}

// compileAll compiles the mapping, in the order in which properties are sent: that of the default ones, then by name.
func compileAll(custom map[string]string) ([]mapped, error) {
	all := DefaultProperties()
	for name, template := range custom {
		if !validProperty(name) {
			return nil, fmt.Errorf("%w: property %q: HubSpot's internal names are lower case letters, digits and _ (Settings > Properties > </>)", ErrConfig, truncate(name, 80))
		}
		all[name] = template
	}
	var ms []mapped
	for _, name := range orderOf(all) {
		if strings.TrimSpace(all[name]) == "" {
			continue
		}
		parts, err := compile(all[name])
		if err != nil {
			return nil, fmt.Errorf("%w: property %s: %w", ErrConfig, name, err)
		}
		ms = append(ms, mapped{name, parts})
	}
	return ms, nil
}

func orderOf(all map[string]string) []string {
	first := []string{"email", "firstname", "lastname", "phone", "company", "message"}
	names := make([]string, 0, len(all))
	for n := range all {
		if !slices.Contains(first, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return append(first, names...)
}

// validProperty reports whether s can be the internal name of a property.
func validProperty(s string) bool {
	if s == "" || len(s) > 100 || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// fill appends the properties that have a value. A template of which no variable has a value has none.
func fill(dst []property, ms []mapped, it *destination.Item) []property {
	for i := range ms {
		if v := ms[i].value(it); v != "" {
			dst = append(dst, property{ms[i].name, v})
		}
	}
	return dst
}

func (m *mapped) value(it *destination.Item) string {
	if len(m.parts) == 1 {
		if p := &m.parts[0]; p.variable == "" {
			return p.text
		}
		return lookup(it, m.parts[0].variable)
	}
	var b strings.Builder
	found, wanted := false, false
	for _, p := range m.parts {
		if p.variable == "" {
			b.WriteString(p.text)
			continue
		}
		wanted = true
		if v := lookup(it, p.variable); v != "" {
			found = true
			b.WriteString(v)
		}
	}
	if wanted && !found {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// lookup is the value of a variable as text: of the call, or else of the tenant's variables. The record's flags have a
// value only when they are set: an event that does not know must not clear a checkbox that an earlier one has set.
func lookup(it *destination.Item, name string) string {
	switch name {
	case "urgent":
		return set(it.Call.Urgent)
	case "callback_requested":
		return set(it.Call.CallbackRequested)
	case "tenant":
		return it.Tenant
	}
	if v, ok := strings.CutPrefix(name, "vars."); ok {
		return it.Vars[v]
	}
	if v, ok := it.Call.Lookup(name); ok {
		return text(v)
	}
	return it.Vars[name]
}

func set(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// text writes a value as HubSpot takes it: several choices are joined by semicolons (HubSpot, "Properties": multiple
// checkboxes).
func text(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case nil:
		return ""
	case []any:
		all := make([]string, 0, len(v))
		for _, e := range v {
			if s := text(e); s != "" {
				all = append(all, s)
			}
		}
		return strings.Join(all, ";")
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(b)
	}
}
