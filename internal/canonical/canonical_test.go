package canonical

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// cases hold a text and its two forms, as node 20 and Python 3.11 write them; "" stands for an error.
var cases = []struct{ name, in, js, py string }{
	{"empty", ``, ``, ``},
	{"white space", " \n", ``, ``},
	{"scalars", ` [true , false,null] `, `[true,false,null]`, `[true, false, null]`},
	{"empty containers", `{ "a" : { } , "b":[ ] }`, `{"a":{},"b":[]}`, `{"a": {}, "b": []}`},
	{"trailing comma", `[1,]`, ``, ``},
	{"trailing comma in object", `{"a":1,}`, ``, ``},
	{"two values", `1 2`, ``, ``},
	{"word cut short", `tru`, ``, ``},
	{"single quotes", `{'a':1}`, ``, ``},
	{"comment", `{"a":1} // x`, ``, ``},
	{"other white space", "\u00a01", ``, ``},

	{"integers", `[0,-0,7,-7,123456789012345,1234567890123456,12345678901234567890]`,
		`[0,0,7,-7,123456789012345,1234567890123456,12345678901234567000]`,
		`[0, 0, 7, -7, 123456789012345, 1234567890123456, 12345678901234567890]`},
	{"leading zero", `01`, ``, ``},
	{"plus", `+1`, ``, ``},
	{"bare point", `[.5]`, ``, ``},
	{"point at the end", `[1.]`, ``, ``},
	{"bare minus", `-`, ``, ``},
	{"floats", `[15000.00,42.0,0.1,1e3,-0.0,0.00001,1e16,1.5e-7,1E+2]`,
		`[15000,42,0.1,1000,0,0.00001,10000000000000000,1.5e-7,100]`,
		`[15000.0, 42.0, 0.1, 1000.0, -0.0, 1e-05, 1e+16, 1.5e-07, 100.0]`},
	{"switch to exponents", `[1e20,1e21,1e22,1e15,1e-6,1e-7,1e-4,123e-20,123456789012345680000.0]`,
		`[100000000000000000000,1e+21,1e+22,1000000000000000,0.000001,1e-7,0.0001,1.23e-18,123456789012345680000]`,
		`[1e+20, 1e+21, 1e+22, 1000000000000000.0, 1e-06, 1e-07, 0.0001, 1.23e-18, 1.2345678901234568e+20]`},
	{"extremes", `[5e-324,2e-324,1.7976931348623157e308,4.35,9007199254740993,0.1e-400]`,
		`[5e-324,0,1.7976931348623157e+308,4.35,9007199254740992,0]`,
		`[5e-324, 0.0, 1.7976931348623157e+308, 4.35, 9007199254740993, 0.0]`},
	{"out of range", `[1e999,-1e999]`, `[null,null]`, `[Infinity, -Infinity]`},
	{"NaN and infinities", `[NaN,Infinity,-Infinity]`, ``, `[NaN, Infinity, -Infinity]`},
	{"minus NaN", `[-NaN]`, ``, ``},

	{"duplicate keys", `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`, `{"a": 3, "b": 2}`},
	{"duplicate by escape", `{"a":1,"b":2,"\u0061":3}`, `{"a":3,"b":2}`, `{"a": 3, "b": 2}`},
	{"duplicate of an object", `{"a":{"x":1},"a":{"y":1}}`, `{"a":{"y":1}}`, `{"a": {"y": 1}}`},
	{"many duplicates", `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"c":10,"j":11}`,
		`{"a":1,"b":2,"c":10,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":11}`,
		`{"a": 1, "b": 2, "c": 10, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9, "j": 11}`},
	{"index keys", `{"b":1,"10":"ten","2":"two","a":2}`, `{"2":"two","10":"ten","b":1,"a":2}`, `{"b": 1, "10": "ten", "2": "two", "a": 2}`},
	{"no index keys", `{"b":1,"01":1,"-1":1,"1.0":1,"4294967295":1,"4294967294":1,"0":1,"":1}`,
		`{"0":1,"4294967294":1,"b":1,"01":1,"-1":1,"1.0":1,"4294967295":1,"":1}`,
		`{"b": 1, "01": 1, "-1": 1, "1.0": 1, "4294967295": 1, "4294967294": 1, "0": 1, "": 1}`},
	{"index keys in order", `{"1":1,"2":2,"a":3}`, `{"1":1,"2":2,"a":3}`, `{"1": 1, "2": 2, "a": 3}`},
	{"escaped index key", `{"a":0,"\u0031":1}`, `{"1":1,"a":0}`, `{"a": 0, "1": 1}`},
	{"duplicate index key", `{"a":0,"1":1,"0":2,"1":3}`, `{"0":2,"1":3,"a":0}`, `{"a": 0, "1": 3, "0": 2}`},
	{"proto", `{"__proto__":1,"toJSON":2}`, `{"__proto__":1,"toJSON":2}`, `{"__proto__": 1, "toJSON": 2}`},

	{"escapes", `"\"\\\/\b\f\n\r\t\u0001\u001F\u007f\u2028<>&"`,
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u007f\u2028<>&\"",
		`"\"\\/\b\f\n\r\t\u0001\u001f\u007f\u2028<>&"`},
	{"raw characters", "\"\u007f\u00eb\u2028\U0001f680\"", "\"\u007f\u00eb\u2028\U0001f680\"", `"\u007f\u00eb\u2028\ud83d\ude80"`},
	{"escaped characters", `"\u00EB\ud83d\ude80"`, "\"\u00eb\U0001f680\"", `"\u00eb\ud83d\ude80"`},
	{"lone surrogates", `"\ud83d \ude80\ud83d\ud83d\ude80\uDE80"`, "\"\\ud83d \\ude80\\ud83d\U0001f680\\ude80\"", `"\ud83d \ude80\ud83d\ud83d\ude80\ude80"`},
	{"surrogate, then another escape", `"\ud83d\n"`, `"\ud83d\n"`, `"\ud83d\n"`},
	{"bad escape", `"\x"`, ``, ``},
	{"short escape", `"\u00e"`, ``, ``},
	{"control character", "\"a\nb\"", ``, ``},
	{"no end", `"abc`, ``, ``},
	{"backslash at the end", `"abc\`, ``, ``},

	{"byte order mark", "\xef\xbb\xbf{\"a\":1}", ``, `{"a": 1}`},
	{"two byte order marks", "\xef\xbb\xbf\xef\xbb\xbf1", ``, ``},
	{"not UTF-8", "\"a\xffb\xc3\"", "\"a\ufffdb\ufffd\"", ``},
	{"cut short UTF-8", "\"\xe2\x82 \xf0\x9f\x9a \xe2\x82\xe2\x82\xac\"", "\"\ufffd \ufffd \ufffd\u20ac\"", ``},
	{"overlong and too large UTF-8", "\"\xc0\x80\xe0\x80\x80\xf4\x90\x80\x80\xf8\"", "\"" + strings.Repeat("\ufffd", 10) + "\"", ``},
	{"encoded surrogate", "\"\xed\xa0\xbd\xed\xba\x80\"", "\"" + strings.Repeat("\ufffd", 6) + "\"", `"\ud83d\ude80"`},
	{"encoded surrogates are another key", "{\"\xed\xa0\xbd\xed\xba\x80\":1,\"\U0001f680\":2}", "{\"" + strings.Repeat("\ufffd", 6) + "\":1,\"\U0001f680\":2}", `{"\ud83d\ude80": 1, "\ud83d\ude80": 2}`},
	{"not UTF-8 outside a string", "[1\xff]", ``, ``},
}

func TestForms(t *testing.T) {
	for _, c := range cases {
		for _, f := range []struct {
			name string
			do   func(dst, body []byte) ([]byte, error)
			want string
		}{{"js", JavaScript, c.js}, {"python", Python, c.py}} {
			got, err := f.do([]byte("x"), []byte(c.in))
			switch {
			case f.want == "" && (err == nil || string(got) != "x"):
				t.Errorf("%s %s: got %q, %v; want an error and dst unchanged", c.name, f.name, got, err)
			case f.want != "" && (err != nil || string(got) != "x"+f.want):
				t.Errorf("%s %s: got %q, %v; want %q", c.name, f.name, got, err, f.want)
			}
			if f.want == "" {
				continue
			}
			if again, err := f.do(nil, []byte(f.want)); f.name == "python" && (err != nil || string(again) != f.want) && c.name != "encoded surrogates are another key" {
				t.Errorf("%s %s: the form of the form is %q, %v", c.name, f.name, again, err)
			} else if f.name == "js" && (err != nil || string(again) != f.want) {
				t.Errorf("%s %s: the form of the form is %q, %v", c.name, f.name, again, err)
			}
		}
		if got, want := Valid([]byte(c.in)), c.js != "" || c.py != ""; got != want {
			t.Errorf("%s: Valid is %v", c.name, got)
		}
	}
}

func TestCompact(t *testing.T) {
	in := " {\n \"b\" : [ 1.00 , \"a \\u0062\\/ c\" ] ,\t\"b\":1e3, \"2\" : -0 } "
	want := `{"b":[1.00,"a \u0062\/ c"],"b":1e3,"2":-0}`
	if got, err := Compact(nil, []byte(in)); err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := Compact(nil, []byte(want)); err != nil || string(got) != want {
		t.Errorf("of the form: got %s, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	nest := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	for _, f := range []func(dst, body []byte) ([]byte, error){JavaScript, Python, Compact} {
		if _, err := f(nil, nest(MaxDepth)); err != nil {
			t.Errorf("depth %d: %v", MaxDepth, err)
		}
		if _, err := f(nil, nest(MaxDepth+1)); !errors.Is(err, ErrTooDeep) {
			t.Errorf("depth %d: %v", MaxDepth+1, err)
		}
	}
	digits := strings.Repeat("7", MaxIntDigits)
	if got, err := Python(nil, []byte(" -"+digits)); err != nil || string(got) != "-"+digits {
		t.Errorf("%d digits: %v", MaxIntDigits, err)
	}
	if _, err := Python(nil, []byte(digits+"7")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d digits: %v", MaxIntDigits+1, err)
	}
	if got, err := JavaScript(nil, []byte(digits+"7")); err != nil || string(got) != "null" {
		t.Errorf("many digits in JavaScript: %s, %v", got, err)
	}
}

// lead is 2 KiB, as webhooks are.
var lead = []byte(`{"lead":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com","duration":184,"score":0.93,"tags":["roof","urgent"],"notes":"` +
	strings.Repeat("The kitchen pipe leaks, please call back. ", 44) + `"}}`)

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool allocate at random")
	}
	spaced, err := json.MarshalIndent(json.RawMessage(lead), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 8<<10)
	for _, body := range [][]byte{lead, spaced} {
		if n := testing.AllocsPerRun(100, func() {
			dst, _ = JavaScript(dst[:0], body)
			dst, _ = Python(dst[:0], body)
			_ = Valid(body)
		}); n > 1 { // a collection may empty the pool
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkForms(b *testing.B) {
	spaced, _ := json.MarshalIndent(json.RawMessage(lead), "", "  ")
	dst := make([]byte, 0, 8<<10)
	for _, c := range []struct {
		name string
		body []byte
		f    func(dst, body []byte) ([]byte, error)
	}{{"js same", lead, JavaScript}, {"js", spaced, JavaScript}, {"python", lead, Python}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				dst, _ = c.f(dst[:0], c.body)
			}
		})
	}
}

// TestLinear: members of an object are found through a hash table, and a value that a later duplicate replaces is not
// written, however deep it is.
func TestLinear(t *testing.T) {
	var b bytes.Buffer
	b.WriteByte('{')
	for n := range 50_000 {
		i := n % 40_000
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"k`)
		b.WriteString(strings.Repeat("x", i%7))
		b.WriteByte(byte('a' + i%26))
		b.WriteByte(byte('a' + i/26%26))
		b.WriteByte(byte('a' + i/676%26))
		b.WriteString(`":[{"2":1,"1":1}]`)
	}
	b.WriteByte('}')
	got, err := JavaScript(nil, b.Bytes())
	if err != nil || !json.Valid(got) || len(got) >= b.Len() {
		t.Errorf("%d bytes became %d: %v", b.Len(), len(got), err)
	}
}
