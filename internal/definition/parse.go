package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/template"
)

// parser reads one document and collects what is wrong with it.
type parser struct {
	document
	o        Options
	d        *Definition
	problems []Problem
	errs     []error
	types    map[string]template.Type
	media    string           // the media type of the body, without parameters
	charset  *charset.Charset // that the Content-Type names; nil for none
}

// Parse reads a document. The problems are warnings, and are there even when err is not nil; err joins everything
// that makes the document unusable (*Error and *template.Error), each with its line, and wraps ErrInvalid.
func Parse(data []byte, o Options) (*Definition, []Problem, error) {
	p := &parser{document: document{name: o.Name}, o: o, d: &Definition{omitEmpty: o.Policy == template.OmitEmpty}}
	if len(data) > o.maxSize() {
		return nil, nil, p.fail(-1, "", fmt.Sprintf("the document is larger than %d bytes; shorten it or raise the bound", o.maxSize()))
	}
	p.text = withoutComments(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	top, err := p.members(p.text, 0, "")
	if err != nil {
		return nil, nil, err
	}
	p.read(top)
	if len(p.errs) > 0 {
		return nil, p.problems, invalid{errors.Join(p.errs...)}
	}
	p.warn()
	p.d.Problems = p.problems
	return p.d, p.problems, nil
}

// invalid makes joined errors wrap ErrInvalid, without repeating it in the text.
type invalid struct{ error }

func (e invalid) Unwrap() []error { return []error{ErrInvalid, e.error} }

// names are the members that a document may have.
var names = []string{"type", "tool_name", "name", "description", "http_method", "url", "headers", "body_template", "parameters"}

func (p *parser) read(top []member) {
	at := map[string]*member{}
	for i := range top {
		m := &top[i]
		switch {
		case !slices.Contains(names, m.key):
			p.err(m, "unknown field; a webhook definition has "+strings.Join(names, ", "))
		case !m.null():
			at[m.key] = m
		}
	}
	p.d.Type = p.string(at["type"])
	if p.d.Type != "" && p.d.Type != "http" {
		p.err(at["type"], `the type must be "http"`)
	}
	p.d.ToolName = p.string(at["tool_name"])
	if name := p.string(at["name"]); p.d.ToolName == "" {
		p.d.ToolName = name
	}
	p.d.Description = p.string(at["description"])
	p.d.Method = strings.ToUpper(p.string(at["http_method"]))
	switch p.d.Method {
	case "":
		p.d.Method = http.MethodPost
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		p.err(at["http_method"], "the method must be GET, POST, PUT, PATCH or DELETE")
	}
	p.parameters(at["parameters"])
	p.url(at["url"])
	p.headers(at["headers"])
	p.body(at["body_template"])
}

// err notes an error about a member, which may be nil.
func (p *parser) err(m *member, reason string) {
	if m == nil {
		p.errs = append(p.errs, p.fail(-1, "", reason))
		return
	}
	field := m.key
	if len(field) > 60 {
		field = field[:60]
	}
	p.errs = append(p.errs, p.fail(m.offset, field, reason))
}

// problem notes a warning about a member, which may be nil.
func (p *parser) problem(m *member, reason string) {
	w := Problem{Message: reason}
	if m != nil {
		w.Field = m.key
		if m.offset >= 0 {
			w.Line = p.line(m.offset)
		}
	}
	p.problems = append(p.problems, w)
}

// string is the text of a member; empty when it is not there.
func (p *parser) string(m *member) string {
	if m == nil {
		return ""
	}
	s, ok := m.text()
	if !ok {
		p.err(m, "text in double quotes is expected")
	}
	return s
}

// options are those for a template at a member.
func (p *parser) options(m *member) template.Options {
	o := template.Options{
		Name: p.name, Types: p.types, Policy: p.o.Policy, Region: p.o.Region, MaxSource: p.o.maxSize(), MaxOutput: p.o.MaxBody,
		Charset: p.charset,
	}
	if m.offset >= 0 {
		o.Line, o.Column = p.line(m.offset), p.column(m.offset)+1
	}
	return o
}

func (p *parser) parameters(m *member) {
	p.types = map[string]template.Type{}
	if m == nil {
		return
	}
	list, err := p.elements(m)
	if err != nil {
		p.errs = append(p.errs, err)
		return
	}
	if len(list) > maxParameters {
		p.err(m, fmt.Sprintf("more than %d parameters", maxParameters))
		return
	}
	for i := range list {
		if par, ok := p.parameter(&list[i]); ok {
			p.d.Parameters = append(p.d.Parameters, par)
		}
	}
}

func (p *parser) parameter(m *member) (par Parameter, ok bool) {
	fields, err := p.members(m.raw, m.offset, m.key)
	if err != nil {
		p.errs = append(p.errs, err)
		return par, false
	}
	before := len(p.errs)
	par = Parameter{Type: template.String, line: p.line(m.offset)}
	for i := range fields {
		f := &fields[i]
		switch {
		case f.null():
		case f.key == "name":
			par.Name = p.string(f)
		case f.key == "type":
			par.Type = template.Type(p.string(f))
		case f.key == "description":
			par.Description = p.string(f)
		case f.key == "required":
			if json.Unmarshal(f.raw, &par.Required) != nil {
				p.err(f, "true or false is expected")
			}
		case f.key == "default":
			par.Default = decode(f.raw)
		case f.key == "enum":
			par.Enum, ok = decode(f.raw).([]any)
			if !ok {
				p.err(f, "a list is expected")
			}
		case f.key == "items", f.key == "properties":
			// They tell the voice agent what a list or an object is of, as enum tells it what values there are.
		default:
			p.err(f, "unknown field; a parameter has name, type, description, required, default, enum, items, properties")
		}
	}
	_, twice := p.types[par.Name]
	_, bad := template.Compile("{{"+par.Name+"}}", template.Text, template.Options{})
	switch {
	case par.Name == "":
		p.err(m, "a parameter without a name")
	case bad != nil || strings.ContainsAny(par.Name, "|'\"{}"):
		p.err(m, "a parameter's name is letters, digits, _ - . and single spaces")
	case twice:
		p.err(m, "the parameter "+par.Name+" is declared twice")
	case !slices.Contains(template.Types, par.Type):
		p.err(m, "the type of "+par.Name+" must be string, number, integer, boolean, array or object")
	}
	if len(p.errs) > before {
		return par, false
	}
	p.types[par.Name] = par.Type
	if par.Default != nil {
		if p.d.defaults == nil {
			p.d.defaults = map[string]any{}
		}
		p.d.defaults[par.Name] = par.Default
	}
	return par, true
}

// decode is a JSON value with its numbers as they were written; nil for the empty string, which is no value.
func decode(raw []byte) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || v == "" {
		return nil
	}
	return v
}
