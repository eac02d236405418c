package main

import (
	"fmt"
	"slices"
	"strings"
)

// generator has what the pages are made of.
type generator struct {
	root       string
	code       map[string]*code
	caddyfiles []*node
	unseen     []string // lines without an example
}

// packages are those whose comments are read.
var packages = []string{
	"caddymodule", "caddymodule/destinations", "caddymodule/stores", "caddymodule/scheme", "caddymodule/verifiers",
	"caddymodule/redact", "caddymodule/transport", "caddymodule/ready", "caddymodule/dashboard", "caddymodule/adminapi", "caddymodule/commands",
	"internal/call", "internal/template", "internal/condition", "internal/operate",
}

// page is a page of the reference.
type page struct {
	file, title, about string
	make               func(*generator, *sheet) error
}

var pages = []page{
	{"global", "The global option callgate", "the store, how long things are kept, alerts, sources, tenants", (*generator).global},
	{"policy", "Policy lines", "secrets, limits, copies, the breaker, delivery: what a source, a route and a tenant can say", (*generator).policy},
	{"route", "On a route", "the directives `callgate`, `callgate_ready` and `callgate_dashboard`, `transport callgate`, `format callgate`, placeholders", (*generator).route},
	{"destinations", "Destinations", "the lines of every destination, and those of http, hubspot, salesforce and fhir", (*generator).destinations},
	{"signatures", "Signatures", "every scheme with what it covers and where it is weak, and the options of verify and sign", (*generator).signatures},
	{"senders", "Senders", "the presets: scheme, methods, event id, what is sent again, and who waits for an answer", (*generator).senders},
	{"calls", "Calls, templates and conditions", "the fields of a call, filters, built-in variables, what a condition can name", (*generator).calls},
	{"operating", "Operating", "refusal codes, metrics, the admin API, capabilities, commands", (*generator).operating},
	{"compliance", "Compliance", "what HIPAA asks, line by line: what is written in a Caddyfile, what `require hipaa` refuses, the tests, and what people do", (*generator).compliance},
	{"security", "Security", "what is promised, what is not, how to report, and what was not read at its source", (*generator).security},
}

const note = "<!-- Written by `go generate ./caddymodule` from the code. Change the comments there, and run it again. -->\n\n"

// generate makes all pages: their names in the repository, and their text.
func generate(root string) (map[string]string, error) {
	g := &generator{root: root, code: make(map[string]*code)}
	var err error
	for _, dir := range packages {
		if g.code[dir], err = load(root, dir); err != nil {
			return nil, err
		}
	}
	if g.caddyfiles, err = caddyfiles(root); err != nil {
		return nil, err
	}
	made := make(map[string]string)
	index := &sheet{}
	index.add("# Reference", note+`Callgate is configured in a Caddyfile: a global option for what all routes share, and a directive on each route. Each line
stands here with its default, its name in JSON, and an example that the tests load. For a first try see the
[README](../README.md); for whole configurations, the [examples](../examples/README.md); for how it works inside,
[internal](../internal/README.md).`)
	for _, p := range pages {
		s := &sheet{}
		if err := p.make(g, s); err != nil {
			return nil, fmt.Errorf("%s: %w", p.file, err)
		}
		made["caddymodule/reference/"+p.file+".md"] = s.page(p)
		index.add(fmt.Sprintf("## [%s](reference/%s.md)", p.title, p.file), strings.ToUpper(p.about[:1])+p.about[1:]+".")
		index.add("", s.contents("reference/"+p.file+".md"))
	}
	if len(g.unseen) > 0 {
		return nil, fmt.Errorf("no Caddyfile that the tests load has these lines; add them to one in testdata/adapt: %s", strings.Join(g.unseen, ", "))
	}
	if err := g.modules(index); err != nil {
		return nil, err
	}
	made["caddymodule/reference/way.svg"] = picture()
	made["caddymodule/README.md"] = strings.Join(index.parts, "\n\n") + "\n"
	return made, nil
}

// sheet is a page that is being written.
type sheet struct {
	parts    []string
	headings []heading
}

type heading struct {
	level int
	text  string
	id    string
}

func (s *sheet) add(parts ...string) {
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			s.parts = append(s.parts, p)
		}
	}
}

// head begins a section of the page. The same heading twice gets a number in its address, as GitHub gives it.
func (s *sheet) head(level int, text string) {
	id := anchor(text)
	n := 0
	for _, h := range s.headings {
		if anchor(h.text) == id {
			n++
		}
	}
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	s.headings = append(s.headings, heading{level, text, id})
	s.add(strings.Repeat("#", level) + " " + text)
}

// anchor is the address of a heading on GitHub.
func anchor(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		}
	}
	return b.String()
}

// contents is a table of contents: the sections, each with its options behind it.
func (s *sheet) contents(file string) string {
	var b strings.Builder
	first := true
	for _, h := range s.headings {
		link := fmt.Sprintf("[%s](%s#%s)", h.text, file, h.id)
		switch {
		case h.level <= 2:
			fmt.Fprintf(&b, "\n- %s", link)
			first = true
		case first:
			fmt.Fprintf(&b, ": %s", link)
			first = false
		default:
			fmt.Fprintf(&b, ", %s", link)
		}
	}
	return b.String()
}

func (s *sheet) page(p page) string {
	parts := []string{"# " + p.title, strings.TrimSpace(note), strings.ToUpper(p.about[:1]) + p.about[1:] + ". Back to the [contents](../README.md)."}
	if c := strings.TrimSpace(s.contents("")); c != "" {
		parts = append(parts, c)
	}
	return strings.Join(append(parts, s.parts...), "\n\n") + "\n"
}

// table adds a table. Every cell of a column that is empty in all rows is left out with the column.
func (s *sheet) table(head []string, rows [][]string) {
	var b strings.Builder
	write := func(cells []string) {
		for i, c := range cells {
			if slices.ContainsFunc(rows, func(r []string) bool { return r[i] != "" }) {
				b.WriteString("| " + cell(c) + " ")
			}
		}
		b.WriteString("|\n")
	}
	write(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = "---"
	}
	write(rule)
	for _, r := range rows {
		write(r)
	}
	s.add(b.String())
}

func quoted(s string) string {
	if strings.Contains(s, "`") {
		return "`` " + s + " ``"
	}
	return "`" + s + "`"
}
