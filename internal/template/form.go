package template

import (
	"strings"

	"github.com/callgate/callgate/internal/charset"
)

// form compiles a form: pairs with & between them.
func (c *compiler) form() (node, error) {
	pieces, err := c.split(c.src, func(i int) int { return i })
	if err != nil {
		return node{}, err
	}
	withoutEncoding(pieces)
	escape := appendForm
	if c.o.Charset != charset.UTF8 {
		escape = appendFormByte
	}
	return c.pairs(pieces, "", escape)
}

// pairs compiles the pairs of a form or query. prefix is written before the first that is there.
func (c *compiler) pairs(pieces []piece, prefix string, escape func([]byte, string) []byte) (node, error) {
	n := node{kind: kindPairs, lit: []byte(prefix)}
	form := prefix == ""
	for rest := pieces; rest != nil; {
		var pair []piece
		pair, rest = cut(rest, '&')
		if form {
			pair = trimPieces(pair)
			for _, p := range pair {
				if i := badPercent(p.lit); i >= 0 {
					return n, c.syntax(p.at+i, "a % that is not followed by two hexadecimal digits; a percent sign is written %25")
				}
				if _, lost := c.o.Charset.AppendPlain(nil, p.lit); lost > 0 {
					return n, c.syntax(p.at, "the text of the form has a character that "+c.o.Charset.String()+" does not have; write another")
				}
			}
		}
		if forLists(pair) {
			pair[1].e.repeat()
		}
		kids, err := c.nodes(pair, escape, func(s string) []byte {
			if form {
				s = strings.ReplaceAll(c.constantForm(s), " ", "+")
			}
			return encodeRest(s)
		})
		if err != nil {
			return n, err
		}
		if len(kids) > 0 {
			kid, err := c.repeated(node{kind: kindSequence, kids: kids})
			if err != nil {
				return n, err
			}
			n.kids = append(n.kids, kid)
		}
	}
	return n, nil
}

// forLists reports whether a pair is one for lists: its name ends in [], and its value is exactly one variable.
func forLists(pair []piece) bool {
	if len(pair) != 2 || pair[0].e != nil || pair[1].e == nil {
		return false
	}
	name, isPair := strings.CutSuffix(pair[0].lit, "=")
	return isPair && (strings.HasSuffix(name, "[]") || strings.HasSuffix(strings.ToUpper(name), "%5B%5D"))
}

// trimPieces drops white space at both ends, where it is constant text.
func trimPieces(pieces []piece) []piece {
	out := append([]piece(nil), pieces...)
	if len(out) > 0 {
		trimmed := strings.TrimLeft(out[0].lit, " \t\r\n")
		out[0].at += len(out[0].lit) - len(trimmed)
		out[0].lit = trimmed
		last := &out[len(out)-1]
		last.lit = strings.TrimRight(last.lit, " \t\r\n")
	}
	kept := out[:0]
	for _, p := range out {
		if p.e != nil || p.lit != "" {
			kept = append(kept, p)
		}
	}
	return kept
}

// badPercent is the index of a % that begins no percent-encoded byte, or -1.
func badPercent(s string) int {
	for i := range len(s) {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return i
		}
	}
	return -1
}

func isHex(c byte) bool { return strings.IndexByte(upperHex+"abcdef", c) >= 0 }
