package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// xaes is XAES-256-GCM (https://c2sp.org/XAES-256-GCM) up to the point where it is AES-256-GCM: a nonce is 24 bytes, of which
// the first 12 go into a key of their own and the other 12 are AES-GCM's nonce.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

const (
	saltSize  = 12
	nonceSize = 24
)

func newXAES(key []byte) (*xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	// Twice that in the field of 2^128 elements.
	carry := byte(0)
	for i := len(x.k1) - 1; i >= 0; i-- {
		x.k1[i], carry = x.k1[i]<<1|carry, x.k1[i]>>7
	}
	x.k1[len(x.k1)-1] ^= carry * 0b10000111
	return x, nil
}

// derive makes the key for the first half of a nonce.
func (x *xaes) derive(salt [saltSize]byte) cipher.AEAD {
	var key [2 * aes.BlockSize]byte
	for i := range 2 {
		m := key[i*aes.BlockSize:][:aes.BlockSize]
		m[1], m[2] = byte(i+1), 'X'
		copy(m[4:], salt[:])
		subtle.XORBytes(m, m, x.k1[:])
		x.block.Encrypt(m, m)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // it is about the length of the key only
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // it is about the length of the block only
	}
	return aead
}
