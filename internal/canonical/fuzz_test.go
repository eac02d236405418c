package canonical

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzForms checks what has to hold for every text: a form is JSON (but for NaN and infinities), it is its own form,
// and it means what the text means.
func FuzzForms(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		js, jsErr := JavaScript(nil, in)
		py, pyErr := Python(nil, in)
		small, smallErr := Compact(nil, in)
		if !bytes.Equal(in, before) {
			t.Fatal("the text was changed")
		}
		if (jsErr == nil) != (smallErr == nil) || (jsErr == nil || pyErr == nil) != Valid(in) {
			t.Fatalf("they do not agree: %v, %v, %v", jsErr, pyErr, smallErr)
		}
		if jsErr == nil {
			if !json.Valid(js) || !utf8.Valid(js) {
				t.Fatalf("js: not JSON: %q", js)
			}
			if again, err := JavaScript(nil, js); err != nil || !bytes.Equal(again, js) {
				t.Fatalf("js: %q, then %q, %v", js, again, err)
			}
			if again, err := JavaScript(nil, small); err != nil || !bytes.Equal(again, js) {
				t.Fatalf("js of compact: %q, then %q, %v", js, again, err)
			}
			if !json.Valid(in) {
				t.Fatalf("accepted %q", in)
			}
		} else if json.Valid(in) && jsErr == ErrSyntax {
			t.Fatalf("refused %q", in)
		}
		if pyErr == nil {
			for _, c := range py {
				if c < ' ' || c > '~' {
					t.Fatalf("python: not ASCII: %q", py)
				}
			}
			again, err := Python(nil, py)
			if err != nil || !bytes.Equal(again, py) && !bytes.Contains(in, []byte{0xed}) { // an encoded pair of surrogates becomes a character
				t.Fatalf("python: %q, then %q, %v", py, again, err)
			}
		}
	})
}
