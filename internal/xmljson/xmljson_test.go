package xmljson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	for body, want := range map[string]string{
		`<a/>`: `{"a":""}`,
		`<n:a xmlns:n="urn:x" id="1"><n:b> x </n:b><c>1</c><c>2</c>text</n:a>`: `{"a":{"@id":"1","b":"x","c":["1","2"],"#text":"text"}}`,
		"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>":               `{"a":"ä"}`,
	} {
		out, root, err := Convert([]byte("…"), []byte(body))
		if err != nil || root != "a" || string(out) != "…"+want {
			t.Errorf("%s: %s, %q, %v, want %s", body, out, root, err, want)
		}
	}
	for body, want := range map[string]error{
		``: ErrMalformed, `<a>`: ErrMalformed, `<a/><b/>`: ErrMalformed, `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`: ErrMalformed,
		strings.Repeat("<a>", MaxDepth+1):                           ErrTooDeep,
		"<a>" + strings.Repeat("<b/>", MaxElements) + "</a>":        ErrTooMany,
		"<?xml version='1.0' encoding='ebcdic'?><a>" + "x" + "</a>": ErrMalformed,
	} {
		if out, _, err := Convert(nil, []byte(body)); !errors.Is(err, want) || len(out) != 0 {
			t.Errorf("%.40s: %s, %v, want %v", body, out, err, want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(`<n:a xmlns:n="urn:x" id="1"><n:b> x </n:b><c>1</c><c>2</c>text</n:a>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, root, err := Convert(nil, body)
		if err == nil && (!json.Valid(out) || root == "" && len(out) == 0) {
			t.Fatalf("%q", out)
		}
	})
}
