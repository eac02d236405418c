package charset

import (
	"mime"
	"regexp"
)

// declaration is an XML declaration that names an encoding, in its second group.
var declaration = regexp.MustCompile(`^(\s*<\?xml\s[^>]*?\bencoding\s*=\s*["'])([^"'>]*)(["'])`)

// Declared is the encoding that an XML declaration at the beginning of a text names; empty if none does.
func Declared(text []byte) string {
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
	_, params, _ := mime.ParseMediaType(contentType)
	name := params["charset"]
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
