package delivery

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// sentHash makes the hashes of bodies that were sent. A body of a few known fields can be guessed, so they are keyed: equal
// bodies have equal hashes, and nobody without the key can try which body has one.
type sentHash struct{ ring *seal.Ring }

// newSentHash takes the first key of a ring. Without one it makes a key that ends with the process, and hashes tell equal
// bodies only of attempts that the same process made.
func newSentHash(ring *seal.Ring) sentHash {
	if ring == nil {
		own := make([]byte, seal.KeySize)
		rand.Read(own) // it never fails: without random numbers the process ends
		var err error
		if ring, err = seal.NewRing(own); err != nil {
			panic(err) // a key of this size is one
		}
	}
	return sentHash{ring}
}

// of gives 32 hexadecimal digits; none for what has no body that could be read again.
func (h sentHash) of(sum [sha256.Size]byte) string {
	if sum == ([sha256.Size]byte{}) {
		return ""
	}
	const before = "callgate sent "
	var text [len(before) + len(sum)]byte
	copy(text[copy(text[:], before):], sum[:])
	mac := h.ring.MAC(h.ring.First(), text[:])
	return hex.EncodeToString(mac[:16])
}

// digestOf is a SHA-256 over all the bodies of an attempt: the digest of one alone, or that of the digests of several one
// after the other. It is zero where nothing was sent, or not all of it can be told.
func digestOf(r *outbound.Record) (digest [sha256.Size]byte) {
	list, more := r.Sent()
	if more > 0 {
		return digest
	}
	if len(list) == 1 {
		return list[0].Sum
	}
	var all []byte
	n := 0
	for i := range list {
		if list[i].Sum == digest {
			if list[i].Bytes > 0 {
				return digest // a body that could not be read again
			}
			continue
		}
		all = append(all, list[i].Sum[:]...)
		n++
	}
	switch n {
	case 0:
	case 1:
		copy(digest[:], all)
	default:
		digest = sha256.Sum256(all)
	}
	return digest
}

// sentOf is what is kept of the requests that an attempt at some deliveries made; nil if there were none.
func (h sentHash) sentOf(r *outbound.Record, deliveries int) *store.Sent {
	list, more := r.Sent()
	if len(list) == 0 {
		return nil
	}
	kept := new(struct {
		store.Sent
		one [1]store.SentRequest // mostly it is one
	})
	s := &kept.Sent
	s.More, s.Requests = more, kept.one[:0]
	if deliveries > 1 {
		s.Shared = deliveries
	}
	for i := range list {
		q := &list[i]
		s.Requests = append(s.Requests, store.SentRequest{
			Method: q.Method, Host: q.Host, Bytes: q.Bytes, Hash: h.of(q.Sum), Fields: q.Fields, MoreFields: q.More,
		})
	}
	return s
}
