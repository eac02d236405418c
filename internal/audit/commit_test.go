package audit

import (
	"encoding/hex"
	"testing"
)

// TestCommitIsHMAC: case 1 of RFC 4231, whose key of 20 bytes is padded with zeros as HMAC pads it.
func TestCommitIsHMAC(t *testing.T) {
	var salt Salt
	for i := range 20 {
		salt[i] = 0x0b
	}
	if got := Commit(salt, []byte("Hi There")); hex.EncodeToString(got[:]) != "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" {
		t.Errorf("it is %x", got[:])
	}
	if one, other := NewSalt(), NewSalt(); one == other || Commit(one, nil) == Commit(other, nil) {
		t.Error("two salts are one")
	}
}

func TestBesideReadsBack(t *testing.T) {
	for _, want := range []Beside{{Salt: NewSalt()}, {Salt: NewSalt(), Pseudonym: "c1f0"}} {
		b, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got Beside
		if err := got.UnmarshalBinary(b); err != nil || got != want {
			t.Errorf("%+v reads back as %+v, %v", want, got, err)
		}
		if got.Subject().IsZero() != (want.Pseudonym == "") {
			t.Errorf("the subject of %+v is %v", want, got.Subject())
		}
		if got.UnmarshalBinary(b[:SaltSize-1]) == nil || got.UnmarshalBinary(make([]byte, 1000)) == nil {
			t.Error("a blob of another length was read")
		}
	}
	if _, err := (Beside{Pseudonym: string(make([]byte, 300))}).MarshalBinary(); err == nil {
		t.Error("a pseudonym that cannot be read back was written")
	}
}
