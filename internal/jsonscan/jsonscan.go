// Package jsonscan reads JSON without decoding it: one pass checks the text (RFC 8259) and notes where every value
// lies, and values are then looked up by key and read from the text one at a time. Reading three members of a 2 KiB
// webhook costs one pass and three strings.
//
// It accepts exactly what encoding/json accepts, except that nesting is limited to MaxDepth. Of duplicate keys the
// last wins, as in encoding/json, JavaScript and Python. The forms of internal/canonical have a scanner of their own, which
// says why.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// MaxDepth is how deep arrays and objects may nest. The deepest payload of a known sender nests about 20 levels.
const MaxDepth = 128

// The reasons why a text is refused. They never quote the text.
var (
	ErrSyntax   = errors.New("not valid JSON")
	ErrTooDeep  = errors.New("JSON nests too deep")
	ErrTooLarge = errors.New("JSON text is too large")
)

// Kind is the type of a value. The zero Kind is that of a value which is not there.
type Kind uint8

// The kinds.
const (
	Missing Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
)

// node is one value or key. Its children, if any, follow it directly.
type node struct {
	start, end uint32 // of the text; a string's without its quotes
	next       uint32 // the index of the node after this one and all its children
	kind       Kind
	escaped    bool   // a string with a backslash in it
	text       uint16 // one more than the index in texts of the decoded text; 0 while there is none
}

// Doc is a scanned text. The zero Doc is ready for Scan; a Doc can be scanned into again and keeps its memory.
// A Doc and the Values from it refer to the text, which must not change while they are in use.
type Doc struct {
	text  []byte
	nodes []node
	shared
}

// Scan checks the text and indexes it. On error the Doc is empty.
func (d *Doc) Scan(text []byte) error {
	d.Reset()
	d.text = text
	if len(text) > math.MaxInt32 {
		d.text = nil
		return ErrTooLarge
	}
	i, err := d.value(skipSpace(text, 0), 0)
	if err == nil && skipSpace(text, i) != len(text) {
		err = ErrSyntax
	}
	if err != nil {
		d.text, d.nodes = nil, d.nodes[:0]
	}
	return err
}

// Reset forgets the text, so that a Doc kept for later does not hold on to it.
func (d *Doc) Reset() {
	d.text, d.nodes = nil, d.nodes[:0]
	d.shared.reset()
}

// Size is the number of values and keys in the text: what the Doc's memory is proportional to.
func (d *Doc) Size() int { return len(d.nodes) }

// Root is the value that the text is; missing if nothing was scanned.
func (d *Doc) Root() Value {
	if len(d.nodes) == 0 {
		return Value{}
	}
	return Value{d: d}
}

// value scans the value that starts at i, and returns the index of the byte after it.
func (d *Doc) value(i, depth int) (int, error) {
	if i >= len(d.text) {
		return i, ErrSyntax
	}
	switch c := d.text[i]; c {
	case '{', '[':
		if depth == MaxDepth {
			return i, ErrTooDeep
		}
		if c == '{' {
			return d.object(i, depth+1)
		}
		return d.array(i, depth+1)
	case '"':
		return d.str(i)
	case 't':
		return d.word(i, "true", True)
	case 'f':
		return d.word(i, "false", False)
	case 'n':
		return d.word(i, "null", Null)
	default:
		return d.number(i)
	}
}

func (d *Doc) object(i, depth int) (int, error) {
	at, text := d.open(i, Object), d.text
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == '}' {
		return d.close(at, i), nil
	}
	for {
		if i >= len(text) || text[i] != '"' {
			return i, ErrSyntax
		}
		var err error
		if i, err = d.str(i); err != nil {
			return i, err
		}
		if i = skipSpace(text, i); i >= len(text) || text[i] != ':' {
			return i, ErrSyntax
		}
		if i, err = d.value(skipSpace(text, i+1), depth); err != nil {
			return i, err
		}
		if i = skipSpace(text, i); i >= len(text) {
			return i, ErrSyntax
		}
		switch text[i] {
		case ',':
			i = skipSpace(text, i+1)
		case '}':
			return d.close(at, i), nil
		default:
			return i, ErrSyntax
		}
	}
}

func (d *Doc) array(i, depth int) (int, error) {
	at, text := d.open(i, Array), d.text
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == ']' {
		return d.close(at, i), nil
	}
	for {
		var err error
		if i, err = d.value(i, depth); err != nil {
			return i, err
		}
		if i = skipSpace(text, i); i >= len(text) {
			return i, ErrSyntax
		}
		switch text[i] {
		case ',':
			i = skipSpace(text, i+1)
		case ']':
			return d.close(at, i), nil
		default:
			return i, ErrSyntax
		}
	}
}

// open adds the node of a container whose first byte is at i; close completes it at its last byte.
func (d *Doc) open(i int, k Kind) int {
	d.nodes = append(d.nodes, node{start: uint32(i), kind: k})
	return len(d.nodes) - 1
}

func (d *Doc) close(at, i int) int {
	d.nodes[at].end = uint32(i + 1)
	d.nodes[at].next = uint32(len(d.nodes))
	return i + 1
}

func (d *Doc) leaf(start, end int, k Kind, escaped bool) {
	next := uint32(len(d.nodes) + 1)
	d.nodes = append(d.nodes, node{start: uint32(start), end: uint32(end), next: next, kind: k, escaped: escaped})
}

func (d *Doc) word(i int, w string, k Kind) (int, error) {
	if len(d.text)-i < len(w) || string(d.text[i:i+len(w)]) != w {
		return i, ErrSyntax
	}
	d.leaf(i, i+len(w), k, false)
	return i + len(w), nil
}

// str scans the string whose opening quote is at i.
func (d *Doc) str(i int) (int, error) {
	text, start, escaped := d.text, i+1, false
	for i = start; ; {
		i = plain(text, i)
		if i >= len(text) || text[i] < ' ' {
			return i, ErrSyntax
		}
		if text[i] == '"' {
			d.leaf(start, i, String, escaped)
			return i + 1, nil
		}
		escaped = true
		n := escapeLen(text[i:])
		if n == 0 {
			return i, ErrSyntax
		}
		i += n
	}
}

// plain returns the index of the first byte from i on that is a quote, a backslash or a control character. It looks
// at eight bytes at a time: transcripts are long strings.
func plain(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// In each term the lowest high bit that is set marks the first byte that matches.
		m := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(text) && text[i] != '"' && text[i] != '\\' && text[i] >= ' ' {
		i++
	}
	return i
}

// escapeLen is the length of the escape sequence that b starts with, or 0 when it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5]) {
			return 6
		}
	}
	return 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (d *Doc) number(i int) (int, error) {
	text, start := d.text, i
	if text[i] == '-' {
		i++
	}
	switch {
	case i < len(text) && text[i] == '0':
		i++
	default:
		n := digits(text, i)
		if n == i {
			return i, ErrSyntax
		}
		i = n
	}
	if i < len(text) && text[i] == '.' {
		n := digits(text, i+1)
		if n == i+1 {
			return i, ErrSyntax
		}
		i = n
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		n := digits(text, i)
		if n == i {
			return i, ErrSyntax
		}
		i = n
	}
	d.leaf(start, i, Number, false)
	return i, nil
}

// digits returns the index after the digits that start at i.
func digits(text []byte, i int) int {
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return i
}

func skipSpace(text []byte, i int) int {
	for i < len(text) {
		switch text[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}
