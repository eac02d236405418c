package template

import (
	"strings"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
)

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
)

// appendText appends a value as it is.
func appendText(dst []byte, s string) []byte { return append(dst, s...) }

// appendJSONString appends a value in quotes.
func appendJSONString(dst []byte, s string) []byte {
	return append(appendJSONText(append(dst, '"'), s), '"')
}

// appendJSONText appends the inside of a JSON string, escaped as ECMAScript's JSON.stringify does: quotes, backslashes
// and control characters, and nothing else. Bytes that are not UTF-8 become U+FFFD.
func appendJSONText(dst []byte, s string) []byte {
	dst = jsonscan.Grow(dst, s)
	start := 0
	for i := jsonscan.Verbatim(s, 0); i < len(s); i = jsonscan.Verbatim(s, i) {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		dst = append(append(dst, s[start:i]...), '\\')
		switch c {
		case '"', '\\':
			dst = append(dst, c)
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		case '\b':
			dst = append(dst, 'b')
		case '\f':
			dst = append(dst, 'f')
		default:
			dst = append(dst, 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

// appendXMLText appends a value for XML text; appendXMLAttr for an attribute value in either kind of quotes, whose
// white space must be escaped to survive (XML 1.0, section 3.3.3).
func appendXMLText(dst []byte, s string) []byte { return appendXML(dst, s, false) }
func appendXMLAttr(dst []byte, s string) []byte { return appendXML(dst, s, true) }

func appendXML(dst []byte, s string, attr bool) []byte {
	dst = jsonscan.Grow(dst, s)
	start := 0
	for i := 0; i < len(s); {
		if plainXML[s[i]] {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if esc := escapeXML(r, attr); esc != "" {
			dst = append(append(dst, s[start:i]...), esc...)
			start = i + n
		}
		i += n
	}
	return append(dst, s[start:]...)
}

// plainXML are the bytes that stand for themselves in XML, wherever they are.
var plainXML = func() (plain [256]bool) {
	for c := range byte(utf8.RuneSelf) {
		plain[c] = c >= ' ' && escapeXML(rune(c), true) == ""
	}
	return plain
}()

// escapeXML is what a character is written as; empty for itself.
func escapeXML(r rune, attr bool) string {
	switch {
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case r == '"' && attr:
		return "&#34;"
	case r == '\'' && attr:
		return "&#39;"
	case r == '\r':
		return "&#xD;"
	case r == '\n' && attr:
		return "&#xA;"
	case r == '\t' && attr:
		return "&#x9;"
	case r == utf8.RuneError, r < ' ' && r != '\n' && r != '\t', r == 0xFFFE, r == 0xFFFF:
		return "\uFFFD"
	}
	return ""
}

// unreserved reports whether a byte never needs to be percent-encoded (RFC 3986, section 2.3).
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// appendPercent appends a value percent-encoded, for a URL; appendForm for a form, where a space is a plus. NUL is
// dropped: nothing that people say holds one, and much software ends the text there.
func appendPercent(dst []byte, s string) []byte { return appendEncoded(dst, s, false) }
func appendForm(dst []byte, s string) []byte    { return appendEncoded(dst, s, true) }

func appendEncoded(dst []byte, s string, plus bool) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return appendBytes(dst, s, plus)
}

func appendBytes(dst []byte, s string, plus bool) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case unreserved(c):
			dst = append(dst, c)
		case c == ' ' && plus:
			dst = append(dst, '+')
		case c == 0:
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// appendHeader appends a value for a header: a run of control characters becomes one space (RFC 9110, section 5.5,
// allows that for CR, LF and NUL), and bytes that are not UTF-8 become U+FFFD.
func appendHeader(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	for i := 0; i < len(s); i++ {
		if !control(s[i]) {
			dst = append(dst, s[i])
			continue
		}
		for i+1 < len(s) && control(s[i+1]) {
			i++
		}
		dst = append(dst, ' ')
	}
	return dst
}

func control(c byte) bool { return c < ' ' || c == 0x7f }

// trimSpaces drops the spaces around what was appended after from.
func trimSpaces(b []byte, from int) []byte {
	for len(b) > from && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	start := from
	for start < len(b) && b[start] == ' ' {
		start++
	}
	return append(b[:from], b[start:]...)
}

// climbs reports whether a value holds a ".." segment, once a server has decoded it, or control characters.
func climbs(s string) bool {
	for i := range len(s) {
		if control(s[i]) {
			return true
		}
	}
	for s != "" {
		i := strings.IndexAny(s, `/\`)
		if i < 0 {
			return s == ".."
		}
		if s[:i] == ".." {
			return true
		}
		s = s[i+1:]
	}
	return false
}
