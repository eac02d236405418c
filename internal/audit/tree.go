package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is how many levels of the tree a tile has: of the hashes above the leaves only those of the levels 8, 16, 24
// and so on are stored, a 256th of the leaves, and the others computed.
const TileHeight = 8

// State is where a log stands: its size, and the roots of the complete trees that it is made of, its right frontier. It is
// all that appending needs. The zero value is an empty log. It is a value: a copy of it stays as it is.
type State struct {
	// Size is how many leaves there are.
	Size int64
	// frontier has at i the root of the complete tree of 1<<i leaves, where Size has that bit.
	frontier [63]tlog.Hash
}

// Node is a hash of the tree: the root of the complete tree over the leaves from N<<Level to (N+1)<<Level - 1.
type Node struct {
	Level int
	N     int64
	Hash  tlog.Hash
}

// Add appends the hash of a leaf, and appends to done the hashes that it completes of the levels that are stored above the
// leaves.
func (s *State) Add(leaf tlog.Hash, done []Node) []Node {
	h, level := leaf, 0
	for ; s.Size>>level&1 == 1; level++ {
		h, s.frontier[level] = tlog.NodeHash(s.frontier[level], h), tlog.Hash{}
		if (level+1)%TileHeight == 0 {
			done = append(done, Node{Level: level + 1, N: s.Size >> (level + 1), Hash: h})
		}
	}
	s.frontier[level] = h
	s.Size++
	return done
}

// Root is the hash of the whole tree, which a checkpoint has.
func (s *State) Root() tlog.Hash {
	if s.Size == 0 {
		return sha256.Sum256(nil) // as RFC 6962 has it
	}
	level := bits.TrailingZeros64(uint64(s.Size))
	root := s.frontier[level]
	for level++; level < len(s.frontier); level++ {
		if s.Size>>level&1 == 1 {
			root = tlog.NodeHash(s.frontier[level], root)
		}
	}
	return root
}

// AppendBinary appends the size, 8 bytes, and the frontier from the largest tree down, 32 bytes each.
func (s *State) AppendBinary(dst []byte) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.Size))
	for level, h := range slices.Backward(s.frontier[:]) {
		if s.Size>>level&1 == 1 {
			dst = append(dst, h[:]...)
		}
	}
	return dst, nil
}

// MarshalBinary is AppendBinary to nothing.
func (s *State) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote.
func (s *State) UnmarshalBinary(data []byte) error {
	bad := errors.New("this is not the state of an audit log")
	if len(data) < 8 {
		return bad
	}
	var read State
	read.Size = int64(binary.BigEndian.Uint64(data))
	data = data[8:]
	if read.Size < 0 || len(data) != bits.OnesCount64(uint64(read.Size))*tlog.HashSize {
		return bad
	}
	for level := range slices.Backward(read.frontier[:]) {
		if read.Size>>level&1 == 1 {
			read.frontier[level], data = tlog.Hash(data), data[tlog.HashSize:]
		}
	}
	*s = read
	return nil
}

// Batch makes the leaves that go into one transaction: what a store has to write for them. It can be used again with Begin.
// If the transaction fails, whoever began it begins anew from the old state.
type Batch struct {
	// First is the place of the first leaf.
	First int64
	// Lines are the lines of the leaves, each with a line feed behind it: the bundle.
	Lines []byte
	// Nodes are the hashes above the leaves that became complete, by which [Tiles] needs not read all leaves. Of the same
	// level they have consecutive N.
	Nodes []Node

	state  State
	digest hash.Hash
	sum    []byte
}

// Begin begins at a state, with no leaves.
func (b *Batch) Begin(s *State) {
	b.state = *s
	b.First, b.Lines, b.Nodes = s.Size, b.Lines[:0], b.Nodes[:0]
}

// Len is how many leaves were added.
func (b *Batch) Len() int { return int(b.state.Size - b.First) }

// State is where the log stands behind the leaves that were added.
func (b *Batch) State() State { return b.state }

// Add appends a leaf, and sets its V and Seq.
func (b *Batch) Add(l *Leaf) {
	l.V, l.Seq = Version, b.state.Size
	start := len(b.Lines)
	b.Lines = AppendLine(b.Lines, l)
	b.Nodes = b.state.Add(b.hash(b.Lines[start:]), b.Nodes)
	b.Lines = append(b.Lines, '\n')
}

var leafPrefix = []byte{0}

// hash is tlog.RecordHash without an allocation.
func (b *Batch) hash(line []byte) tlog.Hash {
	if b.digest == nil {
		b.digest = sha256.New()
	}
	b.digest.Reset()
	b.digest.Write(leafPrefix)
	b.digest.Write(line)
	b.sum = b.digest.Sum(b.sum[:0])
	return tlog.Hash(b.sum)
}
