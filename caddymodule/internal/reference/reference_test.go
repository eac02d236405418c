package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/template"
)

const root = "../../.."

// TestPagesAreWritten: what is committed is what the program makes of the code as it is.
func TestPagesAreWritten(t *testing.T) {
	pages, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s is not what the code says (%v); run go generate ./caddymodule and read what has changed", name, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "caddymodule/reference/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := pages["caddymodule/reference/"+filepath.Base(f)]; !ok {
			t.Errorf("%s is written by nothing", f)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?\)`)

// TestLinksLead follows each link of the pages to its file, and to its heading.
func TestLinksLead(t *testing.T) {
	pages, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	anchors := make(map[string]map[string]bool)
	for name, text := range pages {
		anchors[name] = make(map[string]bool)
		for l := range strings.Lines(text) {
			if h := strings.TrimLeft(l, "#"); h != l && strings.HasPrefix(h, " ") {
				id := anchor(strings.TrimSpace(h))
				for n := 1; anchors[name][id]; n++ {
					id = anchor(strings.TrimSpace(h)) + "-" + strconv.Itoa(n)
				}
				anchors[name][id] = true
			}
		}
	}
	for name, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to := name
			if m[1] != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil && pages[to] == "" {
				t.Errorf("%s: %s leads nowhere", name, m[0])
			}
			if m[2] != "" && !anchors[to][m[2]] {
				t.Errorf("%s: %s has no such heading", name, m[0])
			}
		}
	}
}

// TestMissingTextsAreTold: a name without a text, and a text without its name, stop the program.
func TestMissingTextsAreTold(t *testing.T) {
	for what, c := range map[string]struct {
		names []string
		texts map[string]string
		want  string
	}{
		"both there":   {[]string{"a"}, map[string]string{"a": "x"}, ""},
		"without text": {[]string{"a", "b"}, map[string]string{"a": "x"}, `"b"`},
		"without name": {[]string{"a"}, map[string]string{"a": "x", "b": "y"}, `"b"`},
	} {
		err := told("thing", c.names, c.texts)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestExamplesOfFiltersCompile: each shows its own filter, and is a template.
func TestExamplesOfFiltersCompile(t *testing.T) {
	for name, text := range filters {
		example, _, _ := strings.Cut(text, " · ")
		if !strings.Contains(example, "|"+name) {
			t.Errorf("%s does not show %s", example, name)
		}
		source, err := json.Marshal(map[string]string{"x": example})
		if err != nil {
			t.Fatal(err)
		}
		place := template.JSON
		if name == "each" { // which has nothing to repeat in JSON
			source, place = []byte("x="+example), template.Form
		}
		if _, err := template.Compile(string(source), place, template.Options{}); err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
}

func TestDefaultsAndNames(t *testing.T) {
	for _, c := range []struct{ in, text, fallback string }{
		{"MaxBody is how many bytes.\nDefault: 1 MiB. At\nmost 1 GiB.", "MaxBody is how many bytes. At\nmost 1 GiB.", "1 MiB"},
		{"APIVersion is it. Default: v67.0.", "APIVersion is it.", "v67.0"},
		{"Instance is the address. Required.", "Instance is the address.", "required"},
	} {
		if text, fallback := split(field{doc: c.in}); text != c.text || fallback != c.fallback {
			t.Errorf("%q: %q, %q", c.in, text, fallback)
		}
	}
	shown := map[string]string{"MaxBody": "max_body", "Keys": "keys", "Off": "off"}
	for in, want := range map[string]string{
		"Keys is how many. Keys of what? At most MaxBody.": "`keys` is how many. Keys of what? At most `max_body`.",
		"Half of Keys, see call_* and <x>.":                `Half of ` + "`keys`" + `, see call_\* and \<x>.`,
	} {
		if got := prose(in, shown); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// TestThePictureIsSound: it is XML, has words for those who do not see it, and colours for a dark page.
func TestThePictureIsSound(t *testing.T) {
	text := picture()
	for dec := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"<title", "<desc", "prefers-color-scheme: dark", "the signature is verified", "stored, then answered 200"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in it", want)
		}
	}
}
