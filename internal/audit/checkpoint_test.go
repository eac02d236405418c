package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func keys(t testing.TB, name string) (*Signer, *Verifier) {
	t.Helper()
	private, public, err := GenerateKey(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(private + "\n")
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(public + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func TestCheckpointIsThatOfC2SP(t *testing.T) {
	const text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n" // the example of the specification
	c, err := ParseCheckpoint(text)
	if err != nil || c.Size != 20852163 || c.Origin != "example.com/behind-the-sofa" || c.Text() != text {
		t.Errorf("it is read as %+v, %v", c, err)
	}
	if more, err := ParseCheckpoint(text + "an extension\n"); err != nil || more != c {
		t.Errorf("with an extension it is %+v, %v", more, err)
	}
	lines := strings.Split(text, "\n")
	for name, bad := range map[string]string{
		"empty": "", "no origin": "\n" + lines[1] + "\n" + lines[2] + "\n", "no root": lines[0] + "\n" + lines[1] + "\n",
		"no end": strings.TrimSuffix(text, "\n"), "leading zero": strings.Replace(text, "2085", "02085", 1), "signed": strings.Replace(text, "2085", "+2085", 1),
		"negative": strings.Replace(text, "2085", "-2085", 1), "short root": strings.Replace(text, "CsUY", "", 1), "empty extension": text + "\n",
		"stray bits": strings.Replace(text, "2I=", "2J=", 1), "large": text + strings.Repeat("x", maxCheckpoint) + "\n",
	} {
		if got, err := ParseCheckpoint(bad); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: read as %+v, %v", name, got, err)
		}
	}
}

func TestOnlyTheKeyOpensACheckpoint(t *testing.T) {
	s, v := keys(t, "clinic.example/callgate/1")
	k := logOf(300)
	signed, err := s.Sign(k.state)
	if err != nil {
		t.Fatal(err)
	}
	want := Checkpoint{Origin: "clinic.example/callgate/1", Size: 300, Root: k.state.Root()}
	if got, err := v.Open(signed); err != nil || got != want {
		t.Errorf("it says %+v, %v", got, err)
	}
	_, sameName := keys(t, "clinic.example/callgate/1")
	_, other := keys(t, "clinic.example/callgate/2")
	for _, foreign := range []*Verifier{sameName, other} {
		if _, err := foreign.Open(signed); !errors.Is(err, ErrForeign) {
			t.Errorf("a foreign key says %v", err)
		}
	}
	if _, err := v.Open([]byte(strings.Replace(string(signed), "\n300\n", "\n299\n", 1))); !errors.Is(err, ErrForeign) {
		t.Errorf("another size says %v", err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("x", maxCheckpoint+1), string(signed[:60])} {
		if _, err := v.Open([]byte(bad)); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%.20q says %v", bad, err)
		}
	}
	named, err := note.Sign(&note.Note{Text: Checkpoint{Origin: "another", Size: 1}.Text()}, s.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Open(named); !errors.Is(err, ErrForeign) {
		t.Errorf("the checkpoint of a log with another name says %v", err)
	}
}

func TestKeyFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.key")
	public, err := WriteKeyFiles(file, "clinic.example/callgate/1")
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{file: 0o600, file + ".pub": 0o644} {
		if info, err := os.Stat(name); err != nil || info.Mode()&^0o022 != mode {
			t.Errorf("%s is %v, %v", name, info.Mode(), err)
		}
	}
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(string(private))
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(State{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Open(signed); err != nil {
		t.Errorf("what the private key signs, the public one does not know: %v", err)
	}
	if written, err := os.ReadFile(file + ".pub"); err != nil || string(written) != public+"\n" {
		t.Errorf("the public key is written as %q, %v", written, err)
	}
	if _, err := WriteKeyFiles(file, "x"); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("a second key says %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteKeyFiles(file, "x"); err == nil {
		t.Error("a public key was overwritten")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("half a key pair was left")
	}
	for _, name := range []string{"", "a b", "a+b", "a\n", strings.Repeat("x", 201)} {
		if _, _, err := GenerateKey(name); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
	for _, bad := range []string{"", "PRIVATE+KEY+x", public} {
		if _, err := NewSigner(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("a bad private key says %v", err)
		}
	}
	if _, err := NewVerifier(string(private)); err == nil || strings.Contains(err.Error(), strings.TrimSpace(string(private))) {
		t.Errorf("a private key for a public one says %v", err)
	}
}

func FuzzCheckpoint(f *testing.F) {
	s, v := keys(f, "fuzz.example")
	signed, err := s.Sign(logOf(3).state)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(signed))
	f.Add("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCheckpoint(text); err == nil && !strings.HasPrefix(text, c.Text()) {
			t.Errorf("%q is written again as %q", text, c.Text())
		}
		if c, err := v.Open([]byte(text)); err == nil && c.Origin != "fuzz.example" {
			t.Errorf("the key opened %q", text)
		}
	})
}
