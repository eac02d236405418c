package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/nearest"
)

// place is where something stands in a file, counted from 1.
type place struct{ line, column int }

// placeOf is the place of an offset in a text. Columns count characters.
func placeOf(text []byte, offset int64) place {
	before := text[:min(max(offset, 0), int64(len(text)))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return place{bytes.Count(before, []byte("\n")) + 1, len([]rune(string(line))) + 1}
}

// placed is an error with the place that it is about.
type placed struct {
	place
	err error
}

func (p *placed) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", p.line, p.column, p.err)
}
func (p *placed) Unwrap() error { return p.err }

// shape holds JSON against the type that it will be read into, which finds what is wrong together with its place. encoding/json
// gives no place for unknown members, and says of a duration only that some number could not be parsed.
type shape struct {
	text    []byte
	dec     *json.Decoder
	members map[string]place // of each member, by its path
	what    string           // that the text is
}

// checkShape returns the places of all members of a text that is to be what is said, or an error of type *placed.
func checkShape(text []byte, t reflect.Type, what string) (map[string]place, error) {
	s := &shape{text: text, dec: json.NewDecoder(bytes.NewReader(text)), members: make(map[string]place), what: what}
	s.dec.UseNumber()
	if err := s.value(t, ""); err != nil {
		return s.members, err
	}
	end := s.next()
	if _, err := s.dec.Token(); err != io.EOF {
		return s.members, s.errorf(end, "has something after the %s's closing brace; a file holds one %s", s.what, s.what)
	}
	return s.members, nil
}

// next is the offset at which the next token begins.
func (s *shape) next() int64 {
	at := s.dec.InputOffset()
	for at < int64(len(s.text)) && strings.IndexByte(" \t\r\n,:", s.text[at]) >= 0 {
		at++
	}
	return at
}

func (s *shape) errorf(at int64, format string, args ...any) error {
	return &placed{placeOf(s.text, at), fmt.Errorf(format, args...)}
}

// token reads the next token; what is no JSON is an error with its place.
func (s *shape) token() (json.Token, error) {
	at := s.next()
	t, err := s.dec.Token()
	if err == nil {
		return t, nil
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, s.errorf(int64(len(s.text)), "is not a %s in JSON: it ends before its last brace", s.what)
	}
	return nil, s.errorf(at, "is not a %s in JSON: %w", s.what, err)
}

var (
	durationType = reflect.TypeFor[caddy.Duration]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	deliverType  = reflect.TypeFor[Deliver]()
)

func (s *shape) value(t reflect.Type, path string) error {
	at := s.next()
	tok, err := s.token()
	if err != nil {
		return err
	}
	if t == rawType { // a module's settings, which are read when it is loaded
		return s.rest(tok)
	}
	if tok == nil {
		return nil // null leaves the default
	}
	wrong := func() error { return s.errorf(at, "%s", mustBe(path, t)) }
	if t == durationType {
		switch v := tok.(type) {
		case json.Number:
			return s.errorf(at, "member %q must be a duration in quotes, such as \"72h\" or \"3d\"; a bare number would be nanoseconds", path)
		case string:
			if _, err := caddy.ParseDuration(v); err != nil {
				return wrong()
			}
			return nil
		}
		return wrong()
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		if tok != json.Delim('{') {
			return wrong()
		}
		return s.object(path, fieldsOf(t), nil)
	case reflect.Map:
		if tok != json.Delim('{') {
			return wrong()
		}
		return s.object(path, nil, t.Elem())
	case reflect.Slice:
		if tok != json.Delim('[') {
			return wrong()
		}
		for i := 0; s.dec.More(); i++ {
			if err := s.value(t.Elem(), path); err != nil {
				return err
			}
		}
		_, err = s.token()
		return err
	case reflect.String:
		_, ok := tok.(string)
		return onlyIf(ok, wrong)
	case reflect.Bool:
		_, ok := tok.(bool)
		return onlyIf(ok, wrong)
	default:
		_, ok := tok.(json.Number)
		return onlyIf(ok, wrong)
	}
}

func onlyIf(ok bool, wrong func() error) error {
	if ok {
		return nil
	}
	return wrong()
}

// object reads members: those that fields names or, where there are none, any, with values of the type of elem.
func (s *shape) object(path string, fields map[string]reflect.Type, elem reflect.Type) error {
	seen := make(map[string]bool)
	for s.dec.More() {
		at := s.next()
		tok, err := s.token()
		if err != nil {
			return err
		}
		name, ok := tok.(string)
		if !ok {
			return s.errorf(at, "is not a %s in JSON: the name of a member must be a text", s.what)
		}
		if fields != nil {
			name = strings.ToLower(name) // as encoding/json reads it
		}
		member := strings.TrimPrefix(path+"."+name, ".")
		if seen[name] {
			return s.errorf(at, "member %q is given twice", member)
		}
		seen[name] = true
		s.members[member] = placeOf(s.text, at)
		t := elem
		if fields != nil {
			if t = fields[name]; t == nil {
				return s.errorf(at, "%s", unknownMember(member, name, fields))
			}
		}
		if err := s.value(t, member); err != nil {
			return err
		}
	}
	_, err := s.token()
	return err
}

func unknownMember(member, name string, fields map[string]reflect.Type) string {
	known := make([]string, 0, len(fields))
	for f := range fields {
		known = append(known, f)
	}
	slices.Sort(known)
	if near := nearest.Name(name, known); near != "" {
		return fmt.Sprintf("unknown member %q; did you mean %q?", member, near)
	}
	return fmt.Sprintf("unknown member %q", member)
}

// rest reads what is left of a value whose first token was read.
func (s *shape) rest(tok json.Token) error {
	depth := 0
	for {
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if tok, err = s.token(); err != nil {
			return err
		}
	}
}

// fieldsOf are the members of a struct in JSON, those of embedded structs among them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type)
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			for n, ft := range fieldsOf(f.Type) {
				fields[n] = ft
			}
		case f.IsExported() && name != "" && name != "-":
			fields[name] = f.Type
		}
	}
	return fields
}

// mustBe says what a member must be in the words of JSON.
func mustBe(member string, t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	must := "a number"
	switch {
	case t == durationType:
		must = `a duration in quotes, such as "72h" or "3d"`
	case t == deliverType:
		return fmt.Sprintf(`member %q must be a list of {"to": "a destination"}, each perhaps with an "if"`, member)
	case t == reflect.SliceOf(deliverType):
		return mustBe(member, deliverType)
	default:
		switch t.Kind() {
		case reflect.Struct, reflect.Map:
			must = "an object"
		case reflect.Slice, reflect.Array:
			must = "a list"
		case reflect.String:
			must = "a text"
		case reflect.Bool:
			must = "true or false"
		}
	}
	if member != "" {
		return fmt.Sprintf("member %q must be %s", member, must)
	}
	return "the whole must be " + must
}
