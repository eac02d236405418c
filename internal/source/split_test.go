package source

import (
	"errors"
	"slices"
	"strings"
	"testing"
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
