package definition_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/template"
)

// again is the document that says what plain settings say.
func again(t *testing.T, p *definition.Plain) []byte {
	t.Helper()
	headers := map[string]string{}
	for name, value := range p.Headers {
		headers[name] = value
	}
	if p.ContentType != "" {
		headers["Content-Type"] = p.ContentType
	}
	doc := map[string]any{"http_method": p.Method, "url": p.URL, "headers": headers}
	if p.Body != "" {
		doc["body_template"] = p.Body
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestPlainSettingsSendWhatTheDocumentSends for the guide's documents, and for types, defaults, lists, forms and XML.
func TestPlainSettingsSendWhatTheDocumentSends(t *testing.T) {
	docs := map[string]string{
		"types": `{"url":"https://a.example/{{x|default:q}}","headers":{"X-Y":"{{y}}"},"body_template":{"n":"{{n}}","i":"{{ i | trim }}","b":"{{b}}","l":"{{l}}","o":"{{o}}","s":"{{s}}","in":"a {{n}} b","y":"{{y}}","keep":[1.50,"é\u00e9"]},
			"parameters":[{"name":"n","type":"number"},{"name":"i","type":"integer"},{"name":"b","type":"boolean"},{"name":"l","type":"array"},{"name":"o","type":"object"},{"name":"s","type":"string"},{"name":"y","type":"integer","default":7}]}`,
		"text":      `{"url":"https://a.example/","body_template":"{\"n\": \"{{n}}\", \"m\": {{n}}}","parameters":[{"name":"n","type":"integer"}]}`,
		"xml":       `{"url":"https://a.example/","headers":{"content-type":"text/xml; charset=iso-8859-1"},"body_template":"<a b=\"{{n}}\">{{s}}</a>","parameters":[{"name":"n","type":"integer"}]}`,
		"form":      `{"url":"https://a.example/","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_template":{"a b":"1 & 2 {{s}}","n":"{{n}}","c":3.10,"d":["{{s}}","x=y"],"l[]":"{{l}}","z":"100%"}}`,
		"resulting": `{"url":"https://a.example/","parameters":[{"name":"n","type":"integer"},{"name":"caller_number"},{"name":"s"}]}`,
		"get":       `{"http_method":"get","url":"https://a.example/?q={{s}}&n={{n}}","parameters":[{"name":"n","type":"integer"}]}`,
		"comments":  "{ // of the guide\n\"url\":\"https://a.example/\", /* all */ \"body_template\":{\"a\":\"{{s}}\" // its name\n}}",
	}
	for _, e := range definition.Guide() {
		docs[e.Name] = e.Text
		file, err := os.ReadFile(filepath.Join("../../testdata/guide", e.Name+".json"))
		if err != nil || string(file) != e.Text {
			t.Errorf("%s is not the guide's: %v", e.Name, err)
		}
	}
	calls := []*call.Call{
		{CallerNumber: "+15559876543", FirstName: "Mike", LastName: `O'"Neil`, Email: "m@e.example", Params: map[string]any{
			"n": "42", "i": " 7 ", "b": "yes", "l": []any{"a", "b&c"}, "o": map[string]any{"k": json.Number("1.10")}, "s": "a & b = 100% ü {x}", "company_name": "A <&> B",
		}},
		{CallerNumber: "+15559876543", Email: "m@e.example", Params: map[string]any{"n": json.Number("3.250"), "b": true, "x": "p/q", "y": "8"}},
		{Email: "x@e.example"},
	}
	for name, text := range docs {
		resolve := func(s string) (string, error) { return s, nil }
		want, _, err := definition.Parse([]byte(text), definition.Options{Resolve: resolve})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, _, err := definition.ReadPlain([]byte(text), definition.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, _, err := definition.Parse(again(t, p), definition.Options{Resolve: resolve})
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, p.Body)
			continue
		}
		for i, c := range calls {
			vars := &template.Scope{Call: c}
			w, werr := want.Render(vars)
			g, gerr := got.Render(vars)
			if werr != nil || gerr != nil {
				if werr == nil || gerr == nil {
					t.Errorf("%s, call %d: %v and %v", name, i, werr, gerr)
				}
				continue
			}
			if w.Method != g.Method || w.URL != g.URL || string(w.Body) != string(g.Body) || w.ContentType != g.ContentType || !sameHeaders(w.Header, g.Header) {
				t.Errorf("%s, call %d:\n%s %s %v\n%s\n%s %s %v\n%s", name, i, w.Method, w.URL, w.Header, w.Body, g.Method, g.URL, g.Header, g.Body)
			}
		}
	}
	if len(definition.Guide()) != 4 {
		t.Error("the guide has four documents")
	}
}

func sameHeaders(a, b http.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if a.Get(name) != b.Get(name) {
			return false
		}
	}
	return true
}

func TestWhatIsNotPlainSaysSo(t *testing.T) {
	_, _, err := definition.ReadPlain([]byte(`{"url":"https://a.example/","headers":{"Content-Type":"multipart/form-data"},"body_template":{"a":"{{s}}"}}`), definition.Options{})
	if !errors.Is(err, definition.ErrNotPlain) {
		t.Error(err)
	}
	if _, _, err = definition.ReadPlain([]byte(`{"url":"https://a.example/","body_template":{"a":"{{s"}}`), definition.Options{}); !errors.Is(err, definition.ErrInvalid) || errors.Is(err, definition.ErrNotPlain) {
		t.Error(err)
	}
	p, _, err := definition.ReadPlain([]byte(`{"url":"https://a.example/","body_template":{"a":"{{s}}","t":"{{t}}"},"parameters":[{"name":"s","required":true},{"name":"t","default":"it's"}]}`), definition.Options{})
	if err != nil || len(p.Notes) != 2 || !strings.Contains(p.Notes[0], "requires s;") || !strings.Contains(p.Notes[1], "default of t ") {
		t.Errorf("%+v, %v", p, err)
	}
}

// FuzzReadPlain: whatever document is read, what it is taken apart into is read too, and has the same method and body type.
func FuzzReadPlain(f *testing.F) {
	for _, e := range definition.Guide() {
		f.Add(e.Text)
	}
	f.Add(`{"url":"https://a.example/{{x}}","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_template":{"a&b":"{{x|default:'q'}} % {","l[]":["{{l}}",1,null]},"parameters":[{"name":"l","type":"array"},{"name":"x","default":3}]}`)
	f.Add(`{"url":"https://a.example/","body_template":"{\"a\": {{n}}, \"b\": \"{{n|trim}}\"} // c \"","parameters":[{"name":"n","type":"number"}]}`)
	resolve := func(s string) (string, error) { return s, nil }
	f.Fuzz(func(t *testing.T, text string) {
		p, _, err := definition.ReadPlain([]byte(text), definition.Options{})
		if err != nil {
			return
		}
		want, _, err := definition.Parse([]byte(text), definition.Options{Resolve: resolve})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := definition.Parse(again(t, p), definition.Options{Resolve: resolve})
		if err != nil {
			t.Fatalf("%v\n%s\n%+v", err, text, p)
		}
		vars := &template.Scope{Call: &call.Call{CallerNumber: "+15559876543", Params: map[string]any{"n": "4", "x": "a b"}}}
		w, werr := want.Render(vars)
		g, gerr := got.Render(vars)
		if (werr == nil) != (gerr == nil) && !errors.Is(werr, definition.ErrRequired) {
			t.Fatalf("%v and %v: %s", werr, gerr, text)
		}
		if werr == nil && (w.Method != g.Method || w.ContentType != g.ContentType || w.URL != g.URL) {
			t.Errorf("%+v and %+v", w, g)
		}
	})
}
