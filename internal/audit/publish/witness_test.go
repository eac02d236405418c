package publish

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/standin"
)

func TestWitnessCosignsWhatHasGrown(t *testing.T) {
	b := newBook(t, "clinic.example/1")
	stand := standin.NewWitness(t, "witness.example/w1", b.public)
	var cosigned []Signed
	begin := func() *Witness {
		w, err := NewWitness(stand.URL+"/", stand.Key, WitnessOptions{Prove: b.prove, Cosigned: func(s Signed) { cosigned = append(cosigned, s) }})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	cosigner, err := audit.NewCosigner(stand.Key)
	if err != nil {
		t.Fatal(err)
	}
	w := begin()
	for i, n := range []int{5, 1, 30, 0} { // the last one is asked for again, unchanged
		c := b.write(n, "")
		if err := w.Send(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		got := cosigned[i]
		if at, err := cosigner.Check(got.Note); err != nil || time.Since(at) > time.Hour || got.Checkpoint != c.Checkpoint {
			t.Errorf("cosigned is %+v at %v, %v", got.Checkpoint, at, err)
		}
		if opened, err := b.key.Open(got.Note); err != nil || opened != c.Checkpoint {
			t.Errorf("with a cosignature the log's key says %v", err)
		}
		if _, err := cosigner.Check(c.Note); !errors.Is(err, audit.ErrNotCosigned) {
			t.Errorf("without it: %v", err)
		}
	}
	if stand.Calls() != 4 || stand.Size("clinic.example/1") != 36 {
		t.Errorf("%d requests, and it has seen %d", stand.Calls(), stand.Size("clinic.example/1"))
	}
	// After a restart nothing is known here of what the witness has seen: it says so with 409.
	w = begin()
	if err := w.Send(t.Context(), b.write(9, "")); err != nil || stand.Calls() != 6 || stand.Size("clinic.example/1") != 45 {
		t.Errorf("after a restart: %v, %d requests", err, stand.Calls())
	}
	w = begin()
	if seen, err := w.Seen(t.Context(), b.sign()); err != nil || seen != 45 {
		t.Errorf("it has seen %d, %v", seen, err)
	}
}

func TestWitnessFindsARollback(t *testing.T) {
	b := newBook(t, "clinic.example/1")
	stand := standin.NewWitness(t, "witness.example/w1", b.public)
	cosigned := 0
	begin := func() *Witness {
		w, err := NewWitness(stand.URL, stand.Key, WitnessOptions{Prove: b.prove, Cosigned: func(Signed) { cosigned++ }})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := begin()
	backup := *b
	backup.leaves = append(backup.leaves[:0:0], b.leaves...)
	if err := w.Send(t.Context(), b.write(20, "first")); err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]*Witness{"going on": w, "after a restart": begin()} {
		*b = backup
		b.leaves = nil
		found := func(c Signed, changed bool) {
			t.Helper()
			err := w.Send(t.Context(), c)
			if back, ok := errors.AsType[*audit.RolledBackError](err); !ok || back.Changed != changed || back.Published != 20 || !strings.Contains(err.Error(), "witness") {
				t.Errorf("%s: %d records: %v", name, c.Size, err)
			}
		}
		found(b.write(12, "other"), false)
		found(b.write(8, "other"), true)  // as large
		found(b.write(10, "other"), true) // larger
		if seen, err := begin().Seen(t.Context(), b.sign()); err != nil || seen != 20 {
			t.Errorf("%s: it has seen %d, %v", name, seen, err)
		}
	}
	if cosigned != 1 || stand.Size("clinic.example/1") != 20 {
		t.Errorf("%d were cosigned", cosigned)
	}
}

func TestWitnessThatIsWrong(t *testing.T) {
	b, other := newBook(t, "clinic.example/1"), newBook(t, "clinic.example/1")
	stranger := newBook(t, "clinic.example/2")
	stand := standin.NewWitness(t, "witness.example/w1", other.public)
	second := standin.NewWitness(t, "witness.example/w1", b.public, stranger.public)
	c := b.write(3, "")
	send := func(url, key string, c Signed) error {
		w, err := NewWitness(url, key, WitnessOptions{Prove: b.prove})
		if err != nil {
			t.Fatal(err)
		}
		return w.Send(t.Context(), c)
	}
	if err := send(stand.URL, stand.Key, c); err == nil || !strings.Contains(err.Error(), "another public key") {
		t.Errorf("a witness with another key of the log: %v", err)
	}
	if err := send(stand.URL, stand.Key, stranger.write(1, "")); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("a witness that does not know the log: %v", err)
	}
	if err := send(second.URL, stand.Key, c); err == nil || !strings.Contains(err.Error(), "without its cosignature") {
		t.Errorf("a witness with another key of its own: %v", err)
	}
	r := standin.NewReceiver(t)
	for name, reply := range map[string]standin.Reply{
		"nothing":             {},
		"an error":            {Status: 500},
		"a size that is none": {Status: 409, Header: http.Header{"Content-Type": {"text/x.tlog.size"}}, Body: "-1\n"},
		"a conflict alone":    {Status: 409},
		"much":                {Body: strings.Repeat("— x y\n", 100_000)},
	} {
		r.Script(reply)
		if err := send(r.URL, stand.Key, c); err == nil {
			t.Errorf("%s was taken for a cosignature", name)
		}
	}
	for _, bad := range []string{"", "x", b.public, stand.Key + "x", strings.Replace(stand.Key, "w1", "w2", 1)} {
		if _, err := NewWitness(stand.URL, bad, WitnessOptions{}); err == nil {
			t.Errorf("%q was taken for a witness's key", bad)
		}
	}
	if _, err := NewWitness("http://witness.example", stand.Key, WitnessOptions{}); err == nil {
		t.Error("a witness without TLS was taken")
	}
}

// TestAWitnessThatHangsIsGivenUp: when its time is over, and what it may say later is not waited for.
func TestAWitnessThatHangsIsGivenUp(t *testing.T) {
	b := newBook(t, "clinic.example/1")
	asked, end := make(chan struct{}, 1), make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-end
	}))
	defer hung.Close()
	defer close(end)
	stand := standin.NewWitness(t, "witness.example/w1", b.public)
	w, err := NewWitness(hung.URL, stand.Key, WitnessOptions{Prove: b.prove})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if err := w.Send(ctx, b.write(3, "")); err == nil {
		t.Error("it says that a witness which hangs has cosigned")
	}
}
