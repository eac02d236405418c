package store

import (
	"context"
	"errors"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// The kinds of documents.
const (
	TenantDocument      = "tenant"
	DestinationDocument = "destination"
)

// Documents are tenants and destinations that live in the store, in versions. A version does not change once it is there,
// but that a draft is published. Of the versions of a document the last that was published or removed says what is in
// force. A store that keeps an audit log records each change in the transaction that makes it, as [DocumentLeaf] has it.
type Documents interface {
	// AddDocument keeps a new version of a document, a draft, a published one or a removal. Its number has to be one more
	// than that of the last version, or ErrConflict says that somebody else was faster. Where there are keys, body and
	// secrets are sealed; secrets without keys are refused with ErrUnsealed. Of more than MaxVersions the oldest go that
	// are not in force.
	AddDocument(ctx context.Context, d *Document) error
	// PublishDocument makes a draft the version in force. ErrConflict means that it is not the last version, or no draft;
	// ErrNotFound that there is none.
	PublishDocument(ctx context.Context, kind, name string, version int, by string, at time.Time) error
	// ForgetDocument deletes all versions of a document that was removed, with what is in them; ErrConflict if it is in
	// force.
	ForgetDocument(ctx context.Context, kind, name string) error
	// Document reads a version; 0 is the last one. ErrNotFound means that there is none.
	Document(ctx context.Context, kind, name string, version int) (*Document, error)
	// DocumentInForce reads the version in force. ErrNotFound means that none is.
	DocumentInForce(ctx context.Context, kind, name string) (*Document, error)
	// DocumentsInForce gives each document in force, in the order of kinds and names, until each returns an error. A
	// document that cannot be opened is given with the error in its place.
	DocumentsInForce(ctx context.Context, each func(*Document, error) error) error
	// DocumentHeads lists the last version of each document of a kind whose name comes after a name, without content, in
	// the order of names, at most limit. InForce is the version in force.
	DocumentHeads(ctx context.Context, kind, after string, limit int) ([]DocumentInfo, error)
	// DocumentVersions lists the versions of a document without content, the last first.
	DocumentVersions(ctx context.Context, kind, name string) ([]DocumentInfo, error)
}

// Bounds of documents: bytes of a body and of secrets, each, and how many versions are kept.
const (
	MaxDocument = 1 << 20
	MaxVersions = 100
)

// Errors of documents.
var (
	// ErrConflict means that the document is in another state by now than the change is meant for.
	ErrConflict = errors.New("the document was changed meanwhile")
	// ErrUnsealed means that secrets would be stored without being sealed.
	ErrUnsealed = errors.New("secrets are kept only where the store has an encryption_key: give it one in the global option callgate, or use a secret that manage lists there")
	// ErrDocumentSize means that a document is too large.
	ErrDocumentSize = errors.New("a document has at most 1 MiB")
)

// DocumentState is where a version of a document stands.
type DocumentState string

// The states. One that was published stays so when a later one takes its place.
const (
	Draft     DocumentState = "draft"
	Published DocumentState = "published"
	Removed   DocumentState = "removed"
)

// DocumentInfo is a version without its content.
type DocumentInfo struct {
	Kind    string        `json:"kind"`
	Name    string        `json:"name"`
	Version int           `json:"version"`
	State   DocumentState `json:"state"`
	// Author wrote it at a time and left a note.
	Author string    `json:"author,omitempty"`
	At     time.Time `json:"at"`
	Note   string    `json:"note,omitempty"`
	// PublishedBy published or removed it.
	PublishedBy string    `json:"published_by,omitempty"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	// InForce is the version of the document that is in force; 0 if none is.
	InForce int `json:"in_force,omitempty"`
}

// Document is a version with its content. Body is nil in a removal. Secrets are whatever the caller keeps there.
type Document struct {
	DocumentInfo
	Body, Secrets []byte
}

// DocumentLeaf is how a change of a document is recorded, or of all its versions if version is 0. Who makes it is taken from
// the context. why is their note.
func DocumentLeaf(ctx context.Context, done audit.Kind, kind, name string, version int, why string) audit.Leaf {
	l := audit.Leaf{Kind: done, Actor: audit.ActorOf(ctx), Version: version, Outcome: audit.OutcomeOK, Why: why}
	if kind == TenantDocument {
		l.Tenant = name
	} else {
		l.To = []audit.Recipient{{Name: name}}
	}
	return l
}

// Recorded is the kind of leaf that records a version which comes to be in a state.
func (s DocumentState) Recorded() audit.Kind {
	switch s {
	case Published:
		return audit.DocumentPublished
	case Removed:
		return audit.DocumentRemoved
	}
	return audit.DocumentSaved
}
