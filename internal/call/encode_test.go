package call

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// records are the records that the payloads of all providers give, as texts.
func records(tb testing.TB) [][]byte {
	tb.Helper()
	files, err := filepath.Glob("../source/testdata/records/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no records: %v", err)
	}
	var texts [][]byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// oddities are records that no provider's payload gives, and texts that are none.
var oddities = []string{
	`{"provider":"x","message":"<b>a & b</b>","params":{"<":"\u003c","z":null,"a":[],"m":{},"list":[1,"2",[true,null,{"k":-0.5e+3}]]}}`,
	`{"provider":"\u003cx\u003e","started_at":"2026-01-01T00:00:00.000000001Z","ended_at":"2026-01-01T02:00:00+02:00","duration":-3}`,
	`{"provider":"x","params":{}}`, `{"provider":"x","params":null,"email":null,"duration":null,"urgent":null,"started_at":null}`,
	`{"Provider":"x","EMAIL":"y","unknown":1}`, `{"provider":"a","provider":"b","params":{"a":1},"params":{"b":2,"b":3}}`,
	`{"provider":1}`, `{"provider":"x","urgent":"yes"}`, `{"provider":"x","duration":1.5}`, `{"provider":"x","duration":99999999999999999999}`,
	`{"provider":"x","started_at":"yesterday"}`, `{"provider":"x","started_at":"2026-01-01T00:00:00\u005a"}`, `{"provider":"x","params":[]}`,
	`{"provi\u0064er":"\ud800 \u2028 \b\f"}`, "{\"provider\":\"\xff\"}", `null`, `[]`, `{}`, ``, `{"provider":"x"} trailing`, ` {"provider":"x"} `,
	`{"provider":"x","params":{"deep":` + strings.Repeat("[", 127) + strings.Repeat("]", 127) + `}}`,
	`{"provider":"x","params":{"n":0,"m":-0,"o":12345678901234567890,"p":1E400,"q":0.1}}`,
}

// byEncodingJSON is the record as encoding/json reads it.
func byEncodingJSON(text []byte) (*Call, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	c := new(Call)
	return c, d.Decode(c)
}

// asEncodingJSON is the record as encoding/json writes it.
func asEncodingJSON(c *Call, escapeHTML bool) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	err := enc.Encode(c)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func checkEncode(t *testing.T, c *Call) []byte {
	t.Helper()
	want, wantErr := asEncodingJSON(c, false)
	got, err := c.Encode()
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("error %v, encoding/json says %v", err, wantErr)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("got\n%s\nencoding/json writes\n%s", got, want)
	}
	return got
}

func checkDecode(t *testing.T, text []byte) *Call {
	t.Helper()
	want, wantErr := byEncodingJSON(text)
	got, err := Decode(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%.200q: error %v, encoding/json says %v", text, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%.200q: got\n%#v\nencoding/json reads\n%#v", text, got, want)
	}
	return got
}

// TestEncodedRecordsAreScanned: the quick way of reading is taken for what Encode writes, and for what earlier versions
// wrote with encoding/json.
func TestEncodedRecordsAreScanned(t *testing.T) {
	for _, text := range append(records(t), []byte(oddities[0]), []byte(oddities[1])) {
		c := checkDecode(t, text)
		old, err := asEncodingJSON(c, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, encoded := range [][]byte{checkEncode(t, c), old} {
			if again := scanned(encoded); !reflect.DeepEqual(again, c) {
				t.Errorf("%s: got %#v, want %#v", encoded, again, c)
			}
		}
	}
}

func TestEncodeFailsWhereEncodingJSONDoes(t *testing.T) {
	for _, c := range []*Call{
		{StartedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, {EndedAt: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Params: map[string]any{"a": []any{math.NaN()}}}, {Params: map[string]any{"a": map[string]any{"b": json.Number("1x")}}},
		{Params: map[string]any{"a": func() {}}},
		{Params: map[string]any{"a": json.Number(""), "b": 7, "c": []string{"<"}, "d": 1.5, "e": []any(nil), "f": map[string]any(nil)}},
		{Params: map[string]any{"a": json.Number("01")}}, {Params: map[string]any{"a": json.Number("-1.5e3")}},
	} {
		checkEncode(t, c)
	}
	if text := checkEncode(t, &Call{Message: "<a>"}); !bytes.Contains(text, []byte("<a>")) {
		t.Errorf("got %s", text)
	}
}

// FuzzEncode: the record is written as encoding/json writes it, and reads back as it was.
func FuzzEncode(f *testing.F) {
	for _, text := range records(f) {
		f.Add(text, "plain", int64(1767225642), int64(0))
	}
	for _, text := range oddities {
		f.Add([]byte(text), "\xff<\u2028>", int64(1<<40), int64(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, said string, at, part int64) {
		c, err := byEncodingJSON(text)
		if err != nil {
			return
		}
		c.Message, c.StartedAt, c.EndedAt = said, c.StartedAt.UTC(), time.Unix(at, part).UTC()
		if len(c.Params) == 0 {
			c.Params = nil
		}
		encoded := checkEncode(t, c)
		if encoded == nil {
			return
		}
		if back := checkDecode(t, encoded); utf8.ValidString(said) && !reflect.DeepEqual(back, c) {
			t.Fatalf("%s\nbecame\n%#v\nof\n%#v", encoded, back, c)
		}
	})
}

// FuzzDecode: a text is read as encoding/json reads it, whoever wrote it.
func FuzzDecode(f *testing.F) {
	for _, text := range records(f) {
		f.Add(text)
	}
	for _, text := range oddities {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkDecode(t, text) })
}

// benchRecords are a lead of 2 KiB and what Retell says of an analyzed call.
func benchRecords(b *testing.B) map[string]*Call {
	notes := strings.Repeat("The kitchen pipe leaks, and water stands on the floor. ", 34)
	retell, err := os.ReadFile("../source/testdata/records/retell-call-analyzed.json")
	if err != nil {
		b.Fatal(err)
	}
	analyzed, err := Decode(retell)
	if err != nil {
		b.Fatal(err)
	}
	return map[string]*Call{"retell": analyzed, "lead": {
		Provider: "nextphone", EventType: "lead", CallerNumber: "+15559876543", FirstName: "Mike", LastName: "Johnson",
		Email: "mjohnson@email.com", Message: notes, EndedAt: time.Unix(1767225642, 0).UTC(), Params: map[string]any{
			"name": "Mike Johnson", "phone": "+15559876543", "email": "mjohnson@email.com", "notes": notes,
			"source": "AI Receptionist", "created_at": "2026-01-01T00:00:42Z", "call_id": "call_000000000001",
		},
	}}
}

func BenchmarkRecord(b *testing.B) {
	for name, c := range benchRecords(b) {
		text, err := c.Encode()
		if err != nil {
			b.Fatal(err)
		}
		for way, run := range map[string]func() error{
			"encode":               func() error { _, err := c.Encode(); return err },
			"decode":               func() error { _, err := Decode(text); return err },
			"encoding-json/encode": func() error { _, err := json.Marshal(c); return err },
			"encoding-json/decode": func() error { _, err := byEncodingJSON(text); return err },
		} {
			b.Run(way+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if err := run(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
