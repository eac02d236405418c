package outbound_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func TestJWTBearer(t *testing.T) {
	key := rsaKey(t, 2048)
	s := standin.NewToken(t, standin.TokenConfig{ClientID: "consumer", Key: key.Public(), Audience: "https://login.salesforce.com", Subject: "me@example.com", Extra: map[string]any{"instance_url": "https://acme.my.salesforce.com"}})
	cfg := config(s)
	cfg.ClientID = "consumer"
	auth, err := outbound.JWTBearer(cfg, outbound.Assertion{Key: key, Method: "RS256", Audience: "https://login.salesforce.com", Subject: "me@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := auth.Token(t.Context())
	if err != nil || token.Extra("instance_url") != "https://acme.my.salesforce.com" {
		t.Fatalf("%v, %v", token, err)
	}
}

func TestClientAssertions(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for _, key := range []crypto.Signer{rsaKey(t, 2048), p384, p256} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := outbound.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		if err != nil {
			t.Fatal(err)
		}
		s := standin.NewToken(t, standin.TokenConfig{ClientID: "backend", Key: key.Public()})
		cfg := config(s)
		cfg.ClientID, cfg.ClientSecret, cfg.Scopes = "backend", "", []string{"system/Communication.write"}
		cfg.Assertion = &outbound.Assertion{Key: parsed, KeyID: "k1"}
		auth, err := outbound.OAuth2ClientCredentials(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := guarded(t, s)
		c := onPrem(outbound.Options{})
		for range 2 {
			if a, err := c.Send(t.Context(), auth, request(t, r.URL, "x")); err != nil || a.Status != 200 {
				t.Fatalf("%T: %+v, %v", key, a, err)
			}
			s.Revoke() // so that a second assertion with its own jti is needed
		}
	}
}
