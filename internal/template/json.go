package template

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonParser reads a JSON template (RFC 8259, with comments and variables without quotes) into nodes.
type jsonParser struct {
	*compiler
	i     int
	depth int
}

func (c *compiler) json() (node, error) {
	p := &jsonParser{compiler: c}
	if err := p.space(); err != nil {
		return node{}, err
	}
	if p.i == len(p.src) {
		return node{}, p.syntax(p.i, "the template is empty; JSON is expected")
	}
	n, err := p.value()
	if err != nil {
		return node{}, err
	}
	if err := p.space(); err != nil {
		return node{}, err
	}
	if p.i < len(p.src) {
		return node{}, p.syntax(p.i, "text after the end of the JSON value")
	}
	return n, nil
}

// space skips white space and comments.
func (p *jsonParser) space() error {
	for p.i < len(p.src) {
		rest := p.src[p.i:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			p.i++
		case strings.HasPrefix(rest, "//"):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				p.i += n
			} else {
				p.i = len(p.src)
			}
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 2 {
				return p.syntax(p.i, "a comment without its */")
			}
			p.i += n + 2
		default:
			return nil
		}
	}
	return nil
}

// next skips space and is the next byte, or 0 at the end.
func (p *jsonParser) next() (byte, error) {
	if err := p.space(); err != nil || p.i == len(p.src) {
		return 0, err
	}
	return p.src[p.i], nil
}

func (p *jsonParser) value() (node, error) {
	ch, err := p.next()
	if err != nil {
		return node{}, err
	}
	rest := p.src[p.i:]
	switch {
	case strings.HasPrefix(rest, "{{"):
		return p.bare()
	case ch == '{':
		return p.composite(kindObject, '}')
	case ch == '[':
		return p.composite(kindArray, ']')
	case ch == '"':
		return p.text()
	}
	n := strings.IndexAny(rest, " \t\r\n,]}/")
	if n < 0 {
		n = len(rest)
	}
	if word := rest[:n]; word == "true" || word == "false" || word == "null" || isNumber(word) {
		p.i += n
		return node{lit: []byte(word)}, nil
	}
	return node{}, p.syntax(p.i, "a JSON value is expected: text in double quotes, a number, true, false, null, [ or {")
}

// composite reads an object or an array.
func (p *jsonParser) composite(k kind, closing byte) (node, error) {
	start := p.i
	if p.depth++; p.depth > maxDepth {
		return node{}, p.fail(p.i, ErrTooLarge, "the template nests deeper than 128 levels")
	}
	p.i++
	n := node{kind: k}
	keys := map[string]bool{}
	for {
		ch, err := p.next()
		if err != nil {
			return n, err
		}
		switch {
		case ch == 0:
			return n, p.syntax(start, "this "+string(p.src[start])+" is never closed")
		case ch == closing && len(n.kids) == 0:
			p.i++
			p.depth--
			return fold(n), nil
		case ch == closing:
			return n, p.syntax(p.i, "a comma before the closing bracket; JSON has none there")
		}
		var key []byte
		if k == kindObject {
			if key, err = p.key(keys); err != nil {
				return n, err
			}
		}
		kid, err := p.value()
		if err != nil {
			return n, err
		}
		kid.key = key
		n.kids = append(n.kids, kid)
		if ch, err = p.next(); err != nil {
			return n, err
		}
		switch {
		case ch == closing:
			p.i++
			p.depth--
			return fold(n), nil
		case ch == ',':
			p.i++
		case ch == 0:
			return n, p.syntax(start, "this "+string(p.src[start])+" is never closed")
		default:
			return n, p.syntax(p.i, "a comma or the closing bracket is expected; a quote inside of text is written \\\"")
		}
	}
}

// key reads a member's key and its colon, and returns them as they are written out.
func (p *jsonParser) key(seen map[string]bool) ([]byte, error) {
	start := p.i
	if p.src[p.i] != '"' {
		return nil, p.syntax(p.i, "a key in double quotes is expected")
	}
	key, _, err := p.decode()
	if err != nil {
		return nil, err
	}
	key = strings.ToValidUTF8(key, "\uFFFD")
	if strings.Contains(key, "{{") {
		return nil, p.syntax(start, "a variable in a key; a caller could replace another member with it, so only values can have variables")
	}
	if seen[key] {
		return nil, p.syntax(start, "the key occurs twice in this object")
	}
	seen[key] = true
	ch, err := p.next()
	if err != nil {
		return nil, err
	}
	if ch != ':' {
		return nil, p.syntax(p.i, "a colon is expected after the key")
	}
	p.i++
	return append(appendJSONString(nil, key), ':'), nil
}

// bare reads a variable without quotes.
func (p *jsonParser) bare() (node, error) {
	end := closing(p.src, p.i+2)
	if end < 0 {
		return node{}, p.syntax(p.i, notClosed)
	}
	e, err := p.expr(p.src[p.i+2:end], p.i)
	if err != nil {
		return node{}, err
	}
	p.i = end + 2
	return jsonValue(e, true), nil
}

// text reads a string.
func (p *jsonParser) text() (node, error) {
	s, offsets, err := p.decode()
	if err != nil {
		return node{}, err
	}
	pieces, err := p.split(s, func(i int) int { return offsets[i] })
	if err != nil {
		return node{}, err
	}
	if len(pieces) == 1 && pieces[0].e != nil {
		return jsonValue(pieces[0].e, false), nil
	}
	if len(pieces) < 2 {
		return node{lit: appendJSONString(nil, s)}, nil
	}
	n := node{kind: kindString}
	for _, pc := range pieces {
		switch {
		case pc.e == nil:
			n.kids = append(n.kids, node{lit: appendJSONText(nil, pc.lit)})
		case pc.e.typed:
			return n, p.about(pc.e, pc.at, "number, integer and boolean need a value that is exactly this variable")
		default:
			n.kids = append(n.kids, node{kind: kindVariable, e: pc.e, escape: appendJSONText})
		}
	}
	return n, nil
}

// jsonValue is the node of a value that is exactly one variable.
func jsonValue(e *expr, bare bool) node {
	n := node{kind: kindValue, e: e, natural: bare && e.typ == ""}
	if last := len(e.filters) - 1; last >= 0 && e.filters[last].json {
		e.filters = e.filters[:last]
		n.natural = true
	}
	return n
}

// fold makes one constant of an object or array without variables.
func fold(n node) node {
	for i := range n.kids {
		if n.kids[i].kind != kindConstant {
			return n
		}
	}
	r := renderer{t: &Template{}}
	lit, _, _ := r.node(nil, &n)
	return node{lit: lit}
}

// decode reads the string that begins here. offsets[i] is where the byte i of the text is in the source.
func (p *jsonParser) decode() (text string, offsets []int, err error) {
	start := p.i
	var b []byte
	put := func(at int, s ...byte) {
		for range s {
			offsets = append(offsets, at)
		}
		b = append(b, s...)
	}
	for i := start + 1; i < len(p.src); {
		ch := p.src[i]
		switch {
		case ch == '"':
			p.i = i + 1
			return string(b), append(offsets, i), nil
		case ch < ' ':
			return "", nil, p.syntax(i, "a line break or control character in a JSON string; write \\n, and close the string with a quote")
		case ch != '\\':
			put(i, ch)
			i++
		default:
			n := 2
			if strings.HasPrefix(p.src[i:], `\u`) {
				n = 6
			}
			if i+n > len(p.src) {
				return "", nil, p.syntax(start, "a string without its closing quote")
			}
			r, ok := unescape(p.src[i : i+n])
			if !ok {
				return "", nil, p.syntax(i, `an escape that JSON does not have; a backslash is written \\`)
			}
			if utf16.IsSurrogate(r) && i+12 <= len(p.src) {
				if low, ok := unescape(p.src[i+6 : i+12]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
					r, n = utf16.DecodeRune(r, low), 12
				}
			}
			put(i, utf8.AppendRune(nil, r)...)
			i += n
		}
	}
	return "", nil, p.syntax(start, "a string without its closing quote")
}

// unescape is the character of one escape, \n or \u00e9; a surrogate as it is.
func unescape(esc string) (rune, bool) {
	if len(esc) == 6 && esc[:2] == `\u` {
		var r rune
		for _, c := range []byte(esc[2:]) {
			d := strings.IndexByte(lowerHex, c|0x20)
			if d < 0 || c < '0' {
				return 0, false
			}
			r = r<<4 | rune(d)
		}
		return r, true
	}
	var s string
	if len(esc) != 2 || json.Unmarshal([]byte(`"`+esc+`"`), &s) != nil {
		return 0, false
	}
	return rune(s[0]), true
}
