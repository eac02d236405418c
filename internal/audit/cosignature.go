package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// cosignatureV1 is the kind of key that C2SP's tlog-cosignature gives a witness's Ed25519 key.
const cosignatureV1 = 4

// Cosigner checks the cosignatures of one witness: of somebody else, who vouches that each checkpoint has grown out of those
// that he saw before.
type Cosigner struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

// NewCosigner reads the public key of a witness: NAME+ID+KEY in one line, as witnesses publish it.
func NewCosigner(vkey string) (*Cosigner, error) {
	bad := errors.New("this is not the public key of a witness, which is NAME+ID+KEY in one line, for Ed25519 cosignatures")
	name, rest, _ := strings.Cut(strings.TrimSpace(vkey), "+")
	idText, keyText, ok := strings.Cut(rest, "+")
	id, err := strconv.ParseUint(idText, 16, 32)
	if !ok || err != nil || len(idText) != 8 || checkName(name) != nil {
		return nil, bad
	}
	key, err := base64.StdEncoding.DecodeString(keyText)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureV1 {
		return nil, bad
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	if binary.BigEndian.Uint32(sum[:]) != uint32(id) {
		return nil, bad
	}
	return &Cosigner{name: name, id: uint32(id), key: key[1:]}, nil
}

// Name is the witness's name.
func (c *Cosigner) Name() string { return c.name }

// ErrNotCosigned is a checkpoint without a cosignature of the witness.
var ErrNotCosigned = errors.New("the witness has not cosigned this checkpoint")

// Check finds the cosignature in a signed checkpoint, and says when it was made.
func (c *Cosigner) Check(signed []byte) (time.Time, error) {
	_, at, err := c.find(signed)
	return at, err
}

func (c *Cosigner) find(signed []byte) (note.Signature, time.Time, error) {
	if len(signed) > maxCheckpoint {
		return note.Signature{}, time.Time{}, ErrCheckpoint
	}
	n, err := note.Open(signed, note.VerifierList(cosignatures{c}))
	if err != nil {
		return note.Signature{}, time.Time{}, ErrNotCosigned
	}
	b, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil {
		return note.Signature{}, time.Time{}, ErrNotCosigned
	}
	return n.Sigs[0], time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0).UTC(), nil
}

// Add adds to a signed checkpoint the cosignature that is in a witness's answer, and no other line of it. One that has a
// cosignature of the witness stays as it is.
func (c *Cosigner) Add(signed, answer []byte) ([]byte, error) {
	if _, _, err := c.find(signed); err == nil {
		return append([]byte(nil), signed...), nil
	}
	found, _, err := c.find(append(append([]byte(nil), signed...), answer...))
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(append([]byte(nil), signed...), "— %s %s\n", found.Name, found.Base64), nil
}

// cosignatures makes a Cosigner a note.Verifier.
type cosignatures struct{ c *Cosigner }

func (v cosignatures) Name() string    { return v.c.name }
func (v cosignatures) KeyHash() uint32 { return v.c.id }

// Verify checks a timestamp and a signature over it and the checkpoint.
func (v cosignatures) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	if at > math.MaxInt64 {
		return false
	}
	return ed25519.Verify(v.c.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text), sig[8:])
}
