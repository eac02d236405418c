package salesforce

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
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
		return d.leaveOutMisfits(r, e)
	case "DUPLICATE_VALUE":
		again := !r.raced && d.cfg.ExternalID != ""
		r.raced = true
		return again
	default:
		return e.aboutField() && d.each(r, e.Fields, func(v *value) bool { return d.leaveOutNamed(r, v, e.Code) })
	}
}

// leaveOutNamed drops a field that Salesforce names and does not take: a state that is none of the picklist's, a number
// that a validation rule refuses. What the caller said goes into the description, where a person can make sense of it.
func (d *Destination) leaveOutNamed(r *record, v *value, code string) bool {
	old := *v
	fixed := d.fixed(old.name)
	if fixed && reference(old) {
		return false // every other record will be refused like this one
	}
	if !d.leaveOut(r, old.name, "Salesforce answered "+code+"; correct the mapping, the field or its permissions") {
		return false
	}
	if !fixed && !old.raw && d.described && old.name != description {
		d.appendText(r, description, old.name+" as given on the call: "+old.text)
	}
	return true
}

// fixed says that a field's value is the configuration's and not the call's.
func (d *Destination) fixed(name string) bool {
	for i := range d.sources {
		if strings.EqualFold(d.sources[i].Name, name) {
			return !d.sources[i].fromCall()
		}
	}
	return false
}

// reference says that a value is the id of another record, such as an owner or a record type.
func reference(v value) bool {
	return strings.HasSuffix(v.name, "Id") || isID(v.text) && strings.HasSuffix(v.name, "__c")
}

// leaveOutMisfits drops the field whose value has the wrong type, as when a date field gets words. The answer names no
// field, but the value and where it stands:
//
//	Cannot deserialize instance of date from VALUE_STRING value tomorrow or request may be missing a required field at [line:1, column:37]
//
// Standard text fields take any text. Where nothing fits the answer, all fields are dropped that it may be about.
//
// Guessed: how Salesforce words a value of the wrong type is from reports of others; the REST API Developer Guide has the
// error's code alone.
func (d *Destination) leaveOutMisfits(r *record, e apiError) bool {
	candidates := slices.DeleteFunc(slices.Clone(r.values), func(v value) bool { return standardLengths[d.cfg.Object][v.name] > 0 })
	misfits := misfits(candidates, e.Message)
	if len(misfits) > 1 {
		if at := column(e.Message); at > 0 {
			if v, ok := valueAt(r.values, at); ok && slices.Contains(misfits, v) {
				misfits = []value{v}
			}
		}
	}
	if len(misfits) == 0 {
		misfits = candidates
	}
	changed := false
	for _, v := range misfits {
		changed = d.leaveOut(r, v.name, "Salesforce answered JSON_PARSER_ERROR, because the type of the field does not suit its value; correct the mapping") || changed
	}
	return changed
}

// misfits are the values that a message of Salesforce's parser quotes.
func misfits(values []value, message string) []value {
	_, quoted, ok := strings.Cut(message, " value ")
	if i := strings.LastIndex(quoted, " or request may be missing"); ok && i >= 0 {
		quoted = quoted[:i]
	} else if i := strings.LastIndex(quoted, " at [line:"); ok && i >= 0 {
		quoted = quoted[:i]
	}
	if !ok || quoted == "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(values), func(v value) bool { return normal(v.text) != normal(quoted) })
}

// column is the column that a message of Salesforce's parser names; 0 when it names none.
func column(message string) int {
	at := strings.LastIndex(message, "column:")
	if at < 0 {
		return 0
	}
	digits, _, _ := strings.Cut(strings.TrimSpace(message[at+len("column:"):]), "]")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// valueAt is the value that stands at a column, counted from 1, of the body of a record.
func valueAt(values []value, at int) (value, bool) {
	for i, v := range values {
		// Parsers name the first character of a value, or the one behind its last.
		end := utf8.RuneCount(appendBody(nil, "", values[:i+1]))
		if at <= end {
			return v, true
		}
	}
	return value{}, false
}

// each applies fn to those of the named values that r has, and says whether there was one and it succeeded for all. A
// rule about several fields is told with all their names, of which a call may have one.
func (d *Destination) each(r *record, fields []string, fn func(*value) bool) bool {
	any := false
	for _, f := range fields {
		v := r.find(f)
		if v == nil {
			continue
		}
		if !fn(v) {
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
