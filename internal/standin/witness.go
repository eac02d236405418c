package standin

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Witness cosigns the checkpoints of logs as C2SP's tlog-witness has it: it remembers the last checkpoint of each log, and
// cosigns only what has grown out of it. Its cosignatures are made by filippo.io/torchwood.
type Witness struct {
	*httptest.Server
	// Key is the witness's public key, a vkey.
	Key string

	t      testing.TB
	signer *torchwood.CosignatureSigner
	mu     sync.Mutex
	logs   map[string]note.Verifier
	seen   map[string]torchwood.Checkpoint
	calls  int
}

// NewWitness starts a witness of the logs with the public keys. It is closed with the test.
func NewWitness(t testing.TB, name string, logs ...string) *Witness {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &Witness{t: t, logs: make(map[string]note.Verifier), seen: make(map[string]torchwood.Checkpoint)}
	if w.signer, err = torchwood.NewCosignatureSigner(name, key); err != nil {
		t.Fatal(err)
	}
	w.Key = w.signer.Verifier().String()
	for _, l := range logs {
		v, err := note.NewVerifier(l)
		if err != nil {
			t.Fatal(err)
		}
		w.logs[v.Name()] = v
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", w.add)
	w.Server = httptest.NewServer(mux)
	t.Cleanup(w.Close)
	return w
}

// Size is how large the log was in the last checkpoint that was cosigned.
func (w *Witness) Size(origin string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[origin].N
}

// Calls is how many requests came.
func (w *Witness) Calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func (w *Witness) add(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	refuse := func(status int, why string) { http.Error(out, why, status) }
	head, signed, ok := strings.Cut(string(readBody(w.t, r)), "\n\n")
	lines := strings.Split(head, "\n")
	size, isOld := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(size, 10, 64)
	if !ok || !isOld || err != nil || strconv.FormatInt(old, 10) != size || len(lines) > 64 {
		refuse(http.StatusBadRequest, "not an old size line, proof lines, an empty line and a checkpoint")
		return
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			refuse(http.StatusBadRequest, "not a hash")
			return
		}
		proof = append(proof, h)
	}
	origin, _, _ := strings.Cut(signed, "\n")
	known, ok := w.logs[origin]
	if !ok {
		refuse(http.StatusNotFound, "the log is unknown")
		return
	}
	n, err := note.Open([]byte(signed), note.VerifierList(known))
	if err != nil {
		refuse(http.StatusForbidden, "no signature of the log")
		return
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil || old > c.N {
		refuse(http.StatusBadRequest, "not a checkpoint, or smaller than the old size")
		return
	}
	last := w.seen[origin]
	switch {
	case old != last.N:
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(http.StatusConflict)
		fmt.Fprintf(out, "%d\n", last.N)
		return
	case old == c.N && old > 0 && c.Hash != last.Hash:
		refuse(http.StatusConflict, "another root")
		return
	case old == 0 && len(proof) > 0, old > 0 && tlog.CheckTree(proof, c.N, c.Hash, old, last.Hash) != nil:
		refuse(http.StatusUnprocessableEntity, "the proof does not hold")
		return
	}
	cosigned, err := note.Sign(&note.Note{Text: n.Text}, w.signer)
	if err != nil {
		w.t.Errorf("stand-in: %v", err)
		refuse(http.StatusInternalServerError, "cannot sign")
		return
	}
	w.seen[origin] = c
	fmt.Fprint(out, strings.TrimPrefix(string(cosigned), n.Text+"\n"))
}
