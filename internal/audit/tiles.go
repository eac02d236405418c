package audit

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// Tiles is what a store offers of a log's hashes.
type Tiles interface {
	// Hashes gives n hashes of a level from the first on. Level 0 are the leaves: [LeafHashes] of the bundles, or what was
	// kept of those whose lines were pruned. Of the levels above, 8, 16, 24 and so on are asked for: the nodes that
	// [Batch] made. n is at most 256, and they lie in one tile: first/256 is the same for all.
	Hashes(level int, first int64, n int) ([]tlog.Hash, error)
}

// HashReader reads every hash of a tree from what a store offers, for tlog's proofs.
func HashReader(t Tiles) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			up := level % TileHeight
			got, err := t.Hashes(level-up, n<<up, 1<<up)
			if err != nil {
				return nil, err
			}
			if len(got) != 1<<up {
				return nil, fmt.Errorf("the store has %d of %d hashes of level %d of the audit log from %d on", len(got), 1<<up, level-up, n<<up)
			}
			out[i] = fold(got)
		}
		return out, nil
	})
}

// fold is the root of a complete tree over hashes, of which there are a power of two. It overwrites them.
func fold(level []tlog.Hash) tlog.Hash {
	for len(level) > 1 {
		for i := range len(level) / 2 {
			level[i] = tlog.NodeHash(level[2*i], level[2*i+1])
		}
		level = level[:len(level)/2]
	}
	return level[0]
}

// LeafHashes are the hashes of the lines of a bundle, appended to dst.
func LeafHashes(dst []tlog.Hash, bundle []byte) []tlog.Hash {
	var b Batch
	for line := range Lines(bundle) {
		dst = append(dst, b.hash(line))
	}
	return dst
}

// Lines are the lines of a bundle, without their line feeds.
func Lines(bundle []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(bundle) > 0 {
			line, rest, _ := bytes.Cut(bundle, []byte{'\n'})
			if !yield(line) {
				return
			}
			bundle = rest
		}
	}
}

// StateAt is where a log stood when it had a size, read from its hashes. It is what appending goes on from when the state
// itself is lost, and what rebuilds one for a check.
func StateAt(size int64, r tlog.HashReader) (State, error) {
	if size < 0 {
		return State{}, errors.New("an audit log has no negative size")
	}
	s := State{Size: size}
	var indexes []int64
	var levels []int
	for level := range s.frontier {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, size>>level-1))
			levels = append(levels, level)
		}
	}
	hashes, err := r.ReadHashes(indexes)
	if err != nil {
		return State{}, err
	}
	for i, level := range levels {
		s.frontier[level] = hashes[i]
	}
	return s, nil
}
