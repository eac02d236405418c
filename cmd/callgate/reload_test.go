package main

import (
	"slices"
	"strings"
	"testing"
)

func TestAReloadReadsEverything(t *testing.T) {
	for given, want := range map[string]string{
		"callgate reload":                       "callgate reload --force",
		"callgate reload --config Caddyfile":    "callgate reload --config Caddyfile --force",
		"callgate reload -f -c Caddyfile":       "callgate reload -f -c Caddyfile --force",
		"callgate reload --force":               "callgate reload --force",
		"callgate reload --force=false -c x":    "callgate reload --force=false -c x",
		"callgate reload -- x":                  "callgate reload -- x",
		"callgate run --config Caddyfile":       "callgate run --config Caddyfile",
		"callgate validate --config Caddyfile":  "callgate validate --config Caddyfile",
		"callgate":                              "callgate",
		"callgate send reload --to http://x/ y": "callgate send reload --to http://x/ y",
	} {
		if got := reloadAll(strings.Fields(given)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q", given, got)
		}
	}
}
