package pages

import (
	"crypto/aes"
	"crypto/cipher"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/seal"
)

// TestTokensAreGoodAtEachGatewayWithTheSameKeys has two processes, each with a random key of its own.
func TestTokensAreGoodAtEachGatewayWithTheSameKeys(t *testing.T) {
	ring := func(keys ...string) *seal.Ring {
		r, err := seal.ParseRing(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	gateway := func(keys *seal.Ring) *tokens {
		tokens := newTokens(time.Now, func() (*operate.Service, error) { return operate.New(operate.Options{Keys: keys}), nil })
		block, err := aes.NewCipher(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		if keys != nil { // what another process has
			if tokens.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
				t.Fatal(err)
			}
		}
		return tokens
	}
	const a, b = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
	vera, otto := operate.Actor{Name: "vera", Via: "dashboard"}, operate.Actor{Name: "otto", Via: "dashboard"}
	token, err := gateway(ring(a)).seal(tokenSearch, vera, secret{Caller: "+15551234567"}, searchKept)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		keys  *seal.Ring
		kind  string
		actor operate.Actor
		good  bool
	}{
		{"another gateway", ring(a), tokenSearch, vera, true},
		{"one where the key was changed", ring(b, a), tokenSearch, vera, true},
		{"somebody else", ring(a), tokenSearch, otto, false},
		{"another kind", ring(a), tokenNote, vera, false},
		{"another key", ring(b), tokenSearch, vera, false},
		{"no key", nil, tokenSearch, vera, false},
	} {
		var got secret
		if err := gateway(c.keys).open(c.kind, c.actor, token, &got); (err == nil) != c.good || c.good && got.Caller != "+15551234567" {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
	old := gateway(ring(a))
	old.now = func() time.Time { return time.Now().Add(searchKept + time.Minute) }
	if err := old.open(tokenSearch, vera, token, new(secret)); err == nil {
		t.Error("one that is too old is taken")
	}
}
