package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sealed is a log with checkpoints.
type sealed struct {
	*kept
	signer *Signer
	key    *Verifier
}

func newSealed(t testing.TB, n int) *sealed {
	t.Helper()
	s := &sealed{kept: logOf(n)}
	s.signer, s.key = keys(t, "clinic.example/1")
	return s
}

// at is the signed checkpoint of the log when it had a size.
func (s *sealed) at(t testing.TB, size int64) ([]byte, Checkpoint) {
	t.Helper()
	state, err := StateAt(size, HashReader(s.kept))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.signer.Sign(state)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.key.Open(signed)
	if err != nil {
		t.Fatal(err)
	}
	return signed, c
}

// export has a checkpoint at each of the sizes, and at the end.
func (s *sealed) export(t testing.TB, e Export, sizes ...int64) []string {
	t.Helper()
	e.Origin, e.Size = s.signer.Origin(), s.state.Size
	var b bytes.Buffer
	x, err := NewExporter(&b, e, HashReader(s.kept))
	if err != nil {
		t.Fatal(err)
	}
	for i := e.First; i < e.Size; i++ {
		if err := x.Line(s.lines[i]); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(sizes, i+1) || i+1 == e.Size {
			signed, _ := s.at(t, i+1)
			if err := x.Checkpoint(signed, i+1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func find(t *testing.T, lines []string, seq int) int {
	t.Helper()
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, fmt.Sprintf(`{"v":1,"seq":%d,`, seq)) })
	if i < 0 {
		t.Fatalf("record %d is not in the export", seq)
	}
	return i
}

// rehash gives the record a hash that fits it.
func rehash(t *testing.T, lines []string, seq int) []string {
	i := find(t, lines, seq)
	var h exportHashes
	if err := json.Unmarshal([]byte(lines[i-1]), &h); err != nil {
		t.Fatal(err)
	}
	h.Hashes[0] = new(Batch).hash([]byte(strings.TrimSuffix(lines[i], "\n")))
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	lines[i-1] = string(b) + "\n"
	return lines
}
