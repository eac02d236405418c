package source

import (
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// shaped is a form as its sender meant it: names in brackets or with dots are members of groups ("contact[name]",
// "Lead.Emails[0]"), names that come again are lists ("services[]"), and a field that is a JSON object is that object. Of
// what is no form, and of a form without any of these, it is the root. The root itself stays flat, and of repeated names
// its last counts, as ever: only what names no field of the record is kept more than once.
func (d *document) shaped() jsonscan.Value {
	if !d.form || d.root.Kind() != jsonscan.Object {
		return d.root
	}
	if d.tree.Kind() == jsonscan.Missing {
		d.tree = d.root
		if shapely(d.root) {
			var t branch
			for k, v := range d.root.Members() {
				t.add(k, v.Text())
			}
			d.tree = madeOf(t.group(nil, false), d.root)
		}
	}
	return d.tree
}

// shapely reports whether a form has anything but plain names and texts.
func shapely(form jsonscan.Value) bool {
	n := 0
	for k, v := range form.Distinct() {
		n++
		if strings.ContainsAny(k, "[.") || embedded(v.Text()) {
			return true
		}
	}
	return n != form.Len()
}

// embedded reports whether the text of a field looks like JSON of members.
func embedded(s string) bool {
	s = strings.TrimSpace(s)
	return len(s) > 1 && (s[0] == '{' && s[len(s)-1] == '}' || strings.HasPrefix(s, "[{") && s[len(s)-1] == ']') && !unreplaced(s)
}

// branch is a field of a form, or a group of them. Its zero value is an empty group.
type branch struct {
	texts []string // of a field; several where it came again
	last  bool     // of several texts the last counts
	keys  []string // of a group, in their order
	kids  map[string]*branch
}

// kid is the member of a group, which it makes if there is none.
func (b *branch) kid(key string) *branch {
	if k := b.kids[key]; k != nil {
		return k
	}
	if b.kids == nil {
		b.kids = make(map[string]*branch)
	}
	k := &branch{}
	b.keys, b.kids[key] = append(b.keys, key), k
	return k
}

// add puts a field where its name says.
func (b *branch) add(name, value string) {
	at := b
	parts := bracketed(name)
	for i, p := range parts {
		if p == "" {
			p = strconv.Itoa(len(at.keys))
		}
		if at = at.kid(p); len(at.texts) > 0 && i+1 < len(parts) { // "phone" has a text already, and now "phone[type]"
			old := at.texts
			at.texts = nil
			at.kid("value").texts = old
		}
	}
	if len(at.keys) > 0 {
		at = at.kid("value")
	}
	is := labelMeaning(parts[len(parts)-1])
	at.last = is.field != "" && is.field != "message"
	at.texts = append(at.texts, value)
}

// bracketed splits the name of a field into the ways to it. A name that is not well-formed so, or goes deeper than groups
// are looked into, is one. Dots split only where what stands before them groups members, since "utm.source" does not.
func bracketed(name string) []string {
	whole := []string{name}
	head, rest, _ := strings.Cut(name, "[")
	if head == "" {
		return whole
	}
	parts := []string{head}
	if dotted := strings.Split(head, "."); len(dotted) > 1 && len(dotted) <= maxWrapping && wrappers[strings.ToLower(dotted[0])] {
		parts = dotted
	}
	if len(head) == len(name) {
		return parts
	}
	for {
		key, after, ok := strings.Cut(rest, "]")
		if !ok || len(parts) > maxWrapping || strings.Contains(key, "[") {
			return whole
		}
		parts = append(parts, key)
		switch {
		case after == "":
			return parts
		case after[0] == '[':
			rest = after[1:]
		case after[0] == '.' && len(after) > 1 && !strings.ContainsAny(after[1:], "[]."):
			return append(parts, after[1:])
		default:
			return whole
		}
	}
}

// append writes the branch as JSON. A group whose keys count from nought is a list.
func (b *branch) append(to []byte) []byte {
	switch {
	case len(b.texts) > 1 && !b.last:
		to = append(to, '[')
		for i, s := range b.texts {
			if i > 0 {
				to = append(to, ',')
			}
			to = jsonscan.AppendString(to, s)
		}
		return append(to, ']')
	case len(b.texts) > 0:
		s := b.texts[len(b.texts)-1]
		var doc jsonscan.Doc
		if embedded(s) && doc.Scan([]byte(s)) == nil {
			return append(to, s...)
		}
		return jsonscan.AppendString(to, s)
	}
	list := len(b.keys) > 0
	for i, k := range b.keys {
		list = list && k == strconv.Itoa(i)
	}
	return b.group(to, list)
}

// group writes the members of a group, as a list or an object.
func (b *branch) group(to []byte, list bool) []byte {
	open, end := byte('{'), byte('}')
	if list {
		open, end = '[', ']'
	}
	to = append(to, open)
	for i, k := range b.keys {
		if i > 0 {
			to = append(to, ',')
		}
		if !list {
			to = append(jsonscan.AppendString(to, k), ':')
		}
		to = b.kids[k].append(to)
	}
	return append(to, end)
}
