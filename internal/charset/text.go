package charset

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
)

// MediaType is the type of a Content-Type and the charset that it names: what mime.ParseMediaType says, which makes a map even
// of the usual types that have no parameters or only a charset.
func MediaType(contentType string) (kind, charset string) {
	kind, parameter, more := strings.Cut(contentType, ";")
	parent, child, _ := strings.Cut(kind, "/")
	charset, named := strings.CutPrefix(strings.TrimPrefix(parameter, " "), "charset=")
	if usual(parent) && usual(child) && (!more || named && usual(charset)) {
		return kind, charset
	}
	kind, params, _ := mime.ParseMediaType(contentType)
	return kind, params["charset"]
}

// usual reports whether a part of a Content-Type is what nearly all have: letters of one size, digits, and what stands between.
func usual(part string) bool {
	for i := range len(part) {
		if c := part[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' {
			return false
		}
	}
	return part != ""
}

// declaration is an XML declaration that names an encoding, in its second group.
var declaration = regexp.MustCompile(`^(\s*<\?xml\s[^>]*?\bencoding\s*=\s*["'])([^"'>]*)(["'])`)

// Declared is the encoding that an XML declaration at the beginning of a text names; empty if none does.
func Declared(text []byte) string {
	if !bytes.HasPrefix(bytes.TrimLeft(text[:min(len(text), 512)], " \t\n\f\r"), []byte("<")) {
		return ""
	}
	if m := declaration.FindSubmatch(text[:min(len(text), 512)]); m != nil {
		return string(m[2])
	}
	return ""
}

// Text is a body in UTF-8, by the charset that its Content-Type names, or its XML declaration, or by Guess. A declaration
// says UTF-8 then. A charset that Find does not know leaves it as it is.
func Text(body []byte, contentType string) []byte {
	text := Shown(body, contentType)
	if len(body) > 0 && len(text) > 0 && &text[0] != &body[0] {
		text = declaration.ReplaceAll(text, []byte("${1}UTF-8${3}"))
	}
	return text
}

// Shown is Text for people: a declaration stays as it is.
func Shown(body []byte, contentType string) []byte {
	_, name := MediaType(contentType)
	if name == "" {
		name = Declared(body)
	}
	if name == "" {
		return Guess(body)
	}
	if c := Find(name); c != nil {
		return c.Decode(body)
	}
	return body
}
