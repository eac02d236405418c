package outbound

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
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
	// before are the names of an earlier request. As long as list is the beginning of it, it lies in the same memory.
	before []string
	// seen are those of list, once they are many.
	seen map[string]bool
	// path is the name of what is being looked at.
	path []byte
}

// fewNames is how many names are looked through one by one.
const fewNames = 24

// fieldNames are the names under which a request has a value, in their order: the parameters of its URL with a question
// mark in front, the members of a JSON body and the elements of an XML one by their paths (properties.email,
// inputs[].id), and the fields of a form. A part of a name that does not look like one is an asterisk, since it may be a
// value in the place of a name: {"+15551234567": …}. more counts the names that are left out.
//
// before are the names of an earlier request, which the list shares its memory with as far as they are the same: requests to a
// receiver mostly have the same names.
func fieldNames(req *http.Request, body []byte, before []string) (list []string, more int) {
	n := names{before: before}
	n.form("?", req.URL.RawQuery)
	if req.Header.Get("Content-Encoding") == "" && len(body) <= maxNamedBody {
		kind, _ := charset.MediaType(req.Header.Get("Content-Type"))
		body = charset.Text(body, req.Header.Get("Content-Type"))
		switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
		case kind == "application/x-www-form-urlencoded":
			n.form("", string(body))
		case strings.HasSuffix(kind, "xml"), bytes.HasPrefix(trimmed, []byte("<?xml")):
			n.xml(body)
		case bytes.HasPrefix(trimmed, []byte("{")), bytes.HasPrefix(trimmed, []byte("[")):
			d := docs.Get().(*scanned)
			if d.Scan(body) == nil {
				n.path = d.path[:0]
				n.json(d.Root())
				d.path = n.path
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

// scanned is what a body is scanned into, with memory for the paths in it.
type scanned struct {
	jsonscan.Doc
	path []byte
}

// docs are used again, but for those of large bodies.
var docs = sync.Pool{New: func() any { return new(scanned) }}

const maxKeptDoc = 1 << 14

// add adds a name, as long as there are not many more than can be kept.
func (n *names) add(name []byte) {
	const cut = "…"
	if len(name) > maxFieldName {
		name = append(name[:maxFieldName-len(cut):maxFieldName-len(cut)], cut...) // of ASCII only, see namePart
	}
	at := len(n.list)
	if len(name) == 0 || at >= 100*maxFieldNames || n.has(name) {
		return
	}
	if at < len(n.before) && n.before[at] == string(name) && (at == 0 || &n.list[0] == &n.before[0]) {
		n.list = n.before[: at+1 : at+1]
	} else {
		n.list = append(n.list, string(name))
	}
	if n.seen != nil {
		n.seen[n.list[at]] = true
	}
}

func (n *names) has(name []byte) bool {
	if len(n.list) < fewNames {
		for _, known := range n.list {
			if known == string(name) {
				return true
			}
		}
		return false
	}
	if n.seen == nil {
		n.seen = make(map[string]bool, 2*len(n.list))
		for _, known := range n.list {
			n.seen[known] = true
		}
	}
	return n.seen[string(name)]
}

func (n *names) form(before, text string) {
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil && value != "" {
			n.path = append(append(n.path, before...), namePart(plain)...)
			n.add(n.path)
			n.path = n.path[:0]
		}
	}
}

// json adds what is in a value, whose name is the path so far.
func (n *names) json(v jsonscan.Value) {
	at := len(n.path)
	switch v.Kind() {
	case jsonscan.Object:
		if bytes.Count(n.path, []byte(".")) >= maxNameDepth {
			n.add(n.path)
			return
		}
		for key, member := range v.Entries() {
			if at > 0 {
				n.path = append(n.path, '.')
			}
			n.path = append(n.path, keyPart(key)...)
			n.json(member)
			n.path = n.path[:at]
		}
	case jsonscan.Array:
		for e := range v.Elements() {
			n.path = append(n.path, "[]"...)
			n.json(e)
			n.path = n.path[:at]
		}
	case jsonscan.Null:
	case jsonscan.String:
		if string(v.Raw()) != `""` { // which makes no copy of a transcript
			n.add(n.path)
		}
	default:
		n.add(n.path)
	}
}

// keyPart is namePart of a key.
func keyPart(key jsonscan.Value) []byte {
	name := key.Raw()
	if name = name[1 : len(name)-1]; bytes.IndexByte(name, '\\') >= 0 {
		return []byte(namePart(key.Text()))
	}
	return namePart(name)
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
					n.add([]byte(strings.Join(path, ".") + "@" + namePart(a.Name.Local)))
				}
			}
		case xml.EndElement:
			if len(path) == 0 {
				return
			}
			path = path[:len(path)-1]
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				n.add([]byte(strings.Join(path, ".")))
			}
		}
	}
}

// namePart is a part of a name if it looks like one, and an asterisk if it does not.
func namePart[T string | []byte](s T) T {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == ':')) {
			return T("*")
		}
	}
	if len(s) == 0 || len(s) > 64 {
		return T("*")
	}
	return s
}
