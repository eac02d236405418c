package template

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
)

// vars are Vars for tests.
type vars map[string]any

func (v vars) Lookup(name string) (any, bool) { value, ok := v[name]; return value, ok }

var values = vars{
	"name": "Mike", "last": "O'Neil", "quote": `say "hi" \o/`, "lines": "one\r\ntwo\tthree", "nul": "a\x00b",
	"script": "</script><b>&amp;", "snow": "☃ é 日本 🎉", "bad": "a\xffb", "email": "a+b c@x.example", "path": "../../admin",
	"dots": "..", "dot": ".", "slash": "a/b", "seconds": 42, "flag": true, "price": json.Number("15000.00"),
	"list": []any{"a", json.Number("1"), true, nil}, "deep": map[string]any{"b": []any{"x"}, "a": nil},
	"when": "2026-03-01T23:30:05.25Z", "epoch": "1767225642", "phone": "(555) 987-6543", "uk": "+442079460958",
	"empty": "", "none": nil, "count": "42", "half": "42.50", "whole": "42.0", "zip": "0042", "yes": "Yes", "rawlist": ` [1, "a"] `,
	"rawobject": `{"a": {"b": 1}}`, "template": "{{name}}", "cdata": "]]>", "header": "x\r\nX-Evil: 1", "at": time.Unix(0, 0),
	"float": 1.5, "big": int64(1) << 60, "Full Name": "Mike J", "amp": "a&b=c", "query": "a?b#c", "exp": "1e2", "nested": []any{[]any{"x"}},
	"umlaut": "ü", "umlauts": []any{"ü", "5 €"}, "hollow": []any{}, "evil": []any{"a&b=1", "\r\n"}, "markup": []any{"</s>", "]]>"},
}

// row is one template, rendered with values. An error's text begins with "!" in want.
type row struct {
	source, want string
	o            Options
}

func check(t *testing.T, context Context, rows map[string]row) {
	t.Helper()
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			got := render(context, tt.source, tt.o)
			if reason, isErr := strings.CutPrefix(tt.want, "!"); isErr {
				if !strings.HasPrefix(got, "!") || !strings.Contains(got, reason) {
					t.Errorf("got %s, want an error with %q", got, reason)
				}
			} else if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// render is the result after a prefix that must stay, or the error after "!".
func render(context Context, source string, o Options) string {
	tpl, err := Compile(source, context, o)
	if err != nil {
		return "!" + err.Error()
	}
	got, err := tpl.Append([]byte("prefix "), values)
	if err != nil {
		if string(got) != "prefix " {
			return "dst was changed by an error: " + string(got)
		}
		return "!" + err.Error()
	}
	return strings.TrimPrefix(string(got), "prefix ")
}

func TestJSON(t *testing.T) {
	types := Options{Types: map[string]Type{
		"seconds": Integer, "price": Number, "flag": Boolean, "list": Array, "deep": Object, "count": Integer, "half": Number,
		"whole": Integer, "zip": Number, "yes": Boolean, "rawlist": Array, "rawobject": Object, "name": Number, "gone": Integer,
		"empty": String, "snow": Array, "exp": Integer, "last": Boolean, "script": Object,
	}}
	strict, omit := types, types
	strict.Policy, omit.Policy = Strict, OmitEmpty
	check(t, JSON, map[string]row{
		"compact, in order":      {source: "{ \"b\" : 1.50 ,\n\"a\" : [ true , null ] }", want: `{"b":1.50,"a":[true,null]}`},
		"comments":               {source: "// top\n{\"a\": \"{{name}}\", // not a name\n /* x */ \"u\": \"http://x\"} //", want: `{"a":"Mike","u":"http://x"}`},
		"comment not closed":     {source: "{} /* x", want: "!1:4: a comment without its */"},
		"several in a string":    {source: `{"n": "{{name}} {{ last }}!"}`, want: `{"n":"Mike O'Neil!"}`},
		"quotes":                 {source: `{"q": "<{{quote}}>"}`, want: `{"q":"<say \"hi\" \\o/>"}`},
		"line breaks":            {source: `["{{lines}}"]`, want: `["one\r\ntwo\tthree"]`},
		"null byte":              {source: `["{{nul}}"]`, want: `["a\u0000b"]`},
		"script":                 {source: `["{{script}}"]`, want: `["</script><b>&amp;"]`},
		"unicode":                {source: `["{{snow}}", "\u00e9 \ud83c\udf89 \ud800 \/ \u2028"]`, want: "[\"☃ é 日本 🎉\",\"é 🎉 \uFFFD / \u2028\"]"},
		"bytes not UTF-8":        {source: `["{{bad}}"]`, want: "[\"a\uFFFDb\"]"},
		"a value is no template": {source: `["{{template}}"]`, want: `["{{name}}"]`},
		"constant braces":        {source: `["{{'{{'}}name}}"]`, want: `["{{name}}"]`},
		"names with spaces":      {source: `["{{ Full Name }}"]`, want: `["Mike J"]`},
		"types":                  {source: `{"i":"{{seconds}}","n":"{{price}}","b":"{{flag}}","l":"{{list}}","o":"{{deep}}"}`, o: types, want: `{"i":42,"n":15000.00,"b":true,"l":["a",1,true,null],"o":{"a":null,"b":["x"]}}`},
		"types read from text":   {source: `["{{count}}","{{half}}","{{whole}}","{{yes}}","{{rawlist}}","{{rawobject}}","{{exp}}"]`, o: types, want: `[42,42.50,42,true,[1,"a"],{"a":{"b":1}},100]`},
		"no such type":           {source: `["{{name}}","{{zip}}","{{snow}}","{{last}}","{{script}}"]`, o: types, want: `["Mike","0042","☃ é 日本 🎉","O'Neil","</script><b>&amp;"]`},
		"no such type, strict":   {source: `["{{name}}"]`, o: strict, want: "!1:3: {{name}}: the value is not of the declared type number"},
		"undeclared is text":     {source: `["{{seconds}}","{{flag}}","{{list}}","{{deep}}","{{nested}}","{{float}}","{{big}}","{{at}}"]`, want: `["42","true","a, 1, true","{\"a\":null,\"b\":[\"x\"]}","[[\"x\"]]","1.5","1152921504606846976","1970-01-01T00:00:00Z"]`},
		"without quotes":         {source: `[{{seconds}}, {{ name }}, {{list}}, {{gone}}, {{float}}, {{at}}]`, want: `[42,"Mike",["a",1,true,null],null,1.5,"1970-01-01T00:00:00Z"]`},
		"filter json":            {source: `["{{list|json}}", "<{{list|json}}>", "{{name|json}}", {{deep|json}}]`, want: `[["a",1,true,null],"<[\"a\",1,true,null]>","Mike",{"a":null,"b":["x"]}]`},
		"filter number":          {source: `["{{count|number}}", "{{name|default:x|integer}}", "{{yes|boolean}}", {{half|integer}}]`, want: `[42,"Mike",true,"42.50"]`},
		"filter number inside":   {source: `["<{{count|number}}>"]`, want: "!1:4: {{count}}: number, integer and boolean need a value that is exactly"},
		"missing":                {source: `{"a":"{{gone2}}","b":"x {{gone2}}","c":"{{gone}}","d":"{{empty}}","e":"{{none}}"}`, o: types, want: `{"a":"","b":"x ","c":null,"d":"","e":""}`},
		"missing, strict":        {source: "{\"a\":\n \"{{gone}}\"}", o: strict, want: "!2:3: {{gone}}: the variable is missing"},
		"default, strict":        {source: `["{{gone|default:''}}", "{{name|default:x}}"]`, o: Options{Policy: Strict}, want: `["","Mike"]`},
		"omit members":           {source: `{"a":"{{gone}}","b":"x","c":"{{name}}{{gone}}","d":{"e":"{{gone}}","f":{"g":"{{gone}}"}},"h":{"i":"{{gone}}","j":1},"k":[]}`, o: Options{Policy: OmitEmpty}, want: `{"b":"x","c":"Mike","h":{"j":1},"k":[]}`},
		"omit the first":         {source: `{"a":{{gone}},"b":{{name}},"c":{{gone}},"d":"{{gone|default:''}}"}`, o: Options{Policy: OmitEmpty}, want: `{"b":"Mike","d":""}`},
		"omit elements":          {source: `{"p":[{"property":"x","value":"{{gone}}"},{"property":"y","value":"{{name}}"},"{{gone}}",{"z":1}],"q":["{{gone}}"]}`, o: Options{Policy: OmitEmpty}, want: `{"p":[{"property":"y","value":"Mike"},{"z":1}]}`},
		"omit everything":        {source: `{"a":"{{gone}}"}`, o: Options{Policy: OmitEmpty}, want: `{}`},
		"omit leaves types":      {source: `{"a":"{{seconds}}","b":"{{gone}}"}`, o: omit, want: `{"a":42}`},
		"only a variable":        {source: `"{{name}}"`, want: `"Mike"`},
		"quoted default":         {source: `["{{gone|default:\"n/a\"}}","{{gone|default:'a|b}}'}}","{{gone|default: a b }}"]`, want: `["n/a","a|b}}","a b"]`},

		"empty":                  {source: " ", want: "!1:2: the template is empty"},
		"variable in a key":      {source: `{"{{name}}":1}`, want: "!1:2: a variable in a key"},
		"key twice":              {source: `{"a":1,"\u0061":2}`, want: "!1:8: the key occurs twice"},
		"key without quotes":     {source: `{a:1}`, want: "!1:2: a key in double quotes"},
		"no colon":               {source: `{"a" 1}`, want: "!1:6: a colon"},
		"trailing comma":         {source: "{\"a\":1,\n}", want: "!2:1: a comma before the closing bracket"},
		"unquoted inner":         {source: `{"a":"{{b|default:"x"}}"}`, want: "!"},
		"never closed":           {source: "\n {\"a\":[1", want: "!2:7: this [ is never closed"},
		"string not closed":      {source: `{"a":"b`, want: "!1:6: a string without its closing quote"},
		"line break inside":      {source: "[\"a\nb\"]", want: "!1:4: a line break or control character"},
		"bad escape":             {source: `["\x"]`, want: "!1:3: an escape that JSON does not have"},
		"bad unicode escape":     {source: `["\u00G0"]`, want: "!1:3: an escape"},
		"bad number":             {source: `[01]`, want: "!1:2: a JSON value is expected"},
		"text after":             {source: `{} {}`, want: "!1:4: text after the end"},
		"too deep":               {source: strings.Repeat("[", 200), want: "!1:129: the template nests deeper"},
		"position after escapes": {source: `["\u00e9\n{{|}}"]`, want: "!1:11: a variable's name is expected"},
	})
}

func TestSyntaxErrors(t *testing.T) {
	for source, want := range map[string]string{
		"a {{name b\n {{c}}":               "1:3: this {{ is never closed",
		"a {{name":                         "1:3: this {{ is never closed; write }} behind the variable",
		"{{}}":                             "names no variable",
		"{{{name}}}":                       "three braces",
		"{{#if name}}":                     "conditions, loops",
		"{{name|}}":                        "a filter's name is expected",
		"{{name|shout}}":                   `no filter "shout"`,
		"{{name|upper:3}}":                 "{{name}}: filter upper takes no argument",
		"{{name|e164:3}}":                  "filter e164 takes no argument",
		"{{name|number:1}}":                "filter number takes no argument",
		"{{name|number|upper}}":            "stand last",
		"{{name|number}}":                  "are for JSON bodies",
		"{{name|default}}":                 "default:'unknown'",
		"{{name|truncate:x}}":              "truncate takes a number",
		"{{name|truncate:0}}":              "truncate takes a number",
		"{{name|date:2006}}":               "strftime",
		"{{name|date:'%Q'}}":               "strftime",
		"{{name|date:'%'}}":                "strftime",
		"{{name|date:'%Y','Mars/Crater'}}": "no known time zone",
		"{{name|default:'x}}":              "this {{ is never closed",
		"{{a$b}}":                          "letters, digits",
		"{{a  b}}":                         "two spaces",
		"{{'a' 'b'}}":                      "a | is expected",
		"é\n ü{{!x}}":                      "2:3: conditions",
	} {
		_, err := Compile(source, Text, Options{})
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", source, err, want)
		}
	}
	_, err := Compile("x\n {{", Text, Options{Name: "a.json", Line: 10, Column: 5})
	if err == nil || !strings.HasPrefix(err.Error(), "a.json:11:2: ") {
		t.Errorf("the position in the file is wrong: %v", err)
	}
	_, err = Compile(" {{", Text, Options{Line: 10, Column: 5})
	if err == nil || !strings.HasPrefix(err.Error(), "line 10:6: ") {
		t.Errorf("the position in the file is wrong: %v", err)
	}
}

func TestFilters(t *testing.T) {
	rows := map[string]row{}
	for source, want := range map[string]string{
		"{{name|upper}}{{snow|upper}}":                                                       "MIKE☃ É 日本 🎉",
		"{{name|lower|truncate:2}}":                                                          "mi",
		"{{snow|truncate:3}}":                                                                "☃ é",
		"{{snow|truncate:8}}{{snow|truncate:99}}":                                            "☃ é 日本 🎉☃ é 日本 🎉",
		"<{{'  x '|trim}}>":                                                                  "<x>",
		"<{{'  '|trim|default:none}}>":                                                       "<none>",
		"{{gone|default:x|upper}}":                                                           "X",
		"{{gone|upper|default:x}}":                                                           "x",
		"{{when|date:'%Y-%m-%d %H:%M:%S.%L %p %I'}}":                                         "2026-03-01 23:30:05.250 PM 11",
		"{{when|date:'%A %a %B %b %e %j %y %D %T %R %F'}}":                                   "Sunday Sun March Mar  1 060 26 03/01/26 23:30:05 23:30 2026-03-01",
		"{{when|date:'%d.%m. %z %Z 100%%','Europe/Berlin'}}":                                 "02.03. +0100 CET 100%",
		"{{when|date:rfc3339}} {{when|date:date}} {{when|date:time}}":                        "2026-03-01T23:30:05Z 2026-03-01 23:30:05",
		"{{when|date:unix}} {{when|date:unix_ms}}":                                           "1772407805 1772407805250",
		"{{epoch|date:date}} {{'1767225642000'|date:date}} {{'2026-01-02 03:04'|date:time}}": "2026-01-01 2026-01-01 03:04:00",
		"{{name|date:date}}{{flag|date:date}}":                                               "Miketrue",
		"{{at|date:date}}":                                                                   "1970-01-01",
		"{{phone|e164}} {{'555-1234'|e164}} {{name|e164}}":                                   "+15559876543 555-1234 Mike",
		"{{phone|national}} {{uk|national}} {{name|national}}":                               "(555) 987-6543 020 7946 0958 Mike",
		"{{phone|digits}}<{{name|digits}}>":                                                  "5559876543<>",
		"{{list|join:'; '}} {{name|join:x}}":                                                 "a; 1; true Mike",
		"{{list|json}}{{name|json}}":                                                         `["a",1,true,null]"Mike"`,
		"{{email|urlencode}}":                                                                "a%2Bb%20c%40x.example",
		"{{ name\n|\tupper }}":                                                               "MIKE",
		"{{name}}}":                                                                          "Mike}",
		"no variables } {":                                                                   "no variables } {",
		"":                                                                                   "",
	} {
		rows[source] = row{source: source, want: want}
	}
	check(t, Text, rows)
	check(t, Text, map[string]row{"region": {source: "{{'020 7946 0958'|e164}}", o: Options{Region: "GB"}, want: "+442079460958"}})
}

func TestVariables(t *testing.T) {
	tpl, err := Compile(`{"a":"{{b}} {{a}}","c":{{ b|upper }},"d":"{{'x'}}"}`, JSON, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := tpl.Variables(); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
}

func TestBounds(t *testing.T) {
	if _, err := Compile("abcdef", Text, Options{MaxSource: 5}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("long source: %v", err)
	}
	if _, err := Compile(strings.Repeat("{{a}}", maxVariables+1), Text, Options{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many variables: %v", err)
	}
	for context, source := range map[Context]string{Text: "{{name}}", JSON: `["{{name}}"]`, URL: "https://x.example/{{name}}", Header: "longer"} {
		tpl, err := Compile(source, context, Options{MaxOutput: 3})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := tpl.Append([]byte("abc"), values); !errors.Is(err, ErrTooLarge) || string(out) != "abc" {
			t.Errorf("%s: got %q, %v", source, out, err)
		}
	}
}

func TestErrorsHoldNoValues(t *testing.T) {
	secret := vars{"id": "../secret-value"}
	tpl, err := Compile("https://x.example/{{id}}", URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tpl.Append(nil, secret)
	if !errors.Is(err, ErrUnsafe) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	for context, source := range map[Context]string{
		Header: "Bearer secret\n", URL: "https://user:secret@x.example/", JSON: `{"secret" "x"}`, Form: "secret=%zz", XML: "<a>secret</b>",
	} {
		if _, err := Compile(source, context, Options{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestScope(t *testing.T) {
	seconds := 42
	received := time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC)
	c := &call.Call{CallerNumber: "+15559876543", FirstName: "Mike", Message: "leak", Duration: &seconds, Params: map[string]any{
		"booking_url": "https://evil.example", "patient_id": "PT-1", "delivery_id": "evil", "email": "p@x.example",
	}}
	s := &Scope{Call: c, ReceivedAt: received,
		Vars:       map[string]string{"owner_name": "ABC Plumbing", "booking_url": "https://cal.example", "receiving_number": "+15551234567", "caller_number": "+10000000000", "delivery_id": "t", "event_id": "gateway"},
		DeliveryID: "d1"}
	for name, want := range map[string]any{
		"caller_number": "+15559876543", "receiving_number": "+15551234567", "owner_name": "ABC Plumbing",
		"booking_url": "https://cal.example", "params.booking_url": "https://evil.example", "vars.caller_number": "+10000000000",
		"timestamp": "2026-01-01T00:00:42Z", "received_at": "2026-01-01T00:00:42Z", "call_duration": 42, "notes": "leak",
		"patient_id": "PT-1", "delivery_id": "d1", "event_id": "gateway", "email": "p@x.example", "first_name": "Mike",
		"website": nil, "vars.x": nil, "params.x": nil, "last_name": nil, "urgent": false,
	} {
		got, ok := s.Lookup(name)
		if ok != (want != nil) || ok && got != want {
			t.Errorf("%s = %v, %v; want %v", name, got, ok, want)
		}
	}
	c.EndedAt = received.Add(-time.Minute)
	if got, _ := s.Lookup("timestamp"); got != "2025-12-31T23:59:42Z" {
		t.Errorf("the end of the call should be the timestamp, not %v", got)
	}
	bare := &Scope{}
	for _, name := range []string{"timestamp", "received_at", "caller_number", "params.x", "x"} {
		if v, ok := bare.Lookup(name); ok {
			t.Errorf("an empty scope has %s = %v", name, v)
		}
	}
	for name, want := range map[string]bool{"caller_number": true, "website": true, "params.x": true, "patient_id": false} {
		if Known(name) != want {
			t.Errorf("Known(%s) = %v", name, !want)
		}
	}
}

func TestMap(t *testing.T) {
	check(t, Text, map[string]row{
		"a pair":           {source: "{{'kitchen Remodel '|map:'Kitchen remodel','kitchen_remodel'}}", want: "kitchen_remodel"},
		"another":          {source: "{{'drain'|map:'Kitchen remodel','kitchen_remodel','Drain','7'}}", want: "7"},
		"as it is":         {source: "{{'roof'|map:'Drain','7'}}", want: "roof"},
		"for all others":   {source: "{{'roof'|map:'Drain','7','0'}}", want: "0"},
		"nothing for them": {source: "[{{'roof'|map:'Drain','7',''|default:'none'}}]", want: "[none]"},
		"missing":          {source: "[{{nobody|map:'Drain','7','0'}}]", want: "[]"},
	})
	list := &list{}
	tmpl, err := Compile("{{services|map:'Drain','7','Boiler','8','0'|join:';'}}", Text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Append(nil, list); err != nil || string(got) != "7;8;0" {
		t.Errorf("%s, %v", got, err)
	}
	for _, source := range []string{"{{a|map:'x'}}", "{{a|map}}", "{{a|map:'x','1','X','2'}}", "{{a|map:'','1'}}"} {
		if _, err := Compile(source, Text, Options{}); err == nil {
			t.Errorf("%s was taken", source)
		}
	}
}

type list struct{}

func (*list) Lookup(string) (any, bool) { return []any{"drain", "Boiler", "roof"}, true }

func TestZone(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Zone: zone}
	check(t, Text, map[string]row{
		"the account's": {source: "{{'2026-03-03T02:30:00Z'|date:'%Y-%m-%d'}}", o: o, want: "2026-03-02"},
		"a named one":   {source: "{{'2026-03-03T02:30:00Z'|date:'%Y-%m-%d','UTC'}}", o: o, want: "2026-03-03"},
	})
}

// A variable that is missing leaves its place to the next, in every kind of template.
func TestOtherVariables(t *testing.T) {
	v := &call.Call{Summary: "He wants a quote.", Params: map[string]any{"size": "12"}}
	for source, want := range map[string]string{
		"{{message|summary}}": "He wants a quote.", "{{message|summary|upper}}": "HE WANTS A QUOTE.", "{{notes|transcript|default:'none'}}": "none",
		"{{rooms|params.size}}": "12", "{{summary|message}}": "He wants a quote.", "{{summary | message | truncate:2}}": "He",
	} {
		tmpl, err := Compile(source, Text, Options{Policy: Strict})
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if got, err := tmpl.Append(nil, v); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", source, got, err, want)
		}
	}
	for _, source := range []string{"{{message|sumary}}", "{{message|upper|summary}}", "{{message|size}}", "{{'x'|summary}}"} {
		if _, err := Compile(source, Text, Options{}); err == nil {
			t.Errorf("%s was taken", source)
		}
	}
}

func TestField(t *testing.T) {
	v := &call.Call{FirstName: "Mike", Params: map[string]any{"rooms": []any{"kitchen", "bath"}}}
	for source, want := range map[string]string{
		"About {{issue}}": "", "About {{issue}} for {{first_name}}": "About  for Mike", "{{issue|default:'none'}}": "none", "no variable": "no variable",
		"{{rooms}}": "kitchen;bath", "in {{rooms|map:'bath','3'}}": "in kitchen;3", "{{rooms|join:' and '}}": "kitchen and bath",
	} {
		f, err := CompileField(source, Options{List: ";"})
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if got := f.Value(v); got != want {
			t.Errorf("%s is %q, want %q", source, got, want)
		}
	}
	if _, err := CompileField("{{x", Options{}); err == nil {
		t.Error("an open variable was taken")
	}
}
