package canonical

import (
	"unicode/utf16"
	"unicode/utf8"
)

// emit writes the value at node i.
func (t *tape) emit(i uint32) {
	t.spend(2)
	n := &t.nodes[i]
	text := t.text[n.start:n.end]
	switch n.kind {
	case object:
		t.emitObject(i)
	case array:
		t.out = append(t.out, '[')
		for j := i + 1; j < n.next; j = t.nodes[j].next {
			if j > i+1 {
				t.comma()
			}
			t.emit(j)
		}
		t.out = append(t.out, ']')
	case str:
		t.quote(n)
	case integer, float:
		switch {
		case n.plain:
			t.out = append(t.out, text...)
		case n.kind == integer && t.f == python: // only -0 is not plain
			t.out = append(t.out, '0')
		default:
			t.double(text, n.kind)
		}
	default:
		t.out = append(t.out, text...)
	}
}

func (t *tape) emitObject(i uint32) {
	t.out = append(t.out, '{')
	if !t.nodes[i].reorder {
		for j := i + 1; j < t.nodes[i].next; j = t.nodes[j+1].next {
			if j > i+1 {
				t.comma()
			}
			t.emitMember(j, j+1)
		}
	} else {
		ms, pushed := t.ordered(int(i))
		for k := range ms {
			if k > 0 {
				t.comma()
			}
			t.emitMember(ms[k].node, ms[k].value)
		}
		t.drop(pushed)
	}
	t.out = append(t.out, '}')
}

func (t *tape) emitMember(key, value uint32) {
	t.quote(&t.nodes[key])
	t.out = append(t.out, ':')
	if t.f == python {
		t.out = append(t.out, ' ')
	}
	t.emit(value)
}

func (t *tape) comma() {
	t.out = append(t.out, ',')
	if t.f == python {
		t.out = append(t.out, ' ')
	}
}

// quote writes a string.
func (t *tape) quote(n *node) {
	text := t.text[n.start:n.end]
	t.out = append(t.out, '"')
	if n.plain {
		t.out = append(t.out, text...)
	} else {
		for len(text) > 0 {
			if k := run(text, 0); k > 0 {
				t.out = append(t.out, text[:k]...)
				text = text[k:]
				continue
			}
			r, k := t.next(text)
			text = text[k:]
			t.out = t.appendChar(t.out, r)
		}
	}
	t.out = append(t.out, '"')
}

const hexDigits = "0123456789abcdef"

// appendChar writes one character of a string: as JSON.stringify does, or as json.dumps.
func (t *tape) appendChar(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	switch {
	case r < ' ', utf16.IsSurrogate(r), t.f == python && r >= 0x7f && r < 0x10000:
		return appendEscape(b, r)
	case t.f == python && r >= 0x10000:
		hi, lo := utf16.EncodeRune(r)
		return appendEscape(appendEscape(b, hi), lo)
	}
	return utf8.AppendRune(b, r)
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// decode appends the characters of a string in UTF-8, lone surrogates included.
func (t *tape) decode(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := t.next(text)
		text = text[n:]
		if utf16.IsSurrogate(r) {
			b = append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f|0x80, 0x80|byte(r)&0x3f)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// next is the first character of a string's text, and how many bytes it takes. A surrogate is one that has no partner.
func (t *tape) next(b []byte) (rune, int) {
	if c := b[0]; c == '\\' {
		switch b[1] {
		case 'b':
			return '\b', 2
		case 'f':
			return '\f', 2
		case 'n':
			return '\n', 2
		case 'r':
			return '\r', 2
		case 't':
			return '\t', 2
		case 'u':
			r := unhex(b[2:6])
			if 0xd800 <= r && r < 0xdc00 && len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
				if p := utf16.DecodeRune(r, unhex(b[8:12])); p != utf8.RuneError {
					return p, 12
				}
			}
			return r, 6
		}
		return rune(b[1]), 2
	} else if c < utf8.RuneSelf {
		return rune(c), 1
	}
	r, n := utf8.DecodeRune(b)
	if r != utf8.RuneError || n > 1 {
		return r, n
	}
	if t.f == python { // an encoded surrogate: scan lets nothing else pass
		return rune(b[0]&15)<<12 | rune(b[1]&63)<<6 | rune(b[2]&63), 3
	}
	return utf8.RuneError, brokenLen(b)
}

func unhex(b []byte) (r rune) {
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// brokenLen is how many bytes of ill-formed UTF-8 become one U+FFFD: the longest start of a character that is there
// (Unicode 3.9, "maximal subparts", as the WHATWG Encoding Standard wants it).
func brokenLen(b []byte) int {
	lo, hi, need := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case 0xc2 <= c && c <= 0xdf:
		need = 1
	case 0xe0 <= c && c <= 0xef:
		need = 2
		if c == 0xe0 {
			lo = 0xa0
		} else if c == 0xed {
			hi = 0x9f
		}
	case 0xf0 <= c && c <= 0xf4:
		need = 3
		if c == 0xf0 {
			lo = 0x90
		} else if c == 0xf4 {
			hi = 0x8f
		}
	}
	n := 1
	for ; n <= need && n < len(b) && lo <= b[n] && b[n] <= hi; n++ {
		lo, hi = 0x80, 0xbf
	}
	return n
}
