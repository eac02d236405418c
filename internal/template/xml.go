package template

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"
)

// xmlToken is a part of an XML template.
type xmlToken struct {
	kind byte // '<' start tag, '>' end tag, '/' tag of an empty element, 't' text, 'o' anything else
	kids []node
	vars bool
}

// xmlCompiler walks through the template and knows where in XML it is.
type xmlCompiler struct {
	*compiler
	tokens []xmlToken
	state  string // the text that ends the present construct; "" in text
	quote  byte   // of the attribute value that it is in, or 0
	tag    string // what was read of the present tag
	cdata  bool
	plain  strings.Builder // the template with x for each variable
}

func (c *compiler) xml() (node, error) {
	pieces, err := c.split(c.src, func(i int) int { return i })
	if err != nil {
		return node{}, err
	}
	if len(pieces) > 0 { // a declaration stands at the very beginning
		trimmed := strings.TrimLeft(pieces[0].lit, " \t\r\n")
		pieces[0].at += len(pieces[0].lit) - len(trimmed)
		pieces[0].lit = trimmed
	}
	x := &xmlCompiler{compiler: c}
	if len(pieces) > 0 {
		if err := x.declaration(pieces[0].lit); err != nil {
			return node{}, err
		}
	}
	for _, p := range pieces {
		if p.e == nil {
			if err := x.constant(p); err != nil {
				return node{}, err
			}
			continue
		}
		x.plain.WriteByte('x')
		var escape func([]byte, string) []byte
		switch {
		case x.state == "" || x.cdata:
			escape = appendXMLText
		case x.quote != 0:
			escape = appendXMLAttr
		default:
			return node{}, c.about(p.e, p.at, "a variable in a tag's name, a comment or a declaration; only text, CDATA and quoted attribute values can have variables")
		}
		kids, err := c.nodes([]piece{p}, escape, nil)
		if err != nil {
			return node{}, err
		}
		kind := byte('<')
		if x.state == "" || x.cdata {
			kind = 't'
		}
		x.add(kind, kids[0])
	}
	if x.state != "" {
		return node{}, c.syntax(len(c.src), "the XML ends inside of a tag, comment or CDATA section")
	}
	if err := x.check(); err != nil {
		return node{}, err
	}
	kids, err := x.group()
	return node{kind: kindSequence, kids: kids}, err
}

// constant reads constant text.
func (x *xmlCompiler) constant(p piece) error {
	x.plain.WriteString(p.lit)
	for s, at := p.lit, p.at; s != ""; {
		n := 0
		switch {
		case x.state == "":
			if n = strings.IndexByte(s, '<'); n < 0 {
				n = len(s)
			}
			if n > 0 {
				// A > is written &gt;, because a value before it could end in ]].
				x.add('t', node{lit: []byte(strings.ReplaceAll(s[:n], ">", "&gt;"))})
				break
			}
			if strings.HasPrefix(s, "<!") && !strings.HasPrefix(s, "<!--") && !strings.HasPrefix(s, "<![CDATA[") {
				return x.syntax(at, "a DOCTYPE or other declaration; leave it out")
			}
			n = x.open(s)
		case x.state == ">":
			n = x.inTag(s)
		default:
			if n = strings.Index(s, x.state); n < 0 {
				n = len(s)
				x.other(s)
				break
			}
			x.other(s[:n])
			n += len(x.state)
			if !x.cdata {
				x.add('o', node{lit: []byte(x.state)})
			}
			x.state, x.cdata = "", false
		}
		s, at = s[n:], at+n
	}
	return nil
}

// open begins what a < begins, and returns the length of its opening.
func (x *xmlCompiler) open(s string) int {
	opening := "<"
	switch {
	case strings.HasPrefix(s, "<!--"):
		opening, x.state = "<!--", "-->"
	case strings.HasPrefix(s, "<![CDATA["):
		x.state, x.cdata = "]]>", true
		return len("<![CDATA[")
	case strings.HasPrefix(s, "<?"):
		opening, x.state = "<?", "?>"
	default:
		x.state, x.tag = ">", ""
		x.tokens = append(x.tokens, xmlToken{kind: '<'})
		return 0
	}
	x.add('o', node{lit: []byte(opening)})
	return len(opening)
}

// inTag reads a part of a tag and returns its length.
func (x *xmlCompiler) inTag(s string) int {
	for i := range len(s) {
		ch := s[i]
		switch {
		case x.quote != 0:
			if ch == x.quote {
				x.quote = 0
			}
		case ch == '"' || ch == '\'':
			x.quote = ch
		case ch == '>':
			x.tag += s[:i+1]
			x.add('<', node{lit: []byte(s[:i+1])})
			last := &x.tokens[len(x.tokens)-1]
			if strings.HasPrefix(x.tag, "</") {
				last.kind = '>'
			} else if strings.HasSuffix(x.tag, "/>") {
				last.kind = '/'
			}
			x.state = ""
			return i + 1
		}
	}
	x.tag += s
	x.add('<', node{lit: []byte(s)})
	return len(s)
}

// other adds the inside of a comment, instruction or CDATA section.
func (x *xmlCompiler) other(s string) {
	if x.cdata {
		x.add('t', node{lit: appendXMLText(nil, s)})
	} else {
		x.add('o', node{lit: []byte(s)})
	}
}

// add adds a node to the last token if that is of the kind, or to a new one. Tags begin their tokens themselves.
func (x *xmlCompiler) add(kind byte, n node) {
	last := len(x.tokens) - 1
	if last < 0 || x.tokens[last].kind != kind {
		x.tokens = append(x.tokens, xmlToken{kind: kind})
		last++
	}
	t := &x.tokens[last]
	t.kids = append(t.kids, n)
	t.vars = t.vars || n.kind == kindVariable
}

// group makes nodes of the tokens: elements that hold text with variables and nothing else become one node, and so do
// those that are repeated.
func (x *xmlCompiler) group() (out []node, err error) {
	depth := 0
	for i := 0; i < len(x.tokens); i++ {
		t := x.tokens[i]
		whole := 1 // tokens of an element without children
		switch rest := x.tokens[i:]; {
		case t.kind == '<' && len(rest) > 2 && rest[1].kind == 't' && rest[2].kind == '>':
			whole = 3
		case t.kind == '<' && len(rest) > 1 && rest[1].kind == '>':
			whole = 2
		}
		n := node{kind: kindSequence}
		for _, part := range x.tokens[i : i+whole] {
			n.kids = append(n.kids, part.kids...)
		}
		if whole == 3 && x.tokens[i+1].vars {
			n.kind = kindElement
		}
		if n, err = x.repeated(n); err != nil {
			return nil, err
		}
		switch {
		case n.kind == kindRepeat && depth == 0:
			return nil, x.placed(n.e, "each in the root element, of which there is one; put an element around it")
		case n.kind == kindRepeat && whole == 1 && t.kind != '/':
			return nil, x.placed(n.e, "each beside other elements; it repeats an element that holds text and nothing else")
		case n.kind == kindSequence:
			out = append(out, n.kids...)
		default:
			n.kids = merge(n.kids)
			out = append(out, n)
		}
		switch i += whole - 1; {
		case whole == 1 && t.kind == '<':
			depth++
		case whole == 1 && t.kind == '>':
			depth--
		}
	}
	return merge(out), nil
}

// check checks that the template is well-formed whatever the variables are.
func (x *xmlCompiler) check() error {
	d := xml.NewDecoder(strings.NewReader(x.plain.String()))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // a template is text, and declaration has read the name
	depth, roots := 0, 0
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			line, _ := d.InputPos()
			e := x.syntax(0, "not well-formed XML near here: every tag is closed, attribute values are quoted, and & is written &amp;")
			e.Line, e.Column = max(x.o.Line, 1)+line-1, 1
			return e
		}
		switch t := t.(type) {
		case xml.StartElement:
			if !x.named(t) {
				return x.syntax(0, "the name of an element or attribute has a character that "+x.o.Charset.String()+" does not have")
			}
			if depth == 0 {
				roots++
			}
			depth++
			for i, a := range t.Attr {
				if slices.ContainsFunc(t.Attr[:i], func(b xml.Attr) bool { return a.Name == b.Name }) {
					return x.syntax(0, "an element of the XML has the same attribute twice")
				}
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && strings.TrimSpace(string(t)) != "" {
				return x.syntax(0, "text outside of the root element of the XML")
			}
		}
	}
	if roots != 1 {
		return x.syntax(0, "XML has exactly one root element")
	}
	return nil
}
