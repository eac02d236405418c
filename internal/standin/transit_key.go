package standin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

type transitKey struct {
	versions      [][]byte // the first is version 1
	created       []time.Time
	minDecryption int
	minEncryption int
	deletable     bool
	derived       bool
}

func newTransitKey() *transitKey {
	k := &transitKey{minDecryption: 1}
	k.rotate()
	return k
}

func (k *transitKey) rotate() {
	raw := make([]byte, 32)
	rand.Read(raw)
	k.versions, k.created = append(k.versions, raw), append(k.created, time.Now())
}

func (k *transitKey) cipher(version int) cipher.AEAD {
	block, err := aes.NewCipher(k.versions[version-1])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func (s *Transit) describe(name string) map[string]any {
	k := s.keys[name]
	versions := map[string]int64{}
	for i, at := range k.created {
		versions[strconv.Itoa(i+1)] = at.Unix()
	}
	return map[string]any{"type": "aes256-gcm96", "name": name, "keys": versions, "latest_version": len(k.versions), "deletion_allowed": k.deletable,
		"min_decryption_version": k.minDecryption, "min_encryption_version": k.minEncryption, "derived": k.derived, "exportable": false,
		"supports_encryption": true, "supports_decryption": true}
}

var errContext = invalid("missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key")

func (k *transitKey) encrypt(plaintext string, in *transitInput) (map[string]any, *apiError) {
	if k.derived && in.Context == "" {
		return nil, errContext
	}
	raw, err := base64.StdEncoding.DecodeString(plaintext)
	if err != nil {
		return nil, invalid("%v", err)
	}
	version := in.KeyVersion
	if version == 0 {
		version = len(k.versions)
	}
	if version < max(1, k.minEncryption) || version > len(k.versions) {
		return nil, invalid("requested version for encryption is less than the minimum encryption key version")
	}
	nonce := make([]byte, 12)
	rand.Read(nonce)
	sealed := k.cipher(version).Seal(nonce, nonce, raw, nil)
	return map[string]any{"ciphertext": fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(sealed)), "key_version": version}, nil
}

func (k *transitKey) decrypt(in *transitInput) (string, *apiError) {
	if in.Ciphertext == "" {
		return "", invalid("missing ciphertext to decrypt")
	}
	if k.derived && in.Context == "" {
		return "", errContext
	}
	rest, ok := strings.CutPrefix(in.Ciphertext, "vault:v")
	if !ok {
		return "", invalid("invalid ciphertext: no prefix")
	}
	number, text, ok := strings.Cut(rest, ":")
	if !ok {
		return "", invalid("invalid ciphertext: wrong number of fields")
	}
	version, err := strconv.Atoi(number)
	switch {
	case err != nil:
		return "", invalid("invalid ciphertext: version number could not be decoded")
	case version > len(k.versions):
		return "", invalid("invalid ciphertext: version is too new")
	case version < max(1, k.minDecryption):
		return "", invalid("ciphertext or signature version is disallowed by policy (too old)")
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sealed) < 12 {
		return "", invalid("invalid ciphertext: could not decode base64")
	}
	raw, err := k.cipher(version).Open(nil, sealed[:12], sealed[12:], nil)
	if err != nil {
		return "", invalid("cipher: message authentication failed")
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
