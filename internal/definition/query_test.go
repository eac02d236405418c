package definition

import (
	"net/url"
	"strings"
	"testing"
)

// TestFormsAreEscapedAsURLsAre, whatever is in them.
func TestFormsAreEscapedAsURLsAre(t *testing.T) {
	var all strings.Builder
	for c := range 256 {
		all.WriteByte(byte(c))
	}
	for _, text := range []string{"", " ", "a b+c&d=e", "Müller %41 😀", all.String(), strings.Repeat("User: hello\n", 1000)} {
		if got, want := string(appendQuery([]byte("x="), []byte(text))), "x="+url.QueryEscape(text); got != want {
			t.Errorf("%q is written as %q, want %q", text, got, want)
		}
	}
}
