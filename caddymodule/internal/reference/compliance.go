package main

import (
	"fmt"
	"strings"

	"github.com/callgate/callgate/caddymodule"
)

// compliance writes the rules of require hipaa.
func (g *generator) compliance(s *sheet) error {
	s.add("The line `require hipaa` in the [global option](global.md#require) holds a configuration to the rules of this page: one that does not meet them does not start, and all that is missing is told at once, each with what to write. `caddy validate` tells it too, for a configuration that has a route of the gateway. On a reload the configuration before stays in force. Documents that come through the API are held to the rules for tenants and destinations when they are checked and published.")
	s.add("No software is compliant by itself. This page says what the gateway does for each line, and leaves the rest to those who run it.")
	for _, part := range []struct {
		title, text    string
		organisational bool
	}{
		{"Rules", "Each line with the tests that show it.", false},
		{"What is organisational", "What no configuration can do.", true},
	} {
		s.head(2, part.title)
		s.add(part.text)
		var rows [][]string
		for _, r := range caddymodule.HIPAARules() {
			if (r.Line == "") != part.organisational {
				continue
			}
			line := ""
			if r.Line != "" {
				line = quoted(r.Line)
			}
			tests := make([]string, len(r.Tests))
			for i, t := range r.Tests {
				dir, name, ok := strings.Cut(t, ": ")
				if !ok {
					return fmt.Errorf("rule %s: %q is no directory with a test", r.Name, t)
				}
				tests[i] = fmt.Sprintf("[`%s`](../../%s)", name, dir)
			}
			rows = append(rows, []string{r.Name, r.Guide, line, r.Refused, strings.Join(tests, ", "), r.Left})
		}
		s.table([]string{"rule", "what is asked", "what to write", "what is refused", "tests", "what is left to people"}, rows)
	}
	return nil
}
