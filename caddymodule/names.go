package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/nearest"
)

// Names that a configuration says are looked up when it is loaded: one that is wrong would otherwise refuse every call, or
// deliver none.

// checkRequired refuses to require what no call can have.
func checkRequired(fields []string) error { return checkFields("require", fields) }

// checkFields refuses names in a line that no call can have a field of.
func checkFields(line string, fields []string) error {
	for _, f := range fields {
		if p, ok := strings.CutPrefix(f, "params."); ok && p != "" || call.IsField(f) {
			continue
		}
		if near := nearest.Name(f, call.Fields()); near != "" {
			return fmt.Errorf("%s %s: a call has no such field; did you mean %s, or the collected parameter params.%s?", line, f, near, f)
		}
		return fmt.Errorf("%s %s: a call has no such field; a collected parameter is params.%s", line, f, f)
	}
	return nil
}

// unknownDestination says that a destination does not exist, and which do.
func (a *App) unknownDestination(name string) error {
	return &missingDestination{name, noDestination(name, namesOf(a.Destinations))}
}

// missingDestination is the error of a name that no destination has.
type missingDestination struct {
	name string
	err  error
}

func (m *missingDestination) Error() string { return m.err.Error() }

// unknownTenant says that a tenant is not known on the route, and which are.
func (c *routeCompiler) unknownTenant(name string) error {
	var known []string
	for n, t := range c.app.Tenants {
		if _, ok := t.policies(c.h.Source); ok {
			known = append(known, n)
		}
	}
	err := fmt.Sprintf("tenant %q is not known on source %s", name, c.h.Source)
	if len(known) == 0 {
		return errors.New(err + "; define it with tenant or tenants in the global callgate option")
	}
	return fmt.Errorf("%s; %s", err, grammar.ThereAre(name, known))
}

// variableName is what a template can name: see the package template.
var variableName = regexp.MustCompile(`^[\pL\pN_.-]+( [\pL\pN_.-]+)*$`)

// usualVars are the variables that the guide of the webhook documents and the destinations know.
var usualVars = []string{"owner_name", "website", "booking_url"}

// checkVars refuses variables that nothing can name, and gives a warning for what looks like a mistake.
func checkVars(vars map[string]string) (warning string, err error) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		w := ""
		switch near := nearest.Name(name, usualVars); {
		case strings.TrimSpace(name) != name || name == "" || strings.ContainsAny(name, "{}|"):
			return "", fmt.Errorf("vars: nothing can name %q; a name consists of letters, digits, hyphens, dots and underscores", name)
		case !variableName.MatchString(name):
			w = "no template can name it; a name consists of letters, digits, hyphens, dots and underscores"
		case name == "tenant", name == "delivery_id", strings.HasPrefix(name, "params."), strings.HasPrefix(name, "vars."):
			w = fmt.Sprintf("in a template {{%s}} is something else; write {{vars.%s}} there, or choose another name", name, name)
		case near != "" && !slices.Contains(usualVars, name) && vars[near] == "":
			w = fmt.Sprintf("did you mean %s?", near)
		}
		if w != "" && warning == "" {
			warning = fmt.Sprintf("vars %s: %s", name, w)
		}
	}
	return warning, nil
}
