package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha3"
	"encoding/hex"
	"testing"
)

// seal1 is XAES-256-GCM as the specification describes it.
func seal1(t testing.TB, key, nonce, plaintext, aad []byte) []byte {
	t.Helper()
	x, err := newXAES(key)
	if err != nil {
		t.Fatal(err)
	}
	return x.derive([saltSize]byte(nonce)).Seal(nil, nonce[saltSize:], plaintext, aad)
}

// TestXAESVectors holds the vectors of https://c2sp.org/XAES-256-GCM, for either value of the first bit.
func TestXAESVectors(t *testing.T) {
	for _, v := range []struct {
		key       byte
		aad, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		got := seal1(t, bytes.Repeat([]byte{v.key}, 32), []byte("ABCDEFGHIJKLMNOPQRSTUVWX"), []byte("XAES-256-GCM"), []byte(v.aad))
		if hex.EncodeToString(got) != v.want {
			t.Errorf("%x, want %s", got, v.want)
		}
	}
}

// TestXAESAccumulated is the specification's test of 10,000 random messages.
func TestXAESAccumulated(t *testing.T) {
	in, out := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	take := func(n int) []byte {
		b := make([]byte, n)
		in.Read(b)
		return b
	}
	for range 10_000 {
		key, nonce := take(32), take(nonceSize)
		plaintext := take(int(take(1)[0]))
		out.Write(seal1(t, key, nonce, plaintext, take(int(take(1)[0]))))
	}
	sum := make([]byte, 32)
	out.Read(sum)
	if got, want := hex.EncodeToString(sum), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// envelope1 is what stands in a store of the first version.
const envelope1 = "01b0731e3f8885763ca13f32a98492e6c8a9132b079397518c7c95206303b0a2ef07d1582c3d9fd393be7e99"

// TestVersion1Opens holds an envelope that was made before there was another version.
func TestVersion1Opens(t *testing.T) {
	raw, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := hex.DecodeString(envelope1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRing(t, newKey(t), raw)
	where := Place{Event: "01KJMA0KH00000000000000004", Column: "body", Tenant: "was not bound then"}
	if data, err := r.Open(envelope, where); err != nil || string(data) != `{"n":4}` {
		t.Errorf("%q, %v", data, err)
	}
	for i := range envelope {
		changed := bytes.Clone(envelope)
		changed[i] ^= 3 // which makes no version of another one
		if _, err := r.Open(changed, where); err == nil {
			t.Fatalf("it opens with byte %d changed", i)
		}
	}
	envelope[0] = version2
	if _, err := r.Open(envelope, where); err == nil {
		t.Error("it opens as version 2")
	}
}

// TestPlaceIsBound moves an envelope to every place that differs in one respect.
func TestPlaceIsBound(t *testing.T) {
	r := newRing(t, newKey(t))
	place := Place{Event: "e", Column: "c", Tenant: "t", Source: "s", Route: "r", Destination: "d", Attempt: 1}
	envelope := r.Seal([]byte("data"), place)
	if _, err := r.Open(envelope, place); err != nil {
		t.Fatal(err)
	}
	for _, move := range []func(*Place){
		func(p *Place) { p.Event = "f" },
		func(p *Place) { p.Column = "e" },
		func(p *Place) { p.Tenant = "" },
		func(p *Place) { p.Source = "t" },
		func(p *Place) { p.Route = "rr" },
		func(p *Place) { p.Destination = "e" },
		func(p *Place) { p.Attempt = 2 },
		func(p *Place) { p.Tenant, p.Source = "ts", "" },
		func(p *Place) { p.Event, p.Column = "", "ec" },
	} {
		moved := place
		move(&moved)
		if _, err := r.Open(envelope, moved); err == nil {
			t.Errorf("it opens at %+v", moved)
		}
	}
}

// TestSealerKeepsEnvelopesApart seals with one derived key, and opens what was sealed with several in any order.
func TestSealerKeepsEnvelopesApart(t *testing.T) {
	r := newRing(t, newKey(t), newKey(t))
	old := newRing(t, newKey(t))
	a, b := r.Sealer(), r.Sealer()
	var envelopes [][]byte
	for i := range 6 {
		s := []*Sealer{a, b}[i%2]
		envelopes = append(envelopes, s.Seal([]byte{byte(i)}, place))
	}
	seen := map[string]bool{}
	opener := r.Sealer()
	for i, e := range envelopes {
		if data, err := opener.Open(e, place); err != nil || data[0] != byte(i) {
			t.Errorf("envelope %d: %v", i, err)
		}
		if nonce := string(e[headerSize:][:nonceSize]); seen[nonce] {
			t.Error("two envelopes have one nonce")
		} else {
			seen[nonce] = true
		}
	}
	if _, err := old.Sealer().Open(envelopes[0], place); err == nil {
		t.Error("another ring opens it")
	}
}

func TestMAC(t *testing.T) {
	r := newRing(t, newKey(t))
	other := newRing(t, newKey(t))
	if a := r.MAC(r.First(), []byte("x")); len(a) != 32 || bytes.Equal(a, r.MAC(r.First(), []byte("y"))) || !bytes.Equal(a, r.MAC(r.First(), []byte("x"))) {
		t.Errorf("%x", a)
	}
	var none *Ring
	if r.MAC(other.First(), nil) != nil || none.MAC(r.First(), nil) != nil {
		t.Error("a ring without the key makes a MAC")
	}
}

func BenchmarkSealEvent(b *testing.B) {
	r := newRing(b, newKey(b))
	data := make([]byte, 700)
	rand.Read(data)
	b.ReportAllocs()
	for b.Loop() {
		s := r.Sealer()
		for range 3 {
			s.Seal(data, place)
		}
	}
}
