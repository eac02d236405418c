package delivery

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// sentHash makes the hashes of bodies that were sent. A body of a few known fields can be guessed, so they are keyed: equal
// bodies have equal hashes, and nobody without the key can try which body has one.
type sentHash struct {
	ring *seal.Ring
	own  []byte // without a ring
}

// newSentHash takes the first key of a ring. Without one it makes a key that ends with the process, and hashes tell equal
// bodies only of attempts that the same process made.
func newSentHash(ring *seal.Ring) sentHash {
	h := sentHash{ring: ring}
	if ring == nil {
		h.own = make([]byte, sha256.Size)
		rand.Read(h.own) // it never fails: without random numbers the process ends
	}
	return h
}

// of gives 32 hexadecimal digits; none for what has no body that could be read again.
func (h sentHash) of(sum [sha256.Size]byte) string {
	if sum == ([sha256.Size]byte{}) {
		return ""
	}
	text := append([]byte("callgate sent "), sum[:]...)
	var mac []byte
	if h.ring != nil {
		mac = h.ring.MAC(h.ring.First(), text)
	} else {
		m := hmac.New(sha256.New, h.own)
		m.Write(text)
		mac = m.Sum(nil)
	}
	return hex.EncodeToString(mac[:16])
}

// digestOf is a SHA-256 over all the bodies of an attempt: the digest of one alone, or that of the digests of several one
// after the other. It is zero where nothing was sent, or not all of it can be told.
func digestOf(r *outbound.Record) (digest [sha256.Size]byte) {
	list, more := r.Sent()
	if more > 0 {
		return digest
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
	s := &store.Sent{More: more}
	if deliveries > 1 {
		s.Shared = deliveries
	}
	for _, q := range list {
		s.Requests = append(s.Requests, store.SentRequest{
			Method: q.Method, Host: q.Host, Bytes: q.Bytes, Hash: h.of(q.Sum), Fields: q.Fields, MoreFields: q.More,
		})
	}
	return s
}
