package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestAnExportVerifies(t *testing.T) {
	s := newSealed(t, 700)
	_, old := s.at(t, 300)
	_, before := s.at(t, 90)
	for _, c := range []struct {
		e     Export
		sizes []int64
		since []Checkpoint
	}{
		{Export{}, nil, nil},
		{Export{}, []int64{1, 100, 256, 300, 512}, []Checkpoint{old, before}},
		{Export{First: 256}, []int64{300}, []Checkpoint{old}},
		{Export{First: 301, Since: []int64{300, 90}}, nil, []Checkpoint{old, before}},
		{Export{First: 699}, nil, nil},
	} {
		lines := s.export(t, c.e, c.sizes...)
		var seen []int64
		got, err := Verify(strings.NewReader(strings.Join(lines, "")), s.key, c.since, func(seq int64, line []byte) error {
			if string(line) != string(s.lines[seq]) {
				t.Errorf("record %d is read as %s", seq, line)
			}
			seen = append(seen, seq)
			return nil
		})
		if err != nil {
			t.Errorf("%+v: %v", c.e, err)
			continue
		}
		if got.First != c.e.First || got.Size != 700 || got.Root != s.state.Root() || got.Checkpoints != len(c.sizes)+1 || len(seen) != int(700-c.e.First) {
			t.Errorf("%+v: %+v, %d records", c.e, got, len(seen))
		}
	}
}

// TestVerifyNamesTheFirstBadRecord has a row for every way in which an export, or the log that it is of, can be bent.
func TestVerifyNamesTheFirstBadRecord(t *testing.T) {
	s := newSealed(t, 600)
	_, old := s.at(t, 400)
	flip := func(lines []string, seq int) {
		i := find(t, lines, seq)
		lines[i] = strings.Replace(lines[i], "crm", "crn", 1)
	}
	rewrite := func(from int) *sealed { // whoever has the key writes the log anew from a record on
		other := &sealed{kept: logOf(from), signer: s.signer, key: s.key}
		for i := from; i < 600; i++ {
			l := attemptAt(i)
			l.Outcome = OutcomeOK
			other.write(new(Batch), l)
		}
		return other
	}
	cut := &sealed{kept: logOf(350), signer: s.signer, key: s.key}
	_, foreign := keys(t, "clinic.example/1")
	stranger := newSealed(t, 600)
	type row struct {
		name        string
		first, last int64
		bend        func(lines []string) []string
		since       []Checkpoint
		key         *Verifier
	}
	rows := []row{
		{name: "flip", first: 123, last: 123, bend: func(l []string) []string { flip(l, 123); return l }},
		{name: "flip the first", first: 0, last: 0, bend: func(l []string) []string { flip(l, 0); return l }},
		{name: "flip the last", first: 599, last: 599, bend: func(l []string) []string { flip(l, 599); return l }},
		{name: "flip two", first: 40, last: 40, bend: func(l []string) []string { flip(l, 500); flip(l, 40); return l }},
		{name: "flip, an older checkpoint", first: 123, last: 123, since: []Checkpoint{old}, bend: func(l []string) []string { flip(l, 123); return l }},
		{name: "a carriage return", first: 9, last: 9, bend: func(l []string) []string { i := find(t, l, 9); l[i] = strings.Replace(l[i], "\n", "\r\n", 1); return l }},
		{name: "flip with its hash", first: 200, last: 299, bend: func(l []string) []string {
			flip(l, 256)
			return rehash(t, l, 256)
		}},
		{name: "flip with its hash, signed again", first: 0, last: 399, since: []Checkpoint{old}, bend: func([]string) []string { return rewrite(256).export(t, Export{}, 200, 300) }},
		{name: "flip, signed again, old hashes", first: 256, last: 256, since: []Checkpoint{old}, bend: func(l []string) []string {
			bent := rewrite(256).export(t, Export{}, 200, 300)
			for i, line := range bent {
				if strings.HasPrefix(line, `{"hashes"`) {
					bent[i] = l[i]
				}
			}
			return bent
		}},
		{name: "a hash flipped", first: 256, last: 256, bend: func(l []string) []string {
			i := find(t, l, 256) - 1
			at := len(`{"hashes":["`)
			l[i] = l[i][:at] + "AAAA" + l[i][at+4:]
			return l
		}},
		{name: "drop", first: 77, last: 77, bend: func(l []string) []string { i := find(t, l, 77); return slices.Delete(l, i, i+1) }},
		{name: "insert a copy", first: 78, last: 78, bend: func(l []string) []string { i := find(t, l, 77); return slices.Insert(l, i, l[i]) }},
		{name: "insert another", first: 78, last: 78, bend: func(l []string) []string {
			return slices.Insert(l, find(t, l, 78), string(AppendLine(nil, &Leaf{Seq: 78, Kind: Erase}))+"\n")
		}},
		{name: "swap", first: 77, last: 77, bend: func(l []string) []string {
			i, j := find(t, l, 77), find(t, l, 90)
			l[i], l[j] = l[j], l[i]
			return l
		}},
		{name: "swap with numbers", first: 77, last: 77, bend: func(l []string) []string {
			i, j := find(t, l, 77), find(t, l, 90)
			l[i], l[j] = strings.Replace(l[j], ":90,", ":77,", 1), strings.Replace(l[i], ":77,", ":90,", 1)
			return l
		}},
		{name: "cut", first: 500, last: 500, bend: func(l []string) []string { return l[:find(t, l, 500)] }},
		{name: "cut in a line", first: 500, last: 500, bend: func(l []string) []string { i := find(t, l, 500); l[i] = l[i][:40]; return l[:i+1] }},
		{name: "cut with the number", first: 300, last: 300, bend: func(l []string) []string {
			l[0] = strings.Replace(l[0], `"size":600`, `"size":500`, 1)
			return l[:find(t, l, 500)]
		}},
		{name: "cut at a checkpoint, as an older log", first: 300, last: 300, since: []Checkpoint{old}, bend: func(l []string) []string {
			l[0] = strings.Replace(l[0], `"size":600`, `"size":300`, 1)
			return l[:find(t, l, 300)]
		}},
		{name: "roll back", first: 350, last: 350, since: []Checkpoint{old}, bend: func([]string) []string { return cut.export(t, Export{}) }},
		{name: "roll back and go on", first: 0, last: 399, since: []Checkpoint{old}, bend: func([]string) []string { return rewrite(350).export(t, Export{}) }},
		{name: "foreign key", first: 0, last: 199, key: foreign, bend: func(l []string) []string { return l }},
		{name: "foreign log", first: 0, last: 599, bend: func([]string) []string { return stranger.export(t, Export{}) }},
		{name: "no checkpoint", first: 300, last: 300, bend: func(l []string) []string { return l[:len(l)-1] }},
		{name: "a checkpoint of fewer", first: 200, last: 200, bend: func(l []string) []string {
			i := find(t, l, 200)
			l[i-1], l[i] = l[i], l[i-1]
			return l
		}},
		{name: "a checkpoint of more", first: 199, last: 199, bend: func(l []string) []string {
			i := find(t, l, 199)
			l[i+1], l[i] = l[i], l[i+1]
			return l
		}},
		{name: "something else", first: 10, last: 10, bend: func(l []string) []string { return slices.Insert(l, find(t, l, 10), "{}\n") }},
		{name: "no hashes", first: 256, last: 256, bend: func(l []string) []string { i := find(t, l, 256) - 1; return slices.Delete(l, i, i+1) }},
		{name: "more behind the end", first: 600, last: 600, bend: func(l []string) []string {
			l[len(l)-1] += "\n"
			return append(l, string(AppendLine(nil, &Leaf{Seq: 600, Kind: Erase})))
		}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			lines := r.bend(s.export(t, Export{}, 200, 300))
			key := s.key
			if r.key != nil {
				key = r.key
			}
			_, err := Verify(strings.NewReader(strings.Join(lines, "")), key, r.since, nil)
			got, ok := errors.AsType[*BadRecordError](err)
			if !ok || got.First != r.first || got.Last != r.last {
				t.Errorf("it says %v (%+v), want the records %d to %d", err, got, r.first, r.last)
			}
		})
	}
}

func TestWhatWasLeftOutIsBoundToo(t *testing.T) {
	s := newSealed(t, 600)
	_, old := s.at(t, 90)
	verify := func(lines []string, since ...Checkpoint) error {
		_, err := Verify(strings.NewReader(strings.Join(lines, "")), s.key, since, nil)
		return err
	}
	if err := verify(s.export(t, Export{First: 301}), old); !errors.Is(err, ErrNoProof) {
		t.Errorf("without a proof it says %v", err)
	}
	other := old
	other.Root[0]++
	err := verify(s.export(t, Export{First: 301, Since: []int64{90}}), other)
	if bad, ok := errors.AsType[*BadRecordError](err); !ok || bad.First != 0 || bad.Last != 300 {
		t.Errorf("another past is %v", err)
	}
	lines := s.export(t, Export{First: 301})
	var head exportHead
	if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
		t.Fatal(err)
	}
	head.Frontier[0][0]++
	b, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	lines[0] = string(b) + "\n"
	if bad, ok := errors.AsType[*BadRecordError](verify(lines)); !ok || bad.First != 301 || bad.Last != 599 {
		t.Errorf("another frontier is %v", bad)
	}
	for name, first := range map[string]string{
		"nothing": "", "a record": lines[1], "a later version": `{"callgate_audit":2}`, "another origin": strings.Replace(lines[0], "clinic", "klinik", 1),
		"no frontier": `{"callgate_audit":1,"origin":"clinic.example/1","first":301,"size":600}` + "\n", "no records": `{"callgate_audit":1,"origin":"clinic.example/1","first":600,"size":600}`,
		"too many": strings.Replace(lines[0], `"first":301`, `"first":256`, 1), "negative": strings.Replace(lines[0], `"first":301`, `"first":-1`, 1),
	} {
		if err := verify(append([]string{first}, lines[1:]...)); err == nil {
			t.Errorf("%s at the beginning verifies", name)
		}
	}
}

func TestAnExportIsWholeOrNone(t *testing.T) {
	s := newSealed(t, 5)
	begin := func(e Export) (*Exporter, error) {
		e.Origin, e.Size = "x", 5
		return NewExporter(new(bytes.Buffer), e, HashReader(s.kept))
	}
	if _, err := begin(Export{First: 5}); err == nil {
		t.Error("an empty export was begun")
	}
	x, err := begin(Export{First: 3})
	if err != nil {
		t.Fatal(err)
	}
	signed, _ := s.at(t, 5)
	if x.Line(s.lines[4]) == nil || x.Line(nil) == nil {
		t.Error("a record was taken out of its place")
	}
	if x.Checkpoint(signed, 5) == nil {
		t.Error("a checkpoint was taken out of its place")
	}
	if x.Line(s.lines[3]) != nil || x.Close() == nil || x.Line(s.lines[4]) != nil || x.Close() == nil {
		t.Error("half an export, or one without a checkpoint, was closed")
	}
	if x.Checkpoint(signed, 5) != nil || x.Close() != nil {
		t.Error("a whole export was not closed")
	}
}

func TestOneRecordIsProvenAlone(t *testing.T) {
	s := newSealed(t, 600)
	signed, want := s.at(t, 600)
	for _, seq := range []int64{0, 255, 256, 301, 599} {
		proof, err := Prove(s.lines[seq], seq, signed, 600, HashReader(s.kept))
		if err != nil {
			t.Fatal(err)
		}
		for _, first := range []int64{0, 200, seq} {
			if first > seq {
				continue
			}
			from, err := ProveFrom(strings.NewReader(strings.Join(s.export(t, Export{First: first}), "")), s.key, seq)
			if err != nil {
				t.Fatal(err)
			}
			got, err := CheckProof(s.key, from)
			if err != nil || got.Seq != seq || got.Checkpoint != want || string(got.Line) != string(s.lines[seq]) {
				t.Errorf("record %d from an export from %d on: %+v, %v", seq, first, got, err)
			}
			if body := func(b []byte) string { text, _, _ := strings.Cut(string(b), "\n— "); return text }; body(from) != body(proof) {
				t.Errorf("record %d: two proofs are not one", seq)
			}
		}
	}
	proof, err := Prove(s.lines[7], 7, signed, 600, HashReader(s.kept))
	if err != nil {
		t.Fatal(err)
	}
	text := string(proof)
	lines := strings.Split(text, "\n")
	for name, bent := range map[string]string{
		"another record":  strings.Replace(text, lines[1], "extra e30=", 1),
		"another place":   strings.Replace(text, "index 7", "index 8", 1),
		"behind the end":  strings.Replace(text, "index 7", "index 600", 1),
		"a hash less":     strings.Replace(text, lines[3]+"\n", "", 1),
		"a hash more":     strings.Replace(text, lines[3], lines[3]+"\n"+lines[3], 1),
		"another hash":    strings.Replace(text, lines[3], lines[4], 1),
		"no hash":         strings.Replace(text, lines[3], "x", 1),
		"no header":       strings.TrimPrefix(text, proofHeader),
		"no record":       strings.Replace(text, lines[1]+"\n", "", 1),
		"no checkpoint":   text[:strings.Index(text, "\n\n")],
		"other size":      strings.Replace(text, "\n600\n", "\n599\n", 1),
		"much":            text + strings.Repeat("x", maxProof),
		"too many hashes": strings.Replace(text, lines[3], strings.Repeat(lines[3]+"\n", 70), 1),
	} {
		if got, err := CheckProof(s.key, []byte(bent)); err == nil {
			t.Errorf("%s: proves %+v", name, got)
		}
	}
	if _, foreign := keys(t, "clinic.example/1"); foreign != nil {
		if _, err := CheckProof(foreign, proof); !errors.Is(err, ErrForeign) {
			t.Errorf("a foreign key says %v", err)
		}
	}
	if _, err := Prove(nil, 600, signed, 600, HashReader(s.kept)); err == nil {
		t.Error("a record that is not there was proven")
	}
	if _, err := ProveFrom(strings.NewReader(strings.Join(s.export(t, Export{First: 301}), "")), s.key, 300); err == nil {
		t.Error("a record that is not in the export was proven")
	}
}

func TestCheckAgainstFindsARestoredBackup(t *testing.T) {
	s := newSealed(t, 600)
	_, published := s.at(t, 400)
	check := func(k *kept, c Checkpoint) *RolledBackError {
		err := CheckAgainst(c, &k.state, HashReader(k))
		found, ok := errors.AsType[*RolledBackError](err)
		if err != nil && !ok {
			t.Errorf("another error: %v", err)
		}
		return found
	}
	for name, c := range map[string]Checkpoint{"an older": published, "nothing": {}, "itself": {Size: 600, Root: s.state.Root()}} {
		if err := check(s.kept, c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := check(logOf(399), published); err == nil || err.Changed || err.Size != 399 || err.Published != 400 {
		t.Errorf("a smaller store is %v", err)
	}
	other := logOf(100)
	for i := range 500 {
		other.write(new(Batch), attemptAt(i))
	}
	if err := check(other, published); err == nil || !err.Changed {
		t.Errorf("another store is %v", err)
	}
	bent := logOf(600)
	bent.leaves[390][0]++ // a line was changed, and the state beside it not
	if err := check(bent, published); err == nil || !err.Changed {
		t.Errorf("a store with a changed record is %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	s := newSealed(f, 20)
	f.Add(strings.Join(s.export(f, Export{}, 7), ""))
	f.Add(strings.Join(s.export(f, Export{First: 5, Since: []int64{3}}), ""))
	f.Fuzz(func(t *testing.T, export string) {
		var read []string
		got, err := Verify(strings.NewReader(export), s.key, nil, func(_ int64, line []byte) error { read = append(read, string(line)); return nil })
		if err != nil {
			return
		}
		for i, line := range read { // only what was signed verifies
			if seq := int(got.First) + i; seq >= len(s.lines) || line != string(s.lines[seq]) {
				t.Errorf("record %d verifies as %q", seq, line)
			}
		}
	})
}

func FuzzCheckProof(f *testing.F) {
	s := newSealed(f, 20)
	signed, _ := s.at(f, 20)
	for _, seq := range []int64{0, 19} {
		proof, err := Prove(s.lines[seq], seq, signed, 20, HashReader(s.kept))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(proof)
	}
	f.Fuzz(func(t *testing.T, proof []byte) {
		if got, err := CheckProof(s.key, proof); err == nil && string(got.Line) != string(s.lines[got.Seq]) {
			t.Errorf("record %d is proven as %q", got.Seq, got.Line)
		}
	})
}
