package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// globalBlocks are blocks of the global option, with every kind of line that has a block of its own or belongs to a
// guest module. What stands as <text> is given as an argument where a snippet is imported.
var globalBlocks = map[string]string{
	"source": `source <partner> {
	preset generic
	own_numbers +15551234567 <+15557654321>
	call {
		caller_number $.from
		params.x <$.x>
	}
	verify hmac {
		header <X-Signature>
		prefix sha256=
	}
	secret <s3cret>
	rate_limit 20/s burst <40>
	idempotency {
		ttl <48h>
		wait 5s
	}
	breaker {
		failures <3>
		ratio 50% of 20
	}
	sign standard-webhooks <whsec_c2VjcmV0> {
		tolerance 1m
	}
	deliver x <call.urgent>
	vars {
		owner_name <ABC>
	}
}
destination x http https://a.example {
	pass_through
}`,
	"tenant": `tenant <acme> {
	source nextphone {
		secret <s3cret>
		event_id header <X-Id>
	}
	vars {
		owner_name <ABC>
	}
}`,
	"http": `destination x http <https://a.example> {
	rate 5/s burst <2>
	method <PUT>
	header X-A <b>
	retry exponential {
		first <1s>
	}
	body <hello>
	oauth2 {
		token_url https://a.example/token
		client_id <id>
		client_secret <secret>
		scope a <b>
	}
	sign hmac <secret> {
		header X-Signature
	}
	breaker {
		failures <2>
	}
	client_cert <a.pem> <b.pem>
}`,
	"hubspot": `destination <x> hubspot {
	log_call
	concurrency <1>
	oauth id <secret> token {
		refresh_token_file <./token>
	}
	property lead_source <phone>
	omit company
}`,
	"hubspot with a token": `destination x hubspot <pat-1> {
	owner <12>
}`,
	"salesforce": `destination x salesforce <https://acme.my.salesforce.com> {
	jwt id <user> key.pem {
		audience <https://test.salesforce.com>
	}
	timeout <5s>
	field Job__c <address> default <none> on_create
}`,
	"fhir": `destination x fhir <https://ehr.example/fhir> {
	smart {
		token_url https://ehr.example/token
		client_id <gate>
		key <key.pem>
	}
	fields patient_id <caller_number>
	resources Communication <Task>
	update
}`,
	"alert": `alert {
	url <https://a.example>
	success_rate <95%>
	dead_letter
}`,
	"store": `store sqlite <./x.db> {
	max_size <1GiB>
	min_free off
}`,
	"cache": `idempotency_cache {
	entries <10>
	memory 1MiB
}
tenants ./<tenants>/*.json
encryption_key <a> {file.b}`,
}

// routeBlocks likewise are directives.
var routeBlocks = map[string]string{
	"callgate": `callgate <nextphone> <s3cret> {
	name <here>
	tenant {path.<1>}
	address_limit 5/s burst <9>
	spool 1s <10s>
	idempotency {
		ttl <48h>
	}
	verify nextphone {
		tolerance <1m>
		forms raw
	}
	breaker {
		open_for <5s>
	}
	sign nextphone <secret>
	vars {
		owner_name <ABC>
	}
	require <phone> name
}`,
	"callgate with a matcher": `@some path <*/a/*>
callgate @some nextphone {
	secret <s3cret>
	event_id jsonpath <$.id>
}`,
}

var parameter = regexp.MustCompile(`<([^>\n]*)>`)

// asSnippet makes a snippet of a block, with an argument for each parameter, and the line that imports it.
func asSnippet(block string) (snippet, line string) {
	line = "import it"
	n := 0
	body := parameter.ReplaceAllStringFunc(block, func(p string) string {
		line += fmt.Sprintf(" `%s`", p[1:len(p)-1])
		n++
		return fmt.Sprintf("{args[%d]}", n-1)
	})
	return "(it) {\n" + body + "\n}\n", line
}

// plain is the block as it would be written in place.
func plain(block string) string { return parameter.ReplaceAllString(block, "$1") }

func adapt(t *testing.T, config string) string {
	t.Helper()
	got, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	return string(got)
}

// asLines is a block's first line and, imported, the lines in it.
func asLines(t *testing.T, block string) string {
	t.Helper()
	first, rest, ok := strings.Cut(block, "\n")
	end := strings.LastIndex(rest, "\n}")
	if !ok || end < 0 {
		t.Fatalf("%q has no block", block)
	}
	return first + "\nimport " + writeConfig(t, rest[:end]) + "\n" + rest[end+1:]
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "imported.caddy")
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestImportsAreReadLikeWhatTheyImport: a block means the same whether it stands where it is read, comes from a snippet
// with arguments, from a file, or from a snippet that such a file imports; and so do single lines of it.
func TestImportsAreReadLikeWhatTheyImport(t *testing.T) {
	global := func(s string) string { return "{\ncallgate {\n" + s + "\n}\n}\n" }
	site := func(s string) string { return "http:// {\n" + s + "\nrespond ok\n}\n" }
	handle := func(s string) string { return site("handle /a/* {\n" + s + "\n}\nhandle {\nrespond no\n}") }
	route := func(s string) string { return site("route {\n" + s + "\n}") }
	check := func(name, block string, around func(string) string) {
		t.Run(name, func(t *testing.T) {
			want := adapt(t, around(plain(block)))
			snippet, line := asSnippet(block)
			if got := adapt(t, snippet+around(line)); got != want {
				t.Errorf("imported as a snippet it is\n%s\nwant\n%s", got, want)
			}
			if got := adapt(t, around("import "+writeConfig(t, plain(block)))); got != want {
				t.Errorf("imported from a file it is\n%s\nwant\n%s", got, want)
			}
			if got := adapt(t, snippet+around("import "+writeConfig(t, line))); got != want {
				t.Errorf("imported by way of a file it is\n%s\nwant\n%s", got, want)
			}
			if !strings.Contains(block, "\n}\n") {
				if got := adapt(t, around(asLines(t, plain(block)))); got != want {
					t.Errorf("with imported lines it is\n%s\nwant\n%s", got, want)
				}
			}
			if got := adapt(t, "(around) {\n{block}\n}\n"+around("import around {\n"+plain(block)+"\n}")); got != want {
				t.Errorf("handed to a snippet it is\n%s\nwant\n%s", got, want)
			}
		})
	}
	for name, block := range globalBlocks {
		check(name, block, global)
	}
	for name, block := range routeBlocks {
		check(name, block, site)
		check(name+" in handle", block, handle)
		check(name+" in route", block, route)
	}
}
