package vectors

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFiles runs the vectors that were made with the vendors' own libraries or taken from their documentation. Where
// a case is advisory, only the refusal of what the file accepts may differ: it is about times in the future.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("../../../testdata/vectors/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			outcomes, err := Run(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range outcomes {
				if !o.OK() {
					t.Errorf("%s %q: want %v, got %v (advisory %v): %s", o.Scheme, o.Name, o.Want, o.Got, o.Advisory, o.Detail)
				}
			}
		})
	}
}
