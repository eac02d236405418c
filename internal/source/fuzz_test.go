package source

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/call"
)

// FuzzParse reads any body as every provider's. Nothing may panic, the record has to fit into bounds, JSON and a
// database, and Identify must agree with Parse.
func FuzzParse(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.request.Body, s.request.Query, s.name)
	}
	f.Add([]byte(`{"lead":{"phone":"\u0000","name":"\ud800"}}`), "", "x")
	f.Add([]byte("a=%00&b=%ff"), "a=%41&b", "\xff")
	var parsers []Parser
	var names []string
	for _, p := range Presets() {
		parsers = append(parsers, newParser(f, p.Name, Options{Map: &Mapping{
			Fields: map[string]string{"company": "$..company", "name": "lead/name", "urgent": "$.urgent"},
			Params: map[string]string{"filtered": "$.items[?(@.n > 3)].v", "all": "$.*"},
		}}))
		names = append(names, p.Name)
	}
	f.Fuzz(func(t *testing.T, body []byte, query, delivery string) {
		for i, p := range parsers {
			r := &Request{Body: body, Query: query, EventID: delivery}
			id, err := p.Identify(r)
			c, err2 := p.Parse(r)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("%s: Identify says %v, Parse %v", names[i], err, err2)
			}
			if err != nil {
				continue
			}
			if got := (Identity{c.EventType, c.EventID, c.ID}); got != id {
				t.Fatalf("%s: Identify says %+v, Parse %+v", names[i], id, got)
			}
			if len(id.EventID) > maxID || len(id.CallID) > maxID || len(id.EventType) > maxType || !printable(id.EventID+id.CallID+id.EventType) {
				t.Fatalf("%s: identity %+v", names[i], id)
			}
			if len(c.Params) > maxParams {
				t.Fatalf("%s: %d parameters", names[i], len(c.Params))
			}
			if c.Duration != nil && (*c.Duration < 0 || *c.Duration > maxSeconds) {
				t.Fatalf("%s: a duration of %d", names[i], *c.Duration)
			}
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatalf("%s: %v", names[i], err)
			}
			stored, err := c.Encode()
			if err != nil {
				t.Fatalf("%s: %v", names[i], err)
			}
			if back, err := call.Decode(stored); err != nil || !reflect.DeepEqual(back, c) {
				t.Fatalf("%s: the record is read back as %+v, %v", names[i], back, err)
			}
			// A value may be in the record a few times (a field, its parameter, the operator's), and JSON needs up to six
			// bytes for one.
			if len(text) > 4096+60*(len(body)+len(query))+6*len(delivery) {
				t.Fatalf("%s: %d bytes became a record of %d", names[i], len(body), len(text))
			}
			if strings.Contains(string(text), `\u0000`) && !strings.Contains(string(text), `\\u0000`) {
				t.Fatalf("%s: a NUL is in the record", names[i])
			}
			for _, s := range []string{c.FirstName, c.LastName, c.Email, c.Company, c.Message, c.Summary, c.Transcript, c.CallerNumber} {
				if !utf8.ValidString(s) {
					t.Fatalf("%s: %q is not UTF-8", names[i], s)
				}
			}
		}
	})
}

// FuzzXML: what the reader accepts is JSON within the scanner's bounds, and has no entity expanded.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		`<r a="1"><b>x</b><b/>t</r>`, `<!DOCTYPE r [<!ENTITY p "x"><!ENTITY q "&p;&p;">]><r>&q;</r>`, `<r>&amp;&#x41;</r>`, `<a:r xmlns:a="u"/>`,
		`<?xml version="1.0" encoding="ISO-8859-1"?><r/>`, strings.Repeat("<a>", 60) + strings.Repeat("</a>", 60), `<r><![CDATA[<x>]]></r>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDocument(&Request{})
		defer d.release()
		if d.xml(body) != nil {
			return
		}
		if !json.Valid(d.buf) {
			t.Fatalf("not JSON: %q", d.buf)
		}
		if len(d.buf) > 64+12*len(body) {
			t.Fatalf("%d bytes became %d", len(body), len(d.buf))
		}
	})
}

// FuzzJSONPathID: paths are the operator's and bodies a stranger's; neither may panic, and the same body gives the
// same id each time.
func FuzzJSONPathID(f *testing.F) {
	for _, expr := range []string{"$.a.b[0]", "$..id", "$[?(@.a > 1)].b", "$.*[1:3]", "$['a','b']", "$.a[-1]", "$[?(@.a =~ /x/)]", "$[?length(@.a) == 1].a"} {
		f.Add(expr, []byte(`{"a":{"b":["x"]},"id":7}`))
		f.Add(expr, []byte(`[{"a":2,"b":"y"},{"a":"x"}]`))
	}
	f.Fuzz(func(t *testing.T, expr string, body []byte) {
		j, err := NewJSONPathID(expr)
		if err != nil {
			return
		}
		id, ok := j.ID(body)
		if ok != (id != "") || len(id) > maxID || !printable(id) {
			t.Fatalf("%q, %t", id, ok)
		}
		if again, _ := j.ID(body); again != id {
			t.Fatalf("%q, then %q", id, again)
		}
	})
}
