package definition

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/template"
)

// TestCharsetOfTheBody is the one that the Content-Type names, in every form that a body has.
func TestCharsetOfTheBody(t *testing.T) {
	v := &template.Scope{Call: &call.Call{FirstName: "Jürgen", Message: "5 € – “now” 日"}}
	for name, c := range map[string]struct{ contentType, body, want string }{
		"form":      {"application/x-www-form-urlencoded; charset=ISO-8859-1", `"n={{first_name}}&m={{message}}"`, "n=J%FCrgen&m=5+EUR+-+%22now%22+%3F"},
		"object":    {"application/x-www-form-urlencoded; charset=windows-1252", `{"n":"{{first_name}}","m":"{{message}}"}`, "n=J%FCrgen&m=5+%80+%96+%93now%94+%3F"},
		"multipart": {"multipart/form-data; charset=ISO-8859-1", `{"n":"{{first_name}}","m":"{{message}}"}`, "\r\n\r\nJ\xfcrgen\r\n"},
		"text":      {"text/plain; charset=iso-8859-1", `"{{first_name}}: {{message}}"`, "J\xfcrgen: 5 EUR - \"now\" ?"},
		"XML":       {"text/xml; charset=iso-8859-1", `"<a n='{{first_name}}'>{{message}}</a>"`, `<?xml version="1.0" encoding="ISO-8859-1"?><a n='J` + "\xfcrgen'>5 &#x20AC; &#x2013; &#x201C;now&#x201D; &#x65E5;</a>"},
		"declared":  {"text/xml", `"<?xml version='1.0' encoding='ISO-8859-1'?><a>{{first_name}}</a>"`, "<a>J\xfcrgen</a>"},
		"JSON":      {"application/json; charset=iso-8859-1", `{"n":"{{first_name}}","m":"{{message|truncate:3}}"}`, "{\"n\":\"J\xfcrgen\",\"m\":\"5 \\u20ac\"}"},
		"UTF-8":     {"text/plain; charset=UTF-8", `"{{first_name}}"`, "Jürgen"},
	} {
		d, _, err := Parse([]byte(`{"url":"https://x.example/?n={{first_name}}","headers":{"Content-Type":"`+c.contentType+`","X-Name":"{{first_name}}"},"body_template":`+c.body+`}`), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := d.Render(v)
		if err != nil || !strings.Contains(string(r.Body), c.want) || !strings.HasPrefix(r.ContentType, c.contentType) {
			t.Errorf("%s: %q (%s), %v\nwant %q", name, r.Body, r.ContentType, err, c.want)
			continue
		}
		if r.URL != "https://x.example/?n=J%C3%BCrgen" || r.Header.Get("X-Name") != "Jürgen" {
			t.Errorf("%s: %s, %v", name, r.URL, r.Header)
		}
		told := strings.Join(r.Warnings, "; ")
		if lost := name == "form" || name == "object" || name == "multipart" || name == "text"; lost != strings.Contains(told, "does not have were written as near to them as it can") {
			t.Errorf("%s: told %q", name, told)
		}
	}
}
