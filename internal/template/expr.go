package template

import (
	"strings"
	"unicode"

	"github.com/callgate/callgate/internal/call"
)

// expr is what stands between {{ and }}.
type expr struct {
	name         string   // empty for a constant
	others       []string // variables that serve when that of the name is missing, in order
	constant     string
	filters      []filter
	typ          Type // of the declared parameter, or as the last filter says; empty when neither does
	typed        bool // the last filter names the type
	line, column int
}

// piece is a part of a source: constant text or an expression.
type piece struct {
	lit string
	e   *expr
	at  int // byte offset in the compiler's source
}

const notClosed = "this {{ is never closed; write }} behind the variable, or {{'{{'}} for two braces as text"

// split cuts a text into constant text and expressions. at translates an offset in the text to one in the source.
func (c *compiler) split(text string, at func(int) int) ([]piece, error) {
	var pieces []piece
	pos := 0
	for {
		i := strings.Index(text[pos:], "{{")
		if i < 0 {
			break
		}
		i += pos
		end := closing(text, i+2)
		if end < 0 {
			return nil, c.syntax(at(i), notClosed)
		}
		if i > pos {
			pieces = append(pieces, piece{lit: text[pos:i], at: at(pos)})
		}
		e, err := c.expr(text[i+2:end], at(i))
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, piece{e: e, at: at(i)})
		pos = end + 2
	}
	if pos < len(text) {
		pieces = append(pieces, piece{lit: text[pos:], at: at(pos)})
	}
	return pieces, nil
}

// closing is the index of the }} that ends the expression whose inside begins at i; quoted text is skipped. -1 when
// there is none before the next {{.
func closing(s string, i int) int {
	var quote byte
	for ; i < len(s); i++ {
		switch ch := s[i]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case ch == '\'' || ch == '"':
			quote = ch
		case ch == '{' && i+1 < len(s) && s[i+1] == '{':
			return -1 // the }} behind it are those of the next one
		case ch == '}' && i+1 < len(s) && s[i+1] == '}':
			return i
		}
	}
	return -1
}

// expr parses the inside of {{ }}, which begins (with its braces) at the offset.
func (c *compiler) expr(inside string, offset int) (*expr, error) {
	if len(c.variables) >= maxVariables {
		return nil, c.fail(offset, ErrTooLarge, "more than 2000 variables in one template")
	}
	e := &expr{}
	e.line, e.column = c.position(offset)
	p := &exprParser{s: strings.TrimSpace(inside)}
	switch {
	case p.s == "":
		return nil, c.syntax(offset, "{{}} names no variable")
	case p.s[0] == '{':
		return nil, c.syntax(offset, "three braces: write {{name}} with two; values are always escaped for their place")
	case strings.IndexByte("#/^!>&=*", p.s[0]) >= 0:
		return nil, c.syntax(offset, "conditions, loops, partials and comments are not part of these templates; choose what is sent with deliver conditions, and missing values with omit_empty or default")
	}
	if q, ok, err := p.quoted(); err {
		return nil, c.syntax(offset, "quoted text without its closing quote")
	} else if ok {
		e.constant = q
	} else {
		e.name = p.until("|")
		if reason := badName(e.name); reason != "" {
			return nil, c.syntax(offset, reason)
		}
		e.typ = c.o.Types[e.name]
		c.variables = append(c.variables, e.name)
	}
	for !p.done() {
		if !p.eat('|') {
			return nil, c.about(e, offset, "a | is expected before a filter")
		}
		name := p.until("|:")
		var args []string
		if e.name != "" && len(e.filters) == 0 && !p.at(':') && variable(name) {
			e.others = append(e.others, name)
			c.variables = append(c.variables, name)
			continue
		}
		if p.eat(':') {
			for {
				q, ok, err := p.quoted()
				if err {
					return nil, c.about(e, offset, "quoted text without its closing quote")
				}
				if !ok {
					args = append(args, p.until("|"))
					break
				}
				if args = append(args, q); !p.eat(',') {
					break
				}
			}
		}
		if e.typed {
			return nil, c.about(e, offset, "number, integer and boolean stand last among the filters")
		}
		switch t := Type(name); t {
		case Number, Integer, Boolean:
			e.typ, e.typed = t, true
			if args != nil {
				return nil, c.about(e, offset, "filter "+name+" takes no argument")
			}
			continue
		}
		f, reason := newFilter(name, args, c.o.Region, c.o.Zone)
		if reason != "" {
			return nil, c.about(e, offset, reason)
		}
		if f.each {
			if err := c.mayRepeat(e, offset); err != nil {
				return nil, err
			}
		}
		e.filters = append(e.filters, f)
	}
	return e, nil
}

// variable says whether a name after a variable can only be another variable's.
func variable(name string) bool {
	return badName(name) == "" && (call.IsField(name) || strings.HasPrefix(name, "params.") || strings.HasPrefix(name, "vars.") || strings.HasPrefix(name, Steps))
}

// about is a syntax error about an expression, which names its variable.
func (c *compiler) about(e *expr, offset int, reason string) error {
	err := c.syntax(offset, reason)
	err.Variable = e.name
	return err
}

// badName says what is wrong with the name of a variable; empty when nothing is.
func badName(name string) string {
	switch {
	case name == "":
		return "a variable's name is expected after {{"
	case len(name) > 200:
		return "the variable's name is longer than 200 bytes"
	case strings.Contains(name, "  "):
		return "the variable's name has two spaces in a row"
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune("_-. ", r) {
			return "a variable's name is letters, digits, _ - . and single spaces; filters follow a |"
		}
	}
	return ""
}

// exprParser reads the inside of an expression from left to right.
type exprParser struct {
	s string
	i int
}

func (p *exprParser) skip() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t' || p.s[p.i] == '\n' || p.s[p.i] == '\r') {
		p.i++
	}
}

func (p *exprParser) done() bool { p.skip(); return p.i >= len(p.s) }

func (p *exprParser) eat(ch byte) bool {
	p.skip()
	if p.i < len(p.s) && p.s[p.i] == ch {
		p.i++
		return true
	}
	return false
}

// at says whether the character is next.
func (p *exprParser) at(ch byte) bool { p.skip(); return p.i < len(p.s) && p.s[p.i] == ch }

// until reads up to one of the characters or the end, without the spaces around.
func (p *exprParser) until(stops string) string {
	rest := p.s[p.i:]
	if n := strings.IndexAny(rest, stops); n >= 0 {
		rest = rest[:n]
	}
	p.i += len(rest)
	return strings.TrimSpace(rest)
}

// quoted reads a quoted text, if one is next; unclosed when it has no end.
func (p *exprParser) quoted() (text string, ok, unclosed bool) {
	p.skip()
	if p.i >= len(p.s) || p.s[p.i] != '\'' && p.s[p.i] != '"' {
		return "", false, false
	}
	n := strings.IndexByte(p.s[p.i+1:], p.s[p.i])
	if n < 0 {
		return "", false, true
	}
	text = p.s[p.i+1 : p.i+1+n]
	p.i += n + 2
	return text, true, false
}
