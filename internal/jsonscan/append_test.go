package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func FuzzAppendStringAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range []string{
		"", "plain", "long enough for the word loop, and then some", `"quoted" \ slashed`, "\b\f\n\r\t\x00\x1f\x7f", "é😀 in 8 bytes",
		"\u2028\u2029\u202a", "\xff\xfe", "cut short \xe2\x80", "<b>&amp;</b>", "1234567\"", "12345678\"", "\ufffd",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := AppendString([]byte("x"), s); "x"+strings.TrimSuffix(want.String(), "\n") != string(got) {
			t.Fatalf("got %s, want %s", got[1:], want.Bytes())
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	text := strings.Repeat("The kitchen pipe leaks, please call back.\n", 48)
	dst := make([]byte, 0, 2*len(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		dst = AppendString(dst[:0], text)
	}
}
