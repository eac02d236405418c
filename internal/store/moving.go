package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Everything of a store that nobody works with can be carried over to one of another kind, in portions of which each is one
// transaction there, with the place up to which it goes. What is sealed is carried as it is. Times are nanoseconds since 1970.

// Origin says what there is to carry over.
type Origin struct {
	// Fingerprint is another one for another store, and for the same one after anything was done in it.
	Fingerprint string
	// Counts are how many there are of everything that is counted, by the names in MovedKinds.
	Counts map[string]int64
	// LastAttempt is the highest number of an attempt.
	LastAttempt int64
	// Sealed tells that everything is sealed from SealedEvent, a time of acceptance, and SealedAttempt, a number, on.
	Sealed                     bool
	SealedEvent, SealedAttempt int64
	// Counters are those that go on: what has expired, and what has lost its content.
	Counters map[string]int64
	// Log is where the audit log stands; nil if there is none.
	Log *MovedLog
}

// MovedKinds are what is counted on both sides, in the order in which people are shown it.
var MovedKinds = []string{
	"events", "events with content", "bytes of content", "deliveries pending", "deliveries delivered", "deliveries dead", "attempts", "unique keys", "subjects",
	"notes", "progress", "paused destinations", "document versions", "documents in force", "audit records", "audit nodes", "audit salts",
	"data keys", "data keys destroyed",
}

// Portion is some of what a store has, from one place on.
type Portion struct {
	// From and To are the places between which it lies; only the exporter knows what they mean. The empty one is the beginning.
	From, To  string
	Events    []MovedEvent
	Keys      []MovedKey
	Documents []MovedDocument
	InForce   []MovedDocument // Kind, Name and Version only
	Notes     []MovedNote
	Progress  []MovedProgress
	Paused    map[string]string
	Bundles   []MovedBundle
	Nodes     []MovedNode
	Beside    []MovedBeside
	DataKeys  []MovedDataKey
}

// MovedEvent is an event with all that belongs to it.
type MovedEvent struct {
	ID, Key                                                   [16]byte
	Accepted, Received                                        int64
	Tenant, Source, Route, EventType, EventID, CallID, Caller string
	Bytes, Size                                               int64
	// Content is false when it has lost its content.
	Content                      bool
	Request, Body, Record, KeyID []byte
	Subjects                     [][16]byte
	Deliveries                   []MovedDelivery
}

// MovedDelivery is a delivery with its attempts. State is 0 for Pending, 1 for Delivered and 2 for Dead.
type MovedDelivery struct {
	N, State, Next, Attempts, Updated, Status int64
	Destination, Reason, RemoteID             string
	Tries                                     []MovedAttempt
}

// MovedAttempt is an attempt. Warnings and Sent are JSON.
type MovedAttempt struct {
	ID, Number, At, Took, Status, State, Next int64
	Reason, RemoteID                          string
	Warnings, Sent                            *string
	Excerpt, KeyID                            []byte
}

// MovedKey is a unique key, and the event that had it first.
type MovedKey struct {
	Key, Event [16]byte
	At         int64
}

// MovedDocument is a version of a document.
type MovedDocument struct {
	Kind, Name                      string
	Version, State, At, PublishedAt int64
	Author, Note, PublishedBy       string
	Body, Secrets, KeyID            []byte
}

// MovedNote is what a destination has noted.
type MovedNote struct {
	Key, Value []byte
	Until      int64
}

// MovedProgress is what is kept of a delivery.
type MovedProgress struct {
	Event  [16]byte
	N      int64
	Value  []byte
	Sealed bool
}

// MovedLog is where an audit log stands.
type MovedLog struct {
	State, Checkpoint []byte
	Running           bool
	Pruned            int64
}

// MovedBundle is a run of the audit log's leaves.
type MovedBundle struct {
	First, N, At  int64
	Lines, Hashes []byte
}

// MovedNode is a hash of the audit log's tree.
type MovedNode struct {
	Level, N int64
	Hash     []byte
}

// MovedBeside is what opens the commitments of an event's leaves.
type MovedBeside struct {
	Event  [16]byte
	Tenant string
	Beside []byte
}

// MovedDataKey is a tenant's data key. Retired and Destroyed are 0 as long as it is not; Wrapped is nil once it is destroyed.
type MovedDataKey struct {
	ID                          [8]byte
	Tenant                      string
	Created, Retired, Destroyed int64
	Wrapped                     []byte
}

// Hash is a hash of a data key, and of how many events and attempts have its id beside what they keep.
func (k *MovedDataKey) Hash(events, attempts int64) [32]byte {
	var numbers []byte
	for _, n := range []int64{k.Created, k.Retired, k.Destroyed, events, attempts} {
		numbers = binary.BigEndian.AppendUint64(numbers, uint64(n))
	}
	return ContentHash(k.ID[:], []byte(k.Tenant), numbers, k.Wrapped)
}

// Exporter is a store that can be carried over to another one.
type Exporter interface {
	// Origin says what there is. Its error says why it cannot be carried over, and what to do.
	Origin(ctx context.Context) (*Origin, error)
	// Export reads on from a place; nil at the end.
	Export(ctx context.Context, from string) (*Portion, error)
	// Contents gives hashes of the content of at most so many events, all over the store.
	Contents(ctx context.Context, most int) (map[[16]byte][32]byte, error)
	// DataKeyHashes gives the hashes of all data keys, by their ids.
	DataKeyHashes(ctx context.Context) (map[[8]byte][32]byte, error)
}

// Importer is where a store is carried over to.
type Importer interface {
	// Begin makes ready for an origin, or finds how far it was carried over before. It refuses where there is anything else.
	Begin(ctx context.Context, o *Origin) (from string, done bool, err error)
	// Import stores a portion and the place behind it, both or neither.
	Import(ctx context.Context, p *Portion) error
	// Counts counts what there is, as Origin does, and ContentsOf hashes the content of events.
	Counts(ctx context.Context) (map[string]int64, error)
	ContentsOf(ctx context.Context, ids [][16]byte) (map[[16]byte][32]byte, error)
	// DataKeyHashes gives the hashes of all data keys, as the exporter does.
	DataKeyHashes(ctx context.Context) (map[[8]byte][32]byte, error)
	// Done notes that everything is there; before, nobody can work with the store.
	Done(ctx context.Context) error
}

// ErrMoved means that what was carried over is not what there was.
var ErrMoved = errors.New("what is in the database is not what is in the store that it was carried over from")

// compared is of how many events the content is compared.
const compared = 1000

// Move carries a store over, from where it was stopped, compares and notes that it is done. step hears of each portion.
func Move(ctx context.Context, from Exporter, to Importer, o *Origin, step func(*Portion)) error {
	place, done, err := to.Begin(ctx, o)
	if err != nil || done {
		return err
	}
	for {
		p, err := from.Export(ctx, place)
		if err != nil {
			return err
		}
		if p == nil {
			break
		}
		if err := to.Import(ctx, p); err != nil {
			return err
		}
		step(p)
		place = p.To
	}
	if err := compare(ctx, from, to, o); err != nil {
		return err
	}
	return to.Done(ctx)
}

// compare compares the numbers of everything, every data key with what it has sealed, and the content of some events.
func compare(ctx context.Context, from Exporter, to Importer, o *Origin) error {
	counts, err := to.Counts(ctx)
	if err != nil {
		return err
	}
	for _, kind := range MovedKinds {
		if counts[kind] != o.Counts[kind] {
			return fmt.Errorf("%w: of %s there were %d and are %d", ErrMoved, kind, o.Counts[kind], counts[kind])
		}
	}
	if err := compareDataKeys(ctx, from, to); err != nil {
		return err
	}
	want, err := from.Contents(ctx, compared)
	if err != nil {
		return err
	}
	ids := make([][16]byte, 0, len(want))
	for id := range want {
		ids = append(ids, id)
	}
	have, err := to.ContentsOf(ctx, ids)
	if err != nil {
		return err
	}
	for id, hash := range want {
		if have[id] != hash {
			return fmt.Errorf("%w: the content of event %x differs", ErrMoved, id)
		}
	}
	return nil
}

func compareDataKeys(ctx context.Context, from Exporter, to Importer) error {
	want, err := from.DataKeyHashes(ctx)
	if err != nil {
		return err
	}
	have, err := to.DataKeyHashes(ctx)
	if err != nil {
		return err
	}
	for id, hash := range want {
		if have[id] != hash {
			return fmt.Errorf("%w: data key %x, or what it has sealed, differs", ErrMoved, id)
		}
	}
	return nil
}

// ContentHash is a hash of an event's content as it is stored.
func ContentHash(parts ...[]byte) (sum [32]byte) {
	h := sha256.New()
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}
