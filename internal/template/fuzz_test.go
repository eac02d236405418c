package template

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/charset"
)

// hostile are values that break out of something.
var hostile = []string{
	`"`, `\`, `\"`, "\"}", "]]>", "</a>", "<!--", "'", "&", "&amp;", "\r\n", "\x00", "\xff\xfe", "\u2028", "{{a}}", "../", "..", "%2e%2e",
	"?x#y", "a@evil.example", "//evil.example", `\\evil`, ":8080", "a=b&c", "+", "%", "</script>", "\uFFFE", "-1e5", "[1]", "{\"a\":1}", "null",
}

// Templates are fuzzed together with values: what compiles must hold whatever it is filled with.
func seed(f *testing.F, sources ...string) {
	for _, s := range sources {
		for i, h := range hostile {
			f.Add(s, h, hostile[(i+7)%len(hostile)], uint8(i))
		}
	}
}

// compiled is nil for a source that is no template.
func compiled(source string, context Context, policy uint8) *Template {
	tpl, err := Compile(source, context, Options{Policy: Policy(policy % 3), Types: map[string]Type{
		"a": Types[policy%6], "b": Types[policy/6%6],
	}})
	if err != nil {
		return nil
	}
	return tpl
}

// rendered is the result, and ok whether there is one: an error is an answer, too.
func rendered(tpl *Template, a, b string) (out []byte, ok bool) {
	out, err := tpl.Append(nil, vars{"a": a, "b": b, "list": []any{a, b}, "object": map[string]any{a: b}, "number": json.Number(a)})
	return out, err == nil
}

func FuzzJSON(f *testing.F) {
	seed(f, `{"x":"{{a}} {{b}}","y":"{{a}}","z":{{b}}}`, `[{{list}},"{{object|json}}",{"k":"{{number}}"},"\u00e9{{a|json|truncate:3}}"]`, "// c\n\"{{a|default:\\\"x\\\"}}\"")
	f.Fuzz(func(t *testing.T, source, a, b string, policy uint8) {
		tpl := compiled(source, JSON, policy)
		if tpl == nil {
			return
		}
		for _, v := range [][2]string{{a, b}, {"", b}, {"", ""}} {
			out, ok := rendered(tpl, v[0], v[1])
			if ok && (!json.Valid(out) || !utf8.Valid(out)) {
				t.Fatalf("%q with %q: %q is not valid JSON", source, v, out)
			}
			// The shape is the template's: only values of a declared or natural type may have one of their own.
			if ok && policy%3 == 0 && tpl.root.kind == kindObject {
				var m map[string]json.RawMessage
				if err := json.Unmarshal(out, &m); err != nil || len(m) != len(tpl.root.kids) {
					t.Fatalf("%q with %q: %q has other members than the template (%v)", source, v, out, err)
				}
			}
		}
	})
}

func FuzzXML(f *testing.F) {
	seed(f, `<r><x y="{{a}}" z='{{b}}'>{{a}}{{b}}</x></r>`, `<r><![CDATA[]]{{a}}>{{b}}]]]]>{{list}}</r>`, `<r><x y="{{list|each}}"/><z>{{list|each|upper}}</z></r>`, `<?xml version="1.0"?><!-- c --><r>{{object}}</r>`, `<?xml version="1.0" encoding="latin1"?><r é="{{a}}">日{{b}}</r>`)
	f.Fuzz(func(t *testing.T, source, a, b string, policy uint8) {
		tpl := compiled(source, XML, policy)
		if tpl == nil {
			return
		}
		count := func(out []byte) (elements int) {
			d := xml.NewDecoder(bytes.NewReader(out))
			d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) { return charset.Find(label).Reader(r), nil }
			for {
				token, err := d.Token()
				if err == io.EOF {
					return elements
				}
				if err != nil {
					t.Fatalf("%q with %q, %q: %q: %v", source, a, b, out, err)
				}
				if _, ok := token.(xml.StartElement); ok {
					elements++
				}
			}
		}
		out, ok := rendered(tpl, a, b)
		plain, ok2 := rendered(tpl, "x", "x")
		// Filters behind each may leave nothing of some elements, which are left out then.
		if ok && ok2 && !strings.Contains(source, "each") && a != "" && b != "" && tpl.policy != OmitEmpty && count(out) != count(plain) {
			t.Fatalf("%q with %q, %q: %q has other elements than %q", source, a, b, out, plain)
		} else if ok {
			count(out)
		}
	})
}

func FuzzURL(f *testing.F) {
	seed(f, "https://x.example/{{a}}/b?c={{b}}", "http://x.example:80/{{a}}{{b}}.{{a}}", "https://x.example?{{a}}={{b}}#f", "https://x.example/%2e{{a}}/")
	f.Fuzz(func(t *testing.T, source, a, b string, policy uint8) {
		tpl := compiled(source, URL, policy)
		if tpl == nil {
			return
		}
		out, ok := rendered(tpl, a, b)
		if !ok {
			return
		}
		got, err := url.Parse(string(out))
		if err != nil {
			t.Fatalf("%q with %q, %q: %v", source, a, b, err)
		}
		authority := func(s string) string {
			s = s[strings.Index(s, "://")+3:]
			if i := strings.IndexAny(s, "/?#"); i >= 0 {
				s = s[:i]
			}
			return s
		}
		want, err := url.Parse("http://" + authority(source))
		if err != nil || got.Host != want.Host || got.User != nil || got.Fragment != "" {
			t.Fatalf("%q with %q, %q: %q has another host", source, a, b, out)
		}
		slashes := strings.Count(cutAny(source, "?#"), "/")
		if strings.Contains(source, "{{'") || strings.Contains(source, `{{"`) || strings.Contains(source, "|") {
			return // constants and arguments may hold slashes and question marks of their own
		}
		if strings.Count(cutAny(string(out), "?#"), "/") != slashes {
			t.Fatalf("%q with %q, %q: %q has other segments", source, a, b, out)
		}
		for _, c := range out {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("%q with %q, %q: %q has a byte %#x", source, a, b, out, c)
			}
		}
		before, after := strings.Count(source, "/.."), strings.Count(strings.ReplaceAll(strings.ToLower(string(out)), "%2e", "."), "/../")
		if after > before+strings.Count(strings.ToLower(source), "%2e") {
			t.Fatalf("%q with %q, %q: %q climbs", source, a, b, out)
		}
	})
}

func cutAny(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}

func FuzzForm(f *testing.F) {
	seed(f, "x={{a}}&y={{b}}", "{{a}}={{b}} é\n&z=%20{{list}}", "x[]={{list}}&{{list|each}}=b&y={{object}}")
	f.Fuzz(func(t *testing.T, source, a, b string, policy uint8) {
		tpl := compiled(source, Form, policy)
		if tpl == nil {
			return
		}
		out, ok := rendered(tpl, a, b)
		if !ok {
			return
		}
		if strings.Contains(string(out), ";") {
			return // net/url refuses semicolons, which the constant text may hold
		}
		got, err := url.ParseQuery(string(out))
		if err != nil {
			t.Fatalf("%q with %q, %q: %q: %v", source, a, b, out, err)
		}
		pairs := 0
		for _, v := range got {
			pairs += len(v)
		}
		most := 0
		for i := range tpl.root.kids {
			if most++; tpl.root.kids[i].kind == kindRepeat {
				most++ // the list has two
			}
		}
		if tpl.policy == Empty && pairs > most {
			t.Fatalf("%q with %q, %q: %q has more pairs than the template", source, a, b, out)
		}
	})
}

func FuzzHeader(f *testing.F) {
	seed(f, "{{a}}", "Bearer {{a}}{{b}} x", "{{list}}{{object}}")
	f.Fuzz(func(t *testing.T, source, a, b string, policy uint8) {
		tpl := compiled(source, Header, policy)
		if tpl == nil {
			return
		}
		if out, ok := rendered(tpl, a, b); ok {
			for _, c := range out {
				if control(c) {
					t.Fatalf("%q with %q, %q: %q has a control character", source, a, b, out)
				}
			}
		}
	})
}
