package template

import "slices"

// each is the index of the filter each, or -1.
func (e *expr) each() int {
	return slices.IndexFunc(e.filters, func(f filter) bool { return f.each })
}

// repeat has a list repeat what it stands in, unless a filter says otherwise.
func (e *expr) repeat() {
	if e != nil && !slices.ContainsFunc(e.filters, func(f filter) bool { return f.each || f.joins }) {
		e.filters = slices.Insert(e.filters, 0, filter{each: true, apply: func(v any) (any, bool) { return v, true }})
	}
}

// mayRepeat refuses the filter each where nothing can be repeated, and where it stands already.
func (c *compiler) mayRepeat(e *expr, offset int) error {
	switch {
	case !c.repeats:
		return c.about(e, offset, "each repeats a pair of a form or an element of XML; in JSON a list is written {{name}} without quotes, and elsewhere join makes a text of it")
	case e.each() >= 0:
		return c.about(e, offset, "each stands twice behind a variable")
	}
	return nil
}

// repeated is the node, or one that is repeated for the list in it.
func (c *compiler) repeated(n node) (node, error) {
	for _, kid := range n.kids {
		switch {
		case kid.kind != kindVariable || kid.e.each() < 0:
		case n.kind == kindRepeat:
			return n, c.placed(kid.e, "each stands behind two variables of one pair or element, of which only one can be repeated")
		default:
			n.kind, n.e = kindRepeat, kid.e
		}
	}
	return n, nil
}

// placed is a syntax error at an expression.
func (c *compiler) placed(e *expr, reason string) error {
	err := c.syntax(0, reason)
	err.Line, err.Column, err.Variable = e.line, e.column, e.name
	return err
}

// times writes a node once, or a repeated one once for each element of its list. Elements that are null, or of which the
// filters leave nothing, are left out; a value that is no list is written once, and so is a missing one.
func (r *renderer) times(n *node, write func() error) error {
	if n.kind != kindRepeat {
		return write()
	}
	value, ok := r.before(n.e)
	list, isList := value.([]any)
	if !ok || !isList {
		return write()
	}
	defer func() { r.item, r.itemOf = nil, nil }()
	for _, item := range list {
		r.item, r.itemOf = item, n.e
		if _, ok := r.reckon(n.e); !ok {
			continue
		}
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// before is the value of an expression as the filter each gets it.
func (r *renderer) before(e *expr) (any, bool) {
	value, ok := r.first(e)
	return apply(e.filters[:e.each()], value, ok)
}

// repeat appends an element of XML, once or more.
func (r *renderer) repeat(dst []byte, n *node) (_ []byte, all status, err error) {
	all = missing
	listed := false
	err = r.times(n, func() error {
		start := len(dst)
		var s status
		if dst, s, err = r.sequence(dst, n.kids); err != nil {
			return err
		}
		if s == missing && r.t.policy == OmitEmpty {
			dst = dst[:start]
		}
		all, listed = max(all, s), true
		return nil
	})
	if !listed {
		all = present // a list without elements is there
	}
	return dst, all, err
}

// Each renders the template once for each element of the list that is repeated in it, or once where there is none. lost
// is as Render has it.
func (t *Template) Each(v Vars) (all [][]byte, lost int, err error) {
	if t.root.kind != kindRepeat {
		one, lost, err := t.Render(nil, v)
		return [][]byte{one}, lost, err
	}
	r := renderer{t: t, v: v, limit: t.maxOutput}
	err = r.times(&t.root, func() error {
		one, _, err := r.sequence(nil, t.root.kids)
		all = append(all, r.written(one, 0))
		return err
	})
	return all, r.lost, err
}
