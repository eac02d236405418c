package definition

import (
	"bytes"
	"errors"
	"io"
	"mime"
	mimemultipart "mime/multipart"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/template"
)

type vars map[string]any

func (v vars) Lookup(name string) (any, bool) { value, ok := v[name]; return value, ok }

var values = vars{"name": "Mike \"M\" O'Neil", "email": "a+b@x.example", "note": "one\r\ntwo & <three>\x00", "n": "42", "evil": "x\r\nX-Evil: 1\r\n\r\n--callgate", "id": "../admin"}

// resolve knows two references.
func resolve(p string) (string, error) {
	switch p {
	case "{env.KEY}":
		return "s3cret{{name}}\n", nil
	case "{file./run/base}":
		return "https://base.example", nil
	}
	return "", errors.New("unknown: s3cret")
}

func TestRender(t *testing.T) {
	tests := map[string]struct{ document, want string }{
		"typed values, defaults": {
			`{"url":"https://x.example/","body_template":{"n":"{{n}}","d":"{{d}}","t":"{{n}}{{d}}"},"parameters":[{"name":"n","type":"integer"},{"name":"d","type":"number","default":1.50}]}`,
			"POST https://x.example/\nContent-Type: application/json\n\n{\"n\":42,\"d\":1.50,\"t\":\"421.50\"}\n",
		},
		"body as text": {
			`{"url":"https://x.example/","body_template":"{\"n\": {{n}}, \"name\": \"{{name}}\"}"}`,
			"POST https://x.example/\nContent-Type: application/json\n\n{\"n\":\"42\",\"name\":\"Mike \\\"M\\\" O'Neil\"}\n",
		},
		"PATCH, references, a segment": {
			`{"http_method":"patch","url":"{file./run/base}/leads/{{email}}","headers":{"x-api-key":"{env.KEY}","X-Name":"{{name}}","content-type":"application/vnd.x+json; charset=utf-8"},"body_template":[]}`,
			"PATCH https://base.example/leads/a%2Bb%40x.example\nContent-Type: application/vnd.x+json; charset=utf-8\nX-Api-Key: s3cret{{name}}\nX-Name: Mike \"M\" O'Neil\n\n[]\n",
		},
		"header injection": {
			`{"http_method":"DELETE","url":"https://x.example/","headers":{"X-A":"{{evil}}"}}`,
			"DELETE https://x.example/\nX-A: x X-Evil: 1 --callgate\n\n\n",
		},
		"GET": {
			`{"http_method":"GET","url":"https://x.example/find?email={{email}}","parameters":[{"name":"email"}]}`,
			"GET https://x.example/find?email=a%2Bb%40x.example\n\n\n",
		},
		"XML": {
			`{"url":"https://x.example/","headers":{"Content-Type":"text/xml"},"body_template":"<lead note=\"{{note}}\"><name>{{name}}</name></lead>"}`,
			"POST https://x.example/\nContent-Type: text/xml\n\n<lead note=\"one&#xD;&#xA;two &amp; &lt;three&gt;\uFFFD\"><name>Mike \"M\" O'Neil</name></lead>\n",
		},
		"form as text": {
			`{"url":"https://x.example/","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_template":"a={{email}}&b=AI Receptionist"}`,
			"POST https://x.example/\nContent-Type: application/x-www-form-urlencoded\n\na=a%2Bb%40x.example&b=AI+Receptionist\n",
		},
		"form as an object": {
			`{"url":"https://x.example/","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_template":{"a b":"100% {{email}}","n":1.50,"t":[true,"{{n}}"],"z":null,"note":"{{note}}"}}`,
			"POST https://x.example/\nContent-Type: application/x-www-form-urlencoded\n\na+b=100%25+a%2Bb%40x.example&n=1.50&t=true&t=42&z=&note=one%0D%0Atwo+%26+%3Cthree%3E\n",
		},
		"form of the parameters": {
			`{"url":"https://x.example/","headers":{"Content-Type":"application/x-www-form-urlencoded"},"parameters":[{"name":"n"}]}`,
			"POST https://x.example/\nContent-Type: application/x-www-form-urlencoded\n\nn=42&caller_number=&receiving_number=\n",
		},
		"other types": {
			`{"url":"https://x.example/","headers":{"Content-Type":"text/plain"},"body_template":"{{name}}: {{note|truncate:3}}"}`,
			"POST https://x.example/\nContent-Type: text/plain\n\nMike \"M\" O'Neil: one\n",
		},
		"comments": {
			"// a lead\n{\"url\": \"https://x.example/\", /* \" */ \"body_template\": {\"u\": \"http://y\"} // end",
			"",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.want == "" {
				tt.document += "\n}"
				tt.want = "POST https://x.example/\nContent-Type: application/json\n\n{\"u\":\"http://y\"}\n"
			}
			d, _, err := Parse([]byte(tt.document), Options{Resolve: resolve})
			if err != nil {
				t.Fatal(err)
			}
			r, err := d.Render(values)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(r); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestMultipart(t *testing.T) {
	document := `{"url":"https://x.example/","headers":{"Content-Type":"multipart/form-data"},"body_template":{"na\"me":"{{name}}","evil":"{{evil}}","gone":"{{gone}}"}}`
	for _, policy := range []template.Policy{template.Empty, template.OmitEmpty} {
		d, _, err := Parse([]byte(document), Options{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Render(values)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		eachPart(t, r.ContentType, r.Body, func(p *mimemultipart.Part, text string) { got = append(got, p.FormName(), text) })
		want := []string{"na%22me", values["name"].(string), "evil", values["evil"].(string), "gone", ""}
		if policy == template.OmitEmpty {
			want = want[:4]
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("got %q, want %q", got, want)
		}
		again, err := d.Render(values)
		if err != nil || string(again.Body) != string(r.Body) {
			t.Error("a repeated delivery has another body")
		}
	}
}

func TestRenderErrors(t *testing.T) {
	d, _, err := Parse([]byte(`{"url":"https://x.example/{{id}}","parameters":[{"name":"id"},{"name":"caller_number","required":true},{"name":"d","required":true,"default":"x"}],"body_template":{}}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Render(values)
	if !errors.Is(err, ErrRequired) || !strings.Contains(err.Error(), "caller_number") {
		t.Errorf("got %v", err)
	}
	_, err = d.Render(vars{"caller_number": "1", "id": "../x"})
	if !errors.Is(err, template.ErrUnsafe) {
		t.Errorf("got %v", err)
	}
	omit, _, err := Parse([]byte(`{"http_method":"GET","url":"https://x.example/?a={{gone}}","headers":{"X-Gone":"{{gone}}","X-There":"{{n}}"}}`), Options{Policy: template.OmitEmpty})
	if err != nil {
		t.Fatal(err)
	}
	r, err := omit.Render(values)
	if err != nil || show(r) != "GET https://x.example/\nX-There: 42\n\n\n" {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestParseErrors(t *testing.T) {
	const ok = `"url":"https://x.example/"`
	for document, want := range map[string]string{
		"":               "the document ends too early",
		"[]":             "d.json:1: an object",
		"{" + ok + ",}":  "d.json:1: not valid JSON",
		"{" + ok + "} x": "d.json:1: not valid JSON here",
		"{\n" + ok + ",\n\"body_template\": {\"a\": {{n}} }}":                                        "d.json:3: a variable without quotes",
		"{" + ok + ",\n\"timeout\": 5}":                                                              "d.json:2: timeout: unknown field; a webhook definition has type",
		"{" + ok + ",\n" + ok + "}":                                                                  `d.json:2: the key "url" occurs twice`,
		`{"type":"sms",` + ok + `}`:                                                                  "type: the type must be",
		`{"type":5,` + ok + `}`:                                                                      "type: text in double quotes",
		`{"http_method":"TRACE",` + ok + `}`:                                                         "http_method: the method must be",
		`{}`:                                                                                         "the document has no url",
		`{"url":"https://{{host}}/"}`:                                                                "d.json:1:17: {{host}}: url: a variable in the scheme or host",
		`{"url":"{env.GONE}/x"}`:                                                                     "the reference {env.GONE} has no value",
		`{"headers":{"A B":"x"},` + ok + `}`:                                                         "a header's name is letters",
		`{"headers":{"A":5},` + ok + `}`:                                                             "A: a header's value is text",
		`{"headers":[],` + ok + `}`:                                                                  "headers: an object",
		`{"headers":{"Host":"x"},` + ok + `}`:                                                        "Host: this header is set by the HTTP client",
		`{"headers":{"x-a":"1","X-A":"2"},` + ok + `}`:                                               "the header occurs twice",
		`{"headers":{"X-A":"a\nb"},` + ok + `}`:                                                      "X-A: a control character",
		`{"headers":{"Content-Type":"{{n}}"},` + ok + `}`:                                            "Content-Type is not a media type",
		`{"headers":{"Content-Type":"text/html"},` + ok + `}`:                                        "values cannot be kept in their places",
		`{"headers":{"Content-Type":"text/xml; charset=koi8-r"},` + ok + `}`:                         "another charset than utf-8",
		`{"headers":{"Content-Type":"multipart/form-data; boundary=x"},` + ok + `}`:                  "names a boundary",
		`{"headers":{"Content-Type":"text/xml"},"body_template":{"a":1},` + ok + `}`:                 "body_template: the body of this Content-Type is written as text",
		`{"headers":{"Content-Type":"text/xml"},"parameters":[{"name":"a"}],` + ok + `}`:             "no body_template; only JSON and forms",
		`{"headers":{"Content-Type":"text/xml"},"body_template":"<a>\n{{b}}",` + ok + `}`:            "d.json body_template:2:1: body_template: not well-formed",
		`{"headers":{"Content-Type":"multipart/form-data"},"body_template":"a",` + ok + `}`:          "is written as an object",
		`{"headers":{"Content-Type":"multipart/form-data"},"body_template":{"a":{}},` + ok + `}`:     "it cannot nest",
		`{"headers":{"Content-Type":"multipart/form-data"},"body_template":{"{{a}}":""},` + ok + `}`: "a variable in a field's name",
		`{"headers":{"Content-Type":"multipart/form-data"},"body_template":{"a":"{{"},` + ok + `}`:   "this {{ is never closed",
		"{" + ok + ",\"body_template\":{\n \"a\": \"{{n|shout}}\"}}":                                 `d.json:2:8: {{n}}: body_template: no filter "shout"`,
		`{"parameters":{},` + ok + `}`:                                                               "parameters: a list",
		`{"parameters":["a"],` + ok + `}`:                                                            "an object",
		`{"parameters":[{"type":"string"}],` + ok + `}`:                                              "a parameter without a name",
		`{"parameters":[{"name":"a|b"}],` + ok + `}`:                                                 "a parameter's name is letters",
		`{"parameters":[{"name":"a"},{"name":"a"}],` + ok + `}`:                                      "the parameter a is declared twice",
		`{"parameters":[{"name":"a","type":"text"}],` + ok + `}`:                                     "the type of a must be string",
		`{"parameters":[{"name":"a","required":"yes"}],` + ok + `}`:                                  "required: true or false",
		`{"parameters":[{"name":"a","enum":"yes"}],` + ok + `}`:                                      "enum: a list",
		`{"parameters":[{"name":"a","format":"email"}],` + ok + `}`:                                  "format: unknown field; a parameter has",
	} {
		_, _, err := Parse([]byte(document), Options{Name: "d.json", Resolve: resolve})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", document, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error tells a secret: %v", document, err)
		}
	}
	_, _, err := Parse([]byte(`{"http_method":"X","type":"y","url":"z","other":1}`), Options{})
	if n := strings.Count(err.Error(), "\n"); n != 3 {
		t.Errorf("four errors are reported at once, not %d: %v", n+1, err)
	}
	if _, _, err := Parse([]byte(`{"url":"{env.KEY}"}`), Options{}); err == nil || !strings.Contains(err.Error(), "cannot be resolved here") {
		t.Errorf("a reference without Resolve: %v", err)
	}
}

func TestProblems(t *testing.T) {
	_, problems, err := Parse([]byte(`{
		"http_method": "GET",
		"url": "http://x.example/?api_key=5",
		"headers": {"Authorization": "Bearer abc", "X-Api-Key": "{env.KEY}"},
		"body_template": {"a": "{{ phone_number }}", "b": "{{mystery|upper}}", "c": "{{vars.x}}{{website}}{{params.used}}{env.KEY}"},
		"parameters": [
			{"name": "unused"}, {"name": "used"}
		]
	}`), Options{Resolve: resolve})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	got := strings.Join(all, "\n")
	for _, want := range []string{
		"line 5: body_template: a GET with a body", "line 5: body_template: a reference such as {env.X}", "line 3: url: http://", "line 3: url: a secret in the URL", "line 4: Authorization: a secret written",
		"line 5: {{phone_number}} is no declared parameter; the call's own name for it is {{caller_number}}",
		"line 5: {{mystery}} is no declared parameter and no field", "line 7: parameters: the parameter unused is declared and not used",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no warning %q in\n%s", want, got)
		}
	}
	if len(problems) != 8 {
		t.Errorf("%d warnings, want 8:\n%s", len(problems), got)
	}
}

func TestSecret(t *testing.T) {
	d, _, err := Parse([]byte(`{"http_method":"GET","url":"https://x.example/","headers":{"X-Plain":"a","X-Env":"{env.KEY}","X-Api-Key":"b"}}`), Options{Resolve: resolve})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"x-plain": false, "X-Env": true, "X-Api-Key": true, "Authorization": true, "Content-Type": false} {
		if d.Secret(name) != want {
			t.Errorf("Secret(%s) = %v", name, !want)
		}
	}
}

func TestBounds(t *testing.T) {
	long := strings.Repeat("x", 9<<10)
	many := strings.Repeat(`{"name":"a"},`, maxParameters) + `{"name":"b"}`
	for document, want := range map[string]string{
		`{"url":"https://x.example/` + long + `"}`:                                     "longer than 8 KiB",
		`{"url":"https://x.example/","headers":{"A":"` + long + `"}}`:                  "longer than 8 KiB",
		`{"url":"https://x.example/","parameters":[` + many + `]}`:                     "more than 500 parameters",
		`{"url":"https://x.example/","description":"` + strings.Repeat(long, 3) + `"}`: "larger than 20000 bytes",
	} {
		if _, _, err := Parse([]byte(document), Options{MaxSize: 20000}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "d.json")
	if err := os.WriteFile(path, []byte(`{"url":"https://x.example/"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, Options{MaxSize: 10}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if _, err := Load(path+"x", Options{}); !errors.Is(err, ErrInvalid) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestBodyBound(t *testing.T) {
	for _, contentType := range []string{"application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"} {
		body := `{"a":"{{name}}","b":"{{name}}"}`
		if contentType == "text/plain" {
			body = `"{{name}}{{name}}"`
		}
		d, _, err := Parse([]byte(`{"url":"https://x.example/","headers":{"Content-Type":"`+contentType+`"},"body_template":`+body+`}`), Options{MaxBody: 24})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Render(values); !errors.Is(err, template.ErrTooLarge) {
			t.Errorf("%s: got %v", contentType, err)
		}
	}
}

// Parse never panics, and what it accepts renders into a request that net/http can send.
// TestListsAndObjectsMayBeDescribed: a voice agent has to be told of what a list is.
func TestListsAndObjectsMayBeDescribed(t *testing.T) {
	d, _, err := Parse([]byte(`{"url": "https://x.example/", "body_template": {"s": "{{services}}", "a": "{{address}}"}, "parameters": [
		{"name": "services", "type": "array", "items": {"type": "string"}},
		{"name": "address", "type": "object", "properties": {"city": {"type": "string"}}}]}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Render(vars{"services": []any{"a", "b"}, "address": map[string]any{"city": "Austin"}})
	if want := `{"s":["a","b"],"a":{"city":"Austin"}}`; err != nil || string(r.Body) != want {
		t.Errorf("got %v, %v, want %s", r, err, want)
	}
}

// eachPart reads the parts of a form as they stand in it.
func eachPart(t *testing.T, contentType string, body []byte, read func(p *mimemultipart.Part, text string)) {
	t.Helper()
	_, boundary, _ := strings.Cut(contentType, "multipart/form-data; boundary=")
	for parts := mimemultipart.NewReader(bytes.NewReader(body), boundary); ; {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		read(p, string(text))
	}
}

// TestAPartCanBeAFile: with a name and a content by templates, each escaped for its place.
func TestAPartCanBeAFile(t *testing.T) {
	document := `{"url":"https://x.example/","headers":{"Content-Type":"multipart/form-data"},"body_template":{
		"plain":"{{name}}",
		"no\"te":{"file_name":"{{evil}}.txt","content_type":"text/plain; charset=utf-8","value":"said: {{evil}}"},
		"data":{"file_name":"call.json","content_type":"application/json","value":"{\"name\":\"{{evil}}\"}"},
		"bare":{"file_name":"Jürgen","value":"{{gone}}"},
		"list":["{{name}}",2,{"file_name":"three.txt","value":"3"}]}}`
	d, _, err := Parse([]byte(document), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Variables(); !slices.Contains(got, "evil") || !slices.Contains(got, "gone") {
		t.Errorf("variables %v", got)
	}
	const evil = "a\"b\r\nX-Evil: 1\r\n\r\n../c\\d"
	r, err := d.Render(vars{"name": "Mike", "evil": evil})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	eachPart(t, r.ContentType, r.Body, func(p *mimemultipart.Part, text string) {
		if len(p.Header["X-Evil"]) > 0 {
			t.Errorf("a value has made a header: %v", p.Header)
		}
		_, of, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		got = append(got, of["name"], of["filename"], p.Header.Get("Content-Type"), text)
	})
	want := []string{
		"plain", "", "", "Mike",
		"no%22te", "a%22bX-Evil: 1.._c_d.txt", "text/plain; charset=utf-8", "said: " + evil,
		"data", "call.json", "application/json", `{"name":"a\"b\r\nX-Evil: 1\r\n\r\n../c\\d"}`,
		"bare", "Jürgen", "", "",
		"list", "", "", "Mike", "list", "", "", "2", "list", "three.txt", "", "3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if again, err := d.Render(vars{"name": "Mike", "evil": evil}); err != nil || string(again.Body) != string(r.Body) {
		t.Errorf("another time it is another body: %v", err)
	}
	for says, part := range map[string]string{
		"needs a file_name":   `{"value":"x"}`,
		"it cannot nest":      `{"file_name":"x","more":1}`,
		"is a text":           `{"file_name":1}`,
		"content_type of a f": `{"file_name":"x","content_type":"text"}`,
		"this {{ is never":    `{"file_name":"{{"}`,
		"never closed":        `{"file_name":"x","value":"{{"}`,
		"without variables":   `{"file_name":"x","content_type":"text/{{name}}"}`,
	} {
		_, _, err := Parse([]byte(`{"url":"https://x.example/","headers":{"Content-Type":"multipart/form-data"},"body_template":{"a":`+part+`}}`), Options{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", part, err)
		}
	}
	if _, _, err := Parse([]byte(`{"url":"https://x.example/","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_template":{"a":{"file_name":"x"}}}`), Options{}); err == nil || !strings.Contains(err.Error(), "cannot nest") {
		t.Errorf("a file in a form without parts: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"lead", "hubspot", "salesforce", "custom-api", "hipaa-body"} {
		text, err := os.ReadFile(filepath.Join(guide, name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "x")
	}
	f.Add([]byte(`{"url":"https://x.example/","headers":{"Content-Type":"multipart/form-data","X":"{env.KEY}{{a}}"},"body_template":{"a":["{{a}}",1]}}`), "\r\n--")
	f.Add([]byte(`{"url":"https://x.example/","headers":{"Content-Type":"multipart/form-data"},"body_template":{"a":{"file_name":"{{a}}.txt","content_type":"text/plain","value":"{{a}}"}}}`), "\"\r\n/")
	f.Add([]byte(`{"url":"{file./run/base}/{{a}}","parameters":[{"name":"a","type":"array","default":[1],"required":true}]}`), "")
	f.Fuzz(func(t *testing.T, document []byte, value string) {
		d, _, err := Parse(document, Options{Resolve: resolve})
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%v does not wrap ErrInvalid", err)
			}
			return
		}
		v := vars{}
		for _, name := range d.Variables() {
			v[name] = value
		}
		for _, p := range d.Parameters {
			v[p.Name] = value
		}
		r, err := d.Render(v)
		if err != nil {
			return
		}
		if u, err := url.Parse(r.URL); err != nil || u.Host == "" {
			t.Fatalf("%q: %v", r.URL, err)
		}
		for name, values := range r.Header {
			if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
				t.Fatalf("header %q: %q", name, values)
			}
		}
	})
}

func BenchmarkRender(b *testing.B) {
	d, err := Load(filepath.Join(guide, "lead.json"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Render(values); err != nil {
			b.Fatal(err)
		}
	}
}
