// Package canonical rewrites a JSON text the way two runtimes would after parsing it: as
// JSON.stringify(JSON.parse(body)) in JavaScript, and as json.dumps(json.loads(body)) in Python. Webhook receivers
// that have already parsed a request compute signatures over those forms instead of over the bytes that were sent.
//
// A form is a function of the body alone, so it can be authenticated in place of the body. It is not one to one:
// white space, the first of two members with the same key and, in JavaScript, digits beyond a double's precision are
// not part of it. Whatever reads the body after a form was authenticated has to read it as those runtimes do: of
// duplicate keys the last wins.
package canonical

import (
	"errors"
	"math"
	"sync"
)

// MaxDepth is how deep arrays and objects may nest. Python's own limit is a little below 1000.
const MaxDepth = 512

// The reasons why a text has no canonical form. They never quote the text.
var (
	// ErrSyntax: the runtime's JSON parser refuses the text.
	ErrSyntax = errors.New("not valid JSON")
	// ErrTooDeep: arrays and objects nest deeper than MaxDepth.
	ErrTooDeep = errors.New("JSON nests too deep")
	// ErrTooLarge: the text is larger than 2 GiB, or for Python an integer in it has more digits than MaxIntDigits.
	ErrTooLarge = errors.New("JSON text or integer is too large")
	// ErrTooDear: more than maxSlow numbers in the text take long to read.
	ErrTooDear = errors.New("JSON has too many numbers that take long to read")
)

// Form is one of the forms of a text.
type Form uint8

// The forms.
const (
	JavaScriptForm = Form(javaScript)
	PythonForm     = Form(python)
	CompactForm    = Form(compact)
)

// Rewritten is a text in a form.
type Rewritten struct {
	// Text is the form, behind what was in dst.
	Text []byte
	// Differs is set where somebody who reads the text itself may read something else than the form says: of two members
	// with one key the first, a number beyond the range or the precision of a double, or what is not UTF-8. White space,
	// the order of members and the spelling of strings and numbers are no such thing.
	Differs bool
	// Work is what it took, in steps of a few nanoseconds: at most some forty for each byte of the text, and those of
	// maxSlow slow numbers.
	Work int
	// Since is the part of Work that came after the last rest.
	Since int
}

// Between is how many steps of work lie between two calls of rest, at least.
const Between = 200_000

// Rewrite appends the form of the text to dst. On error Text is dst as it was. rest, if there is one, is called after
// each Between steps of work, so that what else there is to do can be let in front of a long text.
func Rewrite(f Form, dst, text []byte, rest func()) (Rewritten, error) {
	return rewrite(dst, text, flavour(f), rest)
}

// JavaScript appends JSON.stringify(JSON.parse(body)) to dst and returns the extended slice; on error it returns dst
// as it was. body is read as UTF-8 the way a Buffer is turned into a string: what is not UTF-8 becomes U+FFFD. A byte
// order mark is a syntax error, as it is for JSON.parse.
//
// As in ECMAScript, keys that are array indices come first and ascending; of duplicate keys the last value stands in
// the first one's place; numbers are IEEE doubles in the shortest form of Number::toString, and null beyond their
// range; a lone surrogate is written as a \u escape and every other character as itself.
func JavaScript(dst, body []byte) ([]byte, error) { return text(rewrite(dst, body, javaScript, nil)) }

// Python appends json.dumps(json.loads(body)) to dst and returns the extended slice; on error it returns dst as it
// was. body is UTF-8, with a byte order mark or without; the UTF-16 and UTF-32 texts that Python would also guess at
// are refused, and so is what is not UTF-8 (encoded surrogates apart, which Python lets through).
//
// As in Python, members keep their order; of duplicate keys the last value stands in the first one's place; integers
// are exact, up to MaxIntDigits; numbers with a point or an exponent are doubles in the form of repr; NaN, Infinity
// and -Infinity are accepted and written; everything that is not printable ASCII is escaped.
func Python(dst, body []byte) ([]byte, error) { return text(rewrite(dst, body, python, nil)) }

// Compact appends body to dst without the white space between its tokens, and leaves the tokens as they are. The text
// has to be JSON as JavaScript understands it.
func Compact(dst, body []byte) ([]byte, error) { return text(rewrite(dst, body, compact, nil)) }

func text(r Rewritten, err error) ([]byte, error) { return r.Text, err }

// Valid reports whether one of the two runtimes' parsers accepts the text.
func Valid(body []byte) bool {
	t := tapes.Get().(*tape)
	defer t.release()
	if t.scan(body, javaScript) == nil {
		return true
	}
	return t.scan(body, python) == nil
}

type flavour uint8

const (
	javaScript flavour = iota
	python
	compact
)

var tapes = sync.Pool{New: func() any { return new(tape) }}

// maxKept is how many nodes a tape may hold to be kept for the next text: 20 MiB, those of 1 MiB of JSON at its worst.
// Texts of that size come a few at a time, and what a sync.Pool keeps is gone after two garbage collections; made anew for
// each text, the nodes would be by far the most of the garbage that a stranger can cause.
const maxKept = 1 << 20

func (t *tape) release() {
	if cap(t.nodes) > maxKept {
		t.nodes = nil
	}
	if cap(t.members) > maxKept/4 {
		t.members = nil
	}
	if cap(t.slots) > maxKept {
		t.slots = nil
	}
	if cap(t.arena) > 4*maxKept {
		t.arena = nil
	}
	t.text, t.arena, t.rest = nil, t.arena[:0], nil
	tapes.Put(t)
}

func rewrite(dst, body []byte, f flavour, rest func()) (Rewritten, error) {
	if len(body) > math.MaxInt32 {
		return Rewritten{Text: dst}, ErrTooLarge
	}
	t := tapes.Get().(*tape)
	defer t.release()
	t.rest = rest
	if err := t.scan(body, f); err != nil {
		return t.rewritten(dst), err
	}
	if t.same {
		return t.rewritten(append(dst, t.text...)), nil
	}
	t.out = dst
	t.emit(0)
	r := t.rewritten(t.out)
	t.out = nil
	if t.slow > maxSlow {
		return t.rewritten(dst), ErrTooDear
	}
	return r, nil
}

func (t *tape) rewritten(text []byte) Rewritten {
	return Rewritten{Text: text, Differs: t.differs, Work: t.work, Since: t.work - t.rested}
}
