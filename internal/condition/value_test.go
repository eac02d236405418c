package condition

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestValuesOfAnAnswer(t *testing.T) {
	const answer = `{"id":7,"big":12345678901234567890,"data":{"contacts":[{"id":" c-1 ","ok":true}],"odd name":"x"},"none":null,"empty":"","half":1.5}`
	const xml = `<Response><Contact id="9">Mike</Contact></Response>`
	for _, c := range []struct{ path, body, want string }{
		{"$.id", answer, "7"},
		{"body.id", answer, "7"},
		{"$.half", answer, "1.5"},
		{"$.data.contacts[0].id", answer, "c-1"},
		{"$.data.contacts[0].ok", answer, "true"},
		{`$.data["odd name"]`, answer, "x"},
		{`$['id']`, answer, "7"},
		{"$[1].id", `[{"id":1},{"id":"two"}]`, "two"},
		{"$.data.contacts[1].id", answer, ""},
		{"$.data.contacts", answer, ""},
		{"$.data", answer, ""},
		{"$.none", answer, ""},
		{"$.empty", answer, ""},
		{"$.missing.deeper[3].id", answer, ""},
		{"$.id", "no JSON", ""},
		{"$.id", "", ""},
		{`$.Response.Contact["@id"]`, xml, "9"},
		{`header["location"]`, "", "/contacts/7"},
		{`text`, "  plain-7\n", "plain-7"},
		{"status", "", "201"},
	} {
		v, err := CompileValue(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if got := v.Eval(t.Context(), Answer{Status: 201, Header: http.Header{"Location": {"/contacts/7"}}, Body: []byte(c.body)}); got != c.want {
			t.Errorf("%s of %s is %q, want %q", c.path, c.body, got, c.want)
		}
	}
	for _, bad := range []string{"", "$..id", "$.items[*].id", "$.a.", "bdy.id", "$.items[?(@.x)]"} {
		if _, err := CompileValue(bad); !errors.Is(err, ErrCompile) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// FuzzValue: whatever an answer says, a value is a text that can be sent on, and no path breaks the evaluation.
func FuzzValue(f *testing.F) {
	f.Add("$.id", []byte(`{"id":7}`))
	f.Add(`$.a[0]["b"]`, []byte(`{"a":[{"b":"x"}]}`))
	f.Add(`header["location"] + text`, []byte("<a><b/></a>"))
	f.Add("$.a.map(x, x.b)[0]", []byte(`{"a":{"b":null}}`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		v, err := CompileValue(path)
		if err != nil {
			if !errors.Is(err, ErrCompile) {
				t.Error(err)
			}
			return
		}
		got := v.Eval(t.Context(), Answer{Status: 200, Header: http.Header{"Location": {"/x"}}, Body: body})
		if got != strings.TrimSpace(got) {
			t.Errorf("%q has spaces around it", got)
		}
	})
}
