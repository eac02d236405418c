package template

import "bytes"

// status says which variables a part of a template has, and how they fared. A larger one wins when parts are put
// together: one variable that is there makes the whole be there.
type status uint8

const (
	constant status = iota // no variables
	missing                // variables, none of them there
	present                // at least one variable that is there
)

// kind is the kind of a node.
type kind uint8

const (
	kindConstant kind = iota // lit
	kindSequence             // kids, one after the other
	kindVariable             // e, escaped
	kindString               // JSON: a string of kids
	kindValue                // JSON: a value that is exactly e
	kindObject               // JSON: kids with their keys
	kindArray                // JSON: kids
	kindElement              // XML: kids; left out when their variables are missing
	kindPairs                // form or query: kids joined with &, after lit
	kindSegment              // URL: kids that make one segment of the path
	kindRepeat               // a pair, an element of XML or a text: kids, for each element of e
)

// node is a part of a compiled template.
type node struct {
	kind kind
	lit  []byte
	key  []byte // of a JSON member: the key in quotes, and a colon
	e    *expr
	kids []node
	// escape appends a value for the place of the variable.
	escape func(dst []byte, value string) []byte
	// natural: a JSON value keeps the type that it has.
	natural bool
}

// renderer is one Append.
type renderer struct {
	t     *Template
	v     Vars
	limit int // of the result's length
	// item is the element of a list that is written, in place of the value that itemOf has before its filter each.
	item   any
	itemOf *expr
	lost   int // characters that the charset does not have
}

// fail makes an error about an expression, or about no place when e is nil.
func (r *renderer) fail(e *expr, kind error, reason string) error {
	err := &Error{Name: r.t.name, Reason: reason, Err: kind}
	if e != nil {
		err.Line, err.Column, err.Variable = e.line, e.column, e.name
	}
	return err
}

// eval is the value of an expression. ok is false when it is missing.
func (r *renderer) eval(e *expr) (value any, ok bool, err error) {
	value, ok = r.reckon(e)
	if !ok && r.t.policy == Strict {
		return nil, false, r.fail(e, ErrMissing, "the variable is missing; let the call provide it, or give it a default")
	}
	return value, ok, nil
}

// reckon is eval whatever the policy.
func (r *renderer) reckon(e *expr) (value any, ok bool) {
	if e == r.itemOf {
		return apply(e.filters[e.each()+1:], r.item, r.item != nil && r.item != "")
	}
	value, ok = r.first(e)
	return apply(e.filters, value, ok)
}

// first is the value of an expression before its filters.
func (r *renderer) first(e *expr) (any, bool) {
	if e.name == "" {
		return e.constant, true
	}
	return r.lookup(e)
}

// apply applies filters to a value, which is missing when ok is false.
func apply(filters []filter, value any, ok bool) (any, bool) {
	for i := range filters {
		if f := &filters[i]; f.fallback != nil {
			if !ok {
				value, ok = *f.fallback, true
			}
		} else if ok {
			value, ok = f.apply(value)
		}
	}
	return value, ok
}

// lookup is the value of the first variable of an expression that is there.
func (r *renderer) lookup(e *expr) (any, bool) {
	if v, ok := r.v.Lookup(e.name); ok && v != nil && v != "" {
		return v, true
	}
	for _, name := range e.others {
		if v, ok := r.v.Lookup(name); ok && v != nil && v != "" {
			return v, true
		}
	}
	return nil, false
}

// node appends a node.
func (r *renderer) node(dst []byte, n *node) ([]byte, status, error) {
	switch n.kind {
	case kindConstant:
		return append(dst, n.lit...), constant, nil
	case kindSequence:
		return r.sequence(dst, n.kids)
	case kindVariable:
		return r.variable(dst, n)
	case kindString:
		dst, s, err := r.sequence(append(dst, '"'), n.kids)
		return append(dst, '"'), s, err
	case kindValue:
		return r.value(dst, n)
	case kindObject:
		return r.composite(dst, n, '{', '}')
	case kindArray:
		return r.composite(dst, n, '[', ']')
	case kindElement:
		start := len(dst)
		dst, s, err := r.sequence(dst, n.kids)
		if s == missing && r.t.policy == OmitEmpty {
			dst = dst[:start]
		}
		return dst, s, err
	case kindPairs:
		return r.pairs(dst, n)
	case kindRepeat:
		return r.repeat(dst, n)
	default:
		return r.segment(dst, n)
	}
}

func (r *renderer) sequence(dst []byte, kids []node) (_ []byte, all status, err error) {
	for i := range kids {
		var s status
		if dst, s, err = r.node(dst, &kids[i]); err != nil {
			return dst, all, err
		}
		all = max(all, s)
	}
	return dst, all, nil
}

func (r *renderer) variable(dst []byte, n *node) ([]byte, status, error) {
	value, ok, err := r.eval(n.e)
	if err != nil || !ok {
		return dst, missing, err
	}
	text := ""
	if list, isList := value.([]any); isList && r.t.list != "" {
		text = joined(list, r.t.list)
	} else {
		text = textOf(value)
	}
	return r.bounded(n.escape(dst, r.inForm(text)), n.e)
}

// bounded checks the length of the result after a value was appended.
func (r *renderer) bounded(dst []byte, e *expr) ([]byte, status, error) {
	if len(dst) > r.limit {
		return dst, present, r.fail(e, ErrTooLarge, "the result is larger than the bound with this value; truncate it or raise the bound")
	}
	return dst, present, nil
}

// value appends a JSON value that is exactly one variable.
func (r *renderer) value(dst []byte, n *node) ([]byte, status, error) {
	value, ok, err := r.eval(n.e)
	switch {
	case err != nil:
		return dst, missing, err
	case !ok && (n.natural || n.e.typ != "" && n.e.typ != String):
		return append(dst, "null"...), missing, nil
	case !ok:
		return append(dst, `""`...), missing, nil
	case n.natural && !n.e.typed:
		dst = appendJSON(dst, value, 0)
	default:
		var fits bool
		if dst, fits = appendTyped(dst, value, n.e.typ); !fits && r.t.policy == Strict {
			return dst, present, r.fail(n.e, ErrType, "the value is not of the declared type "+string(n.e.typ)+"; declare it as a string, or correct what is collected")
		}
	}
	return r.bounded(dst, n.e)
}

// composite appends a JSON object or array.
func (r *renderer) composite(dst []byte, n *node, opening, closing byte) (_ []byte, all status, err error) {
	dst = append(dst, opening)
	inside := len(dst)
	for i := range n.kids {
		kid, start := &n.kids[i], len(dst)
		if start > inside {
			dst = append(dst, ',')
		}
		dst = append(dst, kid.key...)
		at := len(dst)
		var s status
		if dst, s, err = r.node(dst, kid); err != nil {
			return dst, all, err
		}
		all = max(all, s)
		if r.t.policy == OmitEmpty && s == missing && (n.kind == kindArray || kid.hollow(dst[at:])) {
			dst = dst[:start]
		}
	}
	return append(dst, closing), all, nil
}

// hollow reports whether the member's text says nothing, given that all its variables are missing: an object or
// array may still hold constants.
func (n *node) hollow(text []byte) bool {
	return n.kind != kindObject && n.kind != kindArray || len(text) == 2
}

func (r *renderer) pairs(dst []byte, n *node) (_ []byte, all status, err error) {
	before := len(dst)
	for i := range n.kids {
		kid := &n.kids[i]
		err = r.times(kid, func() error {
			start := len(dst)
			if start == before {
				dst = append(dst, n.lit...)
			} else {
				dst = append(dst, '&')
			}
			var s status
			if dst, s, err = r.sequence(dst, kid.kids); err != nil {
				return err
			}
			all = max(all, s)
			if s == missing && r.t.policy == OmitEmpty {
				dst = dst[:start]
			}
			return nil
		})
		if err != nil {
			return dst, all, err
		}
	}
	return dst, all, nil
}

// segment appends a segment of a URL's path that has variables in it.
func (r *renderer) segment(dst []byte, n *node) ([]byte, status, error) {
	start := len(dst)
	var last *expr
	for i := range n.kids {
		kid := &n.kids[i]
		if kid.kind == kindConstant {
			dst = append(dst, kid.lit...)
			continue
		}
		last = kid.e
		value, ok, err := r.eval(last)
		if err != nil {
			return dst, missing, err
		}
		s := textOf(value)
		switch {
		case !ok || s == "":
			return dst, missing, r.fail(last, ErrMissing, "the variable is missing and stands in the path of the URL, which would name another resource without it; require the field, or give it a default")
		case climbs(s):
			return dst, present, r.fail(last, ErrUnsafe, "the value climbs with .. or holds control characters, and stands in the path of the URL; it is not sent")
		}
		dst = appendPercent(dst, s)
	}
	if seg := bytes.ReplaceAll(bytes.ToLower(dst[start:]), []byte("%2e"), []byte(".")); string(seg) == "." || string(seg) == ".." {
		return dst, present, r.fail(last, ErrUnsafe, "the value makes a . or .. segment of the path of the URL; it is not sent")
	}
	return r.bounded(dst, last)
}
