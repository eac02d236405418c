package audit

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The leaves and roots of the reference implementation of RFC 6962, as every implementation tests them.
var rfc6962 = []struct{ leaf, root string }{
	{"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
	{"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
	{"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
	{"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
	{"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
	{"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
	{"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
	{"606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
}

func TestRootsAreThoseOfRFC6962(t *testing.T) {
	var s State
	if got := s.Root().String(); got != "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" {
		t.Errorf("the root of no leaves is %s", got)
	}
	var b Batch
	for i, c := range rfc6962 {
		leaf, err := hex.DecodeString(c.leaf)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(b.hash(leaf), nil)
		if got := s.Root(); hex.EncodeToString(got[:]) != c.root {
			t.Errorf("the root of %d leaves is %x, want %s", i+1, got[:], c.root)
		}
	}
}

// kept is a store as a store keeps it: bundles, and nodes above the leaves.
type kept struct {
	leaves []tlog.Hash
	nodes  map[[2]int64]tlog.Hash
	lines  [][]byte
	state  State
}

func (k *kept) Hashes(level int, first int64, n int) ([]tlog.Hash, error) {
	if first/256 != (first+int64(n)-1)/256 {
		return nil, fmt.Errorf("%d hashes from %d on are not in one tile", n, first)
	}
	var out []tlog.Hash
	for i := first; i < first+int64(n); i++ {
		if level == 0 {
			if i < int64(len(k.leaves)) {
				out = append(out, k.leaves[i])
			}
		} else if h, ok := k.nodes[[2]int64{int64(level), i}]; ok {
			out = append(out, h)
		}
	}
	return out, nil
}

// write appends leaves in one bundle.
func (k *kept) write(b *Batch, leaves ...*Leaf) {
	b.Begin(&k.state)
	for _, l := range leaves {
		b.Add(l)
	}
	k.leaves = LeafHashes(k.leaves, b.Lines)
	for line := range Lines(b.Lines) {
		k.lines = append(k.lines, append([]byte(nil), line...))
	}
	if k.nodes == nil {
		k.nodes = make(map[[2]int64]tlog.Hash)
	}
	for _, n := range b.Nodes {
		k.nodes[[2]int64{int64(n.Level), n.N}] = n.Hash
	}
	k.state = b.State()
}

func attemptAt(i int) *Leaf {
	return &Leaf{At: time.Unix(1_700_000_000+int64(i), 0), Kind: Attempt, Event: fmt.Sprint("evt_", i), To: []Recipient{{Name: "crm"}}}
}

// logOf is a log with n leaves, in bundles of different sizes.
func logOf(n int) *kept {
	k := new(kept)
	var b Batch
	for size := 1; len(k.lines) < n; size = size*3%97 + 1 {
		var leaves []*Leaf
		for range min(size, n-len(k.lines)) {
			leaves = append(leaves, attemptAt(len(k.lines)+len(leaves)))
		}
		k.write(&b, leaves...)
	}
	return k
}

// TestBundlesAreAsOneTreeOfTlog: appended in bundles, and read back from a 256th of the hashes, a log has the roots and
// proofs of tlog, which has all of them.
func TestBundlesAreAsOneTreeOfTlog(t *testing.T) {
	const n = 1100
	k := logOf(n)
	var all []tlog.Hash
	whole := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, all[i])
		}
		return out, nil
	})
	for i, line := range k.lines {
		hashes, err := tlog.StoredHashes(int64(i), line, whole)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hashes...)
	}
	if k.state.Size != n || len(k.nodes) != n/256 {
		t.Fatalf("%d leaves and %d nodes, want %d and %d", k.state.Size, len(k.nodes), n, n/256)
	}
	r := HashReader(k)
	for size := int64(1); size <= n; size++ {
		want, err := tlog.TreeHash(size, whole)
		if err != nil {
			t.Fatal(err)
		}
		s, err := StateAt(size, r)
		if err != nil || s.Root() != want {
			t.Fatalf("the root of %d leaves is %v, want %v: %v", size, s.Root(), want, err)
		}
	}
	if s, err := StateAt(n, r); err != nil || s != k.state {
		t.Errorf("the state that is read is not the one that was written: %v", err)
	}
	for _, i := range []int64{0, 1, 255, 256, 767, 1024, n - 1} {
		p, err := tlog.ProveRecord(n, i, r)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(p, n, k.state.Root(), i, tlog.RecordHash(k.lines[i])); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

func TestStateReadsBack(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 256, 257, 777} {
		s := logOf(n).state
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got State
		if err := got.UnmarshalBinary(b); err != nil || got.Root() != s.Root() || got.Size != s.Size {
			t.Errorf("%d leaves read back as %d, %v", n, got.Size, err)
		}
		for _, bad := range [][]byte{nil, b[:len(b)-1], append(b, 0)} {
			if err := got.UnmarshalBinary(bad); err == nil {
				t.Errorf("%d leaves: %d of %d bytes were taken for a state", n, len(bad), len(b))
			}
		}
	}
}

// TestAFailedBundleLeavesNothing: a batch whose transaction fails is begun anew from the state before it.
func TestAFailedBundleLeavesNothing(t *testing.T) {
	k, want := logOf(5), logOf(5)
	var b Batch
	b.Begin(&k.state)
	b.Add(attemptAt(99))
	k.write(&b, attemptAt(5), attemptAt(6))
	want.write(new(Batch), attemptAt(5), attemptAt(6))
	if k.state != want.state || b.First != 5 || b.Len() != 2 {
		t.Errorf("the log stands otherwise: %d, first %d, %d leaves", k.state.Size, b.First, b.Len())
	}
}

func BenchmarkBatch(b *testing.B) {
	to, fields := []Recipient{{Name: "dispatch", Kind: "http", Host: "dispatch.example.com"}}, []string{"caller_number", "first_name", "service_type", "timestamp"}
	l := Leaf{At: time.Unix(1_700_000_000, 5e8), Kind: Attempt, Boot: "01HZX3", Tenant: "acme", Source: "nextphone", Event: "01HZX3M7Q3ZJ6V7Y0A1B2C3D4E", Delivery: "01HZX3M7Q3ZJ6V7Y0A1B2C3D4F",
		Attempt: 1, To: to, Fields: fields, Bytes: 2048, Sent: Commitment{1}, Outcome: OutcomeOK, Status: 200, TookMS: 87, Policy: PolicyAllowed, Subject: Commitment{2}}
	var s State
	var batch Batch
	b.ReportAllocs()
	for b.Loop() {
		batch.Begin(&s)
		for range 128 {
			batch.Add(&l)
		}
		s = batch.State()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/leaf")
	b.ReportMetric(float64(len(batch.Lines))/128, "B/leaf")
}

func BenchmarkCommit(b *testing.B) {
	salt, sent := NewSalt(), make([]byte, 2048)
	b.ReportAllocs()
	for b.Loop() {
		Commit(salt, sent)
	}
}
