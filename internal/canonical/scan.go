package canonical

import (
	"bytes"
	"unicode/utf8"
)

// MaxIntDigits is how many digits an integer may have in the Python form: Python's own limit (sys.int_info) since
// 3.11, beyond which json.loads raises ValueError.
const MaxIntDigits = 4300

type kind uint8

const (
	literal kind = iota // true, false, null: written as they are
	integer             // a number without point and exponent
	float
	special // NaN, Infinity, -Infinity (Python)
	str
	array
	object
)

// node is one value or key of the text. The children of a container follow it.
type node struct {
	start, end uint32 // of the text; a string's without its quotes
	next       uint32 // the index of the node after this one and all its children
	kind       kind
	plain      bool // the text of a string or number is already in the form
	reorder    bool // an object with duplicate keys, or with keys that have to be sorted
}

// tape is a text and where its values lie in it.
//
// internal/jsonscan does the like, and cannot stand in for it, nor the other way round. What is a text is another matter
// here: each runtime has its own grammar (NaN, a byte order mark, surrogates in UTF-8, integers of 4300 digits) and its own
// bound of depth, where jsonscan holds to encoding/json. And while it scans, a tape finds out what the form leaves as it
// is, so that the usual body is copied and never written anew; jsonscan is asked for three members of a body and pays for
// nothing else.
type tape struct {
	text    []byte
	f       flavour
	nodes   []node
	same    bool // so far, the text is already in the form
	differs bool // see Rewritten
	work    int  // see Rewritten
	rested  int  // what work was at the last rest
	rest    func()
	seen    int // how much of the text is in work
	slow    int // slow numbers so far
	out     []byte
	members []member // a stack: those of the objects that are being rewritten
	slots   []uint32 // a hash table of members
	arena   []byte   // decoded keys
}

// scan checks the text and notes its values. It takes time and memory linear in the text's length.
func (t *tape) scan(text []byte, f flavour) error {
	t.f, t.same, t.nodes = f, true, t.nodes[:0]
	t.differs, t.work, t.slow = false, 0, 0
	t.rested, t.seen = 0, 0
	if f == python {
		if cut, ok := bytes.CutPrefix(text, []byte("\xef\xbb\xbf")); ok {
			text, t.same = cut, false
		}
	}
	t.text = text
	i, err := t.value(t.space(0), 0)
	if err == nil {
		if i = t.space(i); i != len(text) {
			err = ErrSyntax
		}
	}
	t.saw(i)
	return err
}

// spend counts work, and rests when it is time to.
func (t *tape) spend(steps int) {
	if t.work += steps; t.work-t.rested >= Between && t.rest != nil {
		t.rested = t.work
		t.rest()
	}
}

// saw counts the text up to i.
func (t *tape) saw(i int) {
	t.spend(i - t.seen)
	t.seen = i
}

// space skips white space where the form has none.
func (t *tape) space(i int) int {
	j := skipSpace(t.text, i)
	if j != i {
		t.same = false
	}
	return j
}

// spaceAfter skips white space after a comma or a colon, where Python writes one space.
func (t *tape) spaceAfter(i int) int {
	j := skipSpace(t.text, i)
	if t.f != python {
		if j != i {
			t.same = false
		}
	} else if j != i+1 || t.text[i] != ' ' {
		t.same = false
	}
	return j
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// value scans the value that starts at i, and returns the index of the byte after it.
func (t *tape) value(i, depth int) (int, error) {
	if i >= len(t.text) {
		return i, ErrSyntax
	}
	t.saw(i)
	t.spend(4)
	switch c := t.text[i]; c {
	case '{', '[':
		if depth == MaxDepth {
			return i, ErrTooDeep
		}
		if c == '{' {
			return t.object(i, depth+1)
		}
		return t.array(i, depth+1)
	case '"':
		return t.string(i)
	case 't':
		return t.word(i, "true", literal)
	case 'f':
		return t.word(i, "false", literal)
	case 'n':
		return t.word(i, "null", literal)
	case 'N':
		return t.word(i, "NaN", special)
	case 'I':
		return t.word(i, "Infinity", special)
	default:
		if c == '-' && i+1 < len(t.text) && t.text[i+1] == 'I' {
			return t.word(i, "-Infinity", special)
		}
		return t.number(i)
	}
}

func (t *tape) object(i, depth int) (int, error) {
	at := t.open(i, object)
	count := 0
	if i = t.space(i + 1); i < len(t.text) && t.text[i] == '}' {
		return t.close(at, i), nil
	}
	for {
		if i >= len(t.text) || t.text[i] != '"' {
			return i, ErrSyntax
		}
		var err error
		if i, err = t.string(i); err != nil {
			return i, err
		}
		count++
		if i = t.space(i); i >= len(t.text) || t.text[i] != ':' {
			return i, ErrSyntax
		}
		if i, err = t.value(t.spaceAfter(i+1), depth); err != nil {
			return i, err
		}
		if i = t.space(i); i >= len(t.text) {
			return i, ErrSyntax
		}
		switch t.text[i] {
		case ',':
			i = t.spaceAfter(i + 1)
		case '}':
			i = t.close(at, i)
			if t.f != compact && t.outOfOrder(at, count) {
				t.nodes[at].reorder, t.same = true, false
			}
			return i, nil
		default:
			return i, ErrSyntax
		}
	}
}

func (t *tape) array(i, depth int) (int, error) {
	at := t.open(i, array)
	if i = t.space(i + 1); i < len(t.text) && t.text[i] == ']' {
		return t.close(at, i), nil
	}
	for {
		var err error
		if i, err = t.value(i, depth); err != nil {
			return i, err
		}
		if i = t.space(i); i >= len(t.text) {
			return i, ErrSyntax
		}
		switch t.text[i] {
		case ',':
			i = t.spaceAfter(i + 1)
		case ']':
			return t.close(at, i), nil
		default:
			return i, ErrSyntax
		}
	}
}

// open adds the node of a container whose first byte is at i; close completes it at its last byte.
func (t *tape) open(i int, k kind) int {
	t.nodes = append(t.nodes, node{start: uint32(i), kind: k})
	return len(t.nodes) - 1
}

func (t *tape) close(at, i int) int {
	t.nodes[at].end = uint32(i + 1)
	t.nodes[at].next = uint32(len(t.nodes))
	return i + 1
}

func (t *tape) leaf(start, end int, k kind, plain bool) {
	if !plain {
		t.same = false
	}
	t.nodes = append(t.nodes, node{
		start: uint32(start), end: uint32(end), next: uint32(len(t.nodes) + 1), kind: k, plain: plain,
	})
}

func (t *tape) word(i int, w string, k kind) (int, error) {
	if k == special && t.f != python || len(t.text)-i < len(w) || string(t.text[i:i+len(w)]) != w {
		return i, ErrSyntax
	}
	t.leaf(i, i+len(w), k, true)
	return i + len(w), nil
}

func (t *tape) number(i int) (int, error) {
	text, start, k := t.text, i, integer
	if text[i] == '-' {
		i++
	}
	first := i
	if i < len(text) && text[i] == '0' {
		i++
	} else if n := digits(text, i); n != i {
		i = n
	} else {
		return i, ErrSyntax
	}
	count := i - first
	if i < len(text) && text[i] == '.' {
		n := digits(text, i+1)
		if n == i+1 {
			return i, ErrSyntax
		}
		i, k = n, float
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		n := digits(text, i)
		if n == i {
			return i, ErrSyntax
		}
		i, k = n, float
	}
	plain := t.f == compact
	if k == integer {
		if t.f == python && count > MaxIntDigits {
			return i, ErrTooLarge
		}
		// Below 16 digits an integer is exact as a double too. "-0" is 0 in both runtimes.
		plain = plain || (t.f == python || count <= 15) && !(first != start && text[first] == '0')
	}
	t.leaf(start, i, k, plain)
	return i, nil
}

func digits(text []byte, i int) int {
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return i
}

// string scans the string whose opening quote is at i. A string is plain if it needs no change: for Python, printable
// ASCII; for JavaScript, UTF-8; for both, no escapes at all, though some are in the form already.
func (t *tape) string(i int) (int, error) {
	text, start, plain := t.text, i+1, true
	for i = start; ; {
		i = run(text, i)
		if i >= len(text) {
			return i, ErrSyntax
		}
		switch c := text[i]; {
		case c == '"':
			t.leaf(start, i, str, plain || t.f == compact)
			return i + 1, nil
		case c == '\\':
			n := escapeLen(text[i:])
			if n == 0 {
				return i, ErrSyntax
			}
			i, plain = i+n, false
		case c < ' ':
			return i, ErrSyntax
		case t.f == python:
			n := 1
			if c >= utf8.RuneSelf {
				if n = pythonRune(text[i:]); n == 0 {
					return i, ErrSyntax
				}
			}
			i, plain = i+n, false
		case c < utf8.RuneSelf: // U+007F
			i++
		default:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				plain = false
				t.differs = t.differs || t.f == javaScript
			}
			i += n
		}
	}
}
