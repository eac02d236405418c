package source

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/charset"
)

// TestCharsets: José Muñoz in every charset that senders use, and in none that is guessed.
func TestCharsets(t *testing.T) {
	utf16be := func(s string) (b string) {
		for _, r := range s {
			b += string([]byte{byte(r >> 8), byte(r)})
		}
		return b
	}
	utf16le := func(s string) (b string) {
		for _, r := range s {
			b += string([]byte{byte(r), byte(r >> 8)})
		}
		return b
	}
	const doc = `{"name":"José Muñoz"}`
	for name, body := range map[string]string{
		"UTF-8":                    doc,
		"with a mark":              "\xef\xbb\xbf" + doc,
		"Latin-1":                  "{\"name\":\"Jos\xe9 Mu\xf1oz\"}",
		"UTF-16":                   "\xff\xfe" + utf16le(doc),
		"UTF-16, big end first":    "\xfe\xff" + utf16be(doc),
		"UTF-16 without a mark":    utf16le(doc),
		"big, without a mark":      utf16be(doc),
		"a form in Latin-1":        "name=Jos%E9+Mu%F1oz&phone=1",
		"a form in UTF-8":          "name=Jos%C3%A9+Mu%C3%B1oz",
		"a form of bytes":          "name=Jos\xe9+Mu\xf1oz",
		"a multipart form":         "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nJos\xe9 Mu\xf1oz\r\n--B--\r\n",
		"with a file of any bytes": "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nJos\xe9 Mu\xf1oz\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n\xff\xfe\xe9\r\n--B--\r\n",
		"XML that says so":         "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><r><name>Jos\xe9 Mu\xf1oz</name></r>",
	} {
		c, err := newParser(t, "generic", Options{}).Parse(&Request{Body: []byte(body)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.FirstName != "José" || c.LastName != "Muñoz" {
			t.Errorf("%s: %q %q", name, c.FirstName, c.LastName)
		}
	}
	c, err := newParser(t, "generic", Options{}).Parse(&Request{Query: "name=Jos%E9+Mu%F1oz"})
	if err != nil || c.LastName != "Muñoz" {
		t.Errorf("a query: %v, %v", c, err)
	}
	// A text in UTF-8 that was cut within a character is that, and not one in Latin-1.
	c, err = newParser(t, "generic", Options{}).Parse(&Request{Body: []byte("{\"company\":\"Muñoz caf\xc3\"}")})
	if err != nil || c.Company != "Muñoz caf\ufffd" {
		t.Errorf("a cut text: %v, %v", c, err)
	}
}

func TestDamagedIsWhatNeedsAnotherCharset(t *testing.T) {
	for _, c := range []struct {
		charset, body string
		want          bool
	}{
		{"Shift_JIS", `{"name":"Jane"}`, false},
		{"Shift_JIS", "{\"name\":\"\x93\x63\"}", true},
		{"Shift_JIS", "name=%93c", true},
		{"Shift_JIS", "name=%C3%A9", false},
		{"ISO-8859-1", "name=%E9", false},
		{"", "name=%E9", false},
		{"koi8-r", "<?xml version=\"1.0\" encoding=\"koi8-r\"?><r>\xd0</r>", false},
	} {
		if got := damaged([]byte(c.body), c.charset); got != c.want {
			t.Errorf("%s %q: %t", c.charset, c.body, got)
		}
	}
}

// FuzzLegible: what is UTF-8 stays as it is but for its mark, and a text that was made legible is so.
func FuzzLegible(f *testing.F) {
	for _, s := range []string{"", "a", "Jos\xe9", "é\xe9", "\xff\xfea\x00", "\xfe\xff\x00a", "a\x00b\x00", "\xef\xbb\xbfa", "\xff\xfe\x00\xd8"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := legible(b)
		if len(got) > 3*len(b) {
			t.Fatalf("%q became %q", b, got)
		}
		if !bytes.Equal(charset.Guess(got), got) || utf8.Valid(b) && !utf8.Valid(got) {
			t.Fatalf("%q became %q", b, got)
		}
	})
}
