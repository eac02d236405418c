package audit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// TestPythonVerifies has exports verified by a script that shares no code with this package.
func TestPythonVerifies(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed; testdata/verify.py, which verifies an export without this program, was not run")
	}
	s := newSealed(t, 300)
	dir := t.TempDir()
	run := func(lines []string, key string) (string, error) {
		t.Helper()
		export, public := filepath.Join(dir, "export"), filepath.Join(dir, "key")
		for name, text := range map[string]string{export: strings.Join(lines, ""), public: key + "\n"} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command(python, "testdata/verify.py", export, public).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	key := s.key.Key()
	for _, first := range []int64{0, 77} {
		want := fmt.Sprint(first, 300, s.state.Root())
		if got, err := run(s.export(t, Export{First: first}, 100, 256), key); err != nil || got != want {
			t.Errorf("from %d on it says %q, want %q: %v", first, got, want, err)
		}
	}
	bent := s.export(t, Export{}, 100, 256)
	i := find(t, bent, 130)
	bent[i] = strings.Replace(bent[i], "crm", "crn", 1)
	if got, err := run(bent, key); err == nil || got != "a record before 256 was changed" {
		t.Errorf("of a record that was changed it says %q, %v", got, err)
	}
	_, foreign := keys(t, "clinic.example/1")
	if got, err := run(s.export(t, Export{}, 100), foreign.Key()); err == nil || got != "the checkpoint of record 99 is not signed with the key" {
		t.Errorf("with a foreign key it says %q, %v", got, err)
	}
}

// TestTorchwoodReadsWhatIsWritten: checkpoints and proofs are those of another implementation, which public logs and their
// witnesses use.
func TestTorchwoodReadsWhatIsWritten(t *testing.T) {
	s := newSealed(t, 600)
	known, err := note.NewVerifier(s.key.Key())
	if err != nil {
		t.Fatal(err)
	}
	signed, want := s.at(t, 600)
	n, err := note.Open(signed, note.VerifierList(known))
	if err != nil {
		t.Fatal(err)
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil || c.Origin != want.Origin || c.N != want.Size || c.Hash != want.Root || c.String() != want.Text() {
		t.Errorf("the checkpoint is read as %+v, %v", c, err)
	}
	r := HashReader(s.kept)
	for _, i := range []int64{0, 300, 599} {
		index := tlog.StoredHashIndex(0, i)
		p, err := torchwood.ProveHash(600, index, r)
		if err != nil {
			t.Fatal(err)
		}
		if err := torchwood.CheckHash(p, c.N, c.Hash, index, tlog.RecordHash(s.lines[i])); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

func FuzzCheckpointAgreesWithTorchwood(f *testing.F) {
	f.Add("example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n")
	f.Add("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseCheckpoint(text)
		want, wantErr := torchwood.ParseCheckpoint(text)
		if err == nil && (wantErr != nil || got.Origin != want.Origin || got.Size != want.N || got.Root != want.Hash) {
			t.Errorf("%q is read as %+v, and by torchwood as %+v, %v", text, got, want, wantErr)
		}
	})
}
