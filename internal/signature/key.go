package signature

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"sync"
)

// key is a secret as an HMAC key. Keyed states are kept and reset: keying one costs two blocks of hashing.
type key struct{ pool sync.Pool }

// mac is a keyed state, with memory for what passes through it.
type mac struct {
	h   hash.Hash
	buf []byte
}

func newKey(newHash func() hash.Hash, secret []byte) *key {
	k := new(key)
	k.pool.New = func() any { return &mac{h: hmac.New(newHash, secret), buf: make([]byte, 0, 128)} }
	return k
}

func (k *key) get() *mac {
	m := k.pool.Get().(*mac)
	m.h.Reset()
	return m
}

func (k *key) put(m *mac) { k.pool.Put(m) }

// text hashes a string.
func (m *mac) text(s string) {
	m.buf = append(m.buf[:0], s...)
	m.h.Write(m.buf)
}

// sum is the digest. It is valid until the next use of m.
func (m *mac) sum() []byte {
	m.buf = m.h.Sum(m.buf[:0])
	return m.buf
}

// newKeys turns secrets into keys.
func newKeys(scheme string, newHash func() hash.Hash, decode func(string) ([]byte, error), secrets []string) ([]*key, error) {
	keys := make([]*key, len(secrets))
	for i, s := range secrets {
		b, err := decode(s)
		if err != nil {
			return nil, configError(scheme, "secret %d %w", i+1, err)
		}
		keys[i] = newKey(newHash, b)
	}
	return keys, nil
}

func textKey(s string) ([]byte, error) { return []byte(s), nil }

var (
	errNotBase64 = errors.New("is not base64; copy it as the sender shows it")
	errNotHex    = errors.New("is not hexadecimal; copy it as the sender shows it")
)

func base64Key(s string) ([]byte, error) {
	b, err := decodeBase64(strings.TrimPrefix(s, "whsec_"))
	if err == nil && len(b) == 0 {
		err = errEmptyKey
	}
	return b, err
}

func hexKey(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, errNotHex
	}
	return b, nil
}

// decodeBase64 reads either alphabet, with padding or without.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errNotBase64
	}
	return b, nil
}
