package sealed

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

func testRing(t testing.TB) *seal.Ring {
	t.Helper()
	r, err := seal.NewRing(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// callEvent is an event as senders cause it: what the body says the record says again.
func callEvent() *store.Event {
	notes := strings.Repeat("The caller's kitchen pipe leaks since this morning; she asks to be called back before noon. ", 12)
	body := `{"lead":{"name":"Mike Johnson","phone":"+15559876543","notes":"` + notes + `"}}`
	record := `{"provider":"nextphone","caller_number":"+15559876543","message":"` + notes + `","params":{"lead.notes":"` + notes + `"}}`
	return &store.Event{
		ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Tenant: "acme", Source: "nextphone", Route: "calls", Method: "POST", URI: "/hook?n=1",
		Header: map[string][]string{"Content-Type": {"application/json"}, "Traceparent": {"00-1"}}, Body: []byte(body), Record: []byte(record),
	}
}

// content is what a payload holds of an event, in another event of the same place.
func content(e *store.Event) (bare, full store.Event) {
	bare = store.Event{ID: e.ID, Tenant: e.Tenant, Source: e.Source, Route: e.Route}
	full = bare
	full.Method, full.URI, full.Header, full.Body, full.Record = e.Method, e.URI, e.Header, e.Body, e.Record
	return bare, full
}

func TestPayloadsReadAsTheyWere(t *testing.T) {
	noise := make([]byte, 3000)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(noise)
	large := callEvent()
	large.Body, large.Record = bytes.Repeat([]byte("a"), maxPacked), []byte("{}")
	for name, change := range map[string]func(*store.Event){
		"a call":               func(*store.Event) {},
		"only a body":          func(e *store.Event) { e.Method, e.URI, e.Header, e.Record = "", "", nil, nil },
		"only a record":        func(e *store.Event) { e.Body = nil },
		"no content":           func(e *store.Event) { e.Body, e.Record = nil, nil },
		"nothing":              func(e *store.Event) { e.Method, e.URI, e.Header, e.Body, e.Record = "", "", nil, nil, nil },
		"noise":                func(e *store.Event) { e.Body, e.Record = noise, nil },
		"a byte":               func(e *store.Event) { e.Body, e.Record = []byte("x"), nil },
		"what is no UTF-8":     func(e *store.Event) { e.URI, e.Header = "/x?\xfc", map[string][]string{"X-\xff": {"J\xfcrgen", "b"}} },
		"a header of no value": func(e *store.Event) { e.Header = map[string][]string{"X": {}, "": {""}} },
		"too large to pack":    func(e *store.Event) { e.Body, e.Record = large.Body, large.Record },
		"the largest packed":   func(e *store.Event) { e.Body, e.Record = large.Body, nil },
	} {
		for _, destinations := range [][]string{nil, {}, {"crm", "POST", ""}} {
			for sealing, keys := range map[string]*seal.Ring{"plain": nil, "sealed": testRing(t)} {
				e := callEvent()
				change(e)
				bare, full := content(e)
				var sealer *seal.Sealer
				if keys != nil {
					sealer = keys.Sealer()
				}
				p, err := Seal(sealer, e, destinations)
				if err != nil {
					t.Fatal(name, sealing, err)
				}
				got, err := p.Fill(sealer, keys != nil, &bare)
				if err != nil || !reflect.DeepEqual(bare, full) {
					t.Errorf("%s, %s: %+v, %v", name, sealing, bare, err)
				}
				// What is not sealed does not say for whom it is, so that it can be read with whatever stands beside it.
				if sealed := keys != nil; sealed != (got != nil) || sealed && strings.Join(got, ",") != strings.Join(destinations, ",") {
					t.Errorf("%s, %s: for %q and not %q", name, sealing, got, destinations)
				}
			}
		}
	}
}

// A record that nobody has written yet is stored as one that was, in either form.
func TestRecordsAreWrittenWhereTheyArePacked(t *testing.T) {
	record := &call.Call{Provider: "nextphone", Message: "a leak", Params: map[string]any{"notes": "a leak"}}
	written, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]func(*seal.Sealer, *store.Event, []string) (Payload, error){"packed": Seal, "in columns": SealInColumns} {
		e, same := callEvent(), callEvent()
		e.Record, e.Call, same.Record = nil, record, written
		got, err := form(nil, e, nil)
		want, wantErr := form(nil, same, nil)
		if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, err, want, wantErr)
		}
		e.Call = &call.Call{Params: map[string]any{"n": math.NaN()}}
		if got, err := form(nil, e, nil); !errors.Is(err, store.ErrRecord) || !reflect.DeepEqual(got, Payload{}) {
			t.Errorf("%s: what JSON cannot say is %+v, %v", name, got, err)
		}
	}
	large := callEvent()
	large.Record, large.Call = nil, &call.Call{Message: strings.Repeat("a", maxPacked)}
	if p, err := Seal(nil, large, nil); err != nil || len(p.Record) <= maxPacked || p.Body == nil {
		t.Errorf("a record that is too large to pack has %d bytes, %v", len(p.Record), err)
	}
}

// A record costs little beside the body that it repeats, and the URI and the header are left as they are.
func TestPackedIsSmall(t *testing.T) {
	e := callEvent()
	p, err := Seal(nil, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Body != nil || p.Record != nil || len(p.Request) > len(e.Body)/2 {
		t.Errorf("%d, %d and %d bytes of %d and %d", len(p.Request), len(p.Body), len(p.Record), len(e.Body), len(e.Record))
	}
	if !bytes.Contains(p.Request, []byte("/hook?n=1")) || !bytes.Contains(p.Request, []byte("00-1")) {
		t.Errorf("the URI and the header are compressed: %q", p.Request)
	}
}

// What is made does not change with what stands in a buffer of another event.
func TestPackedIsItsOwn(t *testing.T) {
	first, err := Seal(nil, callEvent(), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(first.Request)
	other := callEvent()
	other.URI, other.Body = "/other", bytes.ToUpper(other.Body)
	if _, err := Seal(nil, other, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, first.Request) {
		t.Error("a payload was changed by the next one")
	}
}

func packedOf(e *store.Event, destinations []string) []byte {
	s := new(scratch)
	if err := s.fill(e); err != nil {
		panic(err)
	}
	return bytes.Clone(s.pack(e, destinations, destinations != nil))
}

// TestStoredForm is how the form stands on disks: what is written today has to be read by every later version.
func TestStoredForm(t *testing.T) {
	e := &store.Event{Method: "POST", URI: "/a", Header: map[string][]string{"Content-Type": {"application/json", "x"}}, Body: []byte("bb"), Record: []byte("ccc")}
	want := "\x01" + "\x02\x06crm" + "\x03" + "\x04/a" + "\x01" + "\x07" + "\x02\x0f\x02x" + "\x02" + "bbccc"
	if got := packedOf(e, []string{"crm"}); string(got) != want {
		t.Errorf("packed as %q, want %q", got, want)
	}
	e.Body = bytes.Repeat([]byte("b"), 100)
	if got := packedOf(e, nil); got[0] != formS2 || got[1] != 0 {
		t.Errorf("packed as %q", got)
	}
	var read store.Event
	block := "\x64\x00b\xfe\x01\x00\x8a\x01\x00" // of S2: 100 bytes, which are a b, and copies of 64 and 35 bytes from one before
	if _, err := unpack([]byte("\x02\x00\x03\x04/a\x00\x04"+block), &read); err != nil || string(read.Body) != "bbbb" || string(read.Record) != strings.Repeat("b", 96) {
		t.Errorf("%+v, %v", read, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	bomb := append([]byte{formS2, 0, 1, 1, 0, 0}, binary.AppendUvarint(nil, maxPacked+1)...)
	for name, packed := range map[string]string{
		"a form of later":         "\x03\x00\x01\x01\x00\x00",
		"nothing after the form":  "\x01",
		"cut short":               "\x01\x00\x01",
		"a number without end":    "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"too many destinations":   "\x01\x7f\x01\x01\x00\x00",
		"a text that is too long": "\x01\x00\x7e\x01\x00\x00",
		"a word that is none":     "\x01\x00\x7f\x01\x00\x00",
		"too many headers":        "\x01\x00\x01\x01\x7f\x00",
		"too many values":         "\x01\x00\x01\x01\x01\x01\x7f\x00",
		"a name twice":            "\x01\x00\x01\x01\x02\x01\x00\x01\x00\x00",
		"a body beyond its end":   "\x01\x00\x01\x01\x00\x03ab",
		"no block":                "\x02\x00\x01\x01\x00\x00",
		"a block that is cut off": "\x02\x00\x01\x01\x00\x00\x09\x00",
		"a bomb":                  string(bomb),
	} {
		e := store.Event{}
		if _, err := unpack([]byte(packed), &e); !errors.Is(err, seal.ErrTampered) || !reflect.DeepEqual(e, store.Event{}) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// Whoever can write the store and has no key can neither add to what is sealed, nor leave out for whom it is.
func TestPackedAndSealedIsWhole(t *testing.T) {
	sealer := testRing(t).Sealer()
	e := callEvent()
	p, err := Seal(sealer, e, []string{"crm"})
	if err != nil {
		t.Fatal(err)
	}
	old, err := SealInColumns(sealer, e, []string{"crm"})
	if err != nil {
		t.Fatal(err)
	}
	place := placeOf(e)
	place.Column = "request"
	unsaid := p
	unsaid.Request = sealer.Seal(packedOf(e, nil), place)
	for name, q := range map[string]Payload{
		"a body beside it":           {Request: p.Request, Body: old.Body, KeyID: p.KeyID},
		"a record beside it":         {Request: p.Request, Record: old.Record, KeyID: p.KeyID},
		"of the old form, no body":   {Request: old.Request, Record: old.Record, KeyID: p.KeyID},
		"of the old form, no record": {Request: old.Request, Body: old.Body, KeyID: p.KeyID},
		"of the old form, swapped":   {Request: old.Request, Body: old.Record, Record: old.Body, KeyID: p.KeyID},
		"of the old form, no header": {Body: old.Body, Record: old.Record, KeyID: p.KeyID},
		"a part of it":               {Request: p.Request[:len(p.Request)-1], KeyID: p.KeyID},
		"it does not say for whom":   unsaid,
		"the old body in its column": {Request: old.Body, KeyID: p.KeyID},
	} {
		bare, _ := content(e)
		if _, err := q.Fill(sealer, true, &bare); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzUnpack reads what may stand in a file that somebody has changed: it takes bounded memory, and what is read is written and
// read again as the same.
func FuzzUnpack(f *testing.F) {
	f.Add(packedOf(callEvent(), nil))
	f.Add(packedOf(callEvent(), []string{"crm", "ehr"}))
	f.Add(packedOf(&store.Event{Body: []byte("x")}, nil))
	f.Add([]byte("\x01\x02\x06crm\x03\x04/a\x01\x07\x02\x0f\x02x\x02bbccc"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		if len(packed) == 0 || packed[0] == '{' {
			return
		}
		var e, again store.Event
		destinations, err := unpack(packed, &e)
		if err != nil {
			if !errors.Is(err, seal.ErrTampered) {
				t.Fatal(err)
			}
			return
		}
		if len(e.Body)+len(e.Record) > max(maxPacked, len(packed)) {
			t.Fatalf("%d bytes become %d", len(packed), len(e.Body)+len(e.Record))
		}
		second, err := unpack(packedOf(&e, destinations), &again)
		if err != nil || !reflect.DeepEqual(e, again) || !reflect.DeepEqual(destinations, second) {
			t.Fatalf("%+v, %q becomes %+v, %q, %v", e, destinations, again, second, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	e := callEvent()
	for name, sealer := range map[string]*seal.Sealer{"plain": nil, "sealed": testRing(b).Sealer()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Seal(sealer, e, []string{"crm"}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" in columns, as before", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := SealInColumns(sealer, e, []string{"crm"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFill(b *testing.B) {
	e := callEvent()
	opener := (*seal.Keys)(nil).Opener(context.Background())
	packed, err := Seal(nil, e, nil)
	if err != nil {
		b.Fatal(err)
	}
	columns, err := SealInColumns(nil, e, nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, p := range map[string]Payload{"packed": packed, "in columns, as before": columns} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bare, _ := content(e)
				if _, err := p.Fill(&opener, false, &bare); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
