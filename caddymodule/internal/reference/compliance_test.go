package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule"
)

// TestComplianceTestsExist: each test that the page names is there, and each rule but for what is organisational has one.
func TestComplianceTestsExist(t *testing.T) {
	for _, r := range caddymodule.HIPAARules() {
		if (len(r.Tests) == 0) != (r.Line == "") || r.Line == "" && r.Left == "" || r.Guide == "" {
			t.Errorf("%s: %d tests for %q", r.Name, len(r.Tests), r.Line)
		}
		for _, named := range r.Tests {
			if !isTest(t, named) {
				t.Errorf("%s: there is no test %s", r.Name, named)
			}
		}
	}
	if isTest(t, "caddymodule: TestNobodyWroteThis") || isTest(t, "nowhere: TestHIPAAStarts") {
		t.Error("a test was found that nobody wrote")
	}
}

// isTest reports whether a directory has a test.
func isTest(t *testing.T, named string) bool {
	t.Helper()
	dir, name, _ := strings.Cut(named, ": ")
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(t *testing.T) {") {
			return true
		}
	}
	return false
}
