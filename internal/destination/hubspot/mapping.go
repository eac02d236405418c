package hubspot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/template"
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

// mapped is a HubSpot property and what it is filled from: a constant text, the first of several variables that has a
// value, or a template.
type mapped struct {
	name     string
	constant string
	from     []string
	template *template.Field
}

// compile reads a template: the bare name of a record's field, of a parameter ("params.issue") or of a tenant's
// variable ("vars.website"), or several with "|" between them, of which the first with a value serves; or text with
// {{variables}} and filters. Any other text stands for itself.
func (d *Destination) compile(name, source string) (m mapped, err error) {
	m.name = name
	if strings.Contains(source, "{{") {
		m.template, err = template.CompileField(source, template.Options{Region: d.conf.Region, Zone: d.conf.TimeZone, List: ";"})
		return m, err
	}
	for n := range strings.SplitSeq(source, "|") {
		m.from = append(m.from, strings.TrimSpace(n))
	}
	unknown := slices.DeleteFunc(slices.Clone(m.from), isVariable)
	switch {
	case len(unknown) == len(m.from):
		m.constant, m.from = source, nil
	case len(unknown) > 0:
		return m, fmt.Errorf("%q is no field of the record; write params.%s for what callers are asked, or put the text in {{}}", truncate(unknown[0], 80), truncate(unknown[0], 80))
	}
	return m, nil
}

// isVariable says whether a name may stand as a template without braces.
func isVariable(name string) bool {
	return call.IsField(name) || name == "tenant" || strings.HasPrefix(name, "params.") || strings.HasPrefix(name, "vars.")
}

// compileAll compiles the mapping, in the order in which properties are sent: that of the default ones, then by name.
func (d *Destination) compileAll(custom map[string]string) ([]mapped, error) {
	all := DefaultProperties()
	for name, template := range custom {
		if !validProperty(name) {
			return nil, fmt.Errorf("%w: property %q: HubSpot's internal names are lower case letters, digits and _ (Settings > Properties > </>)", ErrConfig, truncate(name, 80))
		}
		all[name] = template
	}
	return d.compileNames("", all)
}

// compileNames compiles properties; in stands before their names in errors.
func (d *Destination) compileNames(in string, all map[string]string) ([]mapped, error) {
	var ms []mapped
	for _, name := range orderOf(all) {
		if strings.TrimSpace(all[name]) == "" {
			continue
		}
		m, err := d.compile(name, all[name])
		if err != nil {
			return nil, fmt.Errorf("%w: %sproperty %s: %w", ErrConfig, in, name, err)
		}
		ms = append(ms, m)
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
	if m.template != nil {
		return m.template.Value((*variables)(it))
	}
	for _, name := range m.from {
		if v := lookup(it, name); v != "" {
			return v
		}
	}
	return m.constant
}

// variables are an item's variables as templates see them: lists as they are, everything else as text.
type variables destination.Item

// Lookup implements template.Vars.
func (v *variables) Lookup(name string) (any, bool) {
	it := (*destination.Item)(v)
	text := lookup(it, name)
	if value, _ := it.Call.Lookup(name); text != "" {
		if list, ok := value.([]any); ok {
			return list, true
		}
	}
	return text, text != ""
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
