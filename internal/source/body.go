package source

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"
	"sync"

	"github.com/callgate/callgate/internal/jsonscan"
	"github.com/callgate/callgate/internal/xmljson"
)

// document is a body, read. Forms and XML are turned into the JSON that says the same (a form is an object of
// strings, an XML element an object of its children), so that there is one way to look something up.
type document struct {
	req     *Request
	root    jsonscan.Value
	form    bool           // the body, or the query that stands for it, is a form
	xmlRoot string         // the name of an XML body's outermost element, the only member of root
	decoded any            // root as ojg wants it, once a path needs it
	tree    jsonscan.Value // see shaped
	files   []string       // the names of a multipart form's fields that are files

	scan  jsonscan.Doc
	buf   []byte // what a form or XML was turned into
	draft draft
}

// documents keeps documents for their memory.
var documents = sync.Pool{New: func() any { return new(document) }}

func newDocument(r *Request) *document {
	d := documents.Get().(*document)
	d.req = r
	return d
}

// release gives the document back. Nothing read from it but strings may be used afterwards.
func (d *document) release() {
	const keep = 1 << 16 // a rare giant must not stay in the pool for ever
	if d.scan.Size() > keep || cap(d.buf) > keep {
		return
	}
	d.scan.Reset()
	*d = document{scan: d.scan, buf: d.buf[:0], draft: d.draft.emptied()}
	documents.Put(d)
}

// get is the member at a path of keys.
func (d *document) get(keys ...string) jsonscan.Value { return d.root.Path(keys...) }

// text is the text of the member at a path of keys.
func (d *document) text(keys ...string) string { return text(d.root.Path(keys...)) }

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

var bom = []byte("\xef\xbb\xbf")

// openObject reads a body of any kind and wants an object in it.
func openObject(d *document, r *Request) error {
	if err := openAny(d, r); err != nil {
		return err
	}
	if d.root.Kind() == jsonscan.Array && d.root.Len() == 1 {
		d.root = d.root.Index(0) // some relays wrap the event
	}
	if d.root.Kind() != jsonscan.Object {
		return malformed("the body is not a JSON object")
	}
	return nil
}

// openAny reads a body of any kind. The kind is told by what the body looks like: senders whose headers are typed in by
// hand get their type wrong, and no sender signs it, so that by another type the same body would become another event.
func openAny(d *document, r *Request) error {
	raw := bytes.TrimSpace(bytes.TrimPrefix(r.Body, bom))
	if boundary := boundaryOf(raw); boundary != "" { // whose parts are read one by one
		return d.multipart(raw, boundary)
	}
	body := raw
	if len(raw) == 0 || raw[0] != '<' { // XML names its charset
		body = bytes.TrimSpace(legible(r.Body))
	}
	switch {
	case len(body) == 0 && r.Query == "":
		return malformed("the body is empty")
	case len(body) == 0:
		q, _ := url.ParseQuery(r.Query) // what is well-formed of it
		d.form, d.buf = true, appendValues(d.buf, q)
		return d.json(d.buf)
	case body[0] == '{' || body[0] == '[':
		return d.json(body)
	case body[0] == '<':
		return d.xml(body)
	}
	if bytes.IndexByte(body, '=') <= 0 {
		return malformed("the body is neither JSON nor a form nor XML")
	}
	var err error
	if d.buf, err = appendForm(d.buf, body); err != nil {
		return err
	}
	d.form = true
	d.buf = legible(d.buf) // of the characters that were escaped
	return d.json(d.buf)
}

// xml reads an XML body as the object that xmljson makes of it.
func (d *document) xml(body []byte) (err error) {
	if d.buf, d.xmlRoot, err = xmljson.Convert(d.buf, body); err != nil {
		return malformed("%w", err)
	}
	return d.json(d.buf)
}

// boundaryOf is the boundary of a multipart form, which its first line is: two hyphens and up to 70 bytes (RFC 2046,
// 5.1.1), and then the header of a part. It is empty for anything else.
func boundaryOf(body []byte) string {
	line, rest, ok := bytes.Cut(body, []byte("\n"))
	line = bytes.TrimRight(line, " \t\r")
	if !ok || len(line) < 3 || len(line) > 72 || !bytes.HasPrefix(line, []byte("--")) {
		return ""
	}
	header, _, _ := bytes.Cut(rest, []byte("\n"))
	name, _, _ := bytes.Cut(header, []byte(":"))
	if !bytes.HasPrefix(bytes.ToLower(name), []byte("content-")) {
		return ""
	}
	return string(line[2:])
}

func (d *document) json(text []byte) error {
	if err := d.scan.Scan(text); err != nil {
		return malformed("%w", err)
	}
	d.root = d.scan.Root()
	return nil
}

// appendForm turns an URL-encoded form into a JSON object. Of repeated names the last wins.
func appendForm(b, form []byte) ([]byte, error) {
	b = append(b, '{')
	ok := true
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		k, v, _ := bytes.Cut(pair, []byte("="))
		if len(k) == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		if b, ok = appendUnescaped(b, k); ok {
			b, ok = appendUnescaped(append(b, ':'), v)
		}
		if !ok {
			return b, malformed("the form has a broken escape")
		}
	}
	return append(b, '}'), nil
}

// appendUnescaped appends a name or value of an URL-encoded form as a JSON string. ok is false for a percent sign
// without two hexadecimal digits after it.
func appendUnescaped(b, s []byte) (_ []byte, ok bool) {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if len(s)-i < 3 {
				return b, false
			}
			var one [1]byte
			if _, err := hex.Decode(one[:], s[i+1:i+3]); err != nil {
				return b, false
			}
			c = one[0]
			i += 2
		}
		b = appendByte(b, c)
	}
	return append(b, '"'), true
}

// appendByte appends a byte of a text within a JSON string.
func appendByte(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c < ' ':
		const digits = "0123456789abcdef"
		return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	default:
		return append(b, c)
	}
}

func appendValues(b []byte, q url.Values) []byte {
	b = append(b, '{')
	for _, k := range slices.Sorted(maps.Keys(q)) {
		if vs := q[k]; k != "" && len(vs) > 0 {
			b = appendMember(b, k, vs[len(vs)-1])
		}
	}
	return append(b, '}')
}

func appendMember(b []byte, k, v string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(jsonscan.AppendString(b, string(legible([]byte(k)))), ':')
	return jsonscan.AppendString(b, string(legible([]byte(v))))
}

// maxParts bounds the parts of a multipart form.
const maxParts = 1000

// multipart turns a multipart form into an object. Of a file only the name is kept.
func (d *document) multipart(body []byte, boundary string) error {
	d.buf, d.form = append(d.buf, '{'), true
	mr := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		p, err := mr.NextRawPart()
		if errors.Is(err, io.EOF) {
			d.buf = append(d.buf, '}')
			return d.json(d.buf)
		}
		if err != nil {
			return malformed("the multipart form is cut short or broken")
		}
		value := p.FileName()
		if value == "" {
			b, err := io.ReadAll(p)
			if err != nil {
				return malformed("the multipart form is cut short or broken")
			}
			value = string(b)
		}
		if name := p.FormName(); name != "" {
			if p.FileName() != "" {
				d.files = append(d.files, name)
			}
			d.buf = appendMember(d.buf, name, value)
		}
	}
	return malformed("the multipart form has too many parts")
}
