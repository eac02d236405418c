package jsonscan

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is one value of a Doc. The zero Value stands for one that is not there, and so does what is asked of it:
// v.Get("call").Get("id") needs no checks on the way.
type Value struct {
	d *Doc
	i uint32
}

func (v Value) node() *node { return &v.d.nodes[v.i] }

// Kind is the value's type.
func (v Value) Kind() Kind {
	if v.d == nil {
		return Missing
	}
	return v.node().kind
}

// Raw is the value's text, a string's with its quotes; nil when the value is missing.
func (v Value) Raw() []byte {
	if v.d == nil {
		return nil
	}
	n := v.node()
	if n.kind == String {
		return v.d.text[n.start-1 : n.end+1]
	}
	return v.d.text[n.start:n.end]
}

// Get is the member of an object; missing if the value is no object or has no such member.
func (v Value) Get(key string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	at := uint32(0) // no value that is a member is the first node
	nodes, text := v.d.nodes, v.d.text
	for i, end := v.i+1, nodes[v.i].next; i < end; i = nodes[i+1].next {
		k := &nodes[i]
		switch {
		case k.escaped:
			if decode(text[k.start:k.end]) == key {
				at = i + 1
			}
		case k.end-k.start == uint32(len(key)) && string(text[k.start:k.end]) == key:
			at = i + 1
		}
	}
	if at == 0 {
		return Value{}
	}
	return Value{v.d, at}
}

// Path follows members from object to object.
func (v Value) Path(keys ...string) Value {
	for _, k := range keys {
		v = v.Get(k)
	}
	return v
}

// Index is the n-th element of an array; a negative n counts from its end.
func (v Value) Index(n int) Value {
	if v.Kind() != Array {
		return Value{}
	}
	if n < 0 {
		if n += v.Len(); n < 0 {
			return Value{}
		}
	}
	for e := range v.Elements() {
		if n == 0 {
			return e
		}
		n--
	}
	return Value{}
}

// Len is the number of elements of an array or of members of an object, duplicates counted; otherwise 0.
func (v Value) Len() int {
	if k := v.Kind(); k != Array && k != Object {
		return 0
	}
	n := 0
	for i, end := v.i+1, v.node().next; i < end; i = v.d.nodes[i].next {
		n++
	}
	if v.Kind() == Object {
		return n / 2
	}
	return n
}

// Elements are the elements of an array; none if the value is no array.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		for i, end := v.i+1, v.node().next; i < end; i = v.d.nodes[i].next {
			if !yield(Value{v.d, i}) {
				return
			}
		}
	}
}

// Members are the members of an object in their order, duplicates included; none if the value is no object.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		for i, end := v.i+1, v.node().next; i < end; i = v.d.nodes[i+1].next {
			if !yield(Value{v.d, i}.Text(), Value{v.d, i + 1}) {
				return
			}
		}
	}
}

// Entries are Members with their keys as values, for who looks at keys without keeping them: Raw makes no copy of one.
func (v Value) Entries() iter.Seq2[Value, Value] {
	return func(yield func(key, member Value) bool) {
		if v.Kind() != Object {
			return
		}
		for i, end := v.i+1, v.node().next; i < end; i = v.d.nodes[i+1].next {
			if !yield(Value{v.d, i}, Value{v.d, i + 1}) {
				return
			}
		}
	}
}

// Distinct are the members of an object in their order, but of those with the same key only the last, which is what Get
// gives; none if the value is no object.
func (v Value) Distinct() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		last := v.lastOfKeys()
		for i, end := v.i+1, v.node().next; i < end; i = v.d.nodes[i+1].next {
			if last != nil && last[(Value{v.d, i}).Text()] != i || last == nil && v.comesAgain(i) {
				continue
			}
			if !yield(Value{v.d, i}.Text(), Value{v.d, i + 1}) {
				return
			}
		}
	}
}

// fewKeys is of how many members each is compared with all that follow it. For more a table is made.
const fewKeys = 32

// lastOfKeys tells of each key of an object where it stands last; nil for an object of few members.
func (v Value) lastOfKeys() map[string]uint32 {
	n := v.Len()
	if n <= fewKeys {
		return nil
	}
	last := make(map[string]uint32, n)
	for i, end := v.i+1, v.node().next; i < end; i = v.d.nodes[i+1].next {
		last[Value{v.d, i}.Text()] = i
	}
	return last
}

// comesAgain reports whether another member of the object has the key at i, further on.
func (v Value) comesAgain(i uint32) bool {
	nodes, end := v.d.nodes, v.node().next
	key := &nodes[i]
	for j := nodes[i+1].next; j < end; j = nodes[j+1].next {
		other := &nodes[j]
		switch {
		case key.escaped || other.escaped:
			if (Value{v.d, i}).Text() == (Value{v.d, j}).Text() {
				return true
			}
		case key.end-key.start == other.end-other.start:
			if bytes.Equal(v.d.text[key.start:key.end], v.d.text[other.start:other.end]) {
				return true
			}
		}
	}
	return false
}

// Text is the content of a string, or the text of a number as it was written; otherwise empty.
func (v Value) Text() string {
	if k := v.Kind(); k != String && k != Number {
		return ""
	}
	n := v.node()
	if v.d.sharing {
		return v.d.sharedText(n)
	}
	b := v.d.text[n.start:n.end]
	if n.escaped || !utf8.Valid(b) {
		return decode(b)
	}
	return string(b)
}

// Interface is the value as encoding/json would decode it with UseNumber.
func (v Value) Interface() any {
	switch v.Kind() {
	case String:
		return v.Text()
	case Number:
		return json.Number(v.Text())
	case True:
		return true
	case False:
		return false
	case Array:
		s := make([]any, 0, v.Len())
		for e := range v.Elements() {
			s = append(s, e.Interface())
		}
		return s
	case Object:
		m := make(map[string]any, v.Len())
		for k, e := range v.Members() {
			m[k] = e.Interface()
		}
		return m
	default:
		return nil
	}
}

// decode resolves the escapes of a string that Scan has accepted. Lone surrogates and invalid UTF-8 become U+FFFD.
func decode(b []byte) string {
	var s strings.Builder
	s.Grow(len(b))
	writeDecoded(&s, b, utf8.Valid(b))
	return s.String()
}

// writeDecoded writes the content of a string. Unless it is known to be valid UTF-8, that is looked at too.
func writeDecoded(s *strings.Builder, b []byte, valid bool) {
	for {
		n := bytes.IndexByte(b, '\\')
		if n < 0 {
			n = len(b)
		}
		if valid {
			s.Write(b[:n])
		} else {
			writeValid(s, b[:n])
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
		if b[1] != 'u' {
			s.WriteByte(unescape(b[1]))
			b = b[2:]
			continue
		}
		r := rune4(b[2:])
		b = b[6:]
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if len(b) >= 6 && b[0] == '\\' && b[1] == 'u' {
				pair = utf16.DecodeRune(r, rune4(b[2:]))
			}
			if r = pair; r != utf8.RuneError {
				b = b[6:]
			}
		}
		s.WriteRune(r)
	}
}

// writeValid writes text without escapes, each byte that is not UTF-8 as U+FFFD.
func writeValid(s *strings.Builder, b []byte) {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		s.WriteRune(r)
		b = b[n:]
	}
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return c
	}
}

// rune4 reads four hexadecimal digits.
func rune4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
