package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Error is one thing that is wrong with a document. It wraps ErrInvalid.
type Error struct {
	// Name is that of Options.
	Name string
	// Line counts from 1; 0 when it is about the document as a whole.
	Line int
	// Field is the member that it is about.
	Field string
	// Reason says what is wrong and what to do about it.
	Reason string
}

// Error is "name:line: field: reason".
func (e *Error) Error() string {
	s := Problem{Field: e.Field, Message: e.Reason}.String()
	switch {
	case e.Name != "" && e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, s)
	case e.Name != "":
		return e.Name + ": " + s
	case e.Line > 0:
		return fmt.Sprintf("line %d: %s", e.Line, s)
	}
	return s
}

// Unwrap is ErrInvalid.
func (e *Error) Unwrap() error { return ErrInvalid }

func readBounded(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = fmt.Errorf("the document is larger than %d bytes; shorten it or raise the bound", limit)
	}
	return data, err
}

// withoutComments replaces comments outside of strings with spaces, so that every byte keeps its place.
func withoutComments(data []byte) []byte {
	out := bytes.Clone(data)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	for i := 0; i < len(out); i++ {
		rest := out[i:]
		end := -1
		switch {
		case rest[0] == '"':
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
			continue
		case bytes.HasPrefix(rest, []byte("//")):
			if end = bytes.IndexByte(rest, '\n'); end < 0 {
				end = len(rest)
			}
		case bytes.HasPrefix(rest, []byte("/*")):
			if end = bytes.Index(rest[2:], []byte("*/")); end >= 0 {
				end += 4
			}
		}
		if end > 0 {
			blank(i, i+end)
			i += end - 1
		}
	}
	return out
}

// document is the text of a document.
type document struct {
	name string
	text []byte // without comments
}

// line is that of a byte, from 1; column too, in characters.
func (d *document) line(offset int) int {
	return 1 + bytes.Count(d.text[:min(offset, len(d.text))], []byte("\n"))
}

func (d *document) column(offset int) int {
	before := d.text[:min(offset, len(d.text))]
	return 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// fail makes an error at a byte of the document; offset -1 is none in particular.
func (d *document) fail(offset int, field, reason string) *Error {
	e := &Error{Name: d.name, Field: field, Reason: reason}
	if offset >= 0 {
		e.Line = d.line(offset)
	}
	return e
}

// member is a member of an object in the document.
type member struct {
	key    string
	raw    json.RawMessage
	offset int // of raw in the document
}

// null reports whether the value says nothing.
func (m *member) null() bool { return string(m.raw) == "null" }

// kind is the first character of the value, which tells what it is.
func (m *member) kind() byte { return m.raw[0] }

// text is the value of a string.
func (m *member) text() (s string, ok bool) {
	ok = json.Unmarshal(m.raw, &s) == nil && m.kind() == '"'
	return s, ok
}

// members reads the members of the object at an offset. Keys occur once. check has found the document to be JSON.
func (d *document) members(raw []byte, offset int, field string) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil {
		return nil, d.fail(offset, field, "not valid JSON")
	} else if t != json.Delim('{') {
		return nil, d.fail(offset, field, "an object { … } is expected")
	}
	var all []member
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, d.fail(offset, field, "not valid JSON")
		}
		key, _ := t.(string)
		at := offset + int(dec.InputOffset())
		if seen[key] {
			return nil, d.fail(at, field, fmt.Sprintf("the key %.60q occurs twice", key))
		}
		seen[key] = true
		m := member{key: key}
		if err := dec.Decode(&m.raw); err != nil {
			return nil, d.fail(offset, field, "not valid JSON")
		}
		m.offset = offset + int(dec.InputOffset()) - len(m.raw)
		all = append(all, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, d.fail(offset, field, "not valid JSON")
	}
	return all, nil
}

// elements reads the elements of an array in the document.
func (d *document) elements(m *member) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(m.raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, d.fail(m.offset, m.key, "a list [ … ] is expected")
	}
	var all []member
	for dec.More() {
		e := member{key: m.key}
		if err := dec.Decode(&e.raw); err != nil {
			return nil, d.fail(m.offset, m.key, "not valid JSON")
		}
		e.offset = m.offset + int(dec.InputOffset()) - len(e.raw)
		all = append(all, e)
	}
	return all, nil
}

// check reports where the document is no JSON. The text of encoding/json's own error may quote the document.
func (d *document) check() error {
	var any json.RawMessage
	err := json.Unmarshal(d.text, &any)
	if err == nil {
		return nil
	}
	at := len(d.text)
	if s, ok := err.(*json.SyntaxError); ok {
		at = max(int(s.Offset)-1, 0)
	}
	switch {
	case at > 0 && bytes.HasPrefix(d.text[at-1:], []byte("{{")):
		return d.fail(at, "", `a variable without quotes; write "{{name}}" and declare its type among the parameters`)
	case strings.HasPrefix(err.Error(), "unexpected end"):
		return d.fail(at, "", "the document ends too early: look for a missing brace or quote")
	}
	return d.fail(at, "", "not valid JSON here: look for a missing comma or quote, a comma too many, or text after the end")
}
