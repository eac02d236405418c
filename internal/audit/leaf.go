// Package audit is the log of what was sent to whom and by whose hand, which proves itself. Its records ([Leaf]) are lines
// of JSON, the leaves of a Merkle tree as in RFC 6962, whose root is signed ([Checkpoint]) and sent elsewhere. Who has the
// public key and an old checkpoint finds every change of a record since, and needs neither the gateway nor this program.
//
// A leaf holds names and commitments and never values: nothing in it has to be taken out when a caller is erased. What
// opens a commitment ([Beside]) is kept beside it and goes.
//
// The package does no I/O on a store: a store gives it where the log stands ([State]) and writes what a [Batch] made, in the
// transaction of what is recorded.
package audit

import "time"

// Version is the version of the lines that are written.
const Version = 1

// MaxText is the length in bytes to which each text in a leaf is cut. Texts of operators and names of senders come into it.
const MaxText = 512

// Kind says what a leaf records. A kind that is not listed here is kept as it stands.
type Kind string

// What is recorded.
const (
	// EventAccepted has all destinations in To: what is intended, before anything is sent.
	EventAccepted Kind = "event.accepted"
	// Attempt is one try of a delivery, with one recipient, what it was sent, and how it answered.
	Attempt Kind = "attempt"
	// SyncForward is written before a request is handed on to the receiver that its sender waits for, SyncOutcome after.
	SyncForward Kind = "sync.forward"
	SyncOutcome Kind = "sync.outcome"

	Replay  Kind = "replay"
	SendNow Kind = "send_now"
	Cancel  Kind = "cancel"
	Pause   Kind = "pause"
	Resume  Kind = "resume"
	Erase   Kind = "erase"
	Expire  Kind = "expire"
	Rekey   Kind = "rekey"
	// Backup has the file's name and the machine in To, and in Count how many events were copied.
	Backup       Kind = "backup"
	List         Kind = "list"
	Show         Kind = "show"
	Reveal       Kind = "reveal"
	RevealDenied Kind = "reveal.denied"
	AccessDenied Kind = "access.denied"

	// DocumentSaved and the others tell of a tenant or destination that lives in the store: a new version of it, which is a
	// draft; one that is in force from then on; that none is in force any more; and that all versions were deleted.
	DocumentSaved     Kind = "document.saved"
	DocumentPublished Kind = "document.published"
	DocumentRemoved   Kind = "document.removed"
	DocumentForgotten Kind = "document.forgotten"

	// ConfigLoaded has the hash of the configuration in Config.
	ConfigLoaded Kind = "config.loaded"
	// Start says in Outcome whether the last stop was "clean" or "unclean"; after an unclean one, attempts that were under
	// way may have been made and are not recorded.
	Start Kind = "start"
	Stop  Kind = "stop"

	// Pruned says in Count how many leaves lost their lines; their hashes stay.
	Pruned   Kind = "audit.pruned"
	Exported Kind = "audit.exported"
	// Forked begins a log anew behind a restored backup; Why says why.
	Forked Kind = "audit.forked"
)

// Kinds are all that are listed above.
func Kinds() []Kind {
	return []Kind{
		EventAccepted, Attempt, SyncForward, SyncOutcome,
		Replay, SendNow, Cancel, Pause, Resume, Erase, Expire, Rekey, Backup, List, Show, Reveal, RevealDenied, AccessDenied,
		DocumentSaved, DocumentPublished, DocumentRemoved, DocumentForgotten,
		ConfigLoaded, Start, Stop, Pruned, Exported, Forked,
	}
}

// What Outcome says; further words may come.
const (
	OutcomeOK      = "ok"
	OutcomeRetry   = "retry"
	OutcomeDead    = "dead"
	OutcomeDenied  = "denied"
	OutcomeDryRun  = "dry_run"
	OutcomeClean   = "clean"
	OutcomeUnclean = "unclean"
)

// What Policy says about Fields.
const (
	// PolicyAllowed: Fields may have been sent; a template may have sent fewer.
	PolicyAllowed = "allowed"
	// PolicySent: Fields are what was sent.
	PolicySent = "sent"
)

// Leaf is one record. Members that are empty are not written; V, Seq, At and Kind always are. No member holds a value of a
// caller's, a secret or a URL.
type Leaf struct {
	// V is the version of the line; [AppendLine] writes [Version].
	V int `json:"v"`
	// Seq is the place in the log, from 0 on. [Batch.Add] sets it.
	Seq int64 `json:"seq"`
	// At is when it happened; written in UTC with milliseconds.
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`
	// Boot tells one start of the gateway from another.
	Boot  string `json:"boot,omitempty"`
	Actor Actor  `json:"actor,omitzero"`
	// Operation is what an operator asked for, such as replay or reveal_event.
	Operation string `json:"operation,omitempty"`

	Tenant string `json:"tenant,omitempty"`
	Route  string `json:"route,omitempty"`
	Source string `json:"source,omitempty"`
	// Event and Delivery are the gateway's own ids; ids that senders give may tell of callers.
	Event    string `json:"event,omitempty"`
	Delivery string `json:"delivery,omitempty"`
	// Attempt counts from 1.
	Attempt int `json:"attempt,omitempty"`
	// Version is that of a tenant or destination which lives in the store, from 1 on.
	Version int `json:"version,omitempty"`
	// To are the recipients.
	To []Recipient `json:"to,omitempty"`
	// Fields are names of fields of the call; Policy says whether they were sent or may have been.
	Fields []string `json:"fields,omitempty"`
	// Bytes is the size of what was sent, or of what was accepted.
	Bytes int64 `json:"bytes,omitempty"`
	// Sent commits to the bytes that were sent; see [Commit].
	Sent Commitment `json:"sent,omitzero"`
	// Count is how many events, deliveries or leaves an operation was about.
	Count   int64  `json:"count,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Status is the HTTP status of the answer.
	Status int   `json:"status,omitempty"`
	TookMS int64 `json:"took_ms,omitempty"`
	// Reason is why it came out so, in the gateway's words.
	Reason string `json:"reason,omitempty"`
	// Config is the hash of the configuration in force.
	Config string `json:"config,omitempty"`
	Policy string `json:"policy,omitempty"`
	// Why is the reason that an operator gave.
	Why string `json:"why,omitempty"`
	// Subject commits to the pseudonym of the caller; see [Beside].
	Subject Commitment `json:"subject,omitzero"`
}

// Recipient is where something went.
type Recipient struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"`
	// Host is the host with its port, and no more of the URL: paths and queries hold ids and keys.
	Host string `json:"host,omitempty"`
}
