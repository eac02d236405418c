// Package xmljson reads XML as the JSON object that it amounts to, for requests and answers of older systems.
package xmljson

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/jsonscan"
)

// MaxDepth is how deep elements may nest. An element becomes up to two levels of JSON, of which there may be
// jsonscan.MaxDepth.
const MaxDepth = 60

// MaxElements is how many elements and attributes there may be: each costs more memory than the text it is made of.
const MaxElements = 50_000

// element is an XML element. Names lose their namespace.
type element struct {
	name    string
	members []element // attributes, as "@name", and children
	text    []byte
}

// The errors of Convert.
var (
	ErrMalformed = errors.New("the body is not well-formed XML")
	ErrTooDeep   = errors.New("the XML nests too deep")
	ErrTooMany   = errors.New("the XML has too many elements")
)

// Convert appends an object to dst whose only member is the outermost element, and gives the name of that. An element is
// an object of its attributes ("@id") and children, repeated ones an array; an element with neither is its text, and
// "#text" is the text of one that has both. Names lose their namespace. Entities are not declared or fetched: encoding/xml
// knows the five of XML itself only.
func Convert(dst, body []byte) (out []byte, root string, err error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	dec.CharsetReader = reader
	e, err := readElement(dec)
	if err != nil {
		return dst, "", err
	}
	dst = append(jsonscan.AppendString(append(dst, '{'), e.name), ':')
	return append(e.append(dst), '}'), e.name, nil
}

func readElement(dec *xml.Decoder) (*element, error) {
	var stack []*element
	count := 0
	for {
		t, err := dec.Token()
		if err != nil {
			return nil, ErrMalformed
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) == MaxDepth {
				return nil, ErrTooDeep
			}
			if count += 1 + len(t.Attr); count > MaxElements {
				return nil, ErrTooMany
			}
			e := &element{name: t.Name.Local}
			for _, a := range t.Attr {
				if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
					continue
				}
				e.members = append(e.members, element{name: "@" + a.Name.Local, text: []byte(a.Value)})
			}
			stack = append(stack, e)
		case xml.CharData:
			if len(stack) > 0 {
				top := stack[len(stack)-1]
				top.text = append(top.text, t...)
			}
		case xml.EndElement:
			e := stack[len(stack)-1]
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return e, trailing(dec)
			}
			up := stack[len(stack)-1]
			up.members = append(up.members, *e)
		}
	}
}

// trailing makes sure that nothing follows the outermost element but comments.
func trailing(dec *xml.Decoder) error {
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if _, more := t.(xml.StartElement); err != nil || more {
			return ErrMalformed
		}
	}
}

func (e *element) append(b []byte) []byte {
	content := strings.TrimSpace(string(e.text))
	if len(e.members) == 0 {
		return jsonscan.AppendString(b, content)
	}
	b = append(b, '{')
	at := make(map[string]int, len(e.members)) // name -> its place in order
	var order [][]*element
	for i := range e.members {
		m := &e.members[i]
		n, ok := at[m.name]
		if !ok {
			n = len(order)
			at[m.name] = n
			order = append(order, nil)
		}
		order[n] = append(order[n], m)
	}
	for i, same := range order {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendString(b, same[0].name), ':')
		if len(same) == 1 {
			b = same[0].append(b)
			continue
		}
		for j, m := range same {
			b = m.append(append(b, "[,"[min(j, 1)]))
		}
		b = append(b, ']')
	}
	if content != "" {
		b = append(jsonscan.AppendString(append(b, ','), "#text"), ':')
		b = jsonscan.AppendString(b, content)
	}
	return append(b, '}')
}

// reader reads the encodings that XML from older systems declares besides UTF-8.
func reader(label string, r io.Reader) (io.Reader, error) {
	c := charset.Find(label)
	if c == nil {
		return nil, errors.New("unknown encoding")
	}
	return c.Reader(r), nil
}
