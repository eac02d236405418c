package definition

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/template"
)

// The URL of the configuration takes the place of the document's, whose variables are then not asked for.
func TestURLOfTheOptions(t *testing.T) {
	number := &template.Scope{Call: &call.Call{CallerNumber: "+15559876543"}}
	for _, doc := range []string{
		`{"url":"https://api.hubapi.com/contacts/v1/contact/createOrUpdate/email/{{email}}","body_template":{"phone":"{{caller_number}}"}}`,
		`{"body_template":{"phone":"{{caller_number}}"}}`,
		`{"url":"no URL at all {{","body_template":{"phone":"{{caller_number}}"}}`,
	} {
		d, problems, err := Parse([]byte(doc), Options{URL: "https://crm.example/calls/{{caller_number}}"})
		if err != nil || len(problems) != 0 {
			t.Fatalf("%s: %v %v", doc, problems, err)
		}
		r, err := d.Render(number)
		if err != nil || r.URL != "https://crm.example/calls/%2B15559876543" {
			t.Errorf("%s: %v %v", doc, r, err)
		}
	}
	_, problems, err := Parse([]byte(`{"url":"https://x.example/","body_template":{}}`), Options{Name: "d.json", URL: "http://crm.example/?token=abc"})
	if err != nil || len(problems) != 2 {
		t.Fatalf("%v %v", problems, err)
	}
	for _, p := range problems {
		if p.Field != "url" || p.Line != 0 {
			t.Errorf("a problem of the configuration's URL is said to be one of the document: %+v", p)
		}
	}
	for _, address := range []string{"https://{{email}}/", "ftp://x.example/", "https://x.example/{env.NONE}"} {
		if _, _, err := Parse([]byte(`{"url":"https://x.example/"}`), Options{URL: address}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// What stood in a reference is not shown, wherever it was in the URL.
func TestShowURL(t *testing.T) {
	values := map[string]string{
		"{env.PATH_SECRET}": "T0/B0/s3cret\n", "{env.WHOLE}": "https://hooks.example/services/s3cret?k=s3cret", "{env.HOST}": "crm.example:8443",
		"{env.BASE}": "https://crm.example", "{env.ROOT}": "https://crm.example/", "{env.SCHEME}": "https", "{env.QUERY}": "https://crm.example?s3cret",
		"{env.HOST_AND_PATH}": "crm.example/s3cret", "{env.ODD}": "s3cret{{email}}",
	}
	resolve := func(ref string) (string, error) {
		if v, ok := values[ref]; ok {
			return v, nil
		}
		return "", errors.New("no such reference")
	}
	for written, want := range map[string]string{
		"https://hooks.example/services/{env.PATH_SECRET}":        "https://hooks.example/services/***",
		"https://hooks.example/{env.PATH_SECRET}/x/{{email}}":     "https://hooks.example/***/x/m%40x.example",
		"https://hooks.example/{{email}}/{env.PATH_SECRET}?a=1":   "https://hooks.example/m%40x.example/***?a=1",
		"https://hooks.example/x?k={env.PATH_SECRET}&b={{email}}": "https://hooks.example/x?k=***&b=m%40x.example",
		"{env.WHOLE}":                      "https://hooks.example/***",
		"{env.QUERY}":                      "https://crm.example?***",
		"{env.BASE}/v1/{{email}}":          "https://crm.example/v1/m%40x.example",
		"{env.ROOT}":                       "https://crm.example/",
		"{env.ROOT}v1":                     "https://crm.example/v1",
		"https://{env.HOST}/v1":            "https://crm.example:8443/v1",
		"{env.SCHEME}://{env.HOST}/v1":     "https://crm.example:8443/v1",
		"https://{env.HOST_AND_PATH}/more": "https://crm.example/***/more",
		"https://x.example/{env.ODD}":      "https://x.example/***",
		"https://x.example/plain":          "https://x.example/plain",
	} {
		d, _, err := Parse([]byte(`{"url":"`+written+`"}`), Options{Resolve: resolve})
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		v := &template.Scope{Call: &call.Call{Email: "m@x.example"}}
		got, err := d.ShowURL(v)
		if err != nil || got != want {
			t.Errorf("%s is shown as %s (%v), want %s", written, got, err, want)
		}
		r, err := d.Render(v)
		if err != nil || strings.Contains(r.URL, Masked) || strings.Contains(r.URL, "\n") {
			t.Errorf("%s is sent as %v (%v)", written, r, err)
		}
	}
}

// FuzzShowURL: whatever the URL around it looks like, what a reference put behind the host is not shown.
func FuzzShowURL(f *testing.F) {
	f.Add("https://hooks.example/", "?a=1")
	f.Add("", "/x")
	f.Add("https://", "")
	f.Add("https://a.example/{{email}}/", "{{email}}")
	f.Add("https://a.example/x?k=", "&{env.B}")
	const secret = "s3cr3tPATH"
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, secret) {
			return
		}
		for _, value := range []string{"https://hooks.example/" + secret, secret, "hooks.example/" + secret, "{{" + secret} {
			doc, err := json.Marshal(map[string]string{"url": before + "{env.A}" + after})
			if err != nil {
				t.Fatal(err)
			}
			d, _, err := Parse(doc, Options{Resolve: func(string) (string, error) { return value, nil }})
			if err != nil {
				continue // a secret in the place of the host is no URL, or the host
			}
			shown, err := d.ShowURL(&call.Call{Email: "m@x.example"})
			if err != nil {
				continue
			}
			u, err := url.Parse(shown)
			if err != nil {
				t.Fatalf("%q is no URL", shown)
			}
			if strings.Contains(u.RequestURI(), secret) || strings.Contains(u.Fragment, secret) {
				t.Fatalf("%q with %q is shown as %q", before+"{env.A}"+after, value, shown)
			}
		}
	})
}
