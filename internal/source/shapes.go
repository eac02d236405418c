package source

import (
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// about are the members that an object has beside a "value" where it only says more of that value: what forms call the
// field, how it is typed, where it is from, whether an agent got it out of the caller. An object with any other member is
// more than a value.
var about = map[string]bool{
	"value": true, "raw_value": true, "rawvalue": true, "id": true, "key": true, "type": true, "title": true, "label": true,
	"collected": true, "required": true, "confidence": true, "rationale": true, "source": true, "sourceid": true,
	"timestamp": true, "versions": true, "updatedat": true, "ishidden": true, "json_schema": true, "data_collection_id": true,
}

// valueObject reports whether an object stands for the value in it: {"collected": true, "value": "Jane"},
// {"id": "name", "title": "Name", "value": "Jane"}. value may be null.
func valueObject(v jsonscan.Value) bool {
	if v.Kind() != jsonscan.Object || v.Get("value").Kind() == jsonscan.Missing {
		return false
	}
	for k := range v.Members() {
		if !about[strings.ToLower(k)] {
			return false
		}
	}
	return true
}

// unwrapped is what a value object stands for; any other value as it is. Forms repeat one in another.
func unwrapped(v jsonscan.Value) jsonscan.Value {
	for range maxWrapping {
		if !valueObject(v) {
			break
		}
		v = v.Get("value")
	}
	return v
}

// The names under which a list of names and values has the two, the most telling first. Of several names the first of
// known meaning counts, since forms have one for people ("label") and one for programs ("key").
var (
	pairNameKeys = []string{
		"property", "name", "question", "label", "title", "column_name", "column_id", "field", "key", "ref", "id",
	}
	pairValueKeys = []string{"value", "answer", "string_value", "values", "answers"}
)

// pair is an element of a list of names and values: its name, what it means, and its value.
func pair(e jsonscan.Value) (name string, is meaning, value jsonscan.Value, ok bool) {
	if e.Kind() != jsonscan.Object {
		return "", meaning{}, value, false
	}
	for _, k := range pairValueKeys {
		if value = e.Get(k); value.Kind() != jsonscan.Missing {
			ok = true
			break
		}
	}
	if !ok {
		return "", meaning{}, value, false
	}
	ok = false
	for _, k := range pairNameKeys {
		n := e.Get(k)
		if n.Kind() != jsonscan.String {
			continue
		}
		s := text(n)
		if !ok {
			name, ok = s, true
		}
		if is = labelMeaning(s); is.field != "" {
			break
		}
	}
	return name, is, chosen(e, unwrapped(value)), ok
}

// pairList reports whether a list has names and values: [{"name": ..., "value": ...}].
func pairList(list jsonscan.Value) bool {
	_, _, _, ok := pair(list.Index(0))
	return ok
}

// chosen is the value of a field of choices. Where it is a list of the ids of "options", it is their texts, of which one
// alone is no list.
func chosen(e, v jsonscan.Value) jsonscan.Value {
	options := e.Get("options")
	if v.Kind() != jsonscan.Array || options.Kind() != jsonscan.Array || v.Len() > maxChoices || options.Len() > maxChoices {
		return v
	}
	b := []byte{'['}
	n := 0
	for id := range v.Elements() {
		said := text(id)
		for o := range options.Elements() {
			if s := first(o.Get("text"), o.Get("label"), o.Get("name")); s != "" && text(o.Get("id")) == said {
				said = s
				break
			}
		}
		if said == "" {
			return v
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, said)
	}
	if n == 1 {
		b = b[1:]
	} else {
		b = append(b, ']')
	}
	return madeOf(b, v)
}

// maxChoices bounds how many options are compared with how many choices.
const maxChoices = 100

// madeOf is the value of a JSON text of our own; old where it is none.
func madeOf(json []byte, old jsonscan.Value) jsonscan.Value {
	var doc jsonscan.Doc
	if doc.Scan(json) != nil {
		return old
	}
	return doc.Root()
}

// asking are the words with which a form asks, which say nothing of what it asks for.
var asking = map[string]bool{
	"what": true, "whats": true, "what's": true, "is": true, "are": true, "your": true, "the": true, "a": true, "an": true,
	"please": true, "enter": true, "provide": true, "tell": true, "us": true, "give": true, "best": true, "my": true,
	"preferred": true, "primary": true, "valid": true,
}

// asides are what a label ends in beside its question.
var asides = map[string]bool{"optional": true, "required": true, "here": true}

// maxLabel is how long a label may be to be looked into, in bytes.
const maxLabel = 80

// asked is how much less a label says of a field than any of its plain names.
const asked = 100

// labelMeaning is what a label stands for, as a form shows it to people: "Name", "Your e-mail address (required)", "What is
// your phone number?". A form's own counting of its questions (Jotform's "q3_fullName") does not count.
func labelMeaning(label string) meaning {
	is := meaningOf(label)
	if is.field != "" || len(label) > maxLabel {
		return is
	}
	if rest, ok := strings.CutPrefix(label, "q"); ok {
		if n, name, ok := strings.Cut(rest, "_"); ok && n != "" && strings.Trim(n, "0123456789") == "" {
			return meaningOf(name)
		}
	}
	i := strings.IndexAny(label, " -_")
	if i < 0 || strings.IndexByte(label, ' ') < 0 && !asking[strings.ToLower(label[:i])] {
		return meaning{} // a name for programs
	}
	words := strings.FieldsFunc(strings.ToLower(label), func(r rune) bool {
		return strings.ContainsRune(" \t\r\n-_?!:;,.*()[]/", r)
	})
	for len(words) > 0 && asking[words[0]] {
		words = words[1:]
	}
	for len(words) > 0 && asides[words[len(words)-1]] {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return meaning{}
	}
	if is = meaningOf(strings.Join(words, "_")); is.field != "" {
		is.rank += asked
	}
	return is
}

// parts are the texts of a field that a form asks for in two: {"first", "last"} of a name, {"area", "phone"} of a number,
// of which {"full"} has all. ok is false for any other object.
func (is meaning) parts(v jsonscan.Value) (one, two jsonscan.Value, ok bool) {
	if v.Kind() != jsonscan.Object {
		return one, two, false
	}
	switch is.field {
	case "name":
		one, two = either(v.Get("first"), v.Get("first_name")), either(v.Get("last"), v.Get("last_name"))
		ok = text(one) != "" || text(two) != ""
	case "caller_number":
		if one = v.Get("full"); text(one) != "" {
			return one, two, true
		}
		one, two = v.Get("area"), v.Get("phone")
		ok = text(one) != "" && text(two) != ""
	}
	return one, two, ok
}

// composite notes a field that is in parts. It reports whether the member was one.
func (n *named) composite(key string, is meaning, g group, v jsonscan.Value) bool {
	one, two, ok := is.parts(v)
	switch {
	case !ok:
		return false
	case is.field == "name":
		n.add(key, meaning{"first_name", is.rank}, g, one)
		n.add(key, meaning{"last_name", is.rank}, g, two)
	case text(two) == "":
		n.add(key, is, g, one)
	default:
		n.add(key, is, g, madeOf(jsonscan.AppendString(nil, text(one)+text(two)), v))
	}
	return true
}
