package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = "{\n\tcallgate {\n\t\tsource x {\n\t\t\tsecret a b\n\t\t}\n\t\tdestination d http {\n\t\t\tbody `{\n\t\t\t\"secret\": 1\n\t\t\t}`\n\t\t\tmethod PUT\n\t\t}\n\t}\n}\n" +
	":80 {\n\tcallgate /c/* x {\n\t\t# why\n\t\tsecret c\n\t\tbreaker {\n\t\t\tfailures 3\n\t\t}\n\t}\n}\n"

// TestExamplesAreFoundInTheirPlace: a word is a line only where it begins one, and of a block that it is looked for in.
func TestExamplesAreFoundInTheirPlace(t *testing.T) {
	all := nodes(sample, "f")
	for _, c := range []struct{ place, name, want string }{
		{"policy", "secret", "secret a b"},
		{"route", "secret", "secret c"},
		{"app", "source", "source x {\n\tsecret a b\n}"},
		{"route", "breaker", "breaker {\n\tfailures 3\n}"},
		{"destination:http", "body", "body `{\n\"secret\": 1\n}`"},
		{"destination:http", "method", "method PUT"},
		{"destination:hubspot", "method", ""},
		{"app", "secret", ""},
		{"route", "failures", ""},
	} {
		got := find(all, c.place, c.name)
		if c.want == "" && got != "" || !strings.HasSuffix(got, "```caddyfile\n"+c.want+"\n```") && c.want != "" {
			t.Errorf("%s in %s: %q, want %q", c.name, c.place, got, c.want)
		}
	}
}

func TestSyntaxBlocksAreRead(t *testing.T) {
	dir := t.TempDir()
	source := "package p\n\n// T is one.\ntype T struct {\n\t// A and B are two. Default: 1.\n\tA int `json:\"a\"`\n\tB int `json:\"b\"`\n\n\tC bool `json:\"c\"`\n\thidden int\n}\n\n" +
		"// F reads. Syntax:\n//\n//\tt [<x>] {\n//\t\ta   <n>\n//\t\tb   off | {\n//\t\t\tc\n//\t\t}\n//\t}\nfunc F() {}\n\n// G has none.\nfunc G() {}\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(dir, ".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.structs["T"].fields {
		got = append(got, f.tag+"="+strings.TrimSpace(f.doc))
	}
	if want := "a=A and B are two. Default: 1.;b=A and B are two. Default: 1.;c="; strings.Join(got, ";") != want {
		t.Errorf("fields %q, want %q", got, want)
	}
	lines, err := c.syntax("F")
	if err != nil || len(lines) != 1 || len(lines[0].inner) != 2 {
		t.Fatalf("%v, %v", lines, err)
	}
	if a, b := lines[0].inner[0], lines[0].inner[1]; a.text != "a <n>" || b.text != "b off | { … }" || b.inner[0].name != "c" {
		t.Errorf("%+v, %+v", a, b)
	}
	for _, f := range []string{"G", "H"} {
		if _, err := c.syntax(f); err == nil {
			t.Errorf("%s has a syntax", f)
		}
	}
}
