package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// BadRecordError says which record of an export is the first that is not as it was written.
type BadRecordError struct {
	// First is its place, or where it may stand at the earliest; Last where at the latest.
	First, Last int64
	// What says what is wrong with it.
	What string
}

func (e *BadRecordError) Error() string {
	if e.First == e.Last {
		return fmt.Sprintf("record %d: %s", e.First, e.What)
	}
	return fmt.Sprintf("a record from %d to %d: %s", e.First, e.Last, e.What)
}

func bad(seq int64, what string) error { return &BadRecordError{First: seq, Last: seq, What: what} }

// ErrExport is a file that is not an export.
var ErrExport = errors.New("this is not an export of an audit log, whose first line begins with {\"callgate_audit\":1")

// ErrNoProof is an older checkpoint that the export cannot be compared with.
var ErrNoProof = errors.New("the export begins behind the older checkpoint and has no proof from there on: export again from an earlier record, or with --since its size")

// Verified is what an export was found to be.
type Verified struct {
	Origin string
	// First is the first record that is there, Size one more than the last.
	First, Size int64
	// Root is that of the last checkpoint.
	Root tlog.Hash
	// Checkpoints is how many there are, all of them right; Signed is the last one with its signatures.
	Checkpoints int
	Signed      []byte
}

// Verify checks an export with nothing but the public key of the log and, if there are any, older checkpoints. All records
// from the first on must be there, unchanged, in their order, up to the last checkpoint; and what is there must have
// grown out of the older ones. What the key's owner rewrote and signed again, only an older checkpoint shows. each is
// called for every record before it is verified; it may be nil. The error is a [BadRecordError] wherever a record can be
// named.
func Verify(export io.Reader, key *Verifier, since []Checkpoint, each func(seq int64, line []byte) error) (*Verified, error) {
	v := &verification{key: key, each: each, since: slices.Clone(since), suspect: -1}
	slices.SortFunc(v.since, func(a, b Checkpoint) int { return int(min(max(a.Size-b.Size, -1), 1)) })
	if err := v.all(export); err != nil {
		return nil, v.first(err)
	}
	return &Verified{Origin: key.Origin(), First: v.head.First, Size: v.read.Size, Root: v.read.Root(), Checkpoints: v.checkpoints, Signed: v.signed}, nil
}

func (v *verification) all(export io.Reader) error {
	lines := bufio.NewScanner(export)
	lines.Buffer(make([]byte, 0, 64<<10), maxExportLine)
	lines.Split(wholeLines)
	if !lines.Scan() {
		return errors.Join(ErrExport, lines.Err())
	}
	if err := v.begin(lines.Bytes()); err != nil {
		return err
	}
	for lines.Scan() {
		if err := v.line(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("from record %d on the export cannot be read: %w", v.read.Size, err)
	}
	return v.end()
}

// maxExportLine is the length of the longest line of an export: a record, or a checkpoint whose text is escaped.
const maxExportLine = MaxLine + 6*maxCheckpoint

// wholeLines splits at line feeds and nothing else: a record with something behind it is another record.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// verification is one export on its way through. It follows two trees: of the records that it reads, and of the hashes that
// the export gives for them. If the two part at a record and the second is what was signed, that record was changed.
type verification struct {
	key   *Verifier
	each  func(int64, []byte) error
	head  exportHead
	since []Checkpoint

	read, given State
	hashes      []tlog.Hash // given for the records that come next
	hash        Batch
	checkpoints int
	// good is how many records are right, by a checkpoint; agreed how many by an older one.
	good, agreed int64
	// suspect is the first record whose hash is not the one that is given for it, -1 if there is none.
	suspect int64
	// differs is that an older checkpoint behind the suspect does not fit.
	differs bool
	// signed is the last checkpoint.
	signed []byte
}

func (v *verification) begin(line []byte) error {
	if len(line) > maxExportLine || json.Unmarshal(line, &v.head) != nil || v.head.Version < 1 {
		return ErrExport
	}
	if v.head.Version > exportVersion {
		return fmt.Errorf("the export has version %d, and this program reads version %d: verify it with a newer one", v.head.Version, exportVersion)
	}
	if v.head.Origin != v.key.Origin() {
		return fmt.Errorf("%w: the export is of %q, and the key is of %q", ErrForeign, cut(v.head.Origin), v.key.Origin())
	}
	if v.head.First < 0 || v.head.Size <= v.head.First {
		return ErrExport
	}
	state, err := stateOf(v.head.First, v.head.Frontier)
	if err != nil {
		return fmt.Errorf("the first line of the export is damaged: %w", err)
	}
	v.read, v.given = state, state
	v.good, v.agreed = v.head.First, v.head.First
	return v.older()
}

// older compares with the older checkpoints that are before the first record.
func (v *verification) older() error {
	for len(v.since) > 0 && v.since[0].Size < v.head.First {
		old := v.since[0]
		v.since = v.since[1:]
		if old.Size == 0 {
			continue
		}
		i := slices.IndexFunc(v.head.Since, func(s exportSince) bool { return s.Size == old.Size })
		if i < 0 {
			return ErrNoProof
		}
		if tlog.CheckTree(v.head.Since[i].Proof, v.head.First, v.read.Root(), old.Size, old.Root) != nil {
			return &BadRecordError{First: 0, Last: v.head.First - 1, What: "what was left out has not grown out of the older checkpoint"}
		}
	}
	return v.compare()
}

// compare compares with the older checkpoints that are of just this size.
func (v *verification) compare() error {
	for len(v.since) > 0 && v.since[0].Size == v.read.Size {
		old := v.since[0]
		v.since = v.since[1:]
		if old.Size > 0 && v.read.Root() != old.Root {
			if v.suspect >= 0 {
				v.differs = true // the next checkpoint says which record it is
				continue
			}
			from := v.agreed
			if from >= old.Size { // of two older ones of the same size only one can be right
				from = 0
			}
			return &BadRecordError{First: from, Last: old.Size - 1, What: "the records are not those of the older checkpoint: they were written anew and signed again"}
		}
		v.agreed = old.Size
	}
	return nil
}

func (v *verification) line(line []byte) error {
	switch {
	case bytes.HasPrefix(line, []byte(`{"v":`)):
		return v.record(line)
	case bytes.HasPrefix(line, []byte(`{"hashes":`)):
		var h exportHashes
		if json.Unmarshal(line, &h) != nil || len(h.Hashes) == 0 || len(h.Hashes) > 1<<TileHeight {
			return bad(v.read.Size, "the hashes before it are damaged")
		}
		if len(v.hashes) > 0 {
			return bad(v.read.Size, "it is missing")
		}
		v.hashes = h.Hashes
		return nil
	case bytes.HasPrefix(line, []byte(`{"checkpoint":`)):
		var c exportCheckpoint
		if json.Unmarshal(line, &c) != nil {
			return bad(v.read.Size-1, "the checkpoint behind it is damaged")
		}
		return v.checkpoint([]byte(c.Checkpoint))
	}
	return bad(v.read.Size, "there is no record in this line")
}

func (v *verification) record(line []byte) error {
	seq := v.read.Size
	if _, said, err := SeqOf(line); err != nil {
		return bad(seq, "the line is damaged")
	} else if said != seq {
		return bad(seq, fmt.Sprintf("in its place stands one that says it is record %d", said))
	}
	if seq >= v.head.Size {
		return bad(seq, "the log has no more records")
	}
	if len(v.hashes) == 0 {
		return bad(seq, "its hash is missing before it")
	}
	h := v.hash.hash(line)
	if h != v.hashes[0] && v.suspect < 0 {
		v.suspect = seq
	}
	v.read.Add(h, nil)
	v.given.Add(v.hashes[0], nil)
	v.hashes = v.hashes[1:]
	if v.each != nil {
		if err := v.each(seq, line); err != nil {
			return err
		}
	}
	return v.compare()
}

func (v *verification) checkpoint(signed []byte) error {
	c, err := v.key.Open(signed)
	from := v.good
	switch {
	case err != nil:
		return &BadRecordError{First: from, Last: max(from, v.read.Size-1), What: err.Error()}
	case c.Size > v.read.Size:
		return bad(v.read.Size, "it is missing before its checkpoint")
	case c.Size < v.read.Size:
		return bad(c.Size, "it stands before a checkpoint that does not have it")
	case c.Root == v.read.Root() && v.differs:
		return bad(v.suspect, "it was changed and signed again: it is not that of the older checkpoint")
	case c.Root == v.read.Root() && v.suspect >= 0:
		return bad(v.suspect, "it is right, and the hash that the export gives for it is not")
	case c.Root == v.read.Root():
		v.good, v.checkpoints, v.signed = c.Size, v.checkpoints+1, signed
		return nil
	case c.Root == v.given.Root():
		return bad(v.suspect, "it was changed")
	}
	return &BadRecordError{First: from, Last: max(from, v.read.Size-1), What: "it was changed, or the hashes before it were"}
}

func (v *verification) end() error {
	if v.read.Size < v.head.Size {
		return bad(v.read.Size, "it is missing, as all behind it: the export was cut")
	}
	if v.good < v.read.Size {
		return bad(v.good, "it is behind the last checkpoint, so nothing shows that it is right")
	}
	if len(v.since) > 0 {
		old := v.since[len(v.since)-1]
		return bad(v.read.Size, fmt.Sprintf("it is missing: the log had %d records when the older checkpoint was made, and was cut or rolled back since", old.Size))
	}
	return nil
}

// first is the error that names the earliest record: a record whose hash did not fit, if it comes before the error. Where no
// checkpoint came that says whether the record or its hash was changed, it may be the hash.
func (v *verification) first(err error) error {
	found, ok := errors.AsType[*BadRecordError](err)
	if v.suspect < 0 || ok && found.First <= v.suspect {
		return err
	}
	return bad(v.suspect, "it was changed, or the hash that the export gives for it was")
}
