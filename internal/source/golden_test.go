package source

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
)

var update = flag.Bool("update", false, "write the call records that the payloads give to testdata/records")

// sampleIDs are the signed ids that go with a payload.
var sampleIDs = map[string]string{
	"quo-call-completed-2026": "whd_1", "standard-webhooks-event": "msg_1", "svix-event": "msg_2",
}

type sample struct {
	name, preset string
	request      *Request
}

// samples are the payloads in testdata. The name of a file begins with that of its preset, and its ending says what
// type it is sent as.
func samples(tb testing.TB) []sample {
	tb.Helper()
	files, err := filepath.Glob("samples/payloads/*")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no payloads: %v", err)
	}
	var list []sample
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		name, ext, _ := strings.Cut(filepath.Base(f), ".")
		s := sample{name: name, request: &Request{Body: body, EventID: sampleIDs[name]}}
		for _, p := range Presets() {
			if strings.HasPrefix(name, p.Name+"-") && len(p.Name) > len(s.preset) {
				s.preset = p.Name
			}
		}
		if s.preset == "" {
			tb.Fatalf("%s: no preset of that name", f)
		}
		switch ext {
		case "json", "xml", "form", "multipart":
		case "query":
			s.request.Query = strings.TrimSpace(string(body))
			s.request.Body = nil
		default:
			tb.Fatalf("%s: unknown ending", f)
		}
		list = append(list, s)
	}
	return list
}

func newParser(tb testing.TB, preset string, o Options) Parser {
	tb.Helper()
	p, err := New(preset, o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestEveryPayloadGivesItsRecord(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			c, err := newParser(t, s.preset, Options{}).Parse(s.request)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(c); err != nil {
				t.Fatal(err)
			}
			// What waits in memory until it is delivered has to be what is read back from the disk.
			stored, err := c.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if back, err := call.Decode(stored); err != nil || !reflect.DeepEqual(back, c) {
				t.Errorf("the record is read back as %+v, %v", back, err)
			}
			file := filepath.Join("testdata/records", s.name+".json")
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; run go test with -update and read what it wrote", err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("the record differs from %s:\n%s", file, b.Bytes())
			}
		})
	}
}

func TestEveryRecordHasAPayload(t *testing.T) {
	names := make(map[string]bool)
	for _, s := range samples(t) {
		names[s.name+".json"] = true
	}
	entries, err := os.ReadDir("testdata/records")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !names[e.Name()] {
			t.Errorf("testdata/records/%s belongs to no payload", e.Name())
		}
	}
}

// TestIdentifyAgreesWithParse also reads every payload with every other preset: what is sent to the wrong address must
// not confuse anything.
func TestIdentifyAgreesWithParse(t *testing.T) {
	for _, p := range Presets() {
		parser := newParser(t, p.Name, Options{})
		for _, s := range samples(t) {
			id, err := parser.Identify(s.request)
			c, err2 := parser.Parse(s.request)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("%s as %s: Identify says %v, Parse %v", s.name, p.Name, err, err2)
			}
			if err != nil {
				continue
			}
			if got := (Identity{c.EventType, c.EventID, c.ID}); got != id {
				t.Errorf("%s as %s: Identify says %+v, Parse %+v", s.name, p.Name, id, got)
			}
		}
	}
}

// TestRequireAgreesWithParse: the cheap way of looking for a field finds what the whole record holds.
func TestRequireAgreesWithParse(t *testing.T) {
	for _, p := range Presets() {
		parser := newParser(t, p.Name, Options{Map: &Mapping{Fields: map[string]string{"company": "$..company"}}})
		for _, s := range samples(t) {
			c, err := parser.Parse(s.request)
			if err != nil {
				if _, _, err := parser.Require(s.request, nil); err == nil {
					t.Errorf("%s as %s: Require reads what Parse refuses", s.name, p.Name)
				}
				continue
			}
			fields := slices.Collect(maps.Keys(c.Params))
			for f := range fieldSetters {
				fields = append(fields, f, "params."+f)
			}
			for _, f := range append(fields, "phone", "company_name", "issue", "notes", "timestamp", "provider", "params", "event_id", "event_type", "call_id", "none") {
				id, missing, err := parser.Require(s.request, []string{"provider", f})
				if want := c.Missing([]string{"provider", f}); err != nil || missing != want {
					t.Errorf("%s as %s: of %s got %q, error %v, want %q", s.name, p.Name, f, missing, err, want)
				}
				if want := (Identity{c.EventType, c.EventID, c.ID}); id != want {
					t.Errorf("%s as %s: Require says %+v, Parse %+v", s.name, p.Name, id, want)
				}
			}
		}
	}
}
