package source

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/jsonscan"
)

// TestSplitAt: each event is the body as it came, with one element in the array.
func TestSplitAt(t *testing.T) {
	generic, _ := Find("generic")
	for _, x := range []struct {
		path, body string
		want       []string // none is one event
	}{
		{"$.data.events", "\xef\xbb\xbf" + ` { "a" : 1, "data":{"events" : [ {"id":1} , {"id":[2]} ],"z":"\u0041"}} `,
			[]string{`{ "a" : 1, "data":{"events" : [{"id":1}],"z":"\u0041"}}`, `{ "a" : 1, "data":{"events" : [{"id":[2]}],"z":"\u0041"}}`}},
		{"$['data']['my events']", `{"data":{"my events":[{},{"x":1}]}}`, []string{`{"data":{"my events":[{}]}}`, `{"data":{"my events":[{"x":1}]}}`}},
		{"$", `[{"id":1},{"id":2}]`, []string{`{"id":1}`, `{"id":2}`}},
		{"$", `[{"id":1}]`, []string{`{"id":1}`}},
		{"$", `[]`, nil},
		{"$", `{"id":1}`, nil},
		{"$.e", `{"e":[{"id":1}]}`, nil}, // which is as it would be
		{"$.e", `{"e":[{"id":1},2]}`, nil},
		{"$.e", `{"e":{"id":1}}`, nil},
		{"$.e", `{"x":[{"id":1},{"id":2}]}`, nil},
		{"$.e", `{"e":[],"e":[{"id":1},{"id":2}]}`, []string{`{"e":[],"e":[{"id":1}]}`, `{"e":[],"e":[{"id":2}]}`}},
		{"$.e", `not JSON`, nil},
		{"$.e", `{"e":[` + strings.Repeat(`{},`, MaxEvents) + `{}]}`, nil},
		{"$.e", `{"x":"` + strings.Repeat("x", maxSplit/100) + `","e":[` + strings.Repeat(`{},`, 200) + `{}]}`, nil}, // would be too much
	} {
		p, err := generic.SplitAt(x.path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, part := range p.Split(&Request{Body: []byte(x.body)}) {
			got = append(got, string(part))
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s of %.80s: %.200q, want %q", x.path, x.body, got, x.want)
		}
	}
	if generic.Split(&Request{Body: []byte(`{"e":[{"id":1},{"id":2}]}`)}) != nil {
		t.Error("the preset itself was changed")
	}
	for _, path := range []string{"", "events", "$.a[0]", "$.a[*]", "$..a", "$.a["} {
		if _, err := generic.SplitAt(path); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// FuzzSplitAt: what is taken apart is JSON again, and has one element where the whole had them all.
func FuzzSplitAt(f *testing.F) {
	generic, _ := Find("generic")
	within, err := generic.SplitAt("$.data.events")
	if err != nil {
		f.Fatal(err)
	}
	whole, err := generic.SplitAt("$")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{`{"data":{"events":[{"a":1},{"b":[2]}]}}`, `[{"a":1}]`, `{"data":{"events":[{}, {}],"events":[{},{}]}}`, "\xef\xbb\xbf[{},{}]", `data[events]=1&x={"a":[{},{}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		for _, part := range within.Split(&Request{Body: body}) {
			var doc jsonscan.Doc
			if doc.Scan(part) != nil || doc.Root().Path("data", "events").Len() != 1 {
				t.Fatalf("%q of %q", part, body)
			}
		}
		for _, part := range whole.Split(&Request{Body: body}) {
			var doc jsonscan.Doc
			if doc.Scan(part) != nil || doc.Root().Kind() != jsonscan.Object {
				t.Fatalf("%q of %q", part, body)
			}
		}
		if string(body) != before {
			t.Fatal("the body was changed")
		}
	})
}
