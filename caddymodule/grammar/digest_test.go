package grammar

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADigestChangesWithWhatIsInTheFiles(t *testing.T) {
	dir := t.TempDir()
	pattern := filepath.Join(dir, "*.json")
	seen := map[string]string{"": "no file"}
	for _, step := range []struct{ what, name, text string }{
		{"a file", "a.json", "1"}, {"another text", "a.json", "2"}, {"a second file", "b.json", "1"}, {"the texts exchanged", "a.json", "1"},
		{"a longer one", "b.json", "12"},
	} {
		if err := os.WriteFile(filepath.Join(dir, step.name), []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := Digest(pattern)
		if before, again := seen[d]; again {
			t.Errorf("%s: the digest %q is that of %s", step.what, d, before)
		}
		if seen[d] = step.what; Digest(pattern, filepath.Join(dir, "a.json")) != d {
			t.Errorf("%s: a file that is named twice counts twice", step.what)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "other.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if d := Digest(pattern); seen[d] != "a longer one" {
		t.Error("a file that is not named counts")
	}
	if d := Digest(filepath.Join(dir, "nothing"), dir, "{env.FILE}", "[", ""); d != "" {
		t.Errorf("the digest of no file is %q", d)
	}
}
