//go:build unix

package monitoring_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// expression is one of PromQL, with where it stands.
type expression struct{ where, text string }

// ruleExpressions are those of rules.yml, and the names that it records.
func ruleExpressions(t *testing.T) (list []expression, records []string) {
	t.Helper()
	text, err := os.ReadFile("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Record, Expr, For string
				Labels                   map[string]string
				Annotations              map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			name := r.Alert + r.Record
			if name == "" || names[name] || r.Expr == "" {
				t.Errorf("rules.yml, group %s: a rule named %q that is not the first, or has no name or expression", g.Name, name)
			}
			names[name] = true
			if r.Record != "" {
				records = append(records, r.Record)
			} else if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s has no severity, summary or description", name)
			}
			list = append(list, expression{name, r.Expr})
		}
	}
	return list, records
}

// dashboardExpressions are those of dashboard.json, with Grafana's variables replaced by what they may stand for.
func dashboardExpressions(t *testing.T) (list []expression) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range file.Panels {
		if ids[p.ID] || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q has an id that is not its own, or shows nothing", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$instance", ".*", "$destination", ".*").Replace(target.Expr)
			list = append(list, expression{"panel " + p.Title, expr})
		}
	}
	for _, v := range file.Templating.List {
		if q, ok := v.Query.(map[string]any); ok {
			metric, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(q["query"].(string), "label_values("), ")"), ", ")
			list = append(list, expression{"variable " + v.Name, metric + "{" + label + `=~".*"}`})
		}
	}
	return list
}

// series are the metrics of a scrape with the values of their labels.
type series map[string]map[string][]string

var (
	sample  = regexp.MustCompile(`(?m)^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? [^ \n]+$`)
	pair    = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	matcher = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	// selector is a metric with its matchers, or anything else that looks like a name.
	selector = regexp.MustCompile(`([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?`)
	by       = regexp.MustCompile(`\b(?:by|on)\s*\(([^)]*)\)`)
)

func readSeries(scrape string) series {
	s := make(series)
	for _, m := range sample.FindAllStringSubmatch(scrape, -1) {
		labels := s[m[1]]
		if labels == nil {
			labels = make(map[string][]string)
			s[m[1]] = labels
		}
		for _, l := range pair.FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = append(labels[l[1]], l[2])
		}
	}
	return s
}

// check says which metrics, labels and values of an expression do not exist.
func (s series) check(e expression, records []string) (problems []string) {
	complain := func(format string, args ...any) {
		problems = append(problems, e.where+": "+fmt.Sprintf(format, args...))
	}
	// Prometheus adds these; a record has the labels of what it was made from.
	known := []string{"instance", "job"}
	found := 0
	text := by.ReplaceAllString(e.text, "")
	for _, m := range selector.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if slices.Contains(records, name) {
			found++
			known = append(known, "destination")
			continue
		}
		if name == "up" {
			found++
			continue
		}
		if !strings.HasPrefix(name, "caddy_") && !strings.HasPrefix(name, "callgate") {
			continue // a function, a keyword or a duration
		}
		found++
		labels, ok := s[name]
		if !ok {
			complain("there is no metric %s", name)
			continue
		}
		for l := range labels {
			known = append(known, l)
		}
		for _, m := range matcher.FindAllStringSubmatch(m[2], -1) {
			label, op, value := m[1], m[2], m[3]
			values, ok := labels[label]
			switch {
			case label == "instance" || label == "job":
			case !ok:
				complain("%s has no label %s", name, label)
			case value == ".*":
			default:
				for v := range strings.SplitSeq(value, "|") {
					if !slices.Contains(values, v) {
						complain("%s is never %s%s%q: there are %q", name, label, op, v, slices.Compact(slices.Sorted(slices.Values(values))))
					}
				}
			}
		}
	}
	for _, m := range by.FindAllStringSubmatch(e.text, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if l = strings.TrimSpace(l); !slices.Contains(known, l) {
				complain("no metric in it has a label %s", l)
			}
		}
	}
	if found == 0 {
		complain("it looks at no metric")
	}
	return problems
}

// TestRulesAndDashboard runs a gateway that has seen everything, scrapes it, and compares names, labels and values.
func TestRulesAndDashboard(t *testing.T) {
	rules, records := ruleExpressions(t)
	panels := dashboardExpressions(t)
	if len(rules) < 10 || len(panels) < 20 {
		t.Fatalf("%d rules and %d panels cannot be all", len(rules), len(panels))
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil, strings.Contains(string(body), "fails"):
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.Contains(string(body), "refused"):
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer receiver.Close()
	g := startGateway(t, receiver.Listener.Addr().(*net.TCPAddr).Port)
	call := func(n int, what string) string {
		return fmt.Sprintf(`{"lead":{"name":"Mike Johnson","phone":"+15559876543","call_id":"%d","notes":"%s"}}`, n, what)
	}
	g.send(call(1, "taken"))
	g.send(call(2, "refused"))
	g.send(call(3, "fails"))
	has := func(text string) func() bool {
		return func() bool { return strings.Contains(g.scrape(), text) }
	}
	g.Await("a delivery, a retry and a dead letter are in the metrics", func() bool {
		return has(`caddy_callgate_delivery_attempts_total{destination="crm",outcome="delivered"} 1`)() &&
			has(`caddy_callgate_dead_letters_total{destination="crm"} 1`)() && has(`caddy_callgate_delivery_retries_total{destination="crm"} 1`)()
	})
	// A receiver that took a call a moment ago is believed: what fails then is the call's own fault. So others follow.
	n := 10
	g.Await("the breaker is open", func() bool {
		n++
		g.send(call(n, "fails"))
		return has(`caddy_callgate_destination_breaker_state{destination="crm"} 2`)()
	})
	g.Await("the queue is in the metrics", has(`caddy_callgate_queue_deliveries{destination="crm",state="dead"} 1`))

	s := readSeries(g.scrape())
	for _, e := range append(rules, panels...) {
		for _, problem := range s.check(e, records) {
			t.Error(problem)
		}
	}
}

// TestCheck holds the comparison itself to finding what is wrong.
func TestCheck(t *testing.T) {
	s := readSeries("# TYPE caddy_callgate_x counter\ncaddy_callgate_x{destination=\"crm\",outcome=\"dead\"} 1\n")
	for expr, want := range map[string]string{
		`rate(caddy_callgate_x{outcome="dead"}[5m]) > 0`:                  "",
		`sum by (instance, destination) (rate(caddy_callgate_x[5m]))`:     "",
		`caddy_callgate_y > 0`:                                            "no metric",
		`caddy_callgate_x{tenant="a"}`:                                    "no label tenant",
		`caddy_callgate_x{outcome=~"dead|lost"}`:                          `is never outcome=~"lost"`,
		`sum by (tenant) (caddy_callgate_x)`:                              "has a label tenant",
		`callgate:unrecorded > 1`:                                         "no metric callgate:unrecorded",
		`vector(1)`:                                                       "looks at no metric",
		`callgate:recorded > 1 and on (destination) caddy_callgate_x > 0`: "",
	} {
		got := strings.Join(s.check(expression{"here", expr}, []string{"callgate:recorded"}), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// TestPromtool has Prometheus itself read the rules and the dashboard's expressions, and runs the rules' own tests.
func TestPromtool(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("needs promtool, which Debian has in its package prometheus: set CALLGATE_HEAVY=1 to run it")
	}
	promtool := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	promtool("check", "rules", "rules.yml")
	promtool("check", "config", "prometheus.yml")
	promtool("test", "rules", "rules_test.yml")

	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for i, e := range dashboardExpressions(t) {
		rules = append(rules, rule{fmt.Sprintf("panel:%d", i), e.text})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool("check", "rules", file)
}
