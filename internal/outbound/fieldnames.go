package outbound

import (
	"bytes"
	"encoding/xml"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/jsonscan"
)

// Bounds of the names that are kept of one request, in number and in bytes, and of the bodies that are looked through.
const (
	maxFieldNames = 48
	maxFieldName  = 96
	maxNameDepth  = 12
	maxNamedBody  = 1 << 20
)

// names collects the names of fields, each once.
type names struct {
	list []string
	seen map[string]bool
}

// fieldNames are the names under which a request has a value, in their order: the parameters of its URL with a question
// mark in front, the members of a JSON body and the elements of an XML one by their paths (properties.email,
// inputs[].id), and the fields of a form. A part of a name that does not look like one is an asterisk, since it may be a
// value in the place of a name: {"+15551234567": …}. more counts the names that are left out.
func fieldNames(req *http.Request, body []byte) (list []string, more int) {
	n := names{seen: map[string]bool{}}
	n.form("?", req.URL.RawQuery)
	if req.Header.Get("Content-Encoding") == "" && len(body) <= maxNamedBody {
		kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
		body = charset.Text(body, req.Header.Get("Content-Type"))
		switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
		case kind == "application/x-www-form-urlencoded":
			n.form("", string(body))
		case strings.HasSuffix(kind, "xml"), bytes.HasPrefix(trimmed, []byte("<?xml")):
			n.xml(body)
		case bytes.HasPrefix(trimmed, []byte("{")), bytes.HasPrefix(trimmed, []byte("[")):
			d := docs.Get().(*jsonscan.Doc)
			if d.Scan(body) == nil {
				n.json(nil, d.Root())
			}
			if d.Size() <= maxKeptDoc {
				d.Reset()
				docs.Put(d)
			}
		}
	}
	if len(n.list) > maxFieldNames {
		return n.list[:maxFieldNames:maxFieldNames], len(n.list) - maxFieldNames
	}
	return n.list, 0
}

// docs are used again, but for those of large bodies.
var docs = sync.Pool{New: func() any { return new(jsonscan.Doc) }}

const maxKeptDoc = 1 << 14

// add adds a name, as long as there are not many more than can be kept.
func (n *names) add(name string) {
	if len(name) > maxFieldName {
		name = name[:maxFieldName-len("…")] + "…" // of ASCII only, see namePart
	}
	if name != "" && !n.seen[name] && len(n.list) < 100*maxFieldNames {
		n.seen[name] = true
		n.list = append(n.list, name)
	}
}

func (n *names) form(before, text string) {
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil && value != "" {
			n.add(before + namePart(plain))
		}
	}
}

func (n *names) json(path []byte, v jsonscan.Value) {
	switch v.Kind() {
	case jsonscan.Object:
		if bytes.Count(path, []byte(".")) >= maxNameDepth {
			n.add(string(path))
			return
		}
		for key, member := range v.Members() {
			under := slices.Clip(path)
			if len(under) > 0 {
				under = append(under, '.')
			}
			n.json(append(under, namePart(key)...), member)
		}
	case jsonscan.Array:
		for e := range v.Elements() {
			n.json(append(slices.Clip(path), "[]"...), e)
		}
	case jsonscan.Null:
	case jsonscan.String:
		if string(v.Raw()) != `""` { // which makes no copy of a transcript
			n.add(string(path))
		}
	default:
		n.add(string(path))
	}
}

// xml adds the elements that hold text, and the attributes of all but namespaces.
func (n *names) xml(body []byte) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var path []string
	for {
		token, err := d.RawToken()
		if err != nil {
			return
		}
		switch t := token.(type) {
		case xml.StartElement:
			if path = append(path, namePart(t.Name.Local)); len(path) > 4*maxNameDepth {
				return
			}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && a.Value != "" {
					n.add(strings.Join(path, ".") + "@" + namePart(a.Name.Local))
				}
			}
		case xml.EndElement:
			if len(path) == 0 {
				return
			}
			path = path[:len(path)-1]
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				n.add(strings.Join(path, "."))
			}
		}
	}
}

// namePart is a part of a name if it looks like one, and an asterisk if it does not.
func namePart(s string) string {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == ':')) {
			return "*"
		}
	}
	if s == "" || len(s) > 64 {
		return "*"
	}
	return s
}
