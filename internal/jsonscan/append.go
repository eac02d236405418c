package jsonscan

import (
	"math/bits"
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string, byte for byte as encoding/json writes it without escaping HTML. Bytes that
// are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(slices.Grow(dst, room(s)), '"')
	start := 0
	for i := verbatim(s, 0); i < len(s); i = verbatim(s, i) {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				start = i + n
			case r == '\u2028' || r == '\u2029': // JavaScript once took them for the end of a line
				dst = append(append(dst, s[start:i]...), '\\', 'u', '2', '0', '2', hexDigits[r&0xf])
				start = i + n
			}
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// room is what a text takes as a JSON string, quotes included, unless there is much to be escaped in it. To grow by that at
// once spares a long one from being copied again and again.
func room(s string) int { return len(s) + len(s)/16 + 2 }

// Grow makes room for a text that is written as a JSON string.
func Grow(dst []byte, s string) []byte { return slices.Grow(dst, room(s)) }

// Verbatim returns the index of the first byte from i on that may not stand in a JSON string as it is, or is not ASCII;
// len(s) if there is none.
func Verbatim(s string, i int) int { return verbatim(s, i) }

// verbatim returns the index of the first byte from i on that may not stand in a JSON string as it is, or has to be
// looked at: a quote, a backslash, a control character, or a byte that is not ASCII. It looks at eight bytes at a time,
// and at the last eight once more rather than one by one.
func verbatim(s string, i int) int {
	for ; i+8 <= len(s); i += 8 {
		if m := special(word(s, i)); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	if i == len(s) || len(s) < 8 {
		for i < len(s) && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' {
			i++
		}
		return i
	}
	last := len(s) - 8
	m := special(word(s, last)) >> (8 * (i - last)) // without what was looked at
	if m == 0 {
		return len(s)
	}
	return i + bits.TrailingZeros64(m)/8
}

// word is the eight bytes from i on.
func word(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// special has the high bit of each byte of a word that may not stand in a JSON string as it is, or is not ASCII.
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	// Of a byte below 128 each sum has the high bit unless it is a control character, a quote, a backslash.
	low := w &^ highs
	allowed := (low + (0x80-' ')*ones) & ((low ^ '"'*ones) + 0x7f*ones) & ((low ^ '\\'*ones) + 0x7f*ones)
	return (^allowed | w) & highs
}
