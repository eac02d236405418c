package operate

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

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

// AuditSelection says which records of the audit log are asked for. Members that are empty match all.
type AuditSelection struct {
	// After is the place in the log that is begun at: next of the page before. Newest, instead, is how many of the newest
	// records are looked at.
	After  int64 `json:"after,omitempty"`
	Newest int64 `json:"newest,omitempty"`
	// From is included, To is not: RFC 3339 or a date.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Kind is what is recorded, such as attempt or erase; several are separated by commas. One that is never recorded is
	// refused, with those that are. By is the id of who did it.
	Kind string `json:"kind,omitempty"`
	By   string `json:"by,omitempty"`
	// Tenant, Event, Delivery, Destination and Outcome are those of the record.
	Tenant      string `json:"tenant,omitempty"`
	Event       string `json:"event,omitempty"`
	Delivery    string `json:"delivery,omitempty"`
	Destination string `json:"destination,omitempty"`
	Outcome     string `json:"outcome,omitempty"`
	// Caller is a phone number with its country, such as +15551234567: records about that caller's events, also erased ones
	// whose subject was kept. It needs an encryption_key, under which the log knows callers.
	Caller string `json:"caller,omitempty"`
	// Limit is how many records a page has: 100 unless told, and 1000 at most.
	Limit int `json:"limit,omitempty"`
}

// query is what the log understands.
func (sel *AuditSelection) query(pseudonyms func(number string) []string) (q auditor.Query, err error) {
	if sel.After < 0 || sel.Newest < 0 || sel.After > 0 && sel.Newest > 0 {
		return q, badRequest("give either after, a place in the log, or newest, how many records")
	}
	if sel.Limit < 0 || sel.Limit > auditor.MaxLimit {
		return q, badRequest("limit must be between 1 and %d", auditor.MaxLimit)
	}
	q = auditor.Query{First: sel.After, By: sel.By, Tenant: sel.Tenant, Event: sel.Event, Delivery: sel.Delivery,
		Destination: sel.Destination, Outcome: sel.Outcome, Limit: sel.Limit}
	if sel.Caller != "" {
		number, err := callerNumber(sel.Caller)
		if err != nil {
			return q, err
		}
		if q.Callers = pseudonyms(number); len(q.Callers) == 0 {
			return q, badRequest("the audit log knows callers only where there is an encryption_key, with which their pseudonyms are made")
		}
	}
	for kind := range strings.SplitSeq(sel.Kind, ",") {
		switch kind = strings.TrimSpace(kind); {
		case kind == "":
		case !slices.Contains(auditKinds(), audit.Kind(kind)):
			return q, badRequest("there is no such kind of record; there are: %s", strings.Join(slices.Sorted(slices.Values(texts(auditKinds()))), ", "))
		default:
			q.Kinds = append(q.Kinds, audit.Kind(kind))
		}
	}
	for _, t := range []struct {
		name, text string
		into       *time.Time
	}{{"from", sel.From, &q.From}, {"to", sel.To, &q.To}} {
		if *t.into, err = filterTime(t.name, t.text); err != nil {
			return q, err
		}
	}
	return q, nil
}

// pseudonyms are those by which the log may know a caller; none without keys.
func (s *Service) pseudonyms(number string) []string {
	return slices.DeleteFunc(s.o.CallerHashes(number), func(hash string) bool { return hash == number })
}

// AuditQuery gives records of the audit log, oldest first, as they stand in it.
func (s *Service) AuditQuery(ctx context.Context, a Actor, sel AuditSelection) (*auditor.Page, error) {
	log, sc, err := s.beginAudit(ctx, a, Record{Operation: "AuditQuery", Event: sel.Event, Tenant: sel.Tenant, Destination: sel.Destination})
	if err != nil {
		return nil, err
	}
	q, err := sel.query(s.pseudonyms)
	if err != nil {
		return nil, err
	}
	q.Tenants = sc.filter()
	if sel.Newest > 0 {
		if q.First, err = log.Newest(ctx, sel.Newest); err != nil {
			return nil, auditError(err)
		}
	}
	p, err := log.Find(ctx, q)
	if err != nil {
		return nil, auditError(err)
	}
	return &p, nil
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

// by has the audit log know who does what is done with the context.
func (a Actor) by(ctx context.Context) context.Context {
	if audit.ActorOf(ctx) != (audit.Actor{}) {
		return ctx // the face knows more of them
	}
	l := audit.Actor{Type: audit.ActorUser, ID: a.Name, Role: strings.Join(a.Roles, ","), Via: a.Via}
	switch {
	case a.Via == "command":
		l.Type = audit.ActorClaimed
	case a.Name == "":
		l.Type = audit.ActorLocal
	}
	return audit.By(ctx, l)
}

// kindsOf are the kinds of records of what operators ask for. An operation that is not here is an audit.Kind of its own
// name; those of unrecorded show no call, are asked for every few seconds, and are recorded only when they are denied.
var kindsOf = map[string]audit.Kind{
	"Events": audit.List, "Deliveries": audit.List, "Tail": audit.List, "Event": audit.Show, "RevealEvent": audit.Reveal,
	"Replay": audit.Replay, "SendNow": audit.SendNow, "Cancel": audit.Cancel, "Pause": audit.Pause, "Resume": audit.Resume,
	"Erase": audit.Erase, "Rekey": audit.Rekey, "RekeyTenants": audit.Rekey,
	"DataKeys": audit.List, "CheckDataKeys": audit.List, "RotateDataKey": audit.KeyRotated, "DestroyDataKeys": audit.KeyDestroyed,
	"Rotations": audit.List, "AuditTail": audit.List,
	"Documents": audit.List, "DocumentVersions": audit.List, "Document": audit.Show, "CompareDocument": audit.Show,
	"SaveDocument": audit.DocumentSaved, "PublishDocument": audit.DocumentPublished, "RollbackDocument": audit.DocumentPublished,
	"RemoveDocument": audit.DocumentRemoved,
}

// kindOf is the kind of an operation's record.
func kindOf(operation string) audit.Kind {
	if kind := kindsOf[operation]; kind != "" {
		return kind
	}
	return audit.Kind("operate." + publicName(operation))
}

// auditKinds are all kinds that are ever recorded.
var auditKinds = sync.OnceValue(func() []audit.Kind {
	all := audit.Kinds()
	for operation := range operations {
		if kind := kindOf(operation); !unrecorded[operation] && !slices.Contains(all, kind) {
			all = append(all, kind)
		}
	}
	return all
})

func texts[T ~string](list []T) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = string(v)
	}
	return all
}

// publicName is the name of an operation outside of this program: reveal_event for RevealEvent.
func publicName(operation string) string {
	var b strings.Builder
	for i, r := range operation {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

var unrecorded = map[string]bool{
	"Statistics": true, "Destinations": true, "Destination": true, "Ready": true, "Overview": true, "Tenants": true, "Facets": true, "Jobs": true, "Job": true,
	// Reading the log would have no end if each page were one more record. What is exported and pruned has a record of its own.
	"AuditQuery": true, "AuditStatus": true, "AuditVerify": true, "AuditProve": true, "AuditCheckpoint": true, "AuditExport": true, "AuditPrune": true, "AuditFork": true,
}

// OutcomeAsked is the outcome of a record of what is about to be done. What it comes to is recorded with each event or
// delivery that it changes.
const OutcomeAsked = "asked"

// Leaf is the record as the audit log keeps it; false where it keeps none.
func (r *Record) Leaf(ctx context.Context) (audit.Leaf, bool) {
	if unrecorded[r.Operation] && !r.Denied {
		return audit.Leaf{}, false
	}
	l := audit.Leaf{Kind: kindOf(r.Operation), Actor: audit.ActorOf(r.Actor.by(ctx)), Operation: publicName(r.Operation), Tenant: r.Tenant,
		Event: r.Event, Outcome: OutcomeAsked, Why: r.Reason}
	if len(r.Filter) > 0 {
		l.Reason = "selected by " + strings.Join(r.Filter, ", ")
	}
	if r.Destination != "" {
		l.To = []audit.Recipient{{Name: r.Destination}}
	}
	switch {
	case r.Denied && l.Kind == audit.Reveal:
		l.Kind, l.Outcome = audit.RevealDenied, audit.OutcomeDenied
	case r.Denied:
		l.Kind, l.Outcome = audit.AccessDenied, audit.OutcomeDenied
	case r.DryRun:
		l.Outcome = audit.OutcomeDryRun
	case r.Ended != "":
		l.Outcome = r.Ended
	}
	return l, true
}
