package signature

import (
	"slices"
	"testing"
)

// TestSignedAgain has what was signed under every scheme signed again under every other, with another secret. Nothing of
// the first signature may come in the way of the second.
func TestSignedAgain(t *testing.T) {
	for _, first := range setups() {
		if first.name == "dialpad" {
			continue // its body is a JWT, which not all can sign
		}
		if len(first.wrong.Secrets) > 0 {
			first.signer, first.verify = first.wrong, first.wrong
		}
		v := mustNew(t, first.verify)
		m := signed(t, first.signer, message())
		for _, second := range setups() {
			s, err := NewSigner(second.signer)
			if err != nil {
				t.Fatal(err)
			}
			n := m.clone()
			if err := Again(v, s).Sign(n, "msg_2", noon); err != nil {
				t.Fatal(err)
			}
			if _, err := mustNew(t, second.verify).Verify(n, noon); err != nil {
				t.Errorf("%s, then %s: %v", first.name, second.name, err)
			}
		}
	}
}

// TestCarriers: without them nothing passes the Verifier, in whichever of its ways a message is signed.
func TestCarriers(t *testing.T) {
	for _, s := range setups() {
		v, m := mustNew(t, s.verify), signed(t, s.signer, message())
		names := carriers(v)
		if inBody[s.name] != (len(names) == 0) {
			t.Errorf("%s: carriers %q", s.name, names)
		} else if inBody[s.name] {
			continue
		}
		for _, name := range names {
			delete(m.Header, name)
		}
		if _, err := v.Verify(m, noon); err == nil {
			t.Errorf("%s: accepted without %q", s.name, names)
		}
	}
	for scheme, want := range map[string]string{
		"svix": "Webhook-Signature", "quo": "Openphone-Signature", "shopify": "Shopify-Hmac-Sha256", "hubspot": "X-Hubspot-Signature",
		"signalwire": signalwireSHA256Header, "vapi": "Svix-Signature", "vapi-hmac": "Svix-Signature",
	} {
		if names := carriers(mustNew(t, Config{Scheme: scheme, Secrets: []string{secret}})); !slices.Contains(names, want) {
			t.Errorf("%s: carriers %q without %s", scheme, names, want)
		}
	}
}
