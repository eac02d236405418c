// Package definition turns a NextPhone webhook document into requests. The document is JSON as NextPhone's webhook
// builder has it:
//
//	{
//	  "type": "http",
//	  "tool_name": "submitLead",
//	  "description": "…",
//	  "http_method": "POST",
//	  "url": "https://api.example.com/v1/leads/{{email}}",
//	  "headers": { "Authorization": "Bearer {env.API_KEY}", "Content-Type": "application/json" },
//	  "body_template": { "name": "{{first_name}} {{last_name}}", "seconds": "{{call_duration}}" },
//	  "parameters": [ { "name": "first_name", "type": "string", "required": true } ]
//	}
//
// Comments (// and /* */) are allowed anywhere outside of strings, as one of the guide's own examples has them.
//
// The Content-Type header says what the body is; without one it is JSON.
//
//	JSON (…/json, …+json)               body_template is any JSON, or a string that holds a JSON template
//	XML (…/xml, …+xml)                  body_template is a string
//	application/x-www-form-urlencoded   an object whose members are the fields, or a string a=1&b={{x}}
//	multipart/form-data                 an object whose members are the fields; one that is an object with file_name is a file
//	any other                           a string, in which values are inserted as they are
//
// A file of multipart/form-data says its name and its content by templates, and what it is:
//
//	"summary": { "file_name": "call-{{call_id}}.txt", "content_type": "text/plain", "value": "{{summary}}" }
//
// Variables are escaped in it as in a body of its content type. Without a content type it is text.
//
// A POST, PUT or PATCH without body_template sends the declared parameters as a JSON object, or as form fields: the
// guide's "resulting parameters". A GET or DELETE without one sends no body.
package definition

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/template"
)

// ErrInvalid is wrapped by all errors of Parse and Load.
var ErrInvalid = errors.New("webhook definition")

// ErrRequired: Render was given no value for a parameter that is required.
var ErrRequired = errors.New("required parameter is missing")

// The bounds of a document.
const (
	DefaultMaxSize = 1 << 20
	maxHeaders     = 64
	maxParameters  = 500
	maxFields      = 500
	maxURL         = 8 << 10
	maxHeaderValue = 8 << 10
)

// Options say how a document is read. The zero Options are good defaults.
type Options struct {
	// Name stands for the document in errors; Load sets it to the file's name.
	Name string
	// Resolve replaces one reference to a secret or setting, such as "{env.API_KEY}" or "{file./run/secrets/key}", in
	// the URL or a header. It is given with its braces. Line
	// breaks at the end of what it returns, as files of secrets have them, are dropped. Without it a document with
	// references is an error.
	Resolve func(reference string) (string, error)
	// URL takes the place of the document's url, which need not be there then and is not looked at. It may have
	// variables and references as the document's may.
	URL string
	// Policy is what becomes of missing variables. With OmitEmpty a header without a value is left out as well.
	Policy template.Policy
	// Region is the one in which national phone numbers are read; empty means call.DefaultRegion.
	Region string
	// MaxSize bounds the document in bytes; 0 means DefaultMaxSize.
	MaxSize int
	// MaxBody bounds a rendered body in bytes; 0 means template.DefaultMaxOutput.
	MaxBody int
}

// Parameter is a declared parameter.
type Parameter struct {
	Name        string        `json:"name"`
	Type        template.Type `json:"type,omitempty"`
	Description string        `json:"description,omitempty"`
	Required    bool          `json:"required,omitempty"`
	// Default is the value of a missing parameter, if the document gives one.
	Default any `json:"default,omitempty"`
	// Enum tells the voice agent which values there are. What it collected is sent as it is.
	Enum []any `json:"enum,omitempty"`

	line int
}

// Definition is a document, compiled. It is safe for concurrent use.
type Definition struct {
	Type, ToolName, Description, Method string
	// URL is the document's, or that of Options, with its variables and references.
	URL        string
	Parameters []Parameter
	// Problems are the warnings that Parse gave.
	Problems []Problem

	url         rendered
	shown       *template.Template // the URL without what references stand for; nil when it has none
	headers     []header
	contentType string
	body        body
	defaults    map[string]any
	omitEmpty   bool
}

// header is one header of the request.
type header struct {
	name   string // in canonical form
	value  rendered
	secret bool
}

// rendered is a template, with its result where that is always the same.
type rendered struct {
	*template.Template
	text  string
	fixed bool
}

func renderedOnce(t *template.Template) rendered {
	text, fixed := t.Constant()
	return rendered{t, text, fixed}
}

// render is the template's result.
func (r *rendered) render(v template.Vars) (string, error) {
	if r.fixed {
		return r.text, nil
	}
	out, err := r.Append(make([]byte, 0, 256), v)
	return string(out), err
}

// Problem is a warning: the document works, and probably not as meant.
type Problem struct {
	// Line counts from 1; 0 when it is about the document as a whole.
	Line int `json:"line,omitempty"`
	// Field is the member of the document that it is about, such as "url" or "parameters".
	Field string `json:"field,omitempty"`
	// Message says what is wrong and what to do about it.
	Message string `json:"message"`
}

// String is "line 7: url: message".
func (p Problem) String() string {
	s := p.Message
	if p.Field != "" {
		s = p.Field + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	return s
}

// Load reads the document in a file.
func Load(path string, o Options) (*Definition, error) {
	if o.Name == "" {
		o.Name = path
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	defer f.Close()
	data, err := readBounded(f, o.maxSize())
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, o.Name, err)
	}
	d, _, err := Parse(data, o)
	return d, err
}

func (o *Options) maxSize() int {
	if o.MaxSize > 0 {
		return o.MaxSize
	}
	return DefaultMaxSize
}

// Rendered is a request, ready to be sent.
type Rendered struct {
	Method, URL string
	// Header holds the document's headers and Content-Type, if there is a body.
	Header http.Header
	// Body is nil when there is none.
	Body []byte
	// ContentType is that of the body, with its parameters; empty when there is no body.
	ContentType string
	// Warnings are what could not be sent as it is: characters that the body's charset does not have.
	Warnings []string
}

// Secret reports whether a header's value must not be shown: it came from a reference, or its name is that of a
// credential.
func (d *Definition) Secret(name string) bool {
	name = http.CanonicalHeaderKey(name)
	for _, h := range d.headers {
		if h.name == name && h.secret {
			return true
		}
	}
	return credential(name)
}

// Variables lists the variables that the URL, the headers and the body use, each once, in no particular order.
func (d *Definition) Variables() []string {
	seen := map[string]bool{}
	var all []string
	add := func(t *template.Template) {
		for _, v := range t.Variables() {
			if !seen[v] {
				seen[v] = true
				all = append(all, v)
			}
		}
	}
	add(d.url.Template)
	for _, h := range d.headers {
		add(h.value.Template)
	}
	if d.body != nil {
		for _, t := range d.body.templates() {
			add(t)
		}
	}
	return all
}

// Constant reports whether every call gives the same request, and no call lacks a parameter.
func (d *Definition) Constant() bool {
	return len(d.Variables()) == 0 && !slices.ContainsFunc(d.Parameters, func(p Parameter) bool { return p.Required && p.Default == nil })
}

// charset is the one that bodies are written in.
func (d *Definition) charset() *charset.Charset {
	for _, t := range d.body.templates() {
		return t.Charset()
	}
	return charset.UTF8
}

// ShowURL is the URL that Render makes, fit to be shown: what stood in a reference such as {env.HOOK_PATH} is masked,
// but for scheme and host.
func (d *Definition) ShowURL(v template.Vars) (string, error) {
	t := d.shown
	if t == nil {
		t = d.url.Template
	}
	url, err := t.Append(nil, d.vars(v))
	return string(url), err
}

// vars puts the parameters' defaults behind a call's values.
func (d *Definition) vars(v template.Vars) template.Vars {
	if d.defaults == nil {
		return v
	}
	return withDefaults{v, d.defaults}
}

// Render makes the request for a call. It fails with ErrRequired, with an *template.Error, and never for the reason
// that a value is strange.
func (d *Definition) Render(v template.Vars) (*Rendered, error) {
	for i := range d.Parameters {
		if p := &d.Parameters[i]; p.Required && p.Default == nil {
			if value, ok := v.Lookup(p.Name); !ok || value == nil || value == "" {
				return nil, fmt.Errorf("%w: %s; have it collected on the call, or take required off it", ErrRequired, p.Name)
			}
		}
	}
	v = d.vars(v)
	url, err := d.url.render(v)
	if err != nil {
		return nil, err
	}
	// With room for what a delivery adds.
	r := &Rendered{Method: d.Method, URL: url, Header: make(http.Header, len(d.headers)+7)}
	for i := range d.headers {
		h := &d.headers[i]
		value, err := h.value.render(v)
		if err != nil {
			return nil, err
		}
		if value != "" || !d.omitEmpty {
			r.Header[h.name] = []string{value}
		}
	}
	if d.body == nil {
		return r, nil
	}
	var lost int
	if r.Body, r.ContentType, lost, err = d.body.render(v, d.contentType); err != nil {
		return nil, err
	}
	if lost > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("characters that %s does not have were written as near to them as it can: %d", d.charset(), lost))
	}
	r.Header["Content-Type"] = []string{r.ContentType}
	return r, nil
}

// withDefaults are Vars with the parameters' defaults behind them.
type withDefaults struct {
	template.Vars
	defaults map[string]any
}

func (w withDefaults) Lookup(name string) (any, bool) {
	if value, ok := w.Vars.Lookup(name); ok && value != nil && value != "" {
		return value, true
	}
	value, ok := w.defaults[name]
	return value, ok
}

// credential reports whether a header usually holds a secret.
func credential(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"authorization", "api-key", "apikey", "token", "secret", "password", "cookie", "x-auth", "access-key", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
