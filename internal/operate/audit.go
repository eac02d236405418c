package operate

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/store"
)

// beginAudit begins an operation on the audit log.
func (s *Service) beginAudit(ctx context.Context, a Actor, r Record) (*auditor.Log, scope, error) {
	sc, err := s.permitStored(ctx, a, r)
	if err == nil {
		err = s.note(ctx, a, r)
	}
	if err != nil {
		return nil, sc, err
	}
	if s.o.AuditLog != nil {
		return s.o.AuditLog, sc, nil
	}
	if a := s.auditor(); a != nil {
		return a.Log(), sc, nil
	}
	return nil, sc, &Error{Kind: ErrUnavailable, cause: ErrNoAudit, text: ErrNoAudit.Error()}
}

// ErrNoAudit means that there is no audit log, which does not pass by itself.
var ErrNoAudit = errors.New("no audit log is kept: write audit into the global option callgate")

// auditor is who keeps the log; nil if nobody does.
func (s *Service) auditor() *auditor.Auditor {
	if s.o.Auditor == nil {
		return nil
	}
	return s.o.Auditor()
}

// auditError is what an operation on the audit log answers with.
func auditError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auditor.ErrNoRecord):
		return &Error{Kind: ErrNotFound, cause: err, text: err.Error()}
	case errors.Is(err, store.ErrAuditDamaged), errors.Is(err, auditor.ErrRolledBack):
		return &Error{cause: err, text: err.Error()}
	}
	return stored(err)
}

// AuditState is how the audit log stands.
type AuditState struct {
	// Records counts them, and Pruned those of them, the first ones, that have lost their lines.
	Records int64 `json:"records"`
	Pruned  int64 `json:"pruned,omitempty"`
	// Name is the log's, and Checkpoint is signed by its key.
	Name       string `json:"name"`
	Checkpoint string `json:"checkpoint,omitempty"`
}

// AuditVerify checks the audit log as it lies in the store: that no record was changed, left out or slipped in since it was
// written.
func (s *Service) AuditVerify(ctx context.Context, a Actor) (*AuditState, error) {
	log, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditVerify"})
	if err != nil {
		return nil, err
	}
	if _, err := log.Verify(ctx); err != nil {
		return nil, auditError(err)
	}
	return s.auditState(ctx, log)
}

func (s *Service) auditState(ctx context.Context, log *auditor.Log) (*AuditState, error) {
	status, err := log.Store.AuditStatus(ctx)
	if err != nil {
		return nil, auditError(err)
	}
	return &AuditState{Records: status.State.Size, Pruned: status.Pruned, Name: log.Signer.Origin(), Checkpoint: string(status.Checkpoint)}, nil
}

// AuditStatus tells how the log stands, and whoever gets its checkpoints.
func (s *Service) AuditStatus(ctx context.Context, a Actor) (*auditor.Status, error) {
	if _, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditStatus"}); err != nil {
		return nil, err
	}
	keeper := s.auditor()
	if keeper == nil {
		return nil, &Error{Kind: ErrUnavailable, text: "checkpoints are handed out by a gateway that runs; start it"}
	}
	status, err := keeper.Status(ctx)
	if err != nil {
		return nil, auditError(err)
	}
	return &status, nil
}

// AuditCheckpoint signs what the log holds now and hands it out to all who get checkpoints.
func (s *Service) AuditCheckpoint(ctx context.Context, a Actor) (*AuditState, error) {
	log, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditCheckpoint"})
	if err != nil {
		return nil, err
	}
	keeper := s.auditor()
	if keeper == nil {
		return nil, &Error{Kind: ErrUnavailable, text: "checkpoints are handed out by a gateway that runs; start it, or export the log, which has one at its end"}
	}
	if _, err := keeper.Checkpoint(ctx); err != nil {
		return nil, auditError(err)
	}
	return s.auditState(ctx, log)
}

// AuditProof is the proof of one record.
type AuditProof struct {
	Seq int64 `json:"seq"`
	// Proof is C2SP's tlog-proof: the record, hashes and a signed checkpoint. `callgate audit prove --check` checks it.
	Proof string `json:"proof"`
}

// AuditProve proves that a record is in the log, without showing another one.
func (s *Service) AuditProve(ctx context.Context, a Actor, seq string) (*AuditProof, error) {
	log, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditProve"})
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(seq, 10, 64)
	if err != nil {
		return nil, badRequest("a record is named by its number, seq")
	}
	proof, err := log.Prove(ctx, n)
	if err != nil {
		return nil, auditError(err)
	}
	return &AuditProof{n, string(proof)}, nil
}

// AuditExporting says what is exported.
type AuditExporting struct {
	// First is the first record. Default: the first one that was not pruned.
	First int64 `json:"first,omitempty"`
	// Since are the sizes of older checkpoints that whoever verifies the export may have.
	Since []int64 `json:"since,omitempty"`
	// Format is jsonl, which callgate audit verify reads, csv or fhir. Default: jsonl.
	Format string `json:"format,omitempty"`
}

// AuditExport writes the log as callgate audit verify reads it, or as CSV or FHIR for others. That it was exported is recorded
// first, and by whom.
func (s *Service) AuditExport(ctx context.Context, a Actor, in AuditExporting, w io.Writer) (records int64, err error) {
	log, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditExport"})
	if err != nil {
		return 0, err
	}
	if in.First < 0 {
		return 0, badRequest("first must not be negative")
	}
	export := func() (int64, error) { return log.Export(ctx, w, in.First, in.Since...) }
	switch in.Format {
	case "", "jsonl":
	case "csv":
		export = func() (int64, error) { return log.ExportCSV(ctx, w, in.First) }
	case "fhir":
		export = func() (int64, error) { return log.ExportFHIR(ctx, w, in.First) }
	default:
		return 0, badRequest("format is jsonl, csv or fhir")
	}
	if err := log.Store.Record(a.by(ctx), audit.Leaf{Kind: audit.Exported, Actor: audit.ActorOf(a.by(ctx))}); err != nil {
		return 0, auditError(err)
	}
	records, err = export()
	return records, auditError(err)
}

// AuditPruning says which records lose their lines.
type AuditPruning struct {
	// Before is a time (RFC 3339 or a date): what was recorded before it.
	Before string `json:"before"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// AuditPruned is how many records have lost their lines.
type AuditPruned struct {
	DryRun  bool  `json:"dry_run"`
	Records int64 `json:"records"`
}

// AuditPrune takes the lines of old records away. Their hashes stay, so that what is left can be proved, and it is recorded.
func (s *Service) AuditPrune(ctx context.Context, a Actor, in AuditPruning) (*AuditPruned, error) {
	log, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditPrune", DryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	before, err := filterTime("before", in.Before)
	if err != nil {
		return nil, err
	}
	if before.IsZero() {
		return nil, badRequest("before is required: the time before which records lose their lines")
	}
	if before.After(s.o.Now()) {
		return nil, badRequest("before must not lie in the future")
	}
	n, err := log.Store.PruneAudit(a.by(ctx), before, in.DryRun)
	if err != nil {
		return nil, auditError(err)
	}
	return &AuditPruned{in.DryRun, n}, nil
}

// AuditFork goes on with a store that has less than was published of its log, as after a backup was restored. It is carried
// out while the gateway is stopped, which does not start with such a store.
func (s *Service) AuditFork(ctx context.Context, a Actor, why string) (*AuditState, error) {
	log, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditFork", Reason: why})
	if err != nil {
		return nil, err
	}
	if !isNote(why) || why == "" {
		return nil, badRequest("reason must be a line of 1 to %d bytes: whoever audits the log reads it", maxNote)
	}
	if s.o.Fork == nil {
		return nil, &Error{Kind: ErrUnavailable, text: "a log is forked while the gateway is stopped; a gateway that runs has all that was published"}
	}
	if err := s.o.Fork(a.by(ctx), why); err != nil {
		if errors.Is(err, auditor.ErrNothingToFork) {
			return nil, &Error{Kind: ErrBadRequest, cause: err, text: err.Error()}
		}
		return nil, auditError(err)
	}
	return s.auditState(ctx, log)
}
