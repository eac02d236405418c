// Package seal encrypts what the store keeps: AES-256-GCM for each record, with a ring of keys of which the first seals
// and every one opens, so that keys can be changed while old records are still there.
//
// An envelope is one version byte (1), the 8-byte id of its key, a 12-byte random nonce (NIST SP 800-38D, section
// 8.2.2), the ciphertext and a 16-byte tag. The version and key id are authenticated too, together with the record's
// place (event id and column), so that an envelope that was moved to another event or column does not open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
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

	version    = 1
	headerSize = 1 + len(KeyID{})
	nonceSize  = 12
	tagSize    = 16
)

// KeyID names a key without giving anything of it away: the first 8 bytes of HMAC-SHA256(key, a constant).
type KeyID [8]byte

// String is the id in hexadecimal.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

type key struct {
	id     KeyID
	aead   cipher.AEAD
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
		id := derive(raw, "callgate key id 1")
		k := key{id: KeyID(id[:8]), aead: aead, caller: derive(raw, "callgate caller hash 1")}
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

// Place says where an envelope belongs.
type Place struct {
	// Event is the id of the event, Column the name of what is sealed: "body", "record".
	Event, Column string
}

// associated is the data that an envelope is bound to: its header, and its place with lengths in front.
func associated(buf []byte, header []byte, p Place) []byte {
	buf = append(buf, header...)
	buf = binary.AppendUvarint(buf, uint64(len(p.Event)))
	buf = append(buf, p.Event...)
	return append(buf, p.Column...)
}

// Seal encrypts data with the first key into a new envelope that only opens at its place.
func (r *Ring) Seal(data []byte, p Place) []byte {
	k := &r.keys[0]
	envelope := make([]byte, headerSize+nonceSize, Overhead+len(data))
	envelope[0] = version
	copy(envelope[1:], k.id[:])
	nonce := envelope[headerSize:]
	rand.Read(nonce) // it never fails: without random numbers the process ends
	var stack [96]byte
	return k.aead.Seal(envelope, nonce, data, associated(stack[:0], envelope[:headerSize], p))
}

// Open decrypts an envelope. The error is ErrNoKey or ErrTampered.
func (r *Ring) Open(envelope []byte, p Place) ([]byte, error) {
	if len(envelope) < Overhead || envelope[0] != version {
		return nil, ErrTampered
	}
	if r == nil {
		return nil, ErrNoKey
	}
	header, rest := envelope[:headerSize], envelope[headerSize:]
	k := r.find(KeyID(header[1:]))
	if k == nil {
		return nil, ErrNoKey
	}
	var stack [96]byte
	data, err := k.aead.Open(nil, rest[:nonceSize], rest[nonceSize:], associated(stack[:0], header, p))
	if err != nil {
		return nil, ErrTampered
	}
	return data, nil
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

func (k *key) callerHash(number string) string {
	if number == "" {
		return ""
	}
	sum := derive(k.caller[:], number)
	return hex.EncodeToString(sum[:16])
}
