package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// proofHeader begins a C2SP tlog-proof.
const proofHeader = "c2sp.org/tlog-proof@v1\n"

// maxProof is the length of the longest proof that is read: a line in base64, hashes, and a checkpoint.
const maxProof = 2*MaxLine + maxCheckpoint

// Prove makes a proof that a record is in the log under a signed checkpoint, without any other record: a C2SP tlog-proof
// whose extra data is the line of the record. size is the checkpoint's.
func Prove(line []byte, seq int64, signed []byte, size int64, r tlog.HashReader) ([]byte, error) {
	if seq < 0 || seq >= size {
		return nil, fmt.Errorf("the checkpoint has the records 0 to %d, and not %d", size-1, seq)
	}
	hashes, err := tlog.ProveRecord(size, seq, r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(proofHeader)
	b.WriteString("extra " + base64.StdEncoding.EncodeToString(line) + "\n")
	b.WriteString("index " + strconv.FormatInt(seq, 10) + "\n")
	for _, h := range hashes {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n")
	b.Write(signed)
	return b.Bytes(), nil
}

// ErrProof is a text that is not a proof as Prove writes it.
var ErrProof = errors.New("this is not the proof of a record: it begins with c2sp.org/tlog-proof@v1, and has the record, its place, hashes and a checkpoint")

// ErrNotProven is a proof that does not hold.
var ErrNotProven = errors.New("the proof does not hold: this record is not at this place of the log that the checkpoint is of")

// Proven is what a proof shows.
type Proven struct {
	// Line is the record.
	Line []byte
	Seq  int64
	// Checkpoint is the checkpoint under which it is in the log.
	Checkpoint Checkpoint
}

// CheckProof checks a proof with nothing but the public key.
func CheckProof(key *Verifier, proof []byte) (*Proven, error) {
	if len(proof) > maxProof {
		return nil, ErrProof
	}
	head, signed, ok := strings.Cut(string(proof), "\n\n")
	head, ok2 := strings.CutPrefix(head+"\n", proofHeader)
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	if !ok || !ok2 || len(lines) < 2 || len(lines) > 2+63 {
		return nil, ErrProof
	}
	extra, ok := strings.CutPrefix(lines[0], "extra ")
	index, ok2 := strings.CutPrefix(lines[1], "index ")
	line, err := base64.StdEncoding.Strict().DecodeString(extra)
	if !ok || !ok2 || err != nil {
		return nil, ErrProof
	}
	seq, err := decimal(index)
	if err != nil {
		return nil, ErrProof
	}
	hashes := make(tlog.RecordProof, 0, len(lines)-2)
	for _, text := range lines[2:] {
		h, err := parseHash(text)
		if err != nil {
			return nil, ErrProof
		}
		hashes = append(hashes, h)
	}
	c, err := key.Open([]byte(signed))
	if err != nil {
		return nil, err
	}
	if seq >= c.Size || tlog.CheckRecord(hashes, c.Size, c.Root, seq, tlog.RecordHash(line)) != nil {
		return nil, ErrNotProven
	}
	if _, said, err := SeqOf(line); err != nil || said != seq {
		return nil, ErrNotProven
	}
	return &Proven{Line: line, Seq: seq, Checkpoint: c}, nil
}

// parseHash reads a hash in its only form.
func parseHash(text string) (tlog.Hash, error) {
	h, err := tlog.ParseHash(text)
	if err != nil || h.String() != text {
		return tlog.Hash{}, errors.New("this is not a hash")
	}
	return h, nil
}

// RolledBackError is a log that is not what its last checkpoint says: an older backup was restored, or records were
// changed.
type RolledBackError struct {
	// Published is the size of the checkpoint, Size that of the log.
	Published, Size int64
	// Changed is that the log is as large, and its records are others.
	Changed bool
}

func (e *RolledBackError) Error() string {
	if e.Changed {
		return fmt.Sprintf("the first %d records of the audit log are not those of the last checkpoint that was published: somebody changed the store; keep it as it is and look into it. Should the log go on in spite of it, callgate audit fork --reason says so in the log", e.Published)
	}
	return fmt.Sprintf("the audit log has %d records, and the last checkpoint that was published has %d: this is an older store, such as a restored backup. callgate audit fork --reason says why, and lets the log go on", e.Size, e.Published)
}

// CheckAgainst checks that a log is the one that a checkpoint was made of, or has grown out of it. The error is a
// [RolledBackError] if it is not. It reads as few hashes as that takes, and so is quick for any log; a line that was changed
// under hashes that were not is for [Verify] to find.
func CheckAgainst(published Checkpoint, log *State, r tlog.HashReader) error {
	switch {
	case published.Size > log.Size:
		return &RolledBackError{Published: published.Size, Size: log.Size}
	case published.Size == 0:
		return nil // everything has grown out of nothing
	}
	proof, err := tlog.ProveTree(log.Size, published.Size, r)
	if err != nil {
		return fmt.Errorf("the audit log cannot be compared with its last checkpoint: %w", err)
	}
	if tlog.CheckTree(proof, log.Size, log.Root(), published.Size, published.Root) != nil {
		return &RolledBackError{Published: published.Size, Size: log.Size, Changed: true}
	}
	return nil
}

// ProveFrom makes the proof of a record from a whole export, which is verified first; see [Verify].
func ProveFrom(export io.Reader, key *Verifier, seq int64) ([]byte, error) {
	var line []byte
	var hashes []tlog.Hash
	var hash Batch
	v := &verification{key: key, suspect: -1, each: func(at int64, l []byte) error {
		if at == seq {
			line = bytes.Clone(l)
		}
		hashes = append(hashes, hash.hash(l))
		return nil
	}}
	if err := v.all(export); err != nil {
		return nil, v.first(err)
	}
	if line == nil {
		return nil, fmt.Errorf("the export has the records %d to %d, and not %d", v.head.First, v.head.Size-1, seq)
	}
	before, err := stateOf(v.head.First, v.head.Frontier)
	if err != nil {
		return nil, err
	}
	e := &exported{before: before, hashes: hashes}
	return Prove(line, seq, v.signed, v.head.Size, tlog.HashReaderFunc(e.ReadHashes))
}

// exported reads the hashes of a tree from an export. Of what is before its first record it has the frontier, and no proof of
// a later record needs more.
type exported struct {
	before State
	hashes []tlog.Hash
}

// ReadHashes is that of tlog.HashReader.
func (e *exported) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		h, err := e.node(tlog.SplitStoredHashIndex(index))
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

func (e *exported) node(level int, n int64) (tlog.Hash, error) {
	first := e.before.Size
	switch {
	case (n+1)<<level <= first:
		if first>>level&1 == 1 && n == first>>level-1 {
			return e.before.frontier[level], nil
		}
		return tlog.Hash{}, fmt.Errorf("the export has no hashes of the records before %d", first)
	case level == 0:
		if n-first >= int64(len(e.hashes)) {
			return tlog.Hash{}, fmt.Errorf("the export has no record %d", n)
		}
		return e.hashes[n-first], nil
	}
	left, err := e.node(level-1, 2*n)
	if err != nil {
		return left, err
	}
	right, err := e.node(level-1, 2*n+1)
	return tlog.NodeHash(left, right), err
}
