package template

import (
	"encoding/xml"

	"github.com/callgate/callgate/internal/charset"
)

// written puts what was appended after from into the template's charset. A form is in it already: its values were put
// into it before they were percent-encoded.
func (r *renderer) written(b []byte, from int) []byte {
	c := r.t.charset
	if c == charset.UTF8 {
		return b
	}
	text := string(b[from:])
	switch b = b[:from]; r.t.context {
	case JSON:
		return c.AppendJSON(b, text)
	case XML:
		return c.AppendXML(b, text)
	case Form:
		return append(b, text...)
	default:
		out, lost := c.AppendPlain(b, text)
		r.lost += lost
		return out
	}
}

// inForm is a value of a form in the charset, to be percent-encoded.
func (r *renderer) inForm(text string) string {
	if r.t.context != Form || r.t.charset == charset.UTF8 {
		return text
	}
	b, lost := r.t.charset.AppendPlain(nil, text)
	r.lost += lost
	return string(b)
}

// appendFormByte is appendForm of a value in a one-byte charset.
func appendFormByte(dst []byte, s string) []byte { return appendBytes(dst, s, true) }

// constantForm is constant text of a form in the charset.
func (c *compiler) constantForm(s string) string {
	b, _ := c.o.Charset.AppendPlain(nil, s)
	return string(b)
}

// declaration settles which charset an XML template is in, by what it declares and what it is meant for, and gives it a
// declaration where a reader would take it for UTF-8 without.
func (x *xmlCompiler) declaration(source string) error {
	name := charset.Declared([]byte(source))
	declared := charset.Find(name)
	switch {
	case name == "" && (x.declares || x.o.Charset == charset.UTF8 || x.o.Charset == charset.ASCII):
	case name == "" && len(source) > 4 && source[:5] == "<?xml":
		return x.syntax(0, "the XML declaration names no encoding, and would be read as UTF-8; write encoding=\""+x.o.Charset.String()+"\" into it, or leave the declaration out")
	case name == "":
		x.add('o', node{lit: []byte(`<?xml version="1.0" encoding="` + x.o.Charset.String() + `"?>`)})
	case declared == nil:
		return x.syntax(0, "the XML declares an encoding that cannot be written here; there are "+charset.Names)
	case x.declares:
		x.o.Charset = declared
	case declared != x.o.Charset:
		return x.syntax(0, "the XML declares "+declared.String()+", and Content-Type names "+x.o.Charset.String()+"; let them say the same")
	}
	return nil
}

// named checks that the charset has all characters of a tag: elsewhere a reference can stand for one.
func (x *xmlCompiler) named(t xml.StartElement) bool {
	all := t.Name.Space + t.Name.Local
	for _, a := range t.Attr {
		all += a.Name.Space + a.Name.Local
	}
	return x.o.Charset.Has(all)
}
