package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryExampleIsOnThePage: README.md has a line for each example, and the project's README leads to it, to the reference,
// and to the map of the house before anything else.
func TestEveryExampleIsOnThePage(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	pages, err := filepath.Glob("*/README.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	index := read("README.md")
	for _, p := range pages {
		title, _, _ := strings.Cut(strings.TrimPrefix(read(p), "# "), "\n")
		line := "| [" + title + "](" + filepath.ToSlash(p) + ") | "
		if _, text, ok := strings.Cut(index, line); !ok || len(text) < 20 {
			t.Errorf("README.md has no line that begins with %q and says what the example shows", line)
		}
	}
	if !strings.Contains(index, "](../testdata/conversions/README.md)") {
		t.Error("README.md does not lead to the conversions")
	}
	first, _, _ := strings.Cut(read("../README.md"), "\n## ")
	for _, link := range []string{"caddymodule/README.md", "internal/README.md", "examples/README.md"} {
		if !strings.Contains(first, "]("+link+")") {
			t.Errorf("the first screen of the project's README does not lead to %s", link)
		}
	}
}
