package template

// text compiles plain text.
func (c *compiler) text() (node, error) {
	return c.plain(appendText, func(s string) []byte { return []byte(s) })
}

// header compiles the value of a header.
func (c *compiler) header() (node, error) {
	for i := range len(c.src) {
		if ch := c.src[i]; control(ch) && ch != '\t' {
			return node{}, c.syntax(i, "a control character or line break in a header; a header is one line")
		}
	}
	return c.plain(appendHeader, func(s string) []byte { return appendHeader(nil, s) })
}

// plain compiles a source that has no structure.
func (c *compiler) plain(escape func([]byte, string) []byte, literal func(string) []byte) (node, error) {
	pieces, err := c.split(c.src, func(i int) int { return i })
	if err != nil {
		return node{}, err
	}
	kids, err := c.nodes(pieces, escape, literal)
	if err != nil {
		return node{}, err
	}
	if c.o.Repeats && len(pieces) == 1 {
		pieces[0].e.repeat()
	}
	return c.repeated(node{kind: kindSequence, kids: kids})
}

// nodes makes nodes of pieces that stand in one place.
func (c *compiler) nodes(pieces []piece, escape func([]byte, string) []byte, literal func(string) []byte) ([]node, error) {
	var kids []node
	for _, p := range pieces {
		switch {
		case p.e == nil:
			kids = append(kids, node{lit: literal(p.lit)})
		case p.e.typed:
			return nil, c.about(p.e, p.at, "number, integer and boolean are for JSON bodies; leave the filter out")
		default:
			kids = append(kids, node{kind: kindVariable, e: p.e, escape: escape})
		}
	}
	return kids, nil
}

// withoutEncoding takes the filter urlencode out where values are encoded anyway.
func withoutEncoding(pieces []piece) {
	for _, p := range pieces {
		if p.e == nil {
			continue
		}
		kept := p.e.filters[:0]
		for _, f := range p.e.filters {
			if !f.encodes {
				kept = append(kept, f)
			}
		}
		p.e.filters = kept
	}
}
