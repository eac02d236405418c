package audit

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// cosigned is a checkpoint with the cosignature of a witness that torchwood made, the witness's key, and the signature alone.
func cosigned(t testing.TB, s *sealed) (signed []byte, key, signature string) {
	t.Helper()
	signed, _ = s.at(t, s.state.Size)
	w, err := torchwood.NewCosignatureSigner("witness.example/w1", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	by, err := note.Sign(&note.Note{Text: text + "\n"}, w)
	if err != nil {
		t.Fatal(err)
	}
	return signed, w.Verifier().String(), strings.TrimPrefix(string(by), text+"\n\n")
}

func TestCosignatureIsThatOfC2SP(t *testing.T) {
	s := newSealed(t, 20)
	signed, key, signature := cosigned(t, s)
	c, err := NewCosigner(key + "\n")
	if err != nil || c.Name() != "witness.example/w1" {
		t.Fatal(c, err)
	}
	stranger := "— somebody.else AAAAAAAA\n"
	both, err := c.Add(signed, []byte(stranger+signature+stranger))
	if err != nil || string(both) != string(signed)+signature {
		t.Errorf("with its cosignature it is\n%s\n%v", both, err)
	}
	if at, err := c.Check(both); err != nil || time.Since(at) > time.Minute || time.Since(at) < -time.Minute {
		t.Errorf("it was cosigned at %v, %v", at, err)
	}
	if again, err := c.Add(both, []byte(signature)); err != nil || strings.Count(string(again), "witness.example") != 1 {
		t.Errorf("added twice it is\n%s\n%v", again, err)
	}
	if opened, err := s.key.Open(both); err != nil || opened.Size != 20 {
		t.Errorf("the log's key says %v, %v", opened, err)
	}
	for name, answer := range map[string]string{
		"nothing": "", "a stranger's": stranger, "no signature": "x\n", "no end": strings.TrimSuffix(signature, "\n"),
		"cut": signature[:len(signature)-20] + "\n", "of another time": strings.Replace(signature, signature[len(signature)-20:], "AAAAAAAAAAAAAAAAAAA=\n", 1),
	} {
		if got, err := c.Add(signed, []byte(answer)); !errors.Is(err, ErrNotCosigned) {
			t.Errorf("%s was taken for a cosignature: %s, %v", name, got, err)
		}
	}
	other, _ := s.at(t, 19)
	if _, err := c.Add(other, []byte(signature)); !errors.Is(err, ErrNotCosigned) {
		t.Errorf("a cosignature of another checkpoint says %v", err)
	}
	if _, err := c.Check([]byte(strings.Repeat("x", maxCheckpoint+1))); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a large text says %v", err)
	}
}

func TestReadCheckpoints(t *testing.T) {
	s, other := newSealed(t, 20), newSealed(t, 20)
	another, _ := keys(t, "clinic.example/2")
	first, want := s.at(t, 5)
	last, wantLast := s.at(t, 20)
	foreign, err := another.Sign(s.state)
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := other.at(t, 7) // the same name, another key
	lines := func(signed ...[]byte) string {
		text := "a line of something else\n"
		for _, c := range signed {
			text += "Nov 28 11:59:00 gw callgate: " + string(Line(c)) + "\n"
		}
		return text
	}
	for name, c := range map[string]struct {
		text string
		want []Checkpoint
		err  error
	}{
		"as it was sent":        {string(first), []Checkpoint{want}, nil},
		"in lines":              {lines(first, last), []Checkpoint{want, wantLast}, nil},
		"beside another log's":  {lines(foreign, last), []Checkpoint{wantLast}, nil},
		"with spaces":           {strings.ReplaceAll(lines(first), `":"`, `": "`), []Checkpoint{want}, nil},
		"forged":                {lines(first, forged), nil, ErrForeign},
		"forged, as it was":     {string(forged), nil, ErrForeign},
		"another log's only":    {lines(foreign), nil, ErrCheckpoint},
		"nothing":               {"", nil, ErrCheckpoint},
		"no string":             {`{"checkpoint":7}`, nil, ErrCheckpoint},
		"cut off in the middle": {lines(first)[:80], nil, ErrCheckpoint},
	} {
		got, err := s.key.ReadCheckpoints([]byte(c.text))
		if !errors.Is(err, c.err) || len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] || len(got) > 1 && got[1] != c.want[1] {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzReadCheckpoints(f *testing.F) {
	s := newSealed(f, 20)
	signed, want := s.at(f, 20)
	f.Add(string(signed))
	f.Add("x " + string(Line(signed)) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.key.ReadCheckpoints([]byte(text))
		for _, c := range got {
			if err != nil || c != want {
				t.Errorf("%q is read as %+v, %v", text, c, err)
			}
		}
	})
}

func FuzzCosignature(f *testing.F) {
	s := newSealed(f, 20)
	signed, key, signature := cosigned(f, s)
	c, err := NewCosigner(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key, signature)
	f.Add("a+00000000+AAAA", "— a AAAA\n")
	f.Fuzz(func(t *testing.T, vkey, answer string) {
		_, _ = NewCosigner(vkey)
		if both, err := c.Add(signed, []byte(answer)); err == nil {
			if _, err := c.Check(both); err != nil || !strings.HasPrefix(string(both), string(signed)) {
				t.Errorf("with %q it is %q, %v", answer, both, err)
			}
		}
	})
}
