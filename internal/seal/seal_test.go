package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func newKey(t testing.TB) []byte {
	t.Helper()
	key := make([]byte, KeySize)
	rand.Read(key)
	return key
}

func newRing(t testing.TB, keys ...[]byte) *Ring {
	t.Helper()
	r, err := NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var place = Place{Event: "01JQ0000000000000000000000", Column: "body"}

func TestFirstKeySealsAndAllOpen(t *testing.T) {
	old, current := newKey(t), newKey(t)
	before := newRing(t, old)
	after := newRing(t, current, old)
	for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("call "), 10_000)} {
		sealed := before.Seal(data, place)
		if len(sealed) != len(data)+Overhead {
			t.Errorf("an envelope of %d bytes is %d long, want %d more", len(data), len(sealed), Overhead)
		}
		opened, err := after.Open(sealed, place)
		if err != nil || !bytes.Equal(opened, data) {
			t.Errorf("the new ring does not open what the old one sealed: %v", err)
		}
		if KeyID(sealed[1:9]) != before.First() {
			t.Error("the envelope does not name its key")
		}
		if _, err := before.Open(after.Seal(data, place), place); !errors.Is(err, ErrNoKey) {
			t.Errorf("opening with a key that is not there: %v, want ErrNoKey", err)
		}
	}
	if !after.Has(before.First()) || before.Has(after.First()) {
		t.Error("Has does not tell which keys are in the ring")
	}
}

func TestEnvelopeHidesAndDiffers(t *testing.T) {
	r := newRing(t, newKey(t))
	data := []byte("caller +15551234567")
	a, b := r.Seal(data, place), r.Seal(data, place)
	if bytes.Contains(a, data) {
		t.Error("the data stands in the envelope")
	}
	if bytes.Equal(a, b) {
		t.Error("the same data sealed twice gives the same envelope")
	}
}

func TestOpenRefusesEveryChange(t *testing.T) {
	r := newRing(t, newKey(t))
	sealed := r.Seal([]byte("payload"), place)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := r.Open(changed, place); !errors.Is(err, ErrTampered) && !errors.Is(err, ErrNoKey) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := r.Open(sealed[:i], place); !errors.Is(err, ErrTampered) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
	if _, err := r.Open(append(bytes.Clone(sealed), 0), place); !errors.Is(err, ErrTampered) {
		t.Errorf("a byte more: %v", err)
	}
	for _, p := range []Place{
		{Event: place.Event, Column: "record"},
		{Event: "01JQ0000000000000000000001", Column: place.Column},
		{Event: place.Event + "b", Column: "ody"},
		{},
	} {
		if _, err := r.Open(sealed, p); !errors.Is(err, ErrTampered) {
			t.Errorf("opened at %+v: %v", p, err)
		}
	}
	var none *Ring
	if _, err := none.Open(sealed, place); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a ring: %v", err)
	}
}

func TestParseRing(t *testing.T) {
	a, b := newKey(t), newKey(t)
	copy(a, "\xfb\xff\xfe") // so that the two base64 alphabets differ
	hexA := hex.EncodeToString(a)
	for name, c := range map[string]struct {
		texts []string
		want  [][]byte
	}{
		"hex":               {[]string{hexA}, [][]byte{a}},
		"upper-case hex":    {[]string{strings.ToUpper(hexA)}, [][]byte{a}},
		"base64":            {[]string{base64.StdEncoding.EncodeToString(a)}, [][]byte{a}},
		"base64, no pad":    {[]string{base64.RawStdEncoding.EncodeToString(a)}, [][]byte{a}},
		"base64, URL":       {[]string{base64.URLEncoding.EncodeToString(a)}, [][]byte{a}},
		"raw file":          {[]string{string(a)}, [][]byte{a}},
		"file with newline": {[]string{hexA + "\r\n"}, [][]byte{a}},
		"file of two":       {[]string{"# new\n" + hexA + "\n\n# old\n" + hex.EncodeToString(b)}, [][]byte{a, b}},
		"two texts":         {[]string{hex.EncodeToString(b), hexA}, [][]byte{b, a}},
		"the same twice":    {[]string{hexA, hexA}, [][]byte{a}},
		"nothing":           {nil, nil},
		"empty":             {[]string{""}, nil},
		"one empty":         {[]string{hexA, " \n"}, nil},
		"short hex":         {[]string{hexA[:62]}, nil},
		"long hex":          {[]string{hexA + "00"}, nil},
		"64 other letters":  {[]string{strings.Repeat("g", 64)}, nil},
		"pass phrase":       {[]string{"correct horse battery staple 32!"}, nil},
		"31 bytes":          {[]string{base64.StdEncoding.EncodeToString(a[:31])}, nil},
	} {
		r, err := ParseRing(c.texts...)
		if c.want == nil {
			if !errors.Is(err, ErrKey) {
				t.Errorf("%s: %v, want ErrKey", name, err)
			}
			for _, text := range c.texts {
				if len(text) > 4 && err != nil && strings.Contains(err.Error(), strings.TrimSpace(text)) {
					t.Errorf("%s: the error shows the key", name)
				}
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := newRing(t, c.want...)
		if len(r.keys) != len(want.keys) || r.First() != want.First() {
			t.Errorf("%s: a ring of %d keys, first %s; want %d, %s", name, len(r.keys), r.First(), len(want.keys), want.First())
		}
	}
}

func TestCallerHash(t *testing.T) {
	old, current := newRing(t, []byte(strings.Repeat("a", 32))), []byte(strings.Repeat("b", 32))
	rotated := newRing(t, current, []byte(strings.Repeat("a", 32)))
	const number = "+15551234567"
	h := old.CallerHash(number)
	if len(h) != 32 || h != old.CallerHash(number) || h == old.CallerHash("+15551234568") {
		t.Errorf("CallerHash gives %q", h)
	}
	all := rotated.CallerHashes(number)
	if len(all) != 2 || all[0] != rotated.CallerHash(number) || all[1] != h {
		t.Errorf("CallerHashes after a change of keys: %q, want the old %q second", all, h)
	}
	if old.CallerHash("") != "" || old.CallerHashes("") != nil {
		t.Error("no number has a hash")
	}
}

func FuzzOpen(f *testing.F) {
	r := newRing(f, []byte(strings.Repeat("k", 32)))
	f.Add(r.Seal([]byte("data"), place), place.Event, place.Column)
	f.Add([]byte{version2}, "", "")
	f.Add([]byte(nil), "e", "c")
	f.Fuzz(func(t *testing.T, envelope []byte, event, column string) {
		p := Place{Event: event, Column: column}
		data, err := r.Open(envelope, p)
		if err != nil {
			if data != nil || !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrTampered) {
				t.Fatalf("data with an error, or a wrong one: %v", err)
			}
			return
		}
		if len(data)+Overhead != len(envelope) {
			t.Fatalf("an envelope of %d bytes holds %d", len(envelope), len(data))
		}
	})
}

func FuzzParseRing(f *testing.F) {
	f.Add(strings.Repeat("0f", 32))
	f.Add("# comment\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRing(text)
		if (err == nil) != (r != nil) {
			t.Fatal("neither a ring nor an error")
		}
	})
}

func BenchmarkSeal2KiB(b *testing.B) {
	r := newRing(b, newKey(b))
	data := make([]byte, 2048)
	b.SetBytes(2048)
	b.ReportAllocs()
	for b.Loop() {
		r.Seal(data, place)
	}
}
