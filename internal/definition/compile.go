package definition

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/nearest"
	"github.com/callgate/callgate/internal/template"
)

// context is the template context of the body's media type.
func (p *parser) context() template.Context { return contextOf(p.media) }

func contextOf(m string) template.Context {
	switch {
	case m == "application/x-www-form-urlencoded":
		return template.Form
	case strings.HasSuffix(m, "/json"), strings.HasSuffix(m, "+json"), m == "application/x-ndjson", m == "application/jsonl":
		return template.JSON
	case strings.HasSuffix(m, "/xml"), strings.HasSuffix(m, "+xml"):
		return template.XML
	}
	return template.Text
}

// unresolved finds references in a body.
var unresolved = regexp.MustCompile(`(?:^|[^{])\{(?:env|file)\.[^{}]+\}`)

// body compiles the body_template, or makes a body of the parameters.
func (p *parser) body(m *member) {
	ctx := p.context()
	multi := p.media == "multipart/form-data"
	switch {
	case m == nil:
		p.resulting(ctx, multi)
	case m.kind() == '"' && multi:
		p.err(m, "the body of multipart/form-data is written as an object, with one member for each field")
	case m.kind() == '"':
		s, _ := m.text()
		if strings.TrimSpace(s) == "" {
			return
		}
		o := p.options(m)
		o.Name, o.Line, o.Column = strings.TrimSpace(p.name+" body_template"), 1, 1
		p.compile(m, s, ctx, o)
	case ctx == template.JSON:
		o := p.options(m)
		o.Column--
		p.compile(m, string(m.raw), ctx, o)
	case multi || ctx == template.Form:
		p.fields(m, multi)
	default:
		p.err(m, "the body of this Content-Type is written as text in double quotes; an object is for JSON and forms")
	}
	if m != nil && unresolved.Match(m.raw) {
		p.problem(m, "a reference such as {env.X} is text in a body; only the url and headers have them replaced")
	}
	if m != nil && p.d.Method == http.MethodGet {
		p.problem(m, "a GET with a body, which many servers ignore; put the values in the query of the URL, or use POST")
	}
}

func (p *parser) compile(m *member, source string, ctx template.Context, o template.Options) {
	t, err := template.Compile(source, ctx, o)
	if err != nil {
		p.template(m, err)
		return
	}
	p.d.body = single{t}
}

// resulting makes the body of a document without body_template: the parameters, and the two numbers, which the
// guide's example of "resulting parameters" has besides.
func (p *parser) resulting(ctx template.Context, multi bool) {
	if p.d.Method == http.MethodGet || p.d.Method == http.MethodDelete || len(p.d.Parameters) == 0 {
		return
	}
	if ctx != template.JSON && ctx != template.Form && !multi {
		p.err(nil, "the document has no body_template; only JSON and forms can be made of the parameters")
		return
	}
	names := make([]string, 0, len(p.d.Parameters)+2)
	for _, par := range p.d.Parameters {
		names = append(names, par.Name)
	}
	for _, n := range []string{"caller_number", "receiving_number"} {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(n)
		fmt.Fprintf(&b, `%s:"{{%s}}"`, key, n)
	}
	m := &member{key: "parameters", raw: json.RawMessage("{" + b.String() + "}")}
	if ctx == template.JSON {
		p.compile(m, string(m.raw), ctx, p.options(m))
		return
	}
	p.fields(m, multi)
}

// fields compiles an object as the fields of a form.
func (p *parser) fields(m *member, multi bool) {
	list, err := p.members(m.raw, m.offset, m.key)
	if err != nil {
		p.errs = append(p.errs, err)
		return
	}
	var fields []field
	for i := range list {
		values := list[i : i+1]
		if list[i].kind() == '[' {
			if values, err = p.elements(&list[i]); err != nil {
				p.errs = append(p.errs, err)
				return
			}
		}
		for j := range values {
			if f, ok := p.field(list[i].key, &values[j], multi); ok {
				fields = append(fields, f)
			}
		}
	}
	made := multipart{fields: fields, omitEmpty: p.d.omitEmpty, limit: p.o.MaxBody}
	if made.limit <= 0 {
		made.limit = template.DefaultMaxOutput
	}
	switch {
	case len(fields) > maxFields:
		p.err(m, fmt.Sprintf("more than %d fields", maxFields))
	case multi:
		p.d.body = made
	default:
		p.d.body = form(made)
	}
}

// field compiles one field of a form.
func (p *parser) field(name string, m *member, multi bool) (f field, ok bool) {
	if strings.Contains(name, "{{") {
		p.err(m, "a variable in a field's name; only values can have variables")
		return f, false
	}
	source, isText := m.text()
	switch {
	case m.kind() == '{' && multi:
		return p.file(name, m)
	case m.kind() == '{' || m.kind() == '[':
		p.err(m, "a form's field is text, a number, true or false, or a list of those; it cannot nest")
		return f, false
	case m.null():
	case !isText:
		source = string(m.raw)
	}
	o := p.options(m)
	o.MayRepeat, o.Repeats = true, strings.HasSuffix(name, "[]")
	t, err := template.Compile(source, template.Text, o)
	if err != nil {
		p.template(m, err)
		return f, false
	}
	f = field{head: url.QueryEscape(name) + "=", value: t}
	if multi {
		f.head = partHead(name)
	}
	return f, true
}

// file compiles a part that is a file.
func (p *parser) file(name string, m *member) (f field, ok bool) {
	list, err := p.members(m.raw, m.offset, m.key)
	if err != nil {
		p.errs = append(p.errs, err)
		return f, false
	}
	said := map[string]string{}
	for i := range list {
		text, isText := list[i].text()
		switch key := list[i].key; {
		case key != "file_name" && key != "content_type" && key != "value":
			p.err(&list[i], "a form's field is text, a number, true or false, or a list of those, or a file, which has file_name, content_type and value; it cannot nest")
			return f, false
		case !isText:
			p.err(&list[i], key+" of a file is a text")
			return f, false
		default:
			said[key] = text
		}
	}
	if said["file_name"] == "" {
		p.err(m, "a form's field that is an object is a file, and needs a file_name; it cannot nest otherwise")
		return f, false
	}
	context, head := template.Text, ""
	if t := said["content_type"]; t != "" {
		media, parameters, err := mime.ParseMediaType(t)
		if err != nil || !strings.Contains(media, "/") || strings.Contains(t, "{") {
			p.err(m, "the content_type of a file is none; write it as text/plain, and without variables")
			return f, false
		}
		context = contextOf(media)
		head = "Content-Type: " + mime.FormatMediaType(media, parameters) + "\r\n"
	}
	o := p.options(m)
	fileName := o
	fileName.Charset = nil
	if f.file, err = template.Compile(said["file_name"], template.Text, fileName); err == nil {
		o.Name, o.Line, o.Column = strings.TrimSpace(p.name+" body_template."+name), 1, 1
		f.value, err = template.Compile(said["value"], context, o)
	}
	if err != nil {
		p.template(m, err)
		return f, false
	}
	f.head, f.tail = strings.TrimSuffix(partHead(name), "\r\n\r\n"), "\r\n"+head+"\r\n"
	return f, true
}

// requiredOfLead finds the fields that a Salesforce lead must have (Object Reference, "Lead"), filled from a variable
// that has no default.
var requiredOfLead = regexp.MustCompile(`"(LastName|Company)"\s*:\s*"\{\{\s*([\w.-]+)\s*\}\}"`)

// warn notes what only the whole document shows.
func (p *parser) warn() {
	used := map[string]bool{}
	for _, v := range p.d.Variables() {
		used[v] = true
		if _, declared := p.types[v]; declared || template.Known(v) {
			continue
		}
		text := "{{" + v + "}} is no declared parameter and no field of the call; it is empty unless the call or the tenant's vars have it"
		if f, _ := call.FieldOf(v); f != "" && f != "duration_ms" {
			text = "{{" + v + "}} is no declared parameter; the call's own name for it is {{" + f + "}}"
		} else if near := Nearest(v, p.d.Parameters); near != "" {
			text += "; did you mean {{" + near + "}}?"
		}
		p.problems = append(p.problems, Problem{Line: p.lineOf(v), Message: text})
	}
	for _, par := range p.d.Parameters {
		if !used[par.Name] && !slices.ContainsFunc(p.d.Variables(), func(v string) bool {
			return strings.TrimPrefix(v, "params.") == par.Name || strings.HasPrefix(v, par.Name+".")
		}) {
			p.problems = append(p.problems, Problem{Line: par.line, Field: "parameters", Message: "the parameter " + par.Name + " is declared and not used"})
		}
	}
	if strings.Contains(p.d.URL, "/sobjects/Lead") {
		for _, at := range requiredOfLead.FindAllSubmatchIndex(p.text, -1) {
			p.problems = append(p.problems, Problem{
				Line: p.line(at[2]), Field: string(p.text[at[2]:at[3]]),
				Message: "Salesforce refuses a lead without it, and the call may not have it; write {{" + string(p.text[at[4]:at[5]]) + "|default:Unknown}}, or use a salesforce destination",
			})
		}
	}
	if strings.TrimSpace(p.d.URL) != "" && p.d.body == nil && len(p.d.Parameters) == 0 && p.d.Method != http.MethodGet && p.d.Method != http.MethodDelete {
		p.problem(nil, "the request has no body; write a body_template")
	}
}

// Nearest is the variable that was probably meant by one that nothing is known of: a field of the call, a variable of the
// gateway or a declared parameter. Empty if none is near.
func Nearest(variable string, declared []Parameter) string {
	if f, _ := call.FieldOf(variable); f != "" && f != "duration_ms" {
		return f
	}
	names := append(call.Fields(), "owner_name", "website", "booking_url", "received_at")
	for _, par := range declared {
		names = append(names, par.Name)
	}
	return nearest.Name(variable, names)
}

// lineOf is the line of the first use of a variable, or 0.
func (p *parser) lineOf(variable string) int {
	for at, rest := 0, string(p.text); ; {
		i := strings.Index(rest, "{{")
		if i < 0 {
			return 0
		}
		at, rest = at+i+2, rest[i+2:]
		if after, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), variable); ok && after != "" && strings.IndexByte(" |}", after[0]) >= 0 {
			return p.line(at)
		}
	}
}
