package salesforce

import (
	"strings"
	"unicode/utf16"
)

// amend changes r so that the complaints of errs no longer hold, where that keeps the lead: a default is added, a text
// cut, a field left out. It says whether each complaint is met; if not, r is as good as refused.
func (d *Destination) amend(r *record, errs []apiError) bool {
	if len(errs) == 0 {
		return false
	}
	for _, e := range errs {
		if !d.amendOne(r, e) {
			return false
		}
	}
	return true
}

func (d *Destination) amendOne(r *record, e apiError) bool {
	switch e.Code {
	case "REQUIRED_FIELD_MISSING":
		return r.known != present && d.addDefaults(r, e.Fields)
	case "STRING_TOO_LONG":
		return d.each(r, e.Fields, func(v *value) bool { return d.shorten(r, v, maxLength(e.Message)) })
	case "INVALID_EMAIL_ADDRESS":
		return d.each(r, e.Fields, func(v *value) bool {
			name, address := v.name, v.text
			if !d.leaveOut(r, name, "Salesforce takes its value for no e-mail address") {
				return false
			}
			if d.described {
				d.appendText(r, description, emailNote+address)
			}
			return true
		})
	case "INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
		"INVALID_TYPE_ON_FIELD_IN_RECORD", "NUMBER_OUTSIDE_VALID_RANGE":
		fields := e.Fields
		if len(fields) == 0 {
			if f := unknownColumn(e.Message); f != "" {
				fields = []string{f}
			}
		}
		return d.each(r, fields, func(v *value) bool {
			return d.leaveOut(r, v.name, "Salesforce answered "+e.Code+"; correct the mapping, the field or its permissions")
		})
	case "JSON_PARSER_ERROR":
		// A value has the wrong type, as when a date field gets words, and the answer does not say which. Standard text fields
		// take any text.
		changed := false
		for i := 0; i < len(r.values); {
			if name := r.values[i].name; standardLengths[d.cfg.Object][name] == 0 && d.leaveOut(r, name, "Salesforce answered JSON_PARSER_ERROR to one of the fields left out; check that their types suit the values") {
				changed = true
				continue
			}
			i++
		}
		return changed
	case "DUPLICATE_VALUE":
		again := !r.raced && d.cfg.ExternalID != ""
		r.raced = true
		return again
	default:
		return false
	}
}

// each applies fn to the named values of r, and says whether it succeeded for all of them, and there was one.
func (d *Destination) each(r *record, fields []string, fn func(*value) bool) bool {
	any := false
	for _, f := range fields {
		v := r.find(f)
		if v == nil || !fn(v) {
			return false
		}
		any = true
	}
	return any
}

// leaveOut drops a field, or puts its default in its place.
func (d *Destination) leaveOut(r *record, name, why string) bool {
	old := *r.find(name)
	r.drop(name)
	if r.known != present {
		for i := range d.sources {
			if d.sources[i].Name != name || d.sources[i].Default == "" {
				continue
			}
			// What a new record must have cannot be left out; a default that was refused itself helps nobody.
			if !d.addDefaults(r, []string{name}) || r.find(name).text == old.text {
				return false
			}
		}
	}
	r.warn(name + " was left out: " + why)
	return true
}

// shorten cuts a value to the length that Salesforce named, and remembers that.
func (d *Destination) shorten(r *record, v *value, limit int) bool {
	if limit == 0 || v.raw {
		return d.leaveOut(r, v.name, "Salesforce answered STRING_TOO_LONG; make the field longer")
	}
	d.lengths.learn(v.name, limit)
	text, cut := truncate(v.text, limit)
	if !cut {
		// Salesforce counts otherwise than we do; as bytes, then.
		if text = strings.ToValidUTF8(v.text[:min(limit, len(v.text))], ""); len(text) == len(v.text) || text == "" {
			return d.leaveOut(r, v.name, "Salesforce answered STRING_TOO_LONG; make the field longer")
		}
	}
	v.text = text
	r.warn(cutWarning(v.name, len(utf16.Encode([]rune(text)))))
	return true
}
