package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"github.com/callgate/callgate/internal/store/storetest"
)

// audited is a service on a store that keeps an audit log, and the public key of that.
func audited(t *testing.T) (*Service, *sqlite.Store, *audit.Verifier) {
	t.Helper()
	return auditedWith(t, nil)
}

// auditedWith is one whose store seals what it keeps.
func auditedWith(t *testing.T, keys *seal.Ring) (*Service, *sqlite.Store, *audit.Verifier) {
	t.Helper()
	private, public, err := audit.GenerateKey("clinic.example/1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db"), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := auditor.Open(t.Context(), auditor.Options{Store: s, Boot: "boot"}, auditor.Settings{Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	e := delivery.New(delivery.Options{Store: s})
	t.Cleanup(func() {
		ctx := context.Background()
		if err := errors.Join(e.Close(ctx), keeper.Close(ctx, true), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return New(Options{Store: s, Engine: e, Auditor: func() *auditor.Auditor { return keeper },
		CallerHashes: func(number string) []string { return CallerHashes(keys, number) }}), s, key
}

func recordsOf(t *testing.T, p *auditor.Page) (all []audit.Leaf) {
	t.Helper()
	for _, line := range p.Records {
		l, err := audit.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *l)
	}
	return all
}

// TestTheAuditLogNamesWhoDidWhat: operators are in the records of what they did.
func TestTheAuditLogNamesWhoDidWhat(t *testing.T) {
	s, events, _ := audited(t)
	e := &store.Event{ID: "01JC0Q4Z6W5P9G2N8S3T7V1X0Y", Key: [16]byte{1}, Source: "nextphone", Route: "r"}
	if _, err := events.Accept(t.Context(), e, []string{"crm"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pause(t.Context(), somebody, "crm", "lunch"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cancel(t.Context(), somebody, Selection{Filter: Filter{Event: e.ID}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), Actor{Via: "command", May: Everything}, EraseSelection{Selection: Selection{All: true}}); err != nil {
		t.Fatal(err)
	}
	ada := audit.Actor{Type: audit.ActorUser, ID: "ada", Via: "test"}
	for kind, want := range map[audit.Kind]audit.Actor{audit.Pause: ada, audit.Cancel: ada, audit.Erase: {Type: audit.ActorClaimed, Via: "command"}} {
		p, err := s.AuditQuery(t.Context(), somebody, AuditSelection{Kind: string(kind)})
		if err != nil {
			t.Fatal(err)
		}
		if all := recordsOf(t, p); len(all) != 1 || all[0].Actor != want {
			t.Errorf("%s: %+v", kind, all)
		}
	}
	if p, err := s.AuditQuery(t.Context(), somebody, AuditSelection{By: "ada", Kind: "pause, cancel"}); err != nil || len(p.Records) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := s.AuditQuery(t.Context(), somebody, AuditSelection{Newest: 1}); err != nil || recordsOf(t, p)[0].Kind != audit.Erase {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestTheAuditLogIsProvedExportedAndPruned(t *testing.T) {
	s, _, key := audited(t)
	p, err := s.AuditProve(t.Context(), somebody, "0")
	if err != nil {
		t.Fatal(err)
	}
	if proven, err := audit.CheckProof(key, []byte(p.Proof)); err != nil || proven.Seq != 0 {
		t.Errorf("%+v, %v", proven, err)
	}
	var out bytes.Buffer
	if _, err := s.AuditExport(t.Context(), somebody, AuditExporting{}, &out); err != nil {
		t.Fatal(err)
	}
	last := ""
	if v, err := audit.Verify(&out, key, nil, func(_ int64, line []byte) error { last = string(line); return nil }); err != nil || v.Size < 2 {
		t.Errorf("%+v, %v", v, err)
	}
	if !strings.Contains(last, `"kind":"audit.exported"`) || !strings.Contains(last, `"ada"`) {
		t.Errorf("that it was exported, and by whom, is not its last record: %s", last)
	}
	state, err := s.AuditCheckpoint(t.Context(), somebody)
	if err != nil || state.Records != 2 || state.Name != "clinic.example/1" {
		t.Fatalf("%+v, %v", state, err)
	}
	if c, err := key.Open([]byte(state.Checkpoint)); err != nil || c.Size != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	if v, err := s.AuditVerify(t.Context(), somebody); err != nil || v.Records != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	if n, err := s.AuditPrune(t.Context(), somebody, AuditPruning{Before: "2026-01-01"}); err != nil || n.Records != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	stats, err := s.Statistics(t.Context(), somebody)
	if err != nil || stats.Audit == nil || stats.Audit.Records != 2 || stats.Audit.Checkpoint != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	if text, err := json.Marshal(stats); err != nil || !strings.Contains(string(text), `"audit":{"name":"clinic.example/1","records":2`) {
		t.Errorf("%s, %v", text, err)
	}
	for name, err := range map[string]error{
		"both": func() error {
			_, err := s.AuditQuery(t.Context(), somebody, AuditSelection{After: 1, Newest: 1})
			return err
		}(),
		"a limit":        func() error { _, err := s.AuditQuery(t.Context(), somebody, AuditSelection{Limit: 5000}); return err }(),
		"no time":        func() error { _, err := s.AuditQuery(t.Context(), somebody, AuditSelection{From: "soon"}); return err }(),
		"no number":      func() error { _, err := s.AuditProve(t.Context(), somebody, "x"); return err }(),
		"no time before": func() error { _, err := s.AuditPrune(t.Context(), somebody, AuditPruning{}); return err }(),
		"in the future": func() error {
			_, err := s.AuditPrune(t.Context(), somebody, AuditPruning{Before: "2200-01-01"})
			return err
		}(),
		"before": func() error {
			_, err := s.AuditExport(t.Context(), somebody, AuditExporting{First: -1}, &out)
			return err
		}(),
		"no reason": func() error { _, err := s.AuditFork(t.Context(), somebody, ""); return err }(),
	} {
		if !errors.Is(err, ErrBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.AuditProve(t.Context(), somebody, "99"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.AuditFork(t.Context(), somebody, "the disk broke"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a log is forked while the gateway runs: %v", err)
	}
	none := New(Options{Store: storetest.NewMemory(storetest.Options{})})
	if _, err := none.AuditQuery(t.Context(), somebody, AuditSelection{}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no audit log is kept") {
		t.Error(err)
	}
}

// auditAttempts are all operations on the audit log with something that is right to ask for.
var auditAttempts = map[string]func(ctx context.Context, s *Service, a Actor) error{
	"AuditQuery": func(ctx context.Context, s *Service, a Actor) error {
		_, err := s.AuditQuery(ctx, a, AuditSelection{})
		return err
	},
	"AuditTail": func(ctx context.Context, s *Service, a Actor) error {
		enough := errors.New("enough")
		err := s.AuditTail(ctx, a, AuditSelection{}, func([]json.RawMessage) error { return enough })
		if errors.Is(err, enough) {
			return nil
		}
		return err
	},
	"AuditVerify":     func(ctx context.Context, s *Service, a Actor) error { _, err := s.AuditVerify(ctx, a); return err },
	"AuditProve":      func(ctx context.Context, s *Service, a Actor) error { _, err := s.AuditProve(ctx, a, "0"); return err },
	"AuditCheckpoint": func(ctx context.Context, s *Service, a Actor) error { _, err := s.AuditCheckpoint(ctx, a); return err },
	"AuditExport": func(ctx context.Context, s *Service, a Actor) error {
		_, err := s.AuditExport(ctx, a, AuditExporting{}, new(bytes.Buffer))
		return err
	},
	"AuditPrune": func(ctx context.Context, s *Service, a Actor) error {
		_, err := s.AuditPrune(ctx, a, AuditPruning{Before: "2026-01-01"})
		return err
	},
	"AuditFork": func(ctx context.Context, s *Service, a Actor) error {
		_, err := s.AuditFork(ctx, a, "the disk broke")
		return err
	},
}

// TestAuditOperationsAreRecordedFirst, and refused to those who may not or are bound to tenants.
func TestAuditOperationsAreRecordedFirst(t *testing.T) {
	for name := range operations {
		if !strings.HasPrefix(name, "Audit") {
			continue
		}
		try := auditAttempts[name]
		if try == nil {
			t.Errorf("%s is not tried; give it a call in auditAttempts", name)
			continue
		}
		s, _, _ := audited(t)
		var records []Record
		var fails error
		s.o.Record = func(_ context.Context, r Record) error { records = append(records, r); return fails }
		s.o.Fork = func(context.Context, string) error { return nil }
		nobody := Actor{Name: "eve", May: func(Capability) bool { return false }}
		bound := Actor{Name: "eve", May: Everything, Bound: func(Capability) ([]string, bool) { return []string{"acme"}, true }}
		if err := try(t.Context(), s, nobody); !errors.Is(err, ErrForbidden) || len(records) != 1 || !records[0].Denied || records[0].Operation != name {
			t.Errorf("%s: %v, %+v", name, err, records)
		}
		if err := try(t.Context(), s, bound); OfTheWhole(name) != errors.Is(err, ErrForbidden) {
			t.Errorf("%s for somebody who is bound to a tenant: %v", name, err)
		}
		fails = errors.New("the disk is full")
		if err := try(t.Context(), s, somebody); !errors.Is(err, ErrUnavailable) || !errors.Is(err, fails) {
			t.Errorf("%s: %v", name, err)
		}
		fails, records = nil, nil
		if err := try(t.Context(), s, somebody); err != nil || len(records) != 1 || records[0].Denied {
			t.Errorf("%s: %v, %+v", name, err, records)
		}
	}
}

// TestLeavesOfWhatOperatorsAskFor: what is about to be done, and what was denied.
func TestLeavesOfWhatOperatorsAskFor(t *testing.T) {
	ada := Actor{Name: "ada", Via: "dashboard", Roles: []string{"operator"}}
	by := audit.Actor{Type: audit.ActorUser, ID: "ada", Role: "operator", Via: "dashboard"}
	for _, tt := range []struct {
		r    Record
		want audit.Leaf
		none bool
	}{
		{r: Record{Operation: "RevealEvent", Event: "e", Tenant: "acme", Reason: "a complaint"},
			want: audit.Leaf{Kind: audit.Reveal, Event: "e", Tenant: "acme", Why: "a complaint", Outcome: OutcomeAsked, Operation: "reveal_event"}},
		{r: Record{Operation: "RevealEvent", Denied: true}, want: audit.Leaf{Kind: audit.RevealDenied, Outcome: audit.OutcomeDenied, Operation: "reveal_event"}},
		{r: Record{Operation: "Erase", Denied: true}, want: audit.Leaf{Kind: audit.AccessDenied, Outcome: audit.OutcomeDenied, Operation: "erase"}},
		{r: Record{Operation: "Erase", DryRun: true, Filter: []string{"caller"}}, want: audit.Leaf{Kind: audit.Erase, Outcome: audit.OutcomeDryRun, Operation: "erase", Reason: "selected by caller"}},
		{r: Record{Operation: "Preview"}, want: audit.Leaf{Kind: "operate.preview", Outcome: OutcomeAsked, Operation: "preview"}},
		{r: Record{Operation: "Statistics"}, none: true},
		{r: Record{Operation: "Statistics", Denied: true}, want: audit.Leaf{Kind: audit.AccessDenied, Outcome: audit.OutcomeDenied, Operation: "statistics"}},
	} {
		tt.r.Actor, tt.want.Actor = ada, by
		l, ok := tt.r.Leaf(t.Context())
		if ok == tt.none || ok && string(audit.AppendLine(nil, &l)) != string(audit.AppendLine(nil, &tt.want)) {
			t.Errorf("%+v: %+v, %v", tt.r, l, ok)
		}
	}
}

// TestKindsThatAreNeverRecordedAreRefused: whoever misspells one would take it that nothing of the kind was done.
func TestKindsThatAreNeverRecordedAreRefused(t *testing.T) {
	s, _, _ := audited(t)
	auditing := Actor{Name: "ann", Via: "test", May: Everything}
	for _, kind := range []string{"nonsense", "attempt,nonsense", "Erase", "operate.statistics"} {
		_, err := s.AuditQuery(t.Context(), auditing, AuditSelection{Kind: kind})
		if !errors.Is(err, ErrBadRequest) {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		for _, known := range append(audit.Kinds(), "operate.preview") {
			if !strings.Contains(err.Error(), string(known)) {
				t.Errorf("%s: %s is missing in: %v", kind, known, err)
			}
		}
	}
	if _, err := s.AuditQuery(t.Context(), auditing, AuditSelection{Kind: "attempt, operate.preview,document.published,"}); err != nil {
		t.Error(err)
	}
	err := s.AuditTail(t.Context(), auditing, AuditSelection{Kind: "nonsense"}, func([]json.RawMessage) error { return io.EOF })
	if !errors.Is(err, ErrBadRequest) {
		t.Errorf("tail: %v", err)
	}
}

// TestDisclosuresCanBeAccountedFor: the log answers what was sent about a caller, also after an erasure that keeps the subject,
// and not after another.
func TestDisclosuresCanBeAccountedFor(t *testing.T) {
	const ann, bob = "+15551234567", "+15557654321"
	keys, err := seal.NewRing(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	s, events, _ := auditedWith(t, keys)
	for i, id := range []string{"01JC0Q4Z6W5P9G2N8S3T7V1X0A", "01JC0Q4Z6W5P9G2N8S3T7V1X0B", "01JC0Q4Z6W5P9G2N8S3T7V1X0C"} {
		number := ann
		if i == 2 {
			number = bob
		}
		e := &store.Event{ID: id, Key: [16]byte{byte(i)}, Source: "nextphone", Route: "r", Tenant: "acme", CallerHash: keys.CallerHash(number)}
		accepted, err := events.Accept(t.Context(), e, []string{"ehr"})
		if err != nil {
			t.Fatal(err)
		}
		if err := events.Finish(t.Context(), []store.Attempt{{DeliveryID: accepted.Deliveries[0], Number: 1, State: store.Delivered,
			Audit: store.AuditAttempt{Tenant: "acme", Destination: "ehr"}}}); err != nil {
			t.Fatal(err)
		}
	}
	sent := func(number string) int {
		t.Helper()
		p, err := s.AuditQuery(t.Context(), somebody, AuditSelection{Kind: "attempt", Caller: number})
		if err != nil {
			t.Fatal(err)
		}
		return len(p.Records)
	}
	if a, b := sent("+1 (555) 123-4567"), sent(bob); a != 2 || b != 1 {
		t.Errorf("sent about them: %d and %d", a, b)
	}
	erase := func(number string, keep bool) {
		t.Helper()
		n, err := s.Erase(t.Context(), somebody, EraseSelection{Selection: Selection{Filter: Filter{Caller: number}}, KeepSubject: keep})
		if err != nil || n.Events == 0 {
			t.Errorf("%+v, %v", n, err)
		}
	}
	erase(ann, true)
	erase(bob, false)
	if a, b := sent(ann), sent(bob); a != 2 || b != 0 {
		t.Errorf("sent about them, after they were erased: %d and %d", a, b)
	}
	// A later erasure takes along what was kept.
	if _, err := s.Erase(t.Context(), somebody, EraseSelection{Selection: Selection{Filter: Filter{Caller: ann}}}); err != nil {
		t.Error(err)
	}
	if a := sent(ann); a != 0 {
		t.Errorf("sent about her, after all was erased: %d", a)
	}
	if _, err := s.AuditVerify(t.Context(), somebody); err != nil {
		t.Error(err)
	}
}

// TestWithoutAKeyNoSubjectIsKept: it would be promised, and nobody could be found.
func TestWithoutAKeyNoSubjectIsKept(t *testing.T) {
	s, events, _ := audited(t)
	e := &store.Event{ID: "01JC0Q4Z6W5P9G2N8S3T7V1X0Y", Key: [16]byte{1}, Source: "nextphone", Route: "r", CallerHash: "+15551234567"}
	if _, err := events.Accept(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	sel := EraseSelection{Selection: Selection{Filter: Filter{Caller: "+15551234567"}}, KeepSubject: true}
	if _, err := s.Erase(t.Context(), somebody, sel); !errors.Is(err, ErrBadRequest) || !strings.Contains(err.Error(), "encryption_key") {
		t.Error(err)
	}
	if _, err := events.Event(t.Context(), e.ID); err != nil {
		t.Errorf("it was erased all the same: %v", err)
	}
	if _, err := s.AuditQuery(t.Context(), somebody, AuditSelection{Caller: "+15551234567"}); !errors.Is(err, ErrBadRequest) || !strings.Contains(err.Error(), "encryption_key") {
		t.Error(err)
	}
}
