package store

import (
	"context"
	"errors"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// Audited is a Store that can keep an audit log beside what it stores. Once [Audited.OpenAudit] was called, every change is
// recorded in the transaction that makes it: either both are durable, or neither is. Who makes it is taken from the context;
// see [audit.By]. Nothing is ever taken out of the log; only the lines of its oldest leaves can be, of which the hashes stay.
//
// Recorded are: Accept, with the destinations; Finish, each attempt; Pause and Resume; Replay, SendNow and Cancel, each
// delivery; Erase, each event; Expire and what is dropped to make room, by their number; Rekey; and AddDocument,
// PublishDocument and ForgetDocument.
type Audited interface {
	Store
	// OpenAudit begins to record, until the store is closed. boot tells this start of the process from others, and stands
	// in every leaf. Another call changes nothing. The error is ErrAuditDamaged if what is stored of the log does not fit
	// together; then nothing is recorded.
	OpenAudit(boot string) (AuditStatus, error)
	// Record appends leaves of things that change nothing else in the store, such as what is handed on or shown. The
	// kinds [audit.Start] and [audit.Stop] set and clear Running. Their At is when they are written unless it is set. It
	// fails with ErrNoAudit before OpenAudit.
	Record(ctx context.Context, leaves ...audit.Leaf) error
	// AuditStatus tells where the log stands, also before OpenAudit.
	AuditStatus(ctx context.Context) (AuditStatus, error)
	// AuditLines hands out the lines of the log from a place on, in their order, until f returns an error, which it gives
	// back. What was appended since it was called may be left out. Pruned leaves are passed over. A line is valid until f
	// returns.
	AuditLines(ctx context.Context, from int64, f func(seq int64, line []byte) error) error
	// AuditTiles are the hashes of the log, of the pruned leaves too.
	AuditTiles(ctx context.Context) audit.Tiles
	// AuditBeside is what opens the commitments of an event's leaves; the error is ErrNotFound if it was erased, unless the
	// erasure was to keep it: see [audit.KeepSubjects].
	AuditBeside(ctx context.Context, event string) (audit.Beside, error)
	// NoteCheckpoint keeps the last signed checkpoint that was published.
	NoteCheckpoint(ctx context.Context, signed []byte) error
	// PruneAudit takes the lines of leaves away that were written before a time, with what lies beside them, and records
	// that. It goes by whole transactions, and returns how many leaves lost their lines. With dryRun it only counts.
	PruneAudit(ctx context.Context, before time.Time, dryRun bool) (int64, error)
}

// AuditStatus is where an audit log stands.
type AuditStatus struct {
	// State is its size and its frontier.
	State audit.State
	// On tells that changes are recorded.
	On bool
	// Running tells that a gateway has begun, by audit.Start, and has not stopped. Of OpenAudit's answer it tells that the
	// one before did not stop in order.
	Running bool
	// Pruned is how many leaves, the first ones, have lost their lines.
	Pruned int64
	// Checkpoint is the last one that was published, signed; nil if there was none.
	Checkpoint []byte
}

// Errors of Audited.
var (
	// ErrNoAudit means that the store records nothing.
	ErrNoAudit = errors.New("no audit log is kept: configure audit")
	// ErrAuditDamaged means that the parts of the log in the store contradict each other.
	ErrAuditDamaged = errors.New("the audit log in the store does not fit together, as after somebody changed the database by hand: see callgate audit verify")
)
