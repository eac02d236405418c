package auditor

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// filled is a log of n records of two tenants, in bundles of up to seven.
func filled(t *testing.T, n int) (*rig, *Log) {
	t.Helper()
	r := newRig(t)
	t.Cleanup(func() { r.store.Close() })
	if _, err := r.store.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := 0; i < n; {
		var leaves []audit.Leaf
		for range min(1+i%7, n-i) {
			kind := audit.EventAccepted
			if i%3 == 0 {
				kind = audit.Attempt
			}
			leaves = append(leaves, audit.Leaf{Kind: kind, At: began.Add(time.Duration(i) * time.Minute), Tenant: []string{"acme", "beta"}[i%2],
				Event: fmt.Sprint("event-", i/3), To: []audit.Recipient{{Name: "crm"}}, Actor: audit.Actor{ID: fmt.Sprint(i % 5)}})
			i++
		}
		if err := r.store.Record(t.Context(), leaves...); err != nil {
			t.Fatal(err)
		}
	}
	return r, &Log{Store: r.store, Signer: r.signer}
}

func TestRecordsAreFound(t *testing.T) {
	_, log := filled(t, 600)
	for name, tt := range map[string]struct {
		q    Query
		want int
	}{
		"all":              {Query{Limit: 1000}, 600},
		"the usual limit":  {Query{}, DefaultLimit},
		"from a place on":  {Query{First: 590, Limit: 1000}, 10},
		"of an event":      {Query{Event: "event-7"}, 3},
		"of a tenant":      {Query{Tenant: "acme", Limit: 1000}, 300},
		"of some tenants":  {Query{Tenants: []string{"beta"}, Limit: 1000}, 300},
		"of no tenants":    {Query{Tenants: []string{}, Limit: 1000}, 0},
		"of a kind":        {Query{Kinds: []audit.Kind{audit.Attempt}, Limit: 1000}, 200},
		"by somebody":      {Query{By: "3", Limit: 1000}, 120},
		"to a destination": {Query{Destination: "crm", Limit: 1000}, 600},
		"to another":       {Query{Destination: "ehr", Limit: 1000}, 0},
		"of an hour":       {Query{From: time.Date(2026, 3, 1, 1, 0, 0, 0, time.UTC), To: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)}, 60},
	} {
		p, err := log.Find(t.Context(), tt.q)
		if err != nil || len(p.Records) != tt.want {
			t.Errorf("%s: %d records, want %d: %v", name, len(p.Records), tt.want, err)
		}
	}
	// Page by page it is all of them, each once.
	next, got := int64(0), 0
	for {
		p, err := log.Find(t.Context(), Query{First: next, Limit: 70})
		if err != nil {
			t.Fatal(err)
		}
		got += len(p.Records)
		if next = p.Next; next == 0 {
			break
		}
	}
	if got != 600 {
		t.Errorf("the pages have %d records", got)
	}
	if first, err := log.Newest(t.Context(), 25); err != nil || first != 575 {
		t.Errorf("%d, %v", first, err)
	}
}

func TestProofsAndExportsHold(t *testing.T) {
	r, log := filled(t, 600)
	proof, err := log.Prove(t.Context(), 300)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := audit.CheckProof(r.verifier, proof); err != nil || p.Seq != 300 || p.Checkpoint.Size != 600 || !strings.Contains(string(p.Line), `"event":"event-100"`) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, seq := range []int64{-1, 600} {
		if _, err := log.Prove(t.Context(), seq); !errors.Is(err, ErrNoRecord) {
			t.Errorf("%d: %v", seq, err)
		}
	}
	check := func(first int64, since ...audit.Checkpoint) {
		t.Helper()
		sizes := make([]int64, len(since))
		for i := range since {
			sizes[i] = since[i].Size
		}
		var out bytes.Buffer
		n, err := log.Export(t.Context(), &out, first, sizes...)
		if err != nil {
			t.Fatal(err)
		}
		v, err := audit.Verify(&out, r.verifier, since, nil)
		if err != nil || v.Size-v.First != n || v.First != first {
			t.Errorf("from %d on: %+v, %d records: %v", first, v, n, err)
		}
	}
	check(0)
	status, err := r.store.AuditStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := audit.Checkpoint{Origin: r.signer.Origin(), Size: status.State.Size, Root: status.State.Root()}
	r.note(100)
	check(300, old)
	check(650, old)
	// What is left when the oldest were pruned can be proved all the same.
	if _, err := r.store.PruneAudit(t.Context(), time.Now().Add(time.Hour), false); err != nil {
		t.Fatal(err)
	}
	r.note(10)
	status, err = r.store.AuditStatus(t.Context())
	if err != nil || status.Pruned == 0 {
		t.Fatal(status.Pruned, err)
	}
	check(status.Pruned, old)
	if _, err := log.Prove(t.Context(), status.Pruned-1); !errors.Is(err, ErrNoRecord) {
		t.Error(err)
	}
}

// TestTamperingIsFound in the file of the store itself, and where it is.
func TestTamperingIsFound(t *testing.T) {
	const bundle = "(SELECT max(first) FROM audit_bundles WHERE first <= 305)"
	for name, tt := range map[string]struct{ change, says string }{
		"another event":            {`UPDATE audit_bundles SET lines = CAST(replace(CAST(lines AS TEXT), 'event-101', 'event-999') AS BLOB) WHERE first = ` + bundle, "records 256 to 511"},
		"another one at the end":   {`UPDATE audit_bundles SET lines = CAST(replace(CAST(lines AS TEXT), 'crm', 'cry') AS BLOB) WHERE first = (SELECT max(first) FROM audit_bundles)`, "records 512 to 599"},
		"a bundle is gone":         {"DELETE FROM audit_bundles WHERE first = " + bundle, "record 304 is damaged, or not in its place"},
		"the last bundle is gone":  {"DELETE FROM audit_bundles WHERE first = (SELECT max(first) FROM audit_bundles)", "is missing"},
		"a bundle twice":           {"UPDATE audit_bundles SET lines = (SELECT lines FROM audit_bundles WHERE first = 0) WHERE first = " + bundle, "record 304 is damaged, or not in its place"},
		"a line is left out":       {`UPDATE audit_bundles SET lines = substr(lines, instr(lines, x'0a') + 1) WHERE first = ` + bundle, "record 304 is damaged, or not in its place"},
		"the hashes":               {"UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 8 AND n = 1", "records 256 to 511"},
		"the state":                {"UPDATE audit_state SET state = (SELECT substr(state, 1, 8) || zeroblob(length(state) - 8) FROM audit_state)", "records 512 to 599"},
		"the checkpoint":           {"UPDATE audit_state SET checkpoint = replace(checkpoint, char(10) || '600' || char(10), char(10) || '599' || char(10))", "are not those of the last checkpoint"},
		"a later checkpoint":       {"UPDATE audit_state SET checkpoint = replace(checkpoint, char(10) || '600' || char(10), char(10) || '700' || char(10))", "700"},
		"what was never published": {"UPDATE audit_state SET checkpoint = 'nothing'", "not a checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			r, log := filled(t, 600)
			_, signed, err := log.sign(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := r.store.NoteCheckpoint(t.Context(), signed); err != nil {
				t.Fatal(err)
			}
			if n, err := log.Verify(t.Context()); err != nil || n != 600 {
				t.Fatalf("the whole log: %d, %v", n, err)
			}
			r.store.Close()
			db, err := sql.Open("sqlite", r.path)
			if err != nil {
				t.Fatal(err)
			}
			res, err := db.Exec(tt.change)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := res.RowsAffected(); n != 1 || err != nil {
				t.Fatal("nothing was changed", err)
			}
			db.Close()
			r.reopen()
			if _, err := (&Log{Store: r.store, Signer: r.signer}).Verify(context.Background()); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want something of %q", err, tt.says)
			}
		})
	}
}

func TestWhatIsLeftOfAPrunedLogVerifies(t *testing.T) {
	r, log := filled(t, 600)
	if _, err := r.store.PruneAudit(t.Context(), time.Now().Add(time.Hour), false); err != nil {
		t.Fatal(err)
	}
	r.note(3)
	if n, err := log.Verify(t.Context()); err != nil || n < 603 {
		t.Errorf("%d, %v", n, err)
	}
}
