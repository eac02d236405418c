// Package seal encrypts what the store keeps, with a ring of keys of which the first seals and every one opens, so that
// keys can be changed while old records are still there.
//
// An envelope is one version byte (2), the 8-byte id of its key, a 24-byte random nonce, the ciphertext and a 16-byte tag of
// XAES-256-GCM, under a key that is derived from the one in the ring. With AES-GCM alone and its 12-byte nonces a key is good
// for 2^32 records (NIST SP 800-38D, section 8.3): some months of a busy gateway, and then somebody has to have counted. The
// nonces of XAES-256-GCM are long enough for more records than there will ever be, under one key and without a count, and
// it is AES-GCM with one key derivation before it, which is made once for all that belongs to an event. A key for each event
// that is stored with it, wrapped, would take as much time and more room.
//
// The version and key id are authenticated too, together with the record's place: tenant, source, route, event, delivery,
// destination, attempt and column. So an envelope that was moved elsewhere, or whose event was made another tenant's, does
// not open. Envelopes of version 1, AES-256-GCM with a 12-byte nonce, bound to event and column, are opened but not made.
//
// Where tenants have data keys of their own (see [Keys]), envelopes are of version 3: the same, but the id is that of a data
// key, under which they are sealed, and the ring or somebody else wraps the data keys. Who destroys a tenant's data keys
// makes all that was sealed with them unreadable at once, wherever it stands.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
)

var (
	// ErrNoKey means that an envelope was sealed with a key that is not in the ring, or that there is no ring at all.
	ErrNoKey = errors.New("no key for sealed data: add the key it was sealed with to encryption_key, after the first one")
	// ErrTampered means that an envelope was changed, cut short or moved to another record.
	ErrTampered = errors.New("sealed data does not open: it was changed, cut short or moved; restore it from a backup")
	// ErrKey means that a key's text is not 32 bytes in hexadecimal or base64.
	ErrKey = errors.New("an encryption key must be 32 random bytes in hexadecimal or base64: make one with `openssl rand -hex 32`")
)

const (
	// KeySize is the length of a key in bytes.
	KeySize = 32
	// Overhead is how much longer an envelope is than what it holds.
	Overhead = headerSize + nonceSize + tagSize

	version2   = 2
	versionKey = 3 // sealed with a data key
	headerSize = 1 + len(KeyID{})
	tagSize    = 16

	version1   = 1
	nonceSize1 = 12
)

// KeyID names a key without giving anything of it away: the first 8 bytes of HMAC-SHA256(key, a constant).
type KeyID [8]byte

// String is the id in hexadecimal.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

type key struct {
	id     KeyID
	xaes   *xaes
	aead1  cipher.AEAD // of version 1
	macs   *sync.Pool  // of hash.Hash, keyed, which costs more than what they hash
	caller [sha256.Size]byte
}

// Ring is an ordered set of keys. It does not change after it was made, and is safe for concurrent use.
type Ring struct{ keys []key }

// NewRing makes a ring of raw 32-byte keys. The first one seals. A key given twice counts once.
func NewRing(keys ...[]byte) (*Ring, error) {
	if len(keys) == 0 {
		return nil, ErrKey
	}
	r := &Ring{}
	for i, raw := range keys {
		if len(raw) != KeySize {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(keys), ErrKey)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(keys), err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(keys), err)
		}
		// The key itself is that of version 1, and is used for nothing else.
		sealing := derive(raw, "callgate xaes-256-gcm 2")
		x, err := newXAES(sealing[:])
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(keys), err)
		}
		id := derive(raw, "callgate key id 1")
		mac := derive(raw, "callgate mac 2")
		macs := &sync.Pool{New: func() any { return hmac.New(sha256.New, mac[:]) }}
		k := key{id: KeyID(id[:8]), xaes: x, aead1: aead, macs: macs, caller: derive(raw, "callgate caller hash 1")}
		if r.find(k.id) == nil {
			r.keys = append(r.keys, k)
		}
	}
	return r, nil
}

func derive(key []byte, purpose string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(purpose))
	mac.Sum(sum[:0])
	return sum
}

func (r *Ring) find(id KeyID) *key {
	for i := range r.keys {
		if r.keys[i].id == id {
			return &r.keys[i]
		}
	}
	return nil
}

// First is the id of the key that seals.
func (r *Ring) First() KeyID { return r.keys[0].id }

// Has tells whether the ring can open what was sealed with a key.
func (r *Ring) Has(id KeyID) bool { return r.find(id) != nil }

// Place says where an envelope belongs. What does not apply is left empty.
type Place struct {
	// Event is the id of the event, or of the delivery; Column the name of what is sealed: "body", "record".
	Event, Column string
	// Tenant, Source and Route are the event's.
	Tenant, Source, Route string
	// Destination and Attempt are those of the attempt that an excerpt belongs to.
	Destination string
	Attempt     int64
}

// associated is the data that an envelope is bound to: its header, and its place with lengths in front.
func associated(buf []byte, header []byte, p Place) []byte {
	buf = append(buf, header...)
	if header[0] == version1 {
		buf = binary.AppendUvarint(buf, uint64(len(p.Event)))
		buf = append(buf, p.Event...)
		return append(buf, p.Column...)
	}
	for _, s := range [...]string{p.Event, p.Column, p.Tenant, p.Source, p.Route, p.Destination} {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	return binary.AppendVarint(buf, p.Attempt)
}

// Seal encrypts data with the first key into a new envelope that only opens at its place.
func (r *Ring) Seal(data []byte, p Place) []byte { return r.Sealer().Seal(data, p) }

// Open decrypts an envelope. The error is ErrNoKey or ErrTampered.
func (r *Ring) Open(envelope []byte, p Place) ([]byte, error) { return r.Sealer().Open(envelope, p) }

// Sealer seals, or opens, what belongs together, such as all that is kept of one event, and derives a key for it once. It is
// for one goroutine at a time.
type Sealer struct {
	ring *Ring
	aead cipher.AEAD // nil if there is none yet
	id   KeyID       // which was derived from this key
	salt [saltSize]byte
	data *dataKey        // what seals; nil for the ring's first key
	keys *Keys           // finds the data keys that open; nil without any
	ctx  context.Context // of whoever waits for them
}

// Sealer makes one. That of no ring opens nothing.
func (r *Ring) Sealer() *Sealer { return &Sealer{ring: r} }

// sealsWith is what seals.
func (s *Sealer) sealsWith() (version byte, id KeyID, x *xaes) {
	if s.data != nil {
		return versionKey, s.data.id, s.data.xaes
	}
	k := &s.ring.keys[0]
	return version2, k.id, k.xaes
}

// Seal encrypts data with the data key or, if it has none, the first key of the ring into a new envelope that only opens at
// its place.
func (s *Sealer) Seal(data []byte, p Place) []byte {
	version, id, x := s.sealsWith()
	if s.aead == nil || s.id != id {
		rand.Read(s.salt[:]) // it never fails: without random numbers the process ends
		s.id, s.aead = id, x.derive(s.salt)
	}
	envelope := make([]byte, headerSize+nonceSize, Overhead+len(data))
	envelope[0] = version
	copy(envelope[1:], id[:])
	copy(envelope[headerSize:], s.salt[:])
	nonce := envelope[headerSize+saltSize:]
	rand.Read(nonce)
	var stack [192]byte
	return s.aead.Seal(envelope, nonce, data, associated(stack[:0], envelope[:headerSize], p))
}

// Open decrypts an envelope. The error is ErrNoKey or ErrTampered or, of what was sealed with a data key, ErrDestroyed or
// ErrUnavailable.
func (s *Sealer) Open(envelope []byte, p Place) ([]byte, error) {
	size := nonceSize
	if len(envelope) > 0 && envelope[0] == version1 {
		size = nonceSize1
	}
	if len(envelope) < headerSize+size+tagSize || envelope[0] < version1 || envelope[0] > versionKey {
		return nil, ErrTampered
	}
	header, nonce, sealed := envelope[:headerSize], envelope[headerSize:][:size], envelope[headerSize+size:]
	var aead cipher.AEAD
	var x *xaes
	id := KeyID(header[1:])
	if header[0] == versionKey {
		k, err := s.keys.dataKey(s.ctx, id)
		if err != nil {
			return nil, err
		}
		x = k.xaes
	} else {
		if s.ring == nil {
			return nil, ErrNoKey
		}
		k := s.ring.find(id)
		if k == nil {
			return nil, ErrNoKey
		}
		aead, x = k.aead1, k.xaes
	}
	if header[0] != version1 {
		if salt := [saltSize]byte(nonce); s.aead == nil || s.id != id || s.salt != salt {
			s.id, s.salt, s.aead = id, salt, x.derive(salt)
		}
		aead, nonce = s.aead, nonce[saltSize:]
	}
	var stack [192]byte
	data, err := aead.Open(nil, nonce, sealed, associated(stack[:0], header, p))
	if err != nil {
		return nil, ErrTampered
	}
	return data, nil
}

// MAC authenticates data that need not be secret, with the key of an id; nil if the ring does not have it.
func (r *Ring) MAC(id KeyID, data []byte) []byte {
	if r == nil {
		return nil
	}
	k := r.find(id)
	if k == nil {
		return nil
	}
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(data)
	return mac.Sum(nil)
}

// CallerHash is a keyed hash of a caller's number (in E.164) under the first key: the same number gives the same hash,
// and without the key nobody can find the number by trying them all. It is 32 hexadecimal digits, empty for an empty
// number.
func (r *Ring) CallerHash(number string) string { return r.keys[0].callerHash(number) }

// CallerHashes are a number's hashes under every key of the ring, the first key's first: what to search for when keys
// have been changed, since a stored hash cannot be made again without the number.
func (r *Ring) CallerHashes(number string) []string {
	if number == "" {
		return nil
	}
	hashes := make([]string, 0, len(r.keys))
	for i := range r.keys {
		hashes = append(hashes, r.keys[i].callerHash(number))
	}
	return slices.Clip(hashes)
}

// FieldHash is CallerHash for any field of a call: its name and its value give 16 bytes. Values that differ in the size of
// their letters and in spaces only are one.
func (r *Ring) FieldHash(name, value string) [16]byte { return r.keys[0].fieldHash(name, value) }

// FieldHashes are a field's hashes under every key of the ring; see CallerHashes.
func (r *Ring) FieldHashes(name, value string) [][16]byte {
	if r == nil {
		return nil
	}
	hashes := make([][16]byte, len(r.keys))
	for i := range r.keys {
		hashes[i] = r.keys[i].fieldHash(name, value)
	}
	return hashes
}

func (k *key) fieldHash(name, value string) [16]byte {
	// No number has the byte in it that stands between, so that no hash of a number is one of a field.
	sum := derive(k.caller[:], name+"\x00"+strings.ToLower(strings.Join(strings.Fields(value), " ")))
	return [16]byte(sum[:16])
}

func (k *key) callerHash(number string) string {
	if number == "" {
		return ""
	}
	sum := derive(k.caller[:], number)
	return hex.EncodeToString(sum[:16])
}
