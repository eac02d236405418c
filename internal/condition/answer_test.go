package condition

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestSuccess(t *testing.T) {
	const graphQL, fine = `{"data":null,"errors":[{"message":"no such field"}]}`, `{"data":{"id":7}}`
	const xmlError = `<?xml version="1.0"?><r:Response xmlns:r="urn:x" id="3"><r:Status>ERROR</r:Status><Code>7</Code></r:Response>`
	for _, c := range []struct {
		text, body string
		want       bool
	}{
		{`!has(body.errors)`, graphQL, false},
		{`!has(body.errors)`, fine, true},
		{`!has(body.errors)`, ``, true},
		{`size(body.errors) == 0`, graphQL, false},
		{`body.success`, `{"success":false}`, false},
		{`body.success`, `{"success":"true"}`, true},
		{`body.success == true`, `{"success":true}`, true},
		{`body.success`, `<html>not found</html>`, false},
		{`body.success`, `{"success":true} and more`, false},
		{`body.success`, ``, false},
		{`body.result.code == 0`, `{"result":{"code":0}}`, true},
		{`body.result.code == 0`, `{"result":{"code":12345678901234567890}}`, false},
		{`body[0].ok && body[1].ok`, `[{"ok":true},{"ok":false}]`, false},
		{`body.all(b, b.ok)`, `[{"ok":true},{"ok":true}]`, true},
		{`body == "OK"`, `"OK"`, true},
		{`body.Response.Status != "ERROR"`, xmlError, false},
		{`body.Response["@id"] == "3" && body.Response.Code < 10`, xmlError, true},
		{`body.Response.Status != "ERROR"`, "\xef\xbb\xbf<Response><Status> OK </Status></Response>", true},
		{`body.R.Item.exists(i, i == "b")`, `<R><Item>a</Item><Item>b</Item></R>`, true},
		{`body.R.x`, `<R><x>true</x`, false},
		{`text.startsWith("OK")`, "OK 17", true},
		{`text.contains("queued")`, "Error", false},
		{`text == "\ufffd"`, "\xff", true},
		{`status == 201`, ``, true},
		{`status < 300 && header["x-result"] == "accepted"`, ``, true},
		{`header.Location.endsWith("/thanks")`, ``, true},
		{`header["x-other"] == ""`, ``, true},
		{`has(header.location) && !has(header.nothing)`, ``, true},
	} {
		s, err := CompileSuccess(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		h := http.Header{"X-Result": {"accepted"}, "Location": {"https://x.example/thanks"}}
		got, err := s.Eval(t.Context(), Answer{Status: 201, Header: h, Body: []byte(c.body)})
		if err != nil || got != c.want {
			t.Errorf("%s on %s = %v, %v, want %v", c.text, c.body, got, err, c.want)
		}
	}
}

// What cannot be told is no success, and the error quotes nothing of the answer.
func TestSuccessThatCannotBeTold(t *testing.T) {
	for _, text := range []string{`int(body.name) == 3`, `body.name + 1 == 2`, `body.list.all(a, body.list.all(b, a == b))`} {
		s, err := CompileSuccess(text)
		if err != nil {
			t.Fatal(err)
		}
		body := `{"name":"Mike","list":[` + strings.Repeat(`1,`, 2000) + `1]}`
		ok, err := s.Eval(t.Context(), Answer{Status: 200, Body: []byte(body)})
		if ok || !errors.Is(err, ErrEval) || strings.Contains(err.Error(), "Mike") {
			t.Errorf("%s = %v, %v", text, ok, err)
		}
	}
	for text, want := range map[string]string{"": "empty", "call.urgent": "status, header, body, text", "status ==": "line 1"} {
		if _, err := CompileSuccess(text); !errors.Is(err, ErrCompile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzReadBody(f *testing.F) {
	for _, s := range []string{`{"a":[1,null,true]}`, `<a b="1"><c>x</c></a>`, "\xef\xbb\xbf<a/>", `<?xml version="1.0" encoding="latin1"?><a>\xe4</a>`, `<a><b></a>`, `[`, ``} {
		f.Add([]byte(s))
	}
	s, err := CompileSuccess(`body.a.b[0].c == "x" || has(body.a) || body.exists(k, k == "a")`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if ok, err := s.Eval(t.Context(), Answer{Body: body}); err != nil && (ok || strings.Contains(err.Error(), "broke")) {
			t.Fatalf("%v, %v", ok, err)
		}
	})
}
