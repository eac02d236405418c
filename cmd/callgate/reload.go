package main

import (
	"slices"
	"strings"
)

// reloadAll gives the arguments of a command line so that a reload reads everything anew. Caddy takes a configuration that
// has not changed for nothing to do; but files of tenants, definitions, templates and secrets may have changed beside it,
// and whoever reloads means these. --force=false has it Caddy's way.
func reloadAll(args []string) []string {
	if len(args) < 2 || args[1] != "reload" || slices.Contains(args, "--") {
		return args
	}
	given := func(a string) bool { return a == "--force" || strings.HasPrefix(a, "--force=") }
	if slices.ContainsFunc(args[2:], given) {
		return args
	}
	return append(slices.Clone(args), "--force")
}
