package destination_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/fhir"
	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/destination/hubspot"
	"github.com/callgate/callgate/internal/destination/salesforce"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/source"
)

var update = flag.Bool("update", false, "write what the payloads become to testdata/conversions")

const (
	payloads    = "../source/samples/payloads"
	shared      = "../../testdata/payloads"
	guide       = "../../testdata/guide"
	conversions = "../../testdata/conversions"
)

// named is a destination of every kind that there is, and the guide's documents.
type named struct {
	name, title string
	destination.Destination
}

func destinations(tb testing.TB) []named {
	tb.Helper()
	now := func() time.Time { return received }
	var all []named
	add := func(name, title string, d destination.Destination, err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		all = append(all, named{name, title, d})
	}
	h, err := hubspot.New(hubspot.Config{Token: "pat-na1-example", LogCall: true, Now: now})
	add("hubspot", "HubSpot, with the call logged", h, err)
	auth, err := outbound.Bearer("example")
	if err != nil {
		tb.Fatal(err)
	}
	s, err := salesforce.New(salesforce.Config{Instance: "https://acme.my.salesforce.com", ExternalID: "Call_Id__c", LogCall: true},
		outbound.NewClient(outbound.Options{}), auth, now)
	add("salesforce", "Salesforce, by external id, with the call logged", s, err)
	f, err := fhir.New(fhir.Config{Base: "https://ehr.example/fhir", Auth: auth, Now: now})
	add("fhir", "FHIR R4", f, err)
	for _, doc := range []string{"lead", "hubspot", "salesforce", "custom-api"} {
		d, err := definition.Load(filepath.Join(guide, doc+".json"), definition.Options{})
		if err != nil {
			tb.Fatal(err)
		}
		w, err := httpdest.New(httpdest.Config{Renderer: httpdest.FromDefinition(d), Now: now})
		add("guide-"+doc, "The guide's document "+d.ToolName, w, err)
	}
	return all
}

// received is when the events of the samples came in.
var received = time.Date(2026, 1, 1, 0, 0, 43, 0, time.UTC)

// item is an event with the record of a payload.
func item(tb testing.TB, preset string, r *source.Request) destination.Item {
	tb.Helper()
	p, err := source.New(preset, source.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	c, err := p.Parse(r)
	if err != nil {
		tb.Fatal(err)
	}
	return destination.Item{
		DeliveryID: "dlv_1", EventID: "evt_1", Attempt: 1, Call: c, ReceivedAt: received, Body: r.Body, ContentType: contentType(r.Body),
		Vars: map[string]string{"owner_name": "ABC Plumbing", "website": "https://abc.example", "booking_url": "https://cal.example/abc"},
	}
}

// contentType is that under which a sample is sent.
func contentType(body []byte) string {
	switch {
	case len(body) == 0:
		return ""
	case body[0] == '{' || body[0] == '[':
		return "application/json"
	case body[0] == '<':
		return "text/xml; charset=utf-8"
	case bytes.HasPrefix(body, []byte("--")):
		return "multipart/form-data; boundary=xYz"
	}
	return "application/x-www-form-urlencoded"
}

// readSample is a payload of the shared samples: its name begins with that of its preset, its ending says what it is.
func readSample(tb testing.TB, file string) (preset string, r *source.Request) {
	tb.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	name, ending, _ := strings.Cut(filepath.Base(file), ".")
	for _, p := range source.Presets() {
		if strings.HasPrefix(name, p.Name+"-") && len(p.Name) > len(preset) {
			preset = p.Name
		}
	}
	r = &source.Request{Body: body}
	switch {
	case preset == "":
		tb.Fatalf("%s: no preset of that name", file)
	case ending == "query":
		r.Body, r.Query = nil, strings.TrimSpace(string(body))
	case ending != "json" && ending != "xml" && ending != "form" && ending != "multipart":
		tb.Fatalf("%s: unknown ending", file)
	}
	return preset, r
}

func sampleFiles(tb testing.TB, dir string) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no payloads: %v", err)
	}
	return files
}

// TestEveryPayloadGivesItsRequests converts every sample for every kind of destination and compares with the table in
// testdata/conversions: what was understood of the call, and each request, member by member.
func TestEveryPayloadGivesItsRequests(t *testing.T) {
	all := destinations(t)
	known := map[string]bool{"README.md": true}
	for _, file := range sampleFiles(t, payloads) {
		name := filepath.Base(file)
		known[name+".md"] = true
		t.Run(name, func(t *testing.T) {
			preset, r := readSample(t, file)
			it := item(t, preset, r)
			page := &page{}
			page.record(name, it.Call)
			for _, d := range all {
				requests, err := d.Preview([]destination.Item{it})
				page.destination(d, requests, err)
			}
			golden := filepath.Join(conversions, name+".md")
			if *update {
				if err := os.WriteFile(golden, page.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; run go test with -update and read what it wrote", err)
			}
			if !bytes.Equal(page.Bytes(), want) {
				t.Errorf("%s has become\n%s", golden, page.Bytes())
			}
		})
	}
	for _, file := range sampleFiles(t, conversions) {
		if !known[filepath.Base(file)] {
			t.Errorf("%s belongs to no payload", file)
		}
	}
}

// TestSharedPayloadsAreConverted: the samples of testdata/payloads are among those that are converted, unchanged.
func TestSharedPayloadsAreConverted(t *testing.T) {
	for _, file := range sampleFiles(t, shared) {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(payloads, filepath.Base(file)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not converted: %v", file, err)
		}
	}
}
