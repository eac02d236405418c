package canonical

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
)

// member is one member of an object: its key decoded, and where it is on the tape.
type member struct {
	key   []byte
	node  uint32 // of the key
	value uint32 // of the value: a later duplicate's, if there is one
	index int64  // the array index that the key is in JavaScript, or -1
}

// few is how many members are compared each with each instead of through a hash table.
const few = 8

var seed = maphash.MakeSeed()

// outOfOrder reports whether the members of an object cannot be written as they come: two have the same key, or in
// JavaScript one is an array index that does not stand where it has to.
func (t *tape) outOfOrder(at, count int) bool {
	if count < 2 {
		return false
	}
	ms := t.collect(at)
	defer t.drop(len(ms))
	last, named := int64(-1), false
	for i := range ms {
		if x := ms[i].index; x >= 0 {
			if named || x <= last {
				return true
			}
			last = x
		} else {
			named = true
		}
	}
	if count <= few {
		for i := range ms {
			for j := range i {
				if bytes.Equal(ms[i].key, ms[j].key) {
					return true
				}
			}
		}
		return false
	}
	t.table(count)
	for i := range ms {
		if t.find(ms, i) != i {
			return true
		}
	}
	return false
}

// ordered are the members of an object as they have to be written, without duplicates. The caller drops them.
func (t *tape) ordered(at int) (ms []member, pushed int) {
	ms = t.collect(at)
	pushed = len(ms)
	t.table(len(ms))
	kept := 0
	for i := range ms {
		ms[kept] = ms[i]
		if j := t.find(ms, kept); j != kept {
			ms[j].value, t.differs = ms[i].value, true
			continue
		}
		kept++
	}
	ms = ms[:kept]
	if t.f == javaScript {
		t.spend(2 * len(ms) * bits.Len(uint(len(ms))))
		slices.SortFunc(ms, func(a, b member) int {
			switch {
			case a.index >= 0 && b.index >= 0:
				return cmp.Compare(a.index, b.index) // the difference may not fit into an int of 32 bits
			case a.index >= 0:
				return -1
			case b.index >= 0:
				return 1
			}
			return cmp.Compare(a.node, b.node) // as they come
		})
	}
	return ms, pushed
}

// collect pushes the members of the object onto the stack, and drop takes n of them off again.
func (t *tape) collect(at int) []member {
	base := len(t.members)
	for i, end := uint32(at+1), t.nodes[at].next; i < end; i = t.nodes[i+1].next {
		k := t.key(i)
		m := member{key: k, node: i, value: i + 1, index: -1}
		if t.f == javaScript {
			m.index = arrayIndex(k)
		}
		t.members = append(t.members, m)
		t.spend(2 + len(k)/2)
	}
	return t.members[base:]
}

func (t *tape) drop(n int) {
	kept := len(t.members) - n
	clear(t.members[kept:]) // they hold slices of the text
	t.members = t.members[:kept]
	if len(t.members) == 0 {
		t.arena = t.arena[:0]
	}
}

// key is the content of a key with its escapes resolved, so that equal keys are equal bytes.
func (t *tape) key(i uint32) []byte {
	n := &t.nodes[i]
	text := t.text[n.start:n.end]
	if n.plain || t.f == python && bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	start := len(t.arena)
	t.arena = t.decode(t.arena, text)
	return t.arena[start:len(t.arena):len(t.arena)]
}

// table makes the hash table empty, and large enough for n members.
func (t *tape) table(n int) {
	size := 16
	for size < 2*n {
		size *= 2
	}
	t.slots = slices.Grow(t.slots[:0], size)[:size]
	clear(t.slots)
}

// find returns the index of the member that has the key of ms[i]: an earlier one, or i itself, which it then adds.
func (t *tape) find(ms []member, i int) int {
	mask := len(t.slots) - 1
	t.spend(2)
	for h := int(maphash.Bytes(seed, ms[i].key)) & mask; ; h = (h + 1) & mask {
		t.spend(1)
		switch s := t.slots[h]; {
		case s == 0:
			t.slots[h] = uint32(i) + 1
			return i
		case bytes.Equal(ms[s-1].key, ms[i].key):
			return int(s) - 1
		}
	}
}

// arrayIndex is the array index (ECMA-262, 6.1.7) that a key is, or -1: an integer up to 2^32-2 in its shortest form.
func arrayIndex(k []byte) int64 {
	if len(k) == 0 || len(k) > 10 || k[0] == '0' && len(k) > 1 {
		return -1
	}
	n := int64(0)
	for _, c := range k {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	if n > 1<<32-2 {
		return -1
	}
	return n
}
