package main

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
	"github.com/callgate/callgate/internal/template"
)

// row is the line of a table in a comment.
var row = regexp.MustCompile("(?m)^`([^`]+)` \\| (.+)$")

// exceptFor begins what the comment of the directive says below its table.
const exceptFor = "Except for the outcome"

// placeholders writes the table in the comment of the directive.
func (g *generator) placeholders(s *sheet) error {
	doc := g.code["caddymodule"].structs["Handler"].doc
	var rows [][]string
	for _, m := range row.FindAllStringSubmatch(doc, -1) {
		rows = append(rows, []string{"`" + m[1] + "`", escape(m[2])})
	}
	if len(rows) < 5 {
		return fmt.Errorf("the comment of Handler has no table of placeholders")
	}
	s.add("In logs, headers and matchers behind the directive:")
	s.table([]string{"placeholder", "value"}, rows)
	for p := range strings.SplitSeq(doc, "\n\n") {
		if strings.HasPrefix(p, exceptFor) {
			s.add(prose(p, nil))
		}
	}
	s.add("Settings that take a secret, and URLs and headers of destinations, take `{env.NAME}`, `{file./run/secrets/name}` and Caddy's other global placeholders. They are resolved when the configuration is loaded, and one without a value is an error. Of several secrets in one line, those without a value are left out with a warning as long as one has one.")
	return nil
}

// calls writes what templates, conditions and required fields can name.
func (g *generator) calls(s *sheet) error {
	s.head(2, "Fields of a call")
	fields := call.Fields()
	if err := told("field of a call", fields, callFields); err != nil {
		return err
	}
	var rows [][]string
	for _, f := range fields {
		rows = append(rows, []string{"`" + f + "`", callFields[f]})
	}
	s.add("A field that the sender did not send, sent empty, or sent as a variable that nobody replaced (`{{email}}`) is missing. Everything under another name is a collected parameter: `params.x` names one even where a field has that name, and dots lead into nested ones (`params.address.city`).")
	s.table([]string{"field", "what it holds"}, rows)

	s.head(2, "Variables in templates")
	s.add("A template (`body`, `url` and `header` of http, `property` of hubspot, `field` of salesforce, webhook documents) writes `{{name}}` for a field, a parameter or a variable, and `{{message|summary}}` for the first of several that has a value. The fields of a call are the call's; any other name is the gateway's or the tenant's (`vars`) first and a parameter last, so that what a caller says does not replace the booking URL. `vars.x` is always the tenant's and `params.x` always the parameter. Besides the fields these are known:")
	var known []string
	for _, n := range g.code["internal/template"].texts("Known", func(n ast.Node) []ast.Expr {
		if c, ok := n.(*ast.CaseClause); ok {
			return c.List
		}
		return nil
	}) {
		if n != "params" {
			known = append(known, n)
		}
	}
	if err := told("variable", known, variables); err != nil {
		return err
	}
	rows = nil
	for _, n := range known {
		rows = append(rows, []string{"`" + n + "`", variables[n]})
	}
	s.table([]string{"variable", "value"}, rows)

	s.head(2, "Filters")
	if err := told("filter", template.Filters(), filters); err != nil {
		return err
	}
	rows = nil
	for _, n := range template.Filters() {
		example, text, _ := strings.Cut(filters[n], " · ")
		rows = append(rows, []string{"`" + n + "`", "`" + example + "`", text})
	}
	s.add("Filters stand behind a variable, each after a `|`, and are applied from left to right. Values are escaped for the place they stand in (JSON, XML, a form, a URL, a header) without any of them.")
	s.table([]string{"filter", "example", "what it does"}, rows)

	s.head(2, "Conditions")
	s.add("A condition is an expression in [CEL](https://cel.dev) that is yes or no.")
	cel := func(function string, of map[string]string) error {
		names := g.variables(function)
		if err := told("CEL variable", names, of); err != nil {
			return err
		}
		var rows [][]string
		for _, n := range names {
			rows = append(rows, []string{"`" + n + "`", of[n]})
		}
		s.table([]string{"variable", "value"}, rows)
		return nil
	}
	s.head(3, "behind deliver")
	if err := cel("ofCalls", callConditions); err != nil {
		return err
	}
	s.add(find(g.caddyfiles, "policy", "deliver"))
	s.head(3, "behind success")
	if err := cel("", answerConditions); err != nil {
		return err
	}
	s.add(find(g.caddyfiles, "destination:http", "success"))
	return g.conditions(s)
}

// conditions writes the sections of the package's comment that tell how an expression is read.
func (g *generator) conditions(s *sheet) error {
	sections := strings.Split(g.code["internal/condition"].doc, "\n# ")
	if len(sections) < 3 {
		return fmt.Errorf("the comment of internal/condition has no sections")
	}
	for _, section := range sections[2:] { // the first are those of the package and of its variables
		title, text, _ := strings.Cut(section, "\n")
		s.head(3, title)
		s.add(prose(strings.TrimSpace(text), nil))
	}
	return nil
}

// variables are the names of the variables that CEL is told of in a function, or outside of any.
func (g *generator) variables(function string) (names []string) {
	visit := func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok || typeName(c.Fun) != "cel.Variable" {
			return true
		}
		if l, ok := c.Args[0].(*ast.BasicLit); ok {
			names = append(names, strings.Trim(l.Value, `"`))
		}
		return true
	}
	c := g.code["internal/condition"]
	if function != "" {
		ast.Inspect(c.funcs[function], visit)
		return names
	}
	ast.Inspect(c.files["internal/condition/answer.go"], visit)
	return names
}

// description is what a collector says of a metric; the client library gives it as text only.
var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", (?:unit: "[^"]*", )?constLabels: \{\}, variableLabels: \{([^}]*)\}\}$`)

func (g *generator) operating(s *sheet) error {
	if err := g.refusals(s); err != nil {
		return err
	}
	s.head(2, "Metrics")
	s.add("In Caddy's registry, which its directive `metrics` and `/metrics` of the admin endpoint show. No label holds anything that a sender can choose, and a tenant stands only in those that [metrics](global.md#metrics) asks for. The [example](../../examples/monitoring/README.md) has a dashboard and alert rules.")
	var rows [][]string
	for _, c := range caddymodule.Collectors() {
		kind := "gauge"
		switch c.(type) {
		case prometheus.Histogram, *prometheus.HistogramVec:
			kind = "histogram"
		}
		ch := make(chan *prometheus.Desc, 16)
		c.Describe(ch)
		close(ch)
		for d := range ch {
			m := description.FindStringSubmatch(d.String())
			if m == nil {
				return fmt.Errorf("a metric describes itself in another form: %s", d)
			}
			if strings.HasSuffix(m[1], "_total") { // as the names of all counters are to end, and of nothing else
				kind = "counter"
			}
			rows = append(rows, []string{"`" + m[1] + "`", kind, strings.ReplaceAll(m[3], ",", ", "), strings.ReplaceAll(m[2], `\"`, `"`)})
		}
	}
	s.table([]string{"metric", "type", "labels", "what it is"}, rows)
	if err := g.admin(s); err != nil {
		return err
	}
	return g.commands(s)
}

func (g *generator) refusals(s *sheet) error {
	s.head(2, "Refusal codes")
	s.add("Refusals are `{\"error\":{\"code\",\"message\"},\"request_id\"}`, with `Retry-After` where waiting helps. Many senders never send a 4xx again, so overload is a 503; where the sender is known to send again after a 4xx, `rate_limited` is a 429. The codes are also the values of the metric's label `outcome` and of `{callgate.outcome}`.")
	var codes []string
	for _, r := range gateway.Refusals() {
		codes = append(codes, r.Code)
	}
	if err := told("refusal code", codes, refusals); err != nil {
		return err
	}
	var rows [][]string
	for _, r := range gateway.Refusals() {
		why, do, _ := strings.Cut(refusals[r.Code], " · ")
		if do == "" {
			return fmt.Errorf("the refusal code %q has no word on what to do", r.Code)
		}
		rows = append(rows, []string{"`" + r.Code + "`", fmt.Sprint(r.Status), why, do})
	}
	s.table([]string{"code", "status", "why", "what to do"}, rows)
	return nil
}

// resource is a line of the table in the comment of the admin API.
var resource = regexp.MustCompile(`(?m)^\t((?:GET|POST)[A-Z, ]*?) +(/callgate/\S+) +(.+)$`)

func (g *generator) admin(s *sheet) error {
	s.head(2, "Admin API")
	resources := map[string]string{}
	for _, r := range operateapi.Routes() {
		resources[strings.Join(r.Methods, ", ")+" /callgate/"+r.Pattern] = r.Operation
	}
	var rows [][]string
	var used []string
	for _, m := range resource.FindAllStringSubmatch(g.code["caddymodule/adminapi"].structs["Admin"].doc, -1) {
		at := m[1] + " " + m[2]
		op := resources[at]
		c, ok := operate.Operations()[op]
		if !ok {
			return fmt.Errorf("no operation serves %s", at)
		}
		used = append(used, at)
		rows = append(rows, []string{m[1], "`" + m[2] + "`", m[3], op, "`" + string(c) + "`"})
	}
	if err := told("admin resource", used, resources); err != nil {
		return err
	}
	s.about(g, "caddymodule/adminapi", "Admin", "It")
	s.table([]string{"method", "resource", "what it does", "operation", "capability"}, rows)

	s.head(2, "Capabilities")
	s.add("Each operation needs one capability of whoever asks for it. Who may use the admin endpoint has all of them, but `reveal` only with a certificate or over a unix socket that nobody but its owner can use; a command that works on a stopped gateway has all of them. In a site, [callgate_dashboard](route.md#the-directive-callgate_dashboard) gives them by roles.")
	all := operate.Operations()
	rows = nil
	for _, op := range sorted(all) {
		d := g.code["internal/operate"].funcs["Service."+op]
		if d == nil {
			return fmt.Errorf("operate.Service has no method %s", op)
		}
		text, _, _ := strings.Cut(strings.Join(strings.Fields(d.Doc.Text()), " "), ". ")
		text = strings.TrimSuffix(strings.TrimPrefix(text, op+" "), ".")
		rows = append(rows, []string{op, "`" + string(all[op]) + "`", escape(text)})
	}
	s.table([]string{"operation", "capability", "what it does"}, rows)
	return nil
}

// commands writes the table of commands, from the literal that they are registered from.
func (g *generator) commands(s *sheet) error {
	s.head(2, "Commands")
	s.add("`callgate <command> --help` has the options of each. In a Caddy of your own they are below `caddy callgate`.")
	var rows [][]string
	for _, f := range g.code["caddymodule/commands"].files {
		ast.Inspect(f, func(n ast.Node) bool {
			l, ok := n.(*ast.CompositeLit)
			if !ok || l.Type != nil || len(l.Elts) != 3 {
				return true
			}
			name, isText := l.Elts[0].(*ast.BasicLit)
			short, isToo := l.Elts[1].(*ast.BasicLit)
			of := l.Elts[2]
			if made, isCall := of.(*ast.CallExpr); isCall { // one function fills several commands
				of = made.Fun
			}
			if fill, isFunc := of.(*ast.Ident); isText && isToo && isFunc && strings.HasPrefix(fill.Name, "fill") {
				rows = append(rows, []string{"`" + strings.Trim(name.Value, `"`) + "`", strings.Trim(short.Value, `"`)})
			}
			return true
		})
	}
	if len(rows) < 10 {
		return fmt.Errorf("the table of commands is not where it was")
	}
	s.table([]string{"command", "what it does"}, rows)
	return nil
}

// security writes the page that stands beside this program, and the comments in the code that begin with "Guessed:".
func (g *generator) security(s *sheet) error {
	text, err := os.ReadFile(filepath.Join(g.root, "caddymodule/internal/reference/security.md"))
	if err != nil {
		return err
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		if h, ok := strings.CutPrefix(part, "## "); ok {
			s.head(2, h)
			continue
		}
		s.add(part)
	}
	var rows [][]string
	for _, dir := range []string{"internal/signature", "internal/source", "internal/destination/hubspot", "internal/destination/salesforce", "internal/destination/fhir"} {
		c, err := load(g.root, dir)
		if err != nil {
			return err
		}
		for _, file := range sorted(c.files) {
			for _, group := range c.files[file].Comments {
				_, guess, ok := strings.Cut(group.Text(), "Guessed: ")
				if !ok {
					continue
				}
				guess, _, _ = strings.Cut(guess, "\n\n")
				rows = append(rows, []string{fmt.Sprintf("[%s](../../%s)", strings.TrimPrefix(file, "internal/"), file), escape(strings.Join(strings.Fields(guess), " "))})
			}
		}
	}
	if len(rows) == 0 {
		return fmt.Errorf("no comment in the code says what is guessed")
	}
	s.table([]string{"where", "what is guessed"}, rows)
	return nil
}
