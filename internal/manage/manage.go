// Package manage keeps tenants and destinations as documents: they are written as drafts, checked, compared, published,
// rolled back and removed. Every change is a version with its author and a note. It knows nothing of what a document says:
// a Gateway checks that, and brings into force what was published.
package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/store"
)

// The kinds of documents.
const (
	Tenant      = store.TenantDocument
	Destination = store.DestinationDocument
)

// Kinds are all that there are.
func Kinds() []string { return []string{Tenant, Destination} }

// Gateway is the configuration in force.
type Gateway interface {
	// Taken says where the configuration itself has a name, which no document can take; empty if it does not.
	Taken(kind, name string) string
	// Check works a document out as if it were published, and changes nothing. What may be a mistake is a warning.
	Check(ctx context.Context, d *store.Document) (warnings []string, err error)
	// Apply brings into force what the store says of a document now.
	Apply(ctx context.Context, kind, name string) error
}

// Options are what a service works on.
type Options struct {
	Store store.Documents
	// Gateway is asked for at each operation; it gives nil where documents are not managed.
	Gateway func() Gateway
	// Fingerprint tells secrets apart without saying anything of them.
	Fingerprint func(secret string) string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Service carries operations out. It is safe for concurrent use.
type Service struct{ o Options }

// New makes a service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}
}

// Error is an error for whoever asked.
type Error struct {
	Kind  error
	text  string
	cause error
}

// Kinds of errors.
var (
	ErrBadRequest = errors.New("bad request")
	ErrNotFound   = errors.New("not found")
	ErrConflict   = errors.New("conflict")
	ErrOff        = errors.New("not managed")
)

// Error implements error.
func (e *Error) Error() string { return e.text }

// Unwrap gives the kind and what lies behind the error.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// OfAnother is a mistake that a document has together with another tenant, whom not everybody may know of who may write the
// document.
type OfAnother struct {
	// Tenant is the other one. Text names it, and Unnamed says the same without its name.
	Tenant, Text, Unnamed string
}

// Error implements error.
func (e *OfAnother) Error() string { return e.Text }

// TextFor is an error's text for whom may see the tenants that may reports.
func TextFor(err error, may func(tenant string) bool) string {
	text := err.Error()
	if other, ok := errors.AsType[*OfAnother](err); ok && !may(other.Tenant) {
		text = strings.ReplaceAll(text, other.Text, other.Unnamed)
	}
	return text
}

func fail(kind error, format string, args ...any) error {
	return &Error{Kind: kind, text: fmt.Sprintf(format, args...)}
}

// begin makes sure that there is something to manage.
func (s *Service) begin(kind string) (Gateway, error) {
	g := s.o.Gateway()
	if g == nil {
		return nil, fail(ErrOff, "tenants and destinations are not managed here: write manage in the global option callgate")
	}
	if !slices.Contains(Kinds(), kind) {
		return nil, fail(ErrNotFound, "there is no kind of document %.100q", kind)
	}
	return g, nil
}

// beginChange makes sure besides that a document may have a name.
func (s *Service) beginChange(kind, name, note string) (Gateway, error) {
	g, err := s.begin(kind)
	if err != nil {
		return nil, err
	}
	if name == "" || len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("{}/", r) }) {
		return nil, fail(ErrBadRequest, "a %s's name has 1 to 128 visible ASCII characters without braces and slashes", kind)
	}
	if len(note) > 500 || !utf8.ValidString(note) || strings.ContainsFunc(note, unicode.IsControl) {
		return nil, fail(ErrBadRequest, "a note is a line of up to 500 bytes")
	}
	if where := g.Taken(kind, name); where != "" {
		return nil, fail(ErrConflict, "%s %s is taken: it is %s, and no document overrides that; take it out there, or choose another name", kind, name, where)
	}
	return g, nil
}

// storedVersion is stored for one that is asked for by its version, of which 0 is the last.
func storedVersion(err error, kind, name string, version int) error {
	if version != 0 && errors.Is(err, store.ErrNotFound) {
		return fail(ErrNotFound, "there is no version %d of %s %s", version, kind, name)
	}
	return stored(err, kind, name)
}

// stored turns an error of the store into one for whoever asked.
func stored(err error, kind, name string) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fail(ErrNotFound, "there is no %s %s", kind, name)
	case errors.Is(err, store.ErrConflict):
		return fail(ErrConflict, "%s %s was changed by somebody else meanwhile: look at its last version, and do it again if you still mean it", kind, name)
	case errors.Is(err, store.ErrUnsealed), errors.Is(err, store.ErrDocumentSize):
		return fail(ErrBadRequest, "%s", err)
	}
	return err
}
