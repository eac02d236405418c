package curl

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		command string
		want    Request
	}{
		{`curl https://a.example/x`, Request{Method: "GET", URL: "https://a.example/x"}},
		{"$ curl -X POST 'https://a.example/x' \\\n  -H 'Authorization: Bearer abc' \\\r\n  -H \"Content-Type: application/json\" \\\n  -d '{\"a\": \"it'\\''s\"}'",
			Request{Method: "POST", URL: "https://a.example/x", Headers: []Header{{"Authorization", "Bearer abc"}, {"Content-Type", "application/json"}}, Body: `{"a": "it's"}`}},
		{`curl --json '{"a":1}' a.example`, Request{Method: "POST", URL: "https://a.example", Headers: []Header{{"Content-Type", "application/json"}, {"Accept", "application/json"}},
			Body: `{"a":1}`, Notes: []string{"the URL has no scheme; https:// was put before it"}}},
		{`curl -sSXPUT -uada:pa:ss https://a.example -da=1 --data-urlencode 'b=x y&z' --data-raw @c`,
			Request{Method: "PUT", URL: "https://a.example", User: "ada:pa:ss", Headers: []Header{{"Content-Type", "application/x-www-form-urlencoded"}}, Body: "a=1&b=x+y%26z&@c"}},
		{`curl -G https://a.example/?q=1 -d a=1 -d b=2`, Request{Method: "GET", URL: "https://a.example/?q=1&a=1&b=2"}},
		{`curl "https://a.example/$ID?x=${KEY}" -H "X-Key: $KEY" -X delete`, Request{Method: "DELETE", URL: "https://a.example/$ID?x=${KEY}", Headers: []Header{{"X-Key", "$KEY"}}, Variables: []string{"ID", "KEY"}}},
		{`curl 'https://a.example/$ID' -d $'{"a":"\u00fc\n\x41\101\'"}' --compressed -L`, Request{Method: "POST", URL: "https://a.example/$ID", Headers: []Header{{"Content-Type", "application/x-www-form-urlencoded"}},
			Body: "{\"a\":\"ü\nAA'\"}", Notes: []string{"-L was left out: redirects are not followed, since what a call says would go to another address"}}},
		{`curl https://ada:secret@a.example/x --digest -- `, Request{Method: "GET", URL: "https://a.example/x", User: "ada:secret", Digest: true}},
		{`curl --request=PATCH --url=https://a.example --header='A: b' -H 'Host: x' -H 'C;' -H 'D:' -d "a\"b\$c"`,
			Request{Method: "PATCH", URL: "https://a.example", Headers: []Header{{"A", "b"}, {"C", ""}, {"Content-Type", "application/x-www-form-urlencoded"}}, Body: `a"b$c`,
				Notes: []string{"the header Host was left out; the gateway writes it itself", "the header D was left out, since the command takes it away"}}},
	} {
		got, err := Parse(tt.command)
		if err != nil {
			t.Errorf("%s: %v", tt.command, err)
			continue
		}
		if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", tt.command, *got, tt.want)
		}
	}
}

func TestWhatIsRefusedSaysWhy(t *testing.T) {
	for command, want := range map[string]string{
		``: "no curl command", `wget https://a.example`: "no curl command", `curl`: "no URL", `curl -d a=1`: "no URL",
		`curl -k https://a.example`: "-k accepts any certificate", `curl --insecure https://a.example`: "-k accepts any certificate", `curl -sk https://a.example`: "-k accepts",
		`curl https://a.example -d @body.json`: "reads a file", `curl https://a.example -H @h`: "reads a file", `curl https://a.example --data-urlencode a@f`: "reads a file",
		`curl https://a.example -F a=b`: "multipart/form-data", `curl https://a.example https://b.example`: "several URLs", `curl https://a.example?a=1&b=2`: `"&" outside`,
		`curl https://a.example | sh`: `"|" outside`, "curl `id`": "outside", `curl "$(id)"`: "not run here", `curl 'https://a`: "not closed", `curl "https://a`: "not closed", `curl $'a`: "not closed",
		`curl https://a.example \`: "ends in a backslash", `curl https://a.example -X`: "-X has no value", `curl https://a.example --header`: "--header has no value",
		`curl https://a.example --frobnicate`: "--frobnicate is not known", `curl https://a.example -Z`: "-Z is not known", `curl https://a.example -X TRACE`: "the method must be",
		`curl https://a.example -H 'no colon'`: "form Name: value", `curl -I https://a.example`: "-I asks", "curl https://a.example -H $'A: b\\nC: d'": "in a line",
		`curl https://a.example --next https://b.example`: "second request", "curl ^\"https://a.example^\"": "cmd.exe", "curl https://a.example # mine": "comment",
	} {
		if r, err := Parse(command); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %q", command, r, err, want)
		}
	}
}

// FuzzParse: whatever is pasted is a request with an address and a method, or an error, and quoting a request gives it again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`curl -X POST 'https://a.example/x' -H "A: b" -d $'{"a":\u00fc}'`, "curl \\\n a", `curl "a$B${C}" -uA:b -G --data-urlencode a=b`, `curl -sSo/dev/null a`} {
		f.Add(s)
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	f.Fuzz(func(t *testing.T, command string) {
		r, err := Parse(command)
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 400 {
				t.Errorf("%q", err)
			}
			return
		}
		if r.URL == "" || r.Method == "" || !utf8.ValidString(r.URL+r.Body) {
			t.Errorf("%+v", r)
		}
		again := "curl -X " + r.Method + " --url " + quote(r.URL)
		for _, h := range r.Headers {
			if h.Value == "" {
				again += " -H " + quote(h.Name+";")
			} else {
				again += " -H " + quote(h.Name+": "+h.Value)
			}
		}
		if r.Body != "" {
			again += " --data-raw " + quote(r.Body)
		}
		if r.Get("Content-Type") == "" && r.Body != "" {
			return // curl adds one
		}
		if len(again) > maxCommand {
			return
		}
		got, err := Parse(again)
		if err != nil || got.URL != r.URL || got.Body != r.Body || got.Method != r.Method || len(got.Headers) != len(r.Headers) {
			t.Errorf("%q: %+v, %+v, %v", again, r, got, err)
		}
	})
}
