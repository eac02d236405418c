// Package charset writes and reads the one-byte charsets that older systems have in place of UTF-8: ISO-8859-1 and -15,
// Windows-1252 and ASCII.
package charset

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// Charset is one of those that Find knows.
type Charset struct {
	name  string
	limit rune             // characters below it are written as themselves; 0 for all of Unicode
	table *charmap.Charmap // nil for UTF-8 and ASCII
}

// The charsets, by the names that IANA prefers.
var (
	UTF8        = &Charset{name: "UTF-8"}
	ASCII       = &Charset{name: "US-ASCII", limit: 0x80}
	Latin1      = &Charset{name: "ISO-8859-1", limit: 0x80, table: charmap.ISO8859_1}
	Latin9      = &Charset{name: "ISO-8859-15", limit: 0x80, table: charmap.ISO8859_15}
	Windows1252 = &Charset{name: "windows-1252", limit: 0x80, table: charmap.Windows1252}
)

// Names are the charsets, for messages.
const Names = "utf-8, iso-8859-1, iso-8859-15, windows-1252 and us-ascii"

var labels = map[string]*Charset{
	"utf-8": UTF8, "utf8": UTF8, "us-ascii": ASCII, "ascii": ASCII,
	"iso-8859-1": Latin1, "iso8859-1": Latin1, "latin1": Latin1, "latin-1": Latin1, "l1": Latin1,
	"iso-8859-15": Latin9, "iso8859-15": Latin9, "latin9": Latin9, "latin-9": Latin9,
	"windows-1252": Windows1252, "cp1252": Windows1252,
}

// Find is the charset of a name, in any case; nil if it is none of them.
func Find(name string) *Charset { return labels[strings.ToLower(strings.TrimSpace(name))] }

// String is the charset's name.
func (c *Charset) String() string { return c.name }

// Has reports whether the charset has all characters of a text.
func (c *Charset) Has(s string) bool {
	for _, r := range s {
		if _, ok := c.byteOf(r); !ok {
			return false
		}
	}
	return true
}

// byteOf is the byte of a character, in a charset that is not UTF-8.
func (c *Charset) byteOf(r rune) (byte, bool) {
	switch {
	case c.limit == 0:
		return 0, true
	case r < c.limit:
		return byte(r), true
	case c.table == nil:
		return 0, false
	}
	return c.table.EncodeRune(r)
}

// Append writes a text. What the charset does not have is written by instead, which appends bytes of ASCII.
func (c *Charset) Append(dst []byte, s string, instead func(dst []byte, r rune) []byte) []byte {
	if c.limit == 0 {
		return append(dst, s...)
	}
	for _, r := range s {
		if b, ok := c.byteOf(r); ok {
			dst = append(dst, b)
		} else {
			dst = instead(dst, r)
		}
	}
	return dst
}

// AppendPlain writes a text, and in place of characters that the charset does not have what people would write: quotes,
// dashes and dots of typewriters, letters without the marks that are missing, "EUR", and ? for all others. lost is how many
// there were.
func (c *Charset) AppendPlain(dst []byte, s string) (_ []byte, lost int) {
	if c.limit == 0 || isASCII(s) {
		return append(dst, s...), 0
	}
	return c.Append(dst, norm.NFC.String(s), func(dst []byte, r rune) []byte {
		lost++
		return c.appendPlain(dst, r)
	}), lost
}

func (c *Charset) appendPlain(dst []byte, r rune) []byte {
	if s, ok := plain[r]; ok {
		return append(dst, s...)
	}
	if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) {
		return dst // a mark or a sign to renderers, which says nothing alone
	}
	start := len(dst)
	for _, part := range norm.NFKD.String(string(r)) {
		switch b, ok := c.byteOf(part); {
		case ok:
			dst = append(dst, b)
		case plain[part] != "":
			dst = append(dst, plain[part]...)
		case !unicode.Is(unicode.Mn, part):
			return append(dst[:start], '?')
		}
	}
	if len(dst) == start {
		return append(dst, '?')
	}
	return dst
}

// plain are characters that are not another one with marks.
var plain = map[rune]string{
	'‘': "'", '’': "'", '‚': "'", '‛': "'", '′': "'", 'ʼ': "'", '“': `"`, '”': `"`, '„': `"`, '‟': `"`, '″': `"`,
	'«': `"`, '»': `"`, '‹': "'", '›': "'", '‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-", '…': "...", '•': "*", '·': "*",
	'€': "EUR", '£': "GBP", '¥': "JPY", '™': "TM", '©': "(c)", '®': "(R)", '°': " deg", '×': "x", '⁄': "/", '÷': "/", '¿': "?", '¡': "!",
	'ß': "ss", 'ẞ': "SS", 'Æ': "AE", 'æ': "ae", 'Œ': "OE", 'œ': "oe", 'Ø': "O", 'ø': "o", 'Þ': "Th", 'þ': "th", 'Ð': "D", 'ð': "d",
	'Ł': "L", 'ł': "l", 'Đ': "D", 'đ': "d", 'ı': "i", 'Ħ': "H", 'ħ': "h", '\u2028': "\n", '\u2029': "\n",
}

// AppendXML writes XML, with references in place of characters that the charset does not have; nothing is lost in text and
// in attribute values.
func (c *Charset) AppendXML(dst []byte, s string) []byte {
	return c.Append(dst, s, func(dst []byte, r rune) []byte { return fmt.Appendf(dst, "&#x%X;", r) })
}

// AppendJSON writes JSON, with \u escapes in place of characters that the charset does not have, which stand in strings.
func (c *Charset) AppendJSON(dst []byte, s string) []byte {
	return c.Append(dst, s, func(dst []byte, r rune) []byte {
		if r >= 0x10000 {
			r -= 0x10000
			return fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		return fmt.Appendf(dst, `\u%04x`, r)
	})
}

// Decode is a text of the charset in UTF-8. Bytes that the charset does not have become U+FFFD.
func (c *Charset) Decode(b []byte) []byte {
	if c.table == nil {
		return b // what a system that says ASCII really sends is best left as it is
	}
	out, err := c.table.NewDecoder().Bytes(b)
	if err != nil {
		return b
	}
	return out
}

// Reader is Decode of what is read.
func (c *Charset) Reader(r io.Reader) io.Reader {
	if c.table == nil {
		return r
	}
	return c.table.NewDecoder().Reader(r)
}

// Guess is a text of which nobody says what charset it is in: UTF-8, unless it has bytes beyond ASCII and none of them is a
// part of a character in UTF-8. Then it is read as Windows-1252, which is ISO-8859-1 and more.
func Guess(b []byte) []byte {
	if utf8.Valid(b) { // nearly always, and many bytes at a time
		return b
	}
	beyond := false
	for i := 0; i < len(b); i++ {
		if b[i] < utf8.RuneSelf {
			continue
		}
		beyond = true
		if _, size := utf8.DecodeRune(b[i:]); size > 1 {
			return b
		}
	}
	if !beyond {
		return b
	}
	return Windows1252.Decode(b)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
