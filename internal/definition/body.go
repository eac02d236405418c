package definition

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/template"
)

// body makes the bytes of a request's body, and its content type from that of the document.
type body interface {
	// lost is how many characters the charset does not have.
	render(v template.Vars, contentType string) (b []byte, withParameters string, lost int, err error)
	templates() []*template.Template
}

// single is a body that is one template. A nil body interface, and not a nil single, means no body.
type single struct{ t *template.Template }

func (b single) templates() []*template.Template { return []*template.Template{b.t} }

func (b single) render(v template.Vars, contentType string) ([]byte, string, int, error) {
	out, lost, err := b.t.Render(make([]byte, 0, 1024), v)
	return out, contentType, lost, err
}

// multipart is a multipart/form-data body (RFC 7578).
type multipart struct {
	fields    []field
	omitEmpty bool
	limit     int // of all values together, in bytes
}

// tooLarge is the error of a form whose values together are larger than the bound.
func tooLarge() error {
	return &template.Error{Reason: "the form is larger than the bound; truncate the long values or raise the bound", Err: template.ErrTooLarge}
}

// field is one part: its head and its value. The head is constant but for the name of a file, which stands before tail.
type field struct {
	head  string
	file  *template.Template
	tail  string
	value *template.Template
}

// headFor is the head with the values of a call.
func (f *field) headFor(v template.Vars) (string, error) {
	if f.file == nil {
		return f.head, nil
	}
	name, _, err := f.file.Render(nil, v)
	if err != nil {
		return "", err
	}
	if len(name) > maxFileName {
		name = name[:maxFileName]
	}
	return f.head + `; filename="` + fileName.Replace(strings.Map(printable, strings.ToValidUTF8(string(name), ""))) + `"` + f.tail, nil
}

// maxFileName bounds the name of a file in bytes, which is what file systems take.
const maxFileName = 255

// fileName writes the name of a file so that it cannot end its header, nor lead to another directory: what a caller has said may
// be in it.
var fileName = strings.NewReplacer(`"`, "%22", "/", "_", `\`, "_")

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return -1
	}
	return r
}

// partHead is the head of a part with the name, which is escaped as browsers do (WHATWG HTML, "multipart/form-data
// encoding algorithm").
func partHead(name string) string {
	name = strings.NewReplacer("\r\n", "%0D%0A", "\r", "%0D%0A", "\n", "%0D%0A", `"`, "%22", "\x00", "").Replace(name)
	return "Content-Disposition: form-data; name=\"" + name + "\"\r\n\r\n"
}

func (b multipart) templates() []*template.Template {
	all := make([]*template.Template, 0, len(b.fields))
	for _, f := range b.fields {
		if f.file != nil {
			all = append(all, f.file)
		}
		all = append(all, f.value)
	}
	return all
}

// render derives the boundary from the content: a value cannot hold a boundary that depends on the value, the bytes
// of a repeated delivery are the same, and a preview shows what is sent.
func (b multipart) render(v template.Vars, contentType string) (_ []byte, _ string, lost int, err error) {
	var values []byte
	type part struct {
		head string
		end  int // in values
	}
	parts := make([]part, 0, len(b.fields))
	for _, f := range b.fields {
		all, n, err := f.value.Each(v)
		if err != nil {
			return nil, "", 0, err
		}
		lost += n
		head, err := f.headFor(v)
		if err != nil {
			return nil, "", 0, err
		}
		for _, value := range all {
			if values = append(values, value...); len(values) > b.limit {
				return nil, "", 0, tooLarge()
			}
			parts = append(parts, part{head, len(values)})
		}
	}
	sum := sha256.Sum256(values)
	boundary := "callgate-" + hex.EncodeToString(sum[:20])
	out := make([]byte, 0, len(values)+len(parts)*160+80)
	start := 0
	for _, p := range parts {
		value := values[start:p.end]
		start = p.end
		if len(value) == 0 && b.omitEmpty {
			continue
		}
		out = append(out, "--"+boundary+"\r\n"...)
		out = append(out, p.head...)
		out = append(out, value...)
		out = append(out, "\r\n"...)
	}
	out = append(out, "--"+boundary+"--\r\n"...)
	return out, contentType + "; boundary=" + boundary, lost, nil
}

// appendQuery appends a value as url.QueryEscape writes it, which makes a text of its own for each.
func appendQuery(out, value []byte) []byte {
	const upperHex = "0123456789ABCDEF"
	plain := func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
	}
	size := len(value)
	for _, c := range value {
		if !plain(c) && c != ' ' {
			size += 2
		}
	}
	out = slices.Grow(out, size)
	for _, c := range value {
		switch {
		case plain(c):
			out = append(out, c)
		case c == ' ':
			out = append(out, '+')
		default:
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return out
}

// form is an application/x-www-form-urlencoded body that was written as an object.
type form multipart

func (b form) templates() []*template.Template { return multipart(b).templates() }

func (b form) render(v template.Vars, contentType string) (_ []byte, _ string, lost int, err error) {
	var out []byte
	for _, f := range b.fields {
		all, n, err := f.value.Each(v)
		if err != nil {
			return nil, "", 0, err
		}
		lost += n
		for _, value := range all {
			if len(value) == 0 && b.omitEmpty {
				continue
			}
			if len(out)+len(value) > b.limit {
				return nil, "", 0, tooLarge()
			}
			if len(out) > 0 {
				out = append(out, '&')
			}
			out = append(out, f.head...)
			if bytes.IndexByte(value, 0) >= 0 {
				value = bytes.ReplaceAll(value, []byte{0}, nil)
			}
			if f.value.Charset() == charset.UTF8 && !utf8.Valid(value) {
				value = bytes.ToValidUTF8(value, []byte("\uFFFD"))
			}
			out = appendQuery(out, value)
		}
	}
	return out, contentType, lost, nil
}
