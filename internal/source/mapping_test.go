package source

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestMappingReadsJSONFormsAndXML(t *testing.T) {
	const xml = `<Job no="7"><Who><Name>Mike Johnson</Name><Phone>555-1</Phone><Phone>+15559876543</Phone></Who><Kind code="a">leak</Kind></Job>`
	for _, c := range []struct {
		name, preset string
		m            Mapping
		request      Request
		check        func(t *testing.T, m Mapping, r *Request, p Parser)
	}{
		{
			name: "JSONPath", preset: "generic",
			m: Mapping{
				Fields: map[string]string{
					"caller_number": "$.from", "first_name": "$.who[0].first", "duration_ms": "$.took", "direction": "$.dir",
					"started_at": "$['begin at']", "urgent": "$.hot", "email": "$..mail", "message": "$.notes",
				},
				EventID: "$.meta.ids[-1]", EventType: "$.meta.kind", CallID: "$.call_no",
				Params: map[string]string{"first": "$.who[?(@.age > 40)].first", "raw": "$.who", "gone": "$.nothing"},
			},
			request: Request{Body: []byte(`{"from":"(555) 987-6543","who":[{"first":"Ann","age":30},{"first":"Bob","age":50}],"took":"1500",
				"dir":"outgoing","begin at":1767225600,"hot":"yes","deep":{"mail":"a@b.example"},"notes":["one","two"],
				"meta":{"ids":[1,12345678901234567890],"kind":"done"},"call_no":17}`)},
			check: func(t *testing.T, _ Mapping, r *Request, p Parser) {
				c, err := p.Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				if c.CallerNumber != "+15559876543" || c.FirstName != "Ann" || c.Duration == nil || *c.Duration != 2 ||
					c.Direction != "outbound" || c.StartedAt.Unix() != 1767225600 || !c.Urgent || c.Email != "a@b.example" ||
					c.Message != "one\ntwo" || c.EventID != "12345678901234567890" || c.EventType != "done" || c.ID != "17" {
					t.Errorf("got %+v", c)
				}
				if c.Params["first"] != "Bob" || len(c.Params["raw"].([]any)) != 2 {
					t.Errorf("params: got %v", c.Params)
				}
				if _, ok := c.Params["gone"]; ok {
					t.Error("a place with nothing made a parameter")
				}
			},
		},
		{
			name: "form fields", preset: "twilio",
			m: Mapping{Fields: map[string]string{"name": "WhoCalls", "phone": "Other Number", "event_id": "Delivery"}},
			request: Request{
				Body: []byte("CallSid=CA1&CallStatus=completed&From=%2B15550001111&WhoCalls=Ana+de+la+Cruz&Other+Number=5559876543&Delivery=d1")},
			check: func(t *testing.T, _ Mapping, r *Request, p Parser) {
				c, err := p.Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				if c.FirstName != "Ana" || c.LastName != "de la Cruz" || c.CallerNumber != "+15559876543" || c.EventID != "d1" || c.EventType != "completed" {
					t.Errorf("got %+v", c)
				}
			},
		},
		{
			name: "XML", preset: "generic",
			m: Mapping{
				Fields: map[string]string{"name": "Who/Name", "caller_number": "/Job/Who/Phone[2]", "message": "Kind"},
				Params: map[string]string{"first_phone": "Who/Phone", "code": "Kind/@code"}, EventID: "@no", CallID: "$.Job['@no']",
			},
			request: Request{Body: []byte(xml)},
			check: func(t *testing.T, _ Mapping, r *Request, p Parser) {
				c, err := p.Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				if c.Name() != "Mike Johnson" || c.CallerNumber != "+15559876543" || c.Message != "leak" || c.EventID != "7" || c.ID != "7" ||
					c.Params["first_phone"] != "555-1" || c.Params["code"] != "a" {
					t.Errorf("got %+v", c)
				}
			},
		},
		{
			name: "nothing there leaves the preset's reading", preset: "nextphone",
			m:       Mapping{Fields: map[string]string{"caller_number": "$.nope", "email": "nope"}, EventType: "$.nope"},
			request: Request{Body: []byte(`{"phone":"+15559876543","email":"a@b.example"}`)},
			check: func(t *testing.T, _ Mapping, r *Request, p Parser) {
				c, err := p.Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				if c.CallerNumber != "+15559876543" || c.Email != "a@b.example" || c.EventType != "lead" {
					t.Errorf("got %+v", c)
				}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParser(t, c.preset, Options{Map: &c.m})
			c.check(t, c.m, &c.request, p)
			rec, _ := p.Parse(&c.request)
			id, err := p.Identify(&c.request)
			if want := (Identity{rec.EventType, rec.EventID, rec.ID}); err != nil || id != want {
				t.Errorf("Identify: got %+v, %v, want %+v", id, err, want)
			}
		})
	}
}

func TestEveryMappableFieldIsSet(t *testing.T) {
	values := map[string]string{
		"direction": `"inbound"`, "started_at": `"2026-01-01T00:00:00Z"`, "ended_at": `"2026-01-01T00:00:42Z"`, "duration": `42`,
		"duration_ms": `42000`, "duration_minutes": `0.7`, "urgent": `true`, "callback_requested": `"yes"`, "email": `"a@b.example"`,
		"caller_number": `"+15559876543"`, "receiving_number": `"+15551234567"`,
	}
	empty, err := newParser(t, "vapi", Options{}).Parse(&Request{Body: []byte(`{"x":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"phone", "company_name", "call_duration", "timestamp"}
	for f := range fieldSetters {
		names = append(names, f)
	}
	for _, f := range names {
		v := values[f]
		if s, ok := fieldSynonyms[f]; ok {
			v = values[s]
		}
		if v == "" {
			v = `"text"`
		}
		c, err := newParser(t, "vapi", Options{Map: &Mapping{Fields: map[string]string{f: "$.x"}}}).Parse(&Request{Body: []byte(`{"x":` + v + `}`)})
		if err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(c, empty) {
			t.Errorf("%s = %s changed nothing", f, v)
		}
	}
}

func TestConfigurationErrorsNameTheSetting(t *testing.T) {
	for _, c := range []struct {
		preset string
		o      Options
		want   string
	}{
		{"nope", Options{}, `"nope"`},
		{"retell", Options{Region: "us"}, `"us"`},
		{"retell", Options{OwnNumbers: []string{"12"}}, `"12"`},
		{"generic", Options{Map: &Mapping{Fields: map[string]string{"phone": "$.a["}}}, "phone: "},
		{"generic", Options{Map: &Mapping{Fields: map[string]string{"phone": "$.form.your-phone"}}}, "write it as $.form['your-phone']"},
		{"generic", Options{Map: &Mapping{Fields: map[string]string{"colour": "$.a"}}}, `"colour"`},
		{"generic", Options{Map: &Mapping{Fields: map[string]string{"email": ""}}}, "email: "},
		{"generic", Options{Map: &Mapping{Params: map[string]string{"x": "$.[[["}}}, "params.x: "},
		{"generic", Options{Map: &Mapping{Params: map[string]string{"": "$.a"}}}, "parameter"},
		{"generic", Options{Map: &Mapping{EventID: "$.." + strings.Repeat("a", 600)}}, "event_id: "},
	} {
		_, err := New(c.preset, c.o)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: got %v, want ErrConfig with %s", c.preset, c.o, err, c.want)
		}
	}
}

func TestJSONPathID(t *testing.T) {
	const body = "\xef\xbb\xbf" + ` {"a":{"b":[{"id":"x1"},{"id":7.50}]},"n":12345678901234567890,"t":true,"e":"","o":{},"é \"q\"":"k",
		"z":{"id":"deep1","y":{"id":"deep2"}},"k":{"id":"deep0"},"list":[{"k":"no","id":1},{"k":"yes","id":2}]}`
	for expr, want := range map[string]string{
		"$.a.b[0].id": "x1", "$.a.b[1].id": "7.50", "$.a.b[-1].id": "7.50", "$['a']['b'][0]['id']": "x1", "$.n": "12345678901234567890",
		`$['é "q"']`: "k", "$.list[?(@.k == 'yes')].id": "2", "$.list[*].id": "1", "$.a.b[0:1].id": "x1",
		"$.a.b[2].id": "", "$.t": "", "$.e": "", "$.o": "", "$.none": "", "$.a": "", "$": "", "$.n.x": "",
	} {
		j, err := NewJSONPathID(expr)
		if err != nil {
			t.Fatal(err)
		}
		id, ok := j.ID([]byte(body))
		if id != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t, want %q", expr, id, ok, want)
		}
		if _, ok := j.ID([]byte(`{"a":`)); ok {
			t.Errorf("%s: an id from a body that is no JSON", expr)
		}
	}
	for _, expr := range []string{"", "id", "$.a[", "$.a[?(@.b ==)]", strings.Repeat("$", 600)} {
		if _, err := NewJSONPathID(expr); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: got %v, want ErrConfig", expr, err)
		}
	}
}

// TestJSONPathIDIsStable: of a body with several matches the same one is taken each time, or a retry would be a new
// event.
func TestJSONPathIDIsStable(t *testing.T) {
	m := map[string]any{}
	for _, k := range strings.Split("abcdefghijklmnop", "") {
		m[k] = map[string]any{"id": "id-" + k}
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, expr := range []string{"$..id", "$.*.id", "$[?(@.id != 'none')].id"} {
		j, err := NewJSONPathID(expr)
		if err != nil {
			t.Fatal(err)
		}
		first, ok := j.ID(body)
		if !ok {
			t.Errorf("%s: nothing found", expr)
		}
		for range 50 {
			if id, _ := j.ID(body); id != first {
				t.Fatalf("%s: got %s, then %s", expr, first, id)
			}
		}
	}
}
