package salesforce

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/jsonscan"
)

// value is what one field of a record is about to be sent.
type value struct {
	name string
	text string
	raw  bool // text is a JSON literal
}

// knowledge is what is known about whether a record exists, which decides what it is sent.
type knowledge uint8

const (
	unknown knowledge = iota // an upsert will tell
	absent                   // it will be created: defaults and OnCreate too
	present                  // it will be updated: only what the call knows
)

// record is one call on its way into one record.
type record struct {
	item *destination.Item
	// key is the value of the external id field: the call's id, or the gateway's id of the event where the provider
	// has none, both of which stay the same in every attempt.
	key      string
	known    knowledge
	id       string // of the record to update, when it is not upserted by key
	base     string // the description of the record to update, when that was read
	values   []value
	warnings []string
	// raced says that DUPLICATE_VALUE was answered once: another upsert of the same key was faster, and the next
	// one finds the record.
	raced bool
	// forced saves over a duplicate rule.
	forced bool
	// note is what is kept for the description, once that is set.
	note string
}

// keyOf is the call's id as an external id. A Text external id holds 255 characters; a longer id is replaced by its
// hash, which stands for it just as well, and so are the two that mean directories in a path.
func keyOf(it *destination.Item) string {
	key := it.Call.ID
	if key == "" {
		key = it.EventID
	}
	if len(key) > 255 || key == "." || key == ".." {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	return key
}

func (d *Destination) newRecord(it *destination.Item) *record {
	r := &record{item: it, key: keyOf(it), values: make([]value, 0, len(d.sources)+1)}
	for i := range d.sources {
		s := &d.sources[i]
		if s.OnCreate || !s.fromCall() {
			continue
		}
		if text, raw := s.value(it); text != "" {
			d.set(r, s.Name, text, raw)
		}
	}
	if r.note != "" {
		d.appendText(r, description, r.note)
	}
	return r
}

// decide adds what depends on whether the record exists. It is called once, before the first write.
func (d *Destination) decide(r *record, k knowledge) {
	r.known = k
	for i := range d.sources {
		s := &d.sources[i]
		switch {
		case s.Text != "" && k != present && (!s.OnCreate || k == absent):
			d.set(r, s.Name, s.Text, false)
		case s.OnCreate && s.fromCall() && k == absent:
			if text, raw := s.value(r.item); text != "" {
				d.set(r, s.Name, text, raw)
			}
		}
	}
	if k == absent {
		d.addDefaults(r, nil)
	}
}

// addDefaults gives r the defaults of the named fields, or of all when there are no names, and says whether r has
// changed.
func (d *Destination) addDefaults(r *record, names []string) bool {
	changed := false
	for i := range d.sources {
		s := &d.sources[i]
		if s.Default == "" || r.has(s.Name) || len(names) > 0 && !containsFold(names, s.Name) {
			continue
		}
		text := strings.TrimSpace(strings.ReplaceAll(s.Default, "{{name}}", r.item.Call.Name()))
		if text == "" {
			text = unknownText
		}
		d.set(r, s.Name, text, false)
		changed = true
	}
	return changed
}

// unknownText stands for a required value that the caller did not give.
const unknownText = "Unknown"

// set adds a value, cut to its field's length.
func (d *Destination) set(r *record, name, text string, raw bool) {
	if !raw {
		text = d.day(name, text)
	}
	if isEmail(name) {
		text = call.TrimAddress(text)
	}
	limit := d.lengths.of(name)
	if limit > 0 && !raw || standardLengths[d.cfg.Object][name] > 0 {
		raw = false // a text field takes no number
		if limit > 0 {
			cut, was := truncate(text, limit)
			if was && isEmail(name) { // half an address is none
				r.warn(name + " is too long for an address and was left out of its field")
				if d.described {
					r.note = emailNote + text
				}
				return
			}
			if was {
				r.warn(cutWarning(name, limit))
			}
			text = cut
		}
	}
	if text != "" {
		r.values = append(r.values, value{name, text, raw})
	}
}

func isEmail(name string) bool { return name == "Email" }

// emailNote goes before an address that cannot stand in its field, in the description, where a person can make
// sense of it.
const emailNote = "E-mail as given on the call: "

// description is the prose field of all standard objects.
const description = "Description"

// appendText adds a paragraph to a text field.
func (d *Destination) appendText(r *record, name, text string) {
	for i := range r.values {
		if v := &r.values[i]; v.name == name {
			v.text, _ = truncate(v.text+"\n\n"+text, max(d.lengths.of(name), 255))
			return
		}
	}
	if name == description && r.base != "" {
		// What is there already is not sent again, and must stay.
		if strings.Contains(normal(r.base), normal(text)) {
			return
		}
		text += "\n\n" + r.base
	}
	d.set(r, name, text, false)
}

func (r *record) warn(w string) {
	if !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

func (r *record) find(name string) *value {
	for i := range r.values {
		if strings.EqualFold(r.values[i].name, name) {
			return &r.values[i]
		}
	}
	return nil
}

func (r *record) has(name string) bool { return r.find(name) != nil }

// drop removes a field and says whether it was there.
func (r *record) drop(name string) bool {
	n := len(r.values)
	r.values = slices.DeleteFunc(r.values, func(v value) bool { return strings.EqualFold(v.name, name) })
	return len(r.values) < n
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// appendBody appends the values as a JSON object, after whatever members head holds ("" or `"a":1,`).
func appendBody(dst []byte, head string, values []value) []byte {
	dst = append(append(dst, '{'), head...)
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), v.name...), `":`...)
		if v.raw {
			dst = append(dst, v.text...)
		} else {
			dst = jsonscan.AppendString(dst, v.text)
		}
	}
	if len(values) == 0 && head != "" {
		dst = dst[:len(dst)-1] // the comma after the last member
	}
	return append(dst, '}')
}
