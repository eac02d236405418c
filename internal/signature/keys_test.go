package signature

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
)

var (
	rsaPrivate, rsaOther = newRSA(), newRSA()
	rsaPrivatePEM        = asPEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(rsaPrivate)))
	rsaPublicPEM         = asPEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&rsaPrivate.PublicKey)))
	rsaOtherPEM          = asPEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&rsaOther.PublicKey)))
)

func newRSA() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

func asPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
