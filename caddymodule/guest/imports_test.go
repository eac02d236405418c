package guest_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/callgate/callgate/"

// TestWhoNamesWhom keeps the app and the guest modules apart: they know of each other what this package says, and the
// registry of Caddy brings them together. Each directory is given with what it may import of caddymodule.
func TestWhoNamesWhom(t *testing.T) {
	for dir, may := range map[string][]string{
		"..":              {"guest", "grammar", "secret", "scheme", "redact"},
		"../redact":       {},
		".":               {},
		"../grammar":      {},
		"../secret":       {},
		"../scheme":       {"grammar", "secret"},
		"../destinations": {"guest", "grammar", "secret"},
		"../verifiers":    {"guest", "grammar", "scheme"},
		"../stores":       {"guest", "grammar", "secret"},
		"../transport":    {},
		"../adminapi":     {""}, // the app, to find what is operated
		"../ready":        {"", "grammar"},
		"../gatewaytest":  {},
		"../../cmd/*":     {"standard", "commands", "redact"},
		"../../":          {"standard"},
	} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			checked++
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if rest, ours := strings.CutPrefix(path, module+"caddymodule"); ours && !slices.Contains(may, strings.TrimPrefix(rest, "/")) {
					t.Errorf("%s imports %s", file, path)
				}
			}
		}
		if checked == 0 {
			t.Errorf("there is no file in %s", dir)
		}
	}
}
