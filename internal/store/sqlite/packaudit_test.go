package sqlite_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// packing is a store whose audit log has some days in it, and a clock.
type packing struct {
	*testing.T
	*sqlite.Store
	path string
	now  time.Time
}

func newPacking(t *testing.T, segment int) *packing {
	p := &packing{T: t, path: filepath.Join(t.TempDir(), "store.db"), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	p.open(segment)
	return p
}

func (p *packing) open(segment int) {
	p.Store = openAudited(p.T, sqlite.Options{Path: p.path, AuditSegment: segment, Now: func() time.Time { return p.now }})
}

// day is one of so many calls.
func (p *packing) day(calls int) {
	p.Helper()
	for range calls {
		e := randomEvent([]byte("{}"))
		e.Tenant = "clinic-north"
		a, err := p.Accept(ctx, e, []string{"ehr"})
		if err != nil {
			p.Fatal(err)
		}
		if err := p.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], Number: 1, At: p.now, Status: 201, State: store.Delivered,
			Sent:  &store.Sent{Requests: []store.SentRequest{{Host: "ehr.example", Bytes: 1500, Fields: []string{"caller_number", "patient_id", "summary"}}}},
			Audit: store.AuditAttempt{Tenant: "clinic-north", Destination: "ehr", Kind: "fhir", Digest: sha256.Sum256([]byte(e.ID))}}}); err != nil {
			p.Fatal(err)
		}
		p.now = p.now.Add(time.Minute)
	}
	p.now = p.now.Add(24*time.Hour - time.Duration(calls)*time.Minute)
}

func (p *packing) pack() {
	p.Helper()
	if _, err := p.Expire(ctx, store.Retention{}, p.now, 100); err != nil {
		p.Fatal(err)
	}
}

func (p *packing) lines(from int64) (all []string) {
	p.Helper()
	if err := p.AuditLines(ctx, from, func(seq int64, line []byte) error {
		if seq != from+int64(len(all)) {
			return fmt.Errorf("record %d comes after %d", seq, len(all))
		}
		all = append(all, string(line))
		return nil
	}); err != nil {
		p.Fatal(err)
	}
	return all
}

// stored counts bundles, segments among them, and their bytes.
func (p *packing) stored() (all, packed, bytes int) {
	p.Helper()
	db, err := sql.Open("sqlite", p.path)
	if err != nil {
		p.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*), count(*) FILTER (WHERE substr(lines, 1, 4) = x'28b52ffd'), coalesce(sum(length(lines)), 0) FROM audit_bundles").Scan(&all, &packed, &bytes); err != nil {
		p.Fatal(err)
	}
	return all, packed, bytes
}

// verified compares the log with what it was, from several places on, and proves records at several sizes.
func (p *packing) verified(want []string) {
	p.Helper()
	status, err := p.AuditStatus(ctx)
	if err != nil {
		p.Fatal(err)
	}
	for _, from := range []int64{0, 1, 7, 150, status.State.Size - 1, status.State.Size} {
		if got := p.lines(from); !slices.Equal(got, want[from:]) {
			p.Fatalf("from %d there are %d other lines", from, len(got))
		}
	}
	hashes := audit.HashReader(p.AuditTiles(ctx))
	var own audit.State
	for i, line := range want {
		own.Add(audit.LeafHashes(nil, []byte(line))[0], nil)
		if i%41 == 0 || i == len(want)-1 {
			if read, err := audit.StateAt(own.Size, hashes); err != nil || read.Root() != own.Root() {
				p.Fatalf("at %d the root is another one: %v", own.Size, err)
			}
		}
	}
	if own.Root() != status.State.Root() {
		p.Error("the whole has another root")
	}
}

// TestOldRecordsArePacked: they take less room, and are the same for whoever reads, verifies, goes on, or prunes.
func TestOldRecordsArePacked(t *testing.T) {
	p := newPacking(t, 8<<10)
	for range 3 {
		p.day(120)
	}
	before := p.lines(0)
	_, packed, raw := p.stored()
	if packed != 0 {
		t.Fatalf("%d segments before anything was packed", packed)
	}
	p.pack()
	all, packed, bytes := p.stored()
	if packed < 10 || bytes*2 > raw || all > packed+40 {
		t.Errorf("%d bytes became %d, in %d segments of %d", raw, bytes, packed, all)
	}
	t.Logf("%d bytes of %d records became %d", raw, len(before), bytes)
	p.verified(before)
	p.pack()
	if again, _, _ := p.stored(); again != all {
		t.Errorf("packed again, %d bundles became %d", all, again)
	}

	// What is young stays as it is, and what comes goes on behind it.
	p.now = p.now.Add(-23 * time.Hour)
	p.day(5)
	p.now = p.now.Add(-24*time.Hour + 10*time.Minute)
	p.pack()
	if n, _, _ := p.stored(); n != all+10 {
		t.Errorf("%d bundles, with ten young ones after %d", n, all)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p.open(8 << 10)
	p.day(1)
	now := p.lines(0)
	if len(now) != len(before)+12 {
		t.Errorf("%d records after a restart", len(now))
	}
	p.verified(now)

	// A day is pruned as a whole.
	n, err := p.PruneAudit(ctx, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), true)
	if err != nil || n != 240 {
		t.Errorf("%d would be pruned, %v", n, err)
	}
	if n, err := p.PruneAudit(ctx, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), false); err != nil || n != 240 {
		t.Errorf("%d are pruned, %v", n, err)
	}
	if got := p.lines(240); !slices.Equal(got[:len(now)-240], now[240:]) {
		t.Error("what is left is another")
	}
	if read, err := audit.StateAt(int64(len(now)), audit.HashReader(p.AuditTiles(ctx))); err != nil || read.Size != int64(len(now)) {
		t.Errorf("what was pruned cannot be proved: %v", err)
	}
}

// TestWhoReadsMeanwhileMissesNothing: not even who stands in the middle of what becomes a segment.
func TestWhoReadsMeanwhileMissesNothing(t *testing.T) {
	p := newPacking(t, 1<<20)
	p.day(150)
	p.day(1)
	next := int64(0)
	if err := p.AuditLines(ctx, 0, func(seq int64, _ []byte) error {
		if seq != next {
			return fmt.Errorf("record %d comes where %d should", seq, next)
		}
		if next++; next == 20 {
			p.pack()
			if _, packed, _ := p.stored(); packed != 1 {
				return fmt.Errorf("%d segments", packed)
			}
		}
		return nil
	}); err != nil || next != 302 {
		t.Errorf("%d records, %v", next, err)
	}
}

// TestDamagedSegmentsAreTold: by whoever reads the log, and as damage of the log.
func TestDamagedSegmentsAreTold(t *testing.T) {
	for name, change := range map[string]string{
		"cut":           "UPDATE audit_bundles SET lines = substr(lines, 1, 60) WHERE first = 0",
		"not a frame":   "UPDATE audit_bundles SET lines = x'28b52ffd00112233' WHERE first = 0",
		"another's":     "UPDATE audit_bundles SET lines = (SELECT lines FROM audit_bundles WHERE first > 0 ORDER BY first LIMIT 1) WHERE first = 0",
		"empty instead": "UPDATE audit_bundles SET lines = x'' WHERE first = 0",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPacking(t, 1<<20)
			p.day(20)
			p.day(20)
			p.day(1)
			p.pack()
			db, err := sql.Open("sqlite", p.path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			status, err := p.AuditStatus(ctx)
			if err != nil {
				t.Fatal(err)
			}
			read, err := audit.StateAt(status.State.Size, audit.HashReader(p.AuditTiles(ctx)))
			// The hashes above leaves are kept: that the leaves are not theirs shows where they are read.
			var own audit.State
			lines := p.AuditLines(ctx, 0, func(seq int64, line []byte) error {
				if own.Size != seq {
					return store.ErrAuditDamaged
				}
				own.Add(audit.LeafHashes(nil, line)[0], nil)
				return nil
			})
			if lines == nil && own.Root() == status.State.Root() || lines != nil && !errors.Is(lines, store.ErrAuditDamaged) {
				t.Errorf("reading the lines: %v; the hashes: %v, %v", lines, read.Size, err)
			}
		})
	}
}
