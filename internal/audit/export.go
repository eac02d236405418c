package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// An export is lines of JSON. The first is an exportHead. Then come the records as they stand in the log, in front of each
// 256 of them their hashes, by which a verifier finds the one that was changed, and behind the last of its records each
// checkpoint:
//
//	{"callgate_audit":1,"origin":"clinic.example/1","first":0,"size":3}
//	{"hashes":["…","…","…"]}
//	{"v":1,"seq":0,…}
//	{"v":1,"seq":1,…}
//	{"checkpoint":"clinic.example/1\n2\n…"}
//	{"v":1,"seq":2,…}
//	{"checkpoint":"clinic.example/1\n3\n…"}
type exportHead struct {
	Version int    `json:"callgate_audit"`
	Origin  string `json:"origin"`
	// First is the first record of the export; those before it were pruned or left out. Size is the log's.
	First int64 `json:"first"`
	Size  int64 `json:"size"`
	// Frontier are the roots of the complete trees over the records before First, the largest first.
	Frontier []tlog.Hash `json:"frontier,omitempty"`
	// Since shows that what was left out has grown out of older checkpoints.
	Since []exportSince `json:"since,omitempty"`
}

type exportSince struct {
	Size  int64       `json:"size"`
	Proof []tlog.Hash `json:"proof"`
}

type exportHashes struct {
	Hashes []tlog.Hash `json:"hashes"`
}

type exportCheckpoint struct {
	Checkpoint string `json:"checkpoint"`
}

// exportVersion is the version of the form of an export.
const exportVersion = 1

// Export says what an [Exporter] writes.
type Export struct {
	Origin string
	// First is the first record, Size one more than the last: the size of the log.
	First, Size int64
	// Since are the sizes of older checkpoints that a verifier may have, below First; those from First on need nothing.
	Since []int64
}

// Exporter writes an export. Its methods are called in the order of the log.
type Exporter struct {
	w      *bufio.Writer
	e      Export
	state  State
	signed int64
	tile   Batch
	lines  [][]byte // of the tile under way: records, and checkpoints between them
	hashes []tlog.Hash
}

// NewExporter begins an export. The hashes are those of the whole log, of which a few are read.
func NewExporter(w io.Writer, e Export, r tlog.HashReader) (*Exporter, error) {
	if e.First < 0 || e.First >= e.Size {
		return nil, fmt.Errorf("the audit log has the records 0 to %d; an export from %d on would be empty", e.Size-1, e.First)
	}
	x := &Exporter{w: bufio.NewWriter(w), e: e, signed: -1}
	var err error
	if x.state, err = StateAt(e.First, r); err != nil {
		return nil, err
	}
	head := exportHead{Version: exportVersion, Origin: e.Origin, First: e.First, Size: e.Size, Frontier: x.state.trees()}
	for _, size := range e.Since {
		if size <= 0 || size >= e.First {
			continue
		}
		proof, err := tlog.ProveTree(e.First, size, r)
		if err != nil {
			return nil, err
		}
		head.Since = append(head.Since, exportSince{Size: size, Proof: proof})
	}
	return x, x.write(head)
}

func (x *Exporter) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = x.w.Write(append(b, '\n'))
	return err
}

// Line adds the next record.
func (x *Exporter) Line(line []byte) error {
	if _, seq, err := SeqOf(line); err != nil || seq != x.state.Size {
		return fmt.Errorf("the record at %d of the audit log is damaged, or not in its place", x.state.Size)
	}
	h := x.tile.hash(line)
	x.hashes = append(x.hashes, h)
	x.lines = append(x.lines, append([]byte(nil), line...))
	x.state.Add(h, nil)
	if x.state.Size%(1<<TileHeight) == 0 {
		return x.flush()
	}
	return nil
}

// Checkpoint adds a signed checkpoint behind the last of its records. The last record needs one.
func (x *Exporter) Checkpoint(signed []byte, size int64) error {
	if size != x.state.Size {
		return fmt.Errorf("the checkpoint of %d records does not stand behind record %d", size, x.state.Size-1)
	}
	b, err := json.Marshal(exportCheckpoint{Checkpoint: string(signed)})
	if err != nil {
		return err
	}
	x.signed = size
	x.lines = append(x.lines, b)
	if len(x.hashes) == 0 {
		return x.flush()
	}
	return nil
}

func (x *Exporter) flush() error {
	if len(x.hashes) > 0 {
		if err := x.write(exportHashes{x.hashes}); err != nil {
			return err
		}
	}
	for _, line := range x.lines {
		if _, err := x.w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	x.hashes, x.lines = x.hashes[:0], x.lines[:0]
	return nil
}

// Close ends an export, which must be whole by then. It does not close the writer.
func (x *Exporter) Close() error {
	switch {
	case x.state.Size != x.e.Size:
		return fmt.Errorf("the export ends with record %d of %d", x.state.Size-1, x.e.Size-1)
	case x.signed != x.e.Size:
		return errors.New("the export ends without a checkpoint, so nobody could verify it")
	}
	if err := x.flush(); err != nil {
		return err
	}
	return x.w.Flush()
}

// trees are the roots of the complete trees that a log is made of, the largest first.
func (s *State) trees() []tlog.Hash {
	var out []tlog.Hash
	for level := len(s.frontier) - 1; level >= 0; level-- {
		if s.Size>>level&1 == 1 {
			out = append(out, s.frontier[level])
		}
	}
	return out
}

// stateOf is the state of a log of a size with such trees.
func stateOf(size int64, trees []tlog.Hash) (State, error) {
	s := State{Size: size}
	for level := len(s.frontier) - 1; level >= 0; level-- {
		if size>>level&1 == 0 {
			continue
		}
		if len(trees) == 0 {
			return State{}, errors.New("hashes are missing")
		}
		s.frontier[level], trees = trees[0], trees[1:]
	}
	if len(trees) > 0 {
		return State{}, errors.New("there are too many hashes")
	}
	return s, nil
}
