package main

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/signature"
)

// modulePages are where each module is described.
var modulePages = map[string]string{
	"callgate":                              "global.md",
	"http.handlers.callgate":                "route.md#the-directive-callgate",
	"http.handlers.callgate_dashboard":      "route.md#the-directive-callgate_dashboard",
	"http.handlers.callgate_ready":          "route.md#the-directive-callgate_ready",
	"http.reverse_proxy.transport.callgate": "route.md#transport-callgate",
	"caddy.logging.encoders.callgate":       "route.md#format-callgate",
	"admin.api.callgate":                    "operating.md#admin-api",
	"callgate.destinations.http":            "destinations.md#kind-http",
	"callgate.destinations.hubspot":         "destinations.md#kind-hubspot",
	"callgate.destinations.salesforce":      "destinations.md#kind-salesforce",
	"callgate.destinations.fhir":            "destinations.md#kind-fhir",
	"callgate.stores.postgres":              "global.md#store-postgres",
	"callgate.stores.sqlite":                "global.md#store-sqlite",
}

// modules lists the Caddy modules, as their packages register them.
func (g *generator) modules(s *sheet) error {
	var ids []string
	for _, dir := range packages {
		for name := range g.code[dir].funcs {
			if !strings.HasSuffix(name, ".CaddyModule") {
				continue
			}
			ids = append(ids, g.code[dir].texts(name, func(n ast.Node) []ast.Expr {
				if kv, ok := n.(*ast.KeyValueExpr); ok && typeName(kv.Key) == "ID" {
					return []ast.Expr{kv.Value}
				}
				return nil
			})...)
		}
	}
	slices.Sort(ids)
	if err := told("module", ids, modulePages); err != nil {
		return err
	}
	s.add("## Modules", "The Caddy modules, by the names that `callgate list-modules` has. A kind of destination, a signature scheme or a store of your own is one more; [an example](../examples/custom-destination/README.md) shows how.")
	var rows [][]string
	for _, id := range ids {
		rows = append(rows, []string{"`" + id + "`", fmt.Sprintf("[%s](reference/%s)", strings.TrimSuffix(strings.Split(modulePages[id], "#")[0], ".md"), modulePages[id])})
	}
	var schemes []string
	for _, i := range signature.Schemes() {
		schemes = append(schemes, "`"+i.Name+"`")
	}
	rows = append(rows, []string{"`callgate.verifiers.` with " + strings.Join(schemes, ", "), "[signatures](reference/signatures.md#schemes)"})
	s.table([]string{"module", "page"}, rows)
	return nil
}
