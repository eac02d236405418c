package template

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// isNumber agrees with encoding/json about every short text of the characters that numbers are made of.
func TestIsNumber(t *testing.T) {
	const alphabet = "-+.eE019"
	var all func(s string, n int)
	all = func(s string, n int) {
		if want := s != "" && json.Valid([]byte(s)); isNumber(s) != want {
			t.Errorf("isNumber(%q) = %v", s, !want)
		}
		for i := 0; n > 0 && i < len(alphabet); i++ {
			all(s+alphabet[i:i+1], n-1)
		}
	}
	all("", 5)
	if isNumber(" 1") || isNumber("1 ") || isNumber("0x1") || isNumber("١") {
		t.Error("isNumber takes what is no number in JSON")
	}
}

func TestTyped(t *testing.T) {
	for _, tt := range []struct {
		value any
		typ   Type
		want  string
		fits  bool
	}{
		{"-0.000", Integer, "0", true}, {"7.5", Integer, `"7.5"`, false}, {"1e3", Integer, "1000", true}, {"1.5e0", Integer, `"1.5e0"`, false},
		{"1e400", Integer, `"1e400"`, false}, {"1e400", Number, "1e400", true}, {"123456789012345678901234567890", Integer, "123456789012345678901234567890", true},
		{" 5 ", Number, "5", true}, {"+5", Number, `"+5"`, false}, {"1,500", Number, `"1,500"`, false}, {"", Number, `""`, false}, {true, Number, `"true"`, false},
		{json.Number("nope"), Number, `"nope"`, false}, {1.25, Number, "1.25", true}, {"off", Boolean, "false", true}, {json.Number("1"), Boolean, "true", true},
		{"maybe", Boolean, `"maybe"`, false}, {"[1", Array, `"[1"`, false}, {"{}", Array, `"{}"`, false}, {"[\"\xff\"]", Array, "[\"\uFFFD\"]", true},
		{5, Object, `"5"`, false}, {[]any{}, Array, "[]", true}, {map[string]any{}, Object, "{}", true}, {true, String, `"true"`, true},
	} {
		got, fits := appendTyped([]byte("x"), tt.value, tt.typ)
		if string(got) != "x"+tt.want || fits != tt.fits {
			t.Errorf("%#v as %s: got %s, %v", tt.value, tt.typ, got[1:], fits)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	deep := any("x")
	for range maxDepth + 5 {
		deep = []any{deep}
	}
	if out := appendJSON(nil, deep, 0); !json.Valid(out) || !strings.Contains(string(out), "null") {
		t.Errorf("too deep a value: %s", out)
	}
	for want, v := range map[string]any{
		"null": nil, `"x"`: json.Number("x"), "1e5": json.Number("1e5"), "1e+21": 1e21, "-3": int64(-3), `{"a":"b"}`: map[string]string{"a": "b"},
		`"1970-01-01T00:00:00Z"`: time.Unix(0, 0), `{"":1,"é\n":[]}`: map[string]any{"é\n": []any{}, "": 1},
	} {
		if got := jsonText(v); got != want {
			t.Errorf("%#v: got %s, want %s", v, got, want)
		}
	}
	for _, v := range []any{func() {}, nan()} {
		if got := jsonText(v); got != "null" {
			t.Errorf("%T: got %s", v, got)
		}
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

// Bodies are what JSON.stringify would write, which is what the guide's receiver computes its signature over.
func TestJSONIsStringify(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	tpl, err := Compile("{ \"a\\u00e9\\/\": \"{{a}}\", \"b\": [ \"<{{b}}>\", true, 1.5 ] }", JSON, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := range 0x2100 {
		all.WriteRune(rune(i))
	}
	body, err := tpl.Append(nil, vars{"a": all.String(), "b": "\U0001F389\x7f\"\\/</script>\xff"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "-e", `process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8"))))`)
	cmd.Stdin = strings.NewReader(string(body))
	again, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(body) {
		t.Errorf("node writes\n%q\nand not\n%q", again, body)
	}
}
