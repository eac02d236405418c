package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScanAcceptsWhatEncodingJSONAccepts(t *testing.T) {
	for _, text := range seeds {
		var d Doc
		err := d.Scan([]byte(text))
		if ok := json.Valid([]byte(text)); ok != (err == nil) {
			t.Errorf("%.60q: encoding/json says %t, Scan %v", text, ok, err)
		}
	}
}

func TestScanRefusesDeepNesting(t *testing.T) {
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	var d Doc
	if err := d.Scan(deep(MaxDepth)); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	if err := d.Scan(deep(MaxDepth + 1)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("%d levels: got %v, want ErrTooDeep", MaxDepth+1, err)
	}
	if d.Root().Kind() != Missing {
		t.Error("a refused text left a value behind")
	}
}

func TestValueLooksUpMembersAndElements(t *testing.T) {
	var d Doc
	text := `{"a":{"b":[1,"two",{"c":null}]},"id":5314479320940544001,"d\u0075p":1,"dup":2,"s":"\u00e9\ud83d\ude00\ud83d"}`
	if err := d.Scan([]byte(text)); err != nil {
		t.Fatal(err)
	}
	r := d.Root()
	for _, c := range []struct {
		name string
		v    Value
		kind Kind
		text string
	}{
		{"a path", r.Path("a", "b").Index(1), String, "two"},
		{"the last element", r.Path("a", "b").Index(-1).Get("c"), Null, ""},
		{"beyond the end", r.Path("a", "b").Index(3), Missing, ""},
		{"before the start", r.Path("a", "b").Index(-4), Missing, ""},
		{"a number keeps its text", r.Get("id"), Number, "5314479320940544001"},
		{"the last of duplicates, escaped or not", r.Get("dup"), Number, "2"},
		{"escapes, a pair and a lone surrogate", r.Get("s"), String, "é😀\uFFFD"},
		{"a member of what is not there", r.Path("x", "y", "z"), Missing, ""},
		{"a member of a number", r.Path("id", "y"), Missing, ""},
	} {
		if c.v.Kind() != c.kind || c.v.Text() != c.text {
			t.Errorf("%s: got kind %d %q, want %d %q", c.name, c.v.Kind(), c.v.Text(), c.kind, c.text)
		}
	}
	if n := r.Len(); n != 5 {
		t.Errorf("the object has %d members, want 5", n)
	}
}

func TestScanReusesItsMemory(t *testing.T) {
	var d Doc
	body := sample(t)
	if n := testing.AllocsPerRun(100, func() {
		if d.Scan(body) != nil || d.Root().Path("call", "call_id").Kind() != String {
			t.Fatal("sample was not read")
		}
	}); n != 0 {
		t.Errorf("%v allocations a scan, want none", n)
	}
}

var seeds = []string{
	``, ` `, `{}`, `[]`, `null`, `true`, `false`, `"a"`, `0`, `-0`, `01`, `-`, `1.`, `.5`, `1.5e`, `1.5e+3`, `1E-9`,
	`{"a":1}`, `{"a":1,}`, `{"a" :1 , "b":[1, 2 ]}`, `[1,]`, `[,1]`, `{"a"}`, `{1:2}`, `{"a":1}{`, `nul`, `nulll`, `truex`,
	`"\u00e9"`, `"\u00g9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\x"`, `"\`, `"abc`, "\"a\nb\"", "\"\x1f\"", "\"\x7f\"",
	"\"\xff\xfe\"", "\"long enough for the word loop \\n and more of it\"", "\"12345678\x01\"", "\"1234567\\\"8\"", "\xef\xbb\xbf{}",
	`{"a":{"b":{"c":[[[{}]]]}}}`, ` { "k" : "v" } `, "\"\u2028\"", `{"":0,"":1}`, "[\"\x80\u00a0!\"]", `"!!!!!!!"`, "\"\u0121\u0122\"",
}

func FuzzScanAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	var d Doc
	f.Fuzz(func(t *testing.T, text []byte) {
		err := d.Scan(text)
		if d.Size() > len(text) {
			t.Fatalf("%d bytes are %d values", len(text), d.Size()) // a stranger's bytes are scanned before they are verified
		}
		if errors.Is(err, ErrTooDeep) {
			return
		}
		if ok := json.Valid(text); ok != (err == nil) {
			t.Fatalf("encoding/json says %t, Scan %v", ok, err)
		}
		if err != nil {
			return
		}
		var want any
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := d.Root().Interface(); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, want %#v", got, want)
		}
		for _, share := range []func(){d.Share, d.ShareAll} {
			if d.Scan(text) != nil {
				t.Fatal("what was read once is not read again")
			}
			share()
			for range 2 {
				if got := d.Root().Interface(); !reflect.DeepEqual(got, want) {
					t.Fatalf("shared: got %#v, want %#v", got, want)
				}
			}
		}
		obj, _ := want.(map[string]any)
		for k, v := range obj {
			// A key of invalid UTF-8 is decoded with U+FFFD in it, and nobody looks for that.
			if strings.ContainsRune(k, utf8.RuneError) {
				continue
			}
			if got := d.Root().Get(k).Interface(); !reflect.DeepEqual(got, v) {
				t.Fatalf("Get(%q): got %#v, want %#v", k, got, v)
			}
		}
	})
}

func sample(t testing.TB) []byte {
	body, err := os.ReadFile(filepath.Join("..", "..", "testdata", "payloads", "retell-call-analyzed.json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func BenchmarkScan(b *testing.B) {
	body := sample(b)
	var d Doc
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Scan(body); err != nil {
			b.Fatal(err)
		}
	}
}
