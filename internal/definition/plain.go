package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/template"
)

// Plain is what a document says as the settings of a destination have it: texts, that a person goes on editing. It sends
// what the document sends. The types and defaults of parameters have become filters of the variables.
type Plain struct {
	Method, URL string
	// Headers are those of the document but Content-Type.
	Headers map[string]string
	// ContentType is empty where there is no body.
	ContentType string
	// Body is the template of the body; empty where there is none.
	Body string
	// Notes say what the settings do not say as the document did.
	Notes []string
}

// ErrNotPlain means that no settings say what a document says; it can be kept as it is.
var ErrNotPlain = fmt.Errorf("%w: multipart/form-data is sent by a document only; keep it as it is", ErrInvalid)

// ReadPlain reads a document as Parse does, and takes it apart.
func ReadPlain(data []byte, o Options) (*Plain, []Problem, error) {
	o.Resolve = func(reference string) (string, error) { return reference, nil }
	d, problems, err := Parse(data, o)
	if err != nil {
		return nil, problems, err
	}
	doc := document{name: o.Name, text: withoutComments(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))}
	top, err := doc.members(doc.text, 0, "")
	if err != nil {
		return nil, problems, err
	}
	p := &Plain{Method: d.Method, URL: d.URL, Headers: map[string]string{}}
	w := plainWriter{d: d}
	var body *member
	for i := range top {
		switch m := &top[i]; {
		case m.null():
		case m.key == "headers":
			headers, err := doc.members(m.raw, m.offset, m.key)
			if err != nil {
				return nil, problems, err
			}
			for j := range headers {
				if text, ok := headers[j].text(); ok {
					p.Headers[headers[j].key] = w.variables(text)
				}
			}
		case m.key == "body_template":
			body = m
		}
	}
	p.URL = w.variables(p.URL)
	for name, value := range p.Headers {
		if strings.EqualFold(name, "Content-Type") {
			p.ContentType = value
			delete(p.Headers, name)
		}
	}
	if d.body == nil {
		p.ContentType = ""
		return p, problems, nil
	}
	if p.Body, err = w.body(&doc, body, p.ContentType); err != nil {
		return nil, problems, err
	}
	if p.ContentType == "" {
		p.ContentType = "application/json"
	}
	p.Notes = w.notes()
	return p, problems, nil
}

// plainWriter writes the templates of a document with its parameters' types and defaults in them.
type plainWriter struct {
	d    *Definition
	lost []string // parameters whose default no filter can say
}

// variable finds a variable with its filters, value a string of a JSON template or a variable outside of one, and whole
// those of them that are one variable and nothing else.
var (
	variable = regexp.MustCompile(`\{\{\s*([^{}|]*?)\s*(\|[^{}]*)?\}\}`)
	value    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\{\{[^{}]*\}\}`)
	whole    = regexp.MustCompile(`^"?\{\{\s*([^{}|"]*?)\s*(\|[^{}"]*)?\}\}"?$`)
)

func (w *plainWriter) parameter(name string) *Parameter {
	for i := range w.d.Parameters {
		if w.d.Parameters[i].Name == name {
			return &w.d.Parameters[i]
		}
	}
	return nil
}

// variables puts the defaults of parameters into a text.
func (w *plainWriter) variables(text string) string {
	return variable.ReplaceAllStringFunc(text, func(s string) string {
		m := variable.FindStringSubmatch(s)
		p := w.parameter(m[1])
		if p == nil || p.Default == nil || strings.Contains(m[2], "default:") {
			return s
		}
		value := fmt.Sprint(p.Default)
		if strings.ContainsAny(value, "'\"\\{}|\r\n") {
			if !slices.Contains(w.lost, p.Name) {
				w.lost = append(w.lost, p.Name)
			}
			return s
		}
		return "{{" + m[1] + m[2] + "|default:'" + value + "'}}"
	})
}

// typed gives the values of a JSON body that are exactly one variable the type of their parameter.
func (w *plainWriter) typed(text string) string {
	return value.ReplaceAllStringFunc(text, func(s string) string {
		m := whole.FindStringSubmatch(s)
		if m == nil {
			return s
		}
		p := w.parameter(m[1])
		switch {
		case p == nil:
			return s
		case p.Type == template.String || p.Type == "":
			return `"` + strings.Trim(s, `"`) + `"`
		case p.Type == template.Array || p.Type == template.Object:
			return strings.Trim(s, `"`)
		case strings.HasSuffix(strings.TrimRight(m[2], " "), "|"+string(p.Type)):
			return s
		}
		return `"{{` + m[1] + m[2] + "|" + string(p.Type) + `}}"`
	})
}

// body is the template of the body; m is nil where it is made of the parameters.
func (w *plainWriter) body(doc *document, m *member, contentType string) (string, error) {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	isForm := media == "application/x-www-form-urlencoded"
	switch {
	case media == "multipart/form-data":
		return "", ErrNotPlain
	case m != nil && m.kind() == '"':
		text, _ := m.text()
		text = w.variables(text)
		if isForm || media != "" && !strings.HasSuffix(media, "json") {
			return text, nil
		}
		return w.typed(text), nil
	case m == nil:
		m = &member{raw: w.resulting()}
	}
	if isForm {
		return w.form(doc, m)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, m.raw, "", "  "); err != nil {
		return "", doc.fail(m.offset, m.key, "not valid JSON")
	}
	return w.typed(w.variables(b.String())), nil
}

// resulting is the body that a document without body_template has.
func (w *plainWriter) resulting() []byte {
	var names []string
	for _, p := range w.d.Parameters {
		names = append(names, p.Name)
	}
	for _, n := range []string{"caller_number", "receiving_number"} {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	var b bytes.Buffer
	for i, n := range names {
		key, _ := json.Marshal(n)
		fmt.Fprintf(&b, "%s%s:\"{{%s}}\"", map[bool]string{true: "{", false: ","}[i == 0], key, n)
	}
	return append(b.Bytes(), '}')
}

// form writes the members of an object as the pairs of a form, one on each line.
func (w *plainWriter) form(doc *document, m *member) (string, error) {
	list, err := doc.members(m.raw, m.offset, m.key)
	if err != nil {
		return "", err
	}
	var pairs []string
	for i := range list {
		values := list[i : i+1]
		if list[i].kind() == '[' {
			if values, err = doc.elements(&list[i]); err != nil {
				return "", err
			}
		}
		for j := range values {
			source, isText := values[j].text()
			if !isText && !values[j].null() {
				source = string(values[j].raw)
			}
			pairs = append(pairs, escapePair(list[i].key)+"="+w.pairValue(source))
		}
	}
	return strings.Join(pairs, "&\n"), nil
}

// pairValue escapes what is constant in the value of a pair.
func (w *plainWriter) pairValue(source string) string {
	var b strings.Builder
	at := 0
	source = w.variables(source)
	for _, m := range variable.FindAllStringIndex(source, -1) {
		b.WriteString(escapePair(source[at:m[0]]))
		b.WriteString(source[m[0]:m[1]])
		at = m[1]
	}
	b.WriteString(escapePair(source[at:]))
	return b.String()
}

// escapePair escapes what would end a name or a value, and leaves the rest readable.
func escapePair(s string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "=", "%3D", "+", "%2B", "#", "%23", "[", "%5B", "]", "%5D", " ", "+", "\n", "%0A", "\r", "%0D", "{", "%7B", "}", "%7D").Replace(s)
}

// notes say what is not as in the document.
func (w *plainWriter) notes() (notes []string) {
	var required []string
	for _, p := range w.d.Parameters {
		if p.Required && p.Default == nil {
			required = append(required, p.Name)
		}
	}
	if len(required) > 0 {
		notes = append(notes, "the document requires "+strings.Join(required, ", ")+"; calls without them are sent with empty values here, unless missing values are refused")
	}
	if len(w.lost) > 0 {
		notes = append(notes, "the default of "+strings.Join(w.lost, ", ")+" has characters that no filter can say; write |default:'…' yourself")
	}
	if w.d.Method == http.MethodGet && w.d.body != nil {
		notes = append(notes, "a GET with a body, which many servers ignore")
	}
	return notes
}
