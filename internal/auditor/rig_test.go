package auditor

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/publish"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// box is a sink that remembers, unless it fails or hangs.
type box struct {
	name  string
	mu    sync.Mutex
	fails error
	hangs bool
	got   [][]byte
	tries int
}

func (b *box) Name() string { return b.name }

func (b *box) Send(ctx context.Context, c publish.Signed) error {
	b.mu.Lock()
	b.tries++
	fails, hangs := b.fails, b.hangs
	if fails == nil && !hangs {
		b.got = append(b.got, c.Note)
	}
	b.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return fails
}

func (b *box) Last() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.got) == 0 {
		return nil, nil
	}
	return b.got[len(b.got)-1], nil
}

func (b *box) set(fails error, hangs bool) {
	b.mu.Lock()
	b.fails, b.hangs = fails, hangs
	b.mu.Unlock()
}

// sizes are those of the checkpoints that were taken.
func (b *box) sizes(t *testing.T, v *audit.Verifier) (sizes []int64) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, signed := range b.got {
		c, err := v.Open(signed)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, c.Size)
	}
	return sizes
}

type rig struct {
	*testing.T
	path     string
	store    *sqlite.Store
	signer   *audit.Signer
	verifier *audit.Verifier
}

func newRig(t *testing.T) *rig {
	private, public, err := audit.GenerateKey("clinic.example/callgate")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, path: filepath.Join(t.TempDir(), "store.db")}
	if r.signer, err = audit.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	if r.verifier, err = audit.NewVerifier(public); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	return r
}

func (r *rig) reopen() {
	r.Helper()
	if r.store != nil {
		r.store.Close()
	}
	var err error
	if r.store, err = sqlite.Open(sqlite.Options{Path: r.path}); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) options() Options {
	return Options{Store: r.store, Boot: "boot", File: r.path + ".checkpoint"}
}

func (r *rig) settings(sinks ...publish.Sink) Settings {
	return Settings{Signer: r.signer, Sinks: sinks}
}

func (r *rig) open(s Settings) *Auditor {
	r.Helper()
	a, err := Open(r.Context(), r.options(), s)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

func (r *rig) kinds() (kinds []string) {
	r.Helper()
	if err := r.store.AuditLines(r.Context(), 0, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err == nil {
			kinds = append(kinds, strings.TrimSuffix(string(l.Kind)+" "+l.Outcome, " "))
		}
		return err
	}); err != nil {
		r.Fatal(err)
	}
	return kinds
}

func (r *rig) note(n int) {
	r.Helper()
	if err := r.store.Record(context.Background(), make([]audit.Leaf, n)...); err != nil {
		r.Fatal(err)
	}
}

func same[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range want {
		ok = ok && got[i] == want[i]
	}
	if !ok {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
