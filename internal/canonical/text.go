package canonical

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// run returns the index of the first byte from i on that is not printable ASCII, or is a quote or a backslash. It
// looks at eight bytes at a time: transcripts are long strings.
func run(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		quote, slash, del := w^(ones*'"'), w^(ones*'\\'), w^(ones*0x7f)
		// In each term the lowest high bit that is set marks the first byte that matches.
		m := ((quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del | (w-ones*' ')&^w | w) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(text) && text[i] != '"' && text[i] != '\\' && text[i] >= ' ' && text[i] < 0x7f {
		i++
	}
	return i
}

// escapeLen is the length of the escape sequence that b starts with, or 0 when it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5]) {
			return 6
		}
	}
	return 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// pythonRune is the length of the character that b starts with, 0 if it is none. Python decodes with surrogatepass:
// a surrogate encoded on its own is a character to it.
func pythonRune(b []byte) int {
	if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
		return n
	}
	if len(b) >= 3 && b[0] == 0xed && b[1]&0xe0 == 0xa0 && b[2]&0xc0 == 0x80 {
		return 3
	}
	return 0
}
