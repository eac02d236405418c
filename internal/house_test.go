// Package internal_test holds the house to its plan: who may import whom, and that the map in README.md is that of the house.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = ".."
	module = "github.com/callgate/callgate"
)

// tools are rooms that everybody in internal and caddymodule may use: they know nothing of calls.
var tools = []string{"internal/charset", "internal/jsonscan", "internal/nearest", "internal/repeats", "internal/strictjson", "internal/tracing", "internal/xmljson"}

// plan is the plan of the house: every room, what lives there, and what of ours it may import besides tools. Imports point
// down: a room stands above all that it imports. Who adds a room gives it a row; who needs another import asks first
// whether it is not the other room's work.
var plan = []struct {
	room, lives string
	may         []string
}{
	// What is built.
	{"", "the plugin, for xcaddy", []string{"caddymodule/standard"}},
	{"cmd/callgate", "the binary", []string{"caddymodule/standard", "caddymodule/commands", "caddymodule", "caddymodule/redact"}},
	{"examples/custom-destination", "a guest module as another repository would write it", []string{
		"caddymodule/guest", "caddymodule/grammar", "caddymodule/secret"}},
	{"caddymodule/internal/reference", "writes the reference from the code", []string{
		"caddymodule", "internal/gateway", "internal/operate", "internal/operateapi", "internal/signature", "internal/source", "internal/template", "internal/call"}},
	{"caddymodule/standard", "everything of a complete gateway", []string{
		"caddymodule", "caddymodule/adminapi", "caddymodule/commands", "caddymodule/dashboard", "caddymodule/destinations", "caddymodule/ready", "caddymodule/stores",
		"caddymodule/transport", "caddymodule/verifiers"}},

	// The faces: they hand requests to internal/operate and answers out. They know the app, to find what is operated.
	{"caddymodule/adminapi", "the admin API", []string{"caddymodule", "internal/operate", "internal/operateapi"}},
	{"caddymodule/dashboard", "the directive callgate_dashboard", []string{
		"caddymodule", "caddymodule/grammar", "internal/access", "internal/operate", "internal/operateapi", "internal/pages"}},
	{"caddymodule/commands", "the commands", []string{"caddymodule", "internal/operate", "internal/auditor", "internal/delivery", "internal/store", "internal/store/postgres", "internal/store/sqlite", "internal/manage",
		"internal/signature", "internal/signature/vectors", "internal/source", "internal/source/samples", "internal/doctor", "internal/audit", "internal/audit/convert"}},
	{"caddymodule/ready", "the directive callgate_ready", []string{"caddymodule", "caddymodule/grammar", "internal/operate"}},

	// What a person configures and Caddy needs. It names no guest module, no face and no kind of receiving system.
	{"caddymodule", "App, Handler, Source, Tenant, Policy, Destination, which compile into what runs; life cycle; metrics", []string{
		"caddymodule/guest", "caddymodule/grammar", "caddymodule/secret", "caddymodule/scheme", "caddymodule/redact",
		"internal/gateway", "internal/operate", "internal/doctor", "internal/auditor", "internal/audit", "internal/audit/publish", "internal/manage", "internal/delivery", "internal/store", "internal/seal", "internal/keywrap", "internal/destination", "internal/source",
		"internal/signature", "internal/condition", "internal/call", "internal/minimize", "internal/alert", "internal/idempotency",
		"internal/ratelimit", "internal/breaker", "internal/template", "internal/outbound", "internal/forward", "internal/wire"}},

	// Guest modules: found through Caddy's registry, so that nobody above but standard names them, and they name nobody above.
	{"caddymodule/destinations", "kinds of destinations", []string{"caddymodule/guest", "caddymodule/grammar", "caddymodule/secret",
		"internal/destination/fhir", "internal/destination/httpdest", "internal/destination/hubspot", "internal/destination/salesforce",
		"internal/destination", "internal/definition", "internal/outbound", "internal/template", "internal/condition"}},
	{"caddymodule/verifiers", "signature schemes", []string{"caddymodule/guest", "caddymodule/scheme", "caddymodule/grammar", "internal/signature"}},
	{"caddymodule/stores", "kinds of stores", []string{"caddymodule/guest", "caddymodule/grammar", "caddymodule/secret", "internal/store", "internal/store/postgres", "internal/store/sqlite"}},
	{"caddymodule/transport", "transport callgate for reverse_proxy", []string{"internal/wire"}},

	// What app and guests have in common.
	{"caddymodule/redact", "keeps secrets out of Caddy's logs", []string{"internal/signature"}},
	{"caddymodule/guest", "what a guest module is", []string{"internal/outbound", "internal/destination", "internal/call", "internal/store", "internal/seal", "internal/signature"}},
	{"caddymodule/scheme", "the options of signature schemes", []string{"caddymodule/grammar", "caddymodule/secret", "internal/signature"}},
	{"caddymodule/grammar", "how blocks are read: times, sizes, rates, names", nil},
	{"caddymodule/secret", "resolves placeholders", nil},
	{"caddymodule/gatewaytest", "runs a gateway in a test; only tests import it", []string{"internal/signature"}},

	// From here on nothing knows Caddy.
	{"internal/gateway", "the way of a request, from the first byte to the answer", []string{
		"internal/store", "internal/audit", "internal/source", "internal/signature", "internal/destination", "internal/outbound", "internal/condition",
		"internal/call", "internal/idempotency", "internal/ratelimit", "internal/breaker", "internal/forward"}},
	{"internal/access", "who may do what", []string{"internal/operate"}},
	{"internal/pages", "the dashboard's pages", []string{"internal/operate", "internal/operateapi", "internal/manage", "internal/auditor", "internal/delivery", "internal/store", "internal/audit", "internal/source", "internal/call"}},
	{"internal/operateapi", "the HTTP in front of operate", []string{"internal/operate", "internal/manage"}},
	{"internal/operate", "all that an operator sees and does", []string{"internal/manage",
		"internal/auditor", "internal/audit", "internal/delivery", "internal/store", "internal/seal", "internal/outbound", "internal/source", "internal/destination",
		"internal/condition", "internal/call", "internal/breaker",
		"internal/definition", "internal/template", "internal/minimize", "internal/curl", "internal/source/samples"}},
	{"internal/manage", "documents: tenants and destinations that live in the store", []string{"internal/store"}},
	{"internal/delivery", "brings what was accepted to its destinations", []string{
		"internal/store", "internal/seal", "internal/destination", "internal/outbound", "internal/condition", "internal/call",
		"internal/breaker"}},
	{"internal/alert", "tells somebody when deliveries go badly", nil},

	{"internal/auditor", "keeps the audit log of an open store", []string{"internal/store", "internal/audit", "internal/audit/convert", "internal/audit/publish"}},
	{"internal/audit/publish", "takes checkpoints away from the machine", []string{"internal/audit", "internal/outbound"}},
	{"internal/store/postgres", "the store that several gateways share", []string{"internal/store", "internal/store/group", "internal/store/lanes", "internal/store/leaves", "internal/store/sealed", "internal/audit", "internal/seal"}},
	{"internal/store/sqlite", "the embedded store", []string{"internal/store", "internal/store/group", "internal/store/lanes", "internal/store/leaves", "internal/store/sealed", "internal/audit", "internal/seal"}},
	{"internal/store/group", "requests that share a commit", []string{"internal/store"}},
	{"internal/store/leaves", "what the audit log says of what stores do", []string{"internal/store", "internal/store/lanes", "internal/audit"}},
	{"internal/store/sealed", "the form in which content is kept", []string{"internal/store", "internal/store/lanes", "internal/seal"}},
	{"internal/store/lanes", "what stores hold in memory of waiting deliveries", []string{"internal/store"}},
	{"internal/store/storetest", "the contract of a store; only tests import it", []string{"internal/store", "internal/audit"}},
	{"internal/store", "what a store keeps and promises", []string{"internal/audit", "internal/call"}},
	{"internal/audit/convert", "the log in the forms of others", []string{"internal/audit"}},
	{"internal/audit", "the log that proves itself", nil},
	{"internal/keywrap", "wraps data keys with Vault's or OpenBao's Transit", []string{"internal/seal", "internal/outbound"}},
	{"internal/seal", "encrypts what is kept", nil},

	{"internal/destination/fhir", "EHRs", []string{"internal/destination", "internal/destination/keylock", "internal/outbound", "internal/call"}},
	{"internal/destination/hubspot", "HubSpot", []string{
		"internal/destination", "internal/destination/chain", "internal/destination/keylock", "internal/outbound",
		"internal/template", "internal/condition", "internal/call"}},
	{"internal/destination/salesforce", "Salesforce", []string{
		"internal/destination", "internal/destination/chain", "internal/destination/keylock", "internal/outbound",
		"internal/template", "internal/condition", "internal/call"}},
	{"internal/destination/httpdest", "any HTTP endpoint", []string{
		"internal/destination", "internal/destination/chain", "internal/definition", "internal/outbound", "internal/template",
		"internal/condition"}},
	{"internal/destination/destinationtest", "what tests of destinations share; only tests import it", []string{"internal/destination"}},
	{"internal/destination/chain", "how far a delivery of several requests has come", []string{"internal/destination", "internal/condition"}},
	{"internal/destination/keylock", "one delivery at a time for a caller", nil},
	{"internal/standin", "servers in place of receiving systems; only tests import it", nil},
	{"internal/outbound", "sends the gateway's own requests", []string{"internal/destination", "internal/condition", "internal/wire"}},
	{"internal/destination", "what a destination is", []string{"internal/call"}},

	{"internal/definition", "NextPhone's webhook documents", []string{"internal/template", "internal/call"}},
	{"internal/template", "fills {{name}} in", []string{"internal/call"}},
	{"internal/condition", "CEL conditions", []string{"internal/call"}},
	{"internal/minimize", "keeps fields of a call back", []string{"internal/call"}},
	{"internal/source/samples", "what senders send", []string{"internal/source"}},
	{"internal/source", "turns what a provider sends into a call", []string{"internal/signature", "internal/call"}},
	{"internal/call", "the call record", nil},

	{"internal/signature/vectors", "files of test vectors", []string{"internal/signature"}},
	{"internal/signature", "checks and makes signatures", []string{"internal/canonical"}},
	{"internal/curl", "reads curl commands", nil},
	{"internal/canonical", "JSON as JavaScript and Python write it", nil},

	{"internal/doctor", "looks at a machine before a gateway runs on it", nil},
	{"internal/idempotency", "remembers answers", nil},
	{"internal/ratelimit", "token buckets", nil},
	{"internal/breaker", "when to stop asking a receiver", nil},
	{"internal/forward", "hands requests on to the receiver of a route", []string{"internal/wire"}},
	{"internal/wire", "an HTTP client for transport callgate, for forward and for deliveries", nil},
	{"internal/running", "builds the gateway and runs it as a process; only tests import it", nil},
	{"internal/diskfault", "makes a disk fail; only tests import it", nil},
	{"internal/pgtest", "runs PostgreSQL servers, and has them fail; only tests import it", []string{"internal/pgprograms"}},
	{"internal/pgprograms", "finds the programs of PostgreSQL's server", nil},
	{"internal/charset", "one-byte charsets of older systems", nil},
	{"internal/xmljson", "XML as JSON", nil},
	{"internal/strictjson", "JSON without unknown members", nil},
	{"internal/jsonscan", "JSON without decoding it", nil},
	{"internal/repeats", "equal log lines once a second", nil},
	{"internal/tracing", "spans of OpenTelemetry", nil},
	{"internal/nearest", "the name that was meant", nil},
}

// imports are what the files of each package of the gateway import that are no tests. bench is apart: it
// starts the binary.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, top := range []string{"callgate.go", "cmd", "caddymodule", "internal", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir // modules of their own, as Go has it
			}
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return err
			}
			room := strings.TrimPrefix(filepath.ToSlash(rel), ".")
			all[room] = append(all[room], "")
			for _, i := range f.Imports {
				name, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					return err
				}
				all[room] = append(all[room], name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestWhoImportsWhom keeps the walls between the rooms.
func TestWhoImportsWhom(t *testing.T) {
	at := make(map[string]int)
	for i, r := range plan {
		if _, twice := at[r.room]; twice || r.lives == "" {
			t.Errorf("%q has two rows, or one that does not say what lives there", r.room)
		}
		at[r.room] = i
	}
	found := imports(t)
	for room, names := range found {
		i, ok := at[room]
		if !ok {
			t.Errorf("%s is not in the plan; give it a row that says what lives there and what it may import", room)
			continue
		}
		inside, example := strings.HasPrefix(room, "internal/"), strings.HasPrefix(room, "examples/")
		for _, name := range names {
			rest, ours := strings.CutPrefix(name, module)
			rest = strings.TrimPrefix(rest, "/")
			switch {
			case inside && strings.HasPrefix(name, "github.com/caddyserver/"):
				t.Errorf("%s imports %s; nothing in internal knows Caddy", room, name)
			case example && strings.HasPrefix(rest, "internal/"):
				t.Errorf("%s imports %s, which another repository cannot", room, rest)
			case ours && !slices.Contains(plan[i].may, rest) && !slices.Contains(tools, rest):
				t.Errorf("%s imports %s, which the plan does not have", room, rest)
			}
		}
	}
	for i, r := range plan {
		if found[r.room] == nil {
			t.Errorf("the room %q of the plan is empty", r.room)
		}
		for _, below := range r.may {
			if j, ok := at[below]; !ok || j <= i {
				t.Errorf("%s may import %s, which does not stand below it", r.room, below)
			}
		}
	}
}

// named are the paths in backquotes and links of a page.
var named = regexp.MustCompile("`([a-zA-Z0-9_*./-]+)`|\\]\\(([^)#]+)[^)]*\\)")

// TestTheMapIsThatOfTheHouse: every package in internal is on the page README.md, and every path on it leads somewhere.
func TestTheMapIsThatOfTheHouse(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	paths := make(map[string]bool)
	for _, m := range named.FindAllStringSubmatch(string(page), -1) {
		name := m[1] + m[2]
		paths[path.Clean(name)] = true
		isPath := m[2] != "" || strings.Contains(name, "/") || strings.HasSuffix(name, ".go")
		if !isPath || strings.Contains(name, "://") {
			continue
		}
		found := false
		for _, from := range []string{".", root} {
			files, err := filepath.Glob(filepath.Join(from, name))
			found = found || err == nil && len(files) > 0
		}
		if !found {
			t.Errorf("the page names %s, which is nowhere", name)
		}
	}
	for room := range imports(t) {
		if in, ok := strings.CutPrefix(room, "internal/"); ok && !paths[room] && !paths[in] {
			t.Errorf("%s is not on the page", room)
		}
	}
}
