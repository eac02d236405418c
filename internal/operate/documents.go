package operate

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/store"
)

// DocumentListing says which documents are listed: those of a kind whose names come after one, up to a number.
type DocumentListing struct {
	After string `json:"after,omitempty"`
	Limit int    `json:"limit,omitempty"`
}

// DocumentList are the last versions of documents, by name. Next is the name to go on after; empty at the end.
type DocumentList struct {
	Documents []store.DocumentInfo `json:"documents"`
	Next      string               `json:"next,omitempty"`
}

// beginDocuments begins an operation on documents. Who is bound to tenants has the documents of these, and no destination,
// which is for all.
func (s *Service) beginDocuments(ctx context.Context, a Actor, operation, kind, name, reason string, dryRun bool) (scope, error) {
	r := Record{Operation: operation, Reason: reason, DryRun: dryRun}
	if kind == manage.Tenant {
		r.Tenant = name
	} else {
		r.Destination = name
	}
	sc, err := s.permit(ctx, a, r)
	if err != nil {
		return sc, err
	}
	if sc.bound && kind != manage.Tenant {
		return sc, s.deny(ctx, a, r, &Error{Kind: ErrForbidden, text: "you may not do that: destinations are of the whole gateway, and you are bound to tenants"})
	}
	if err := s.note(ctx, a, r); err != nil {
		return sc, err
	}
	if s.o.Documents == nil {
		return sc, NoStore()
	}
	return sc, nil
}

// documented gives an error of a document its kind. What it says of tenants that are not of the scope goes.
func (sc scope) documented(err error) error {
	own, ok := errors.AsType[*manage.Error](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		e := stored(err).(*Error)
		e.text = manage.TextFor(e, sc.has)
		return e
	}
	kind := map[error]error{manage.ErrBadRequest: ErrBadRequest, manage.ErrNotFound: ErrNotFound, manage.ErrConflict: ErrConflict, manage.ErrOff: ErrUnavailable}[own.Kind]
	return &Error{Kind: kind, text: manage.TextFor(own, sc.has)}
}

// author is who an actor is in the versions of a document.
func author(a Actor) string {
	if a.Name == "" {
		return a.Via
	}
	return a.Name
}

// changed logs a change of a document.
func (s *Service) changed(a Actor, sc scope, what string, c *manage.Change, err error) (*manage.Change, error) {
	if err != nil {
		return nil, sc.documented(err)
	}
	if !c.DryRun && !c.Unchanged {
		s.o.Log.Info("an operator changed a document", zap.String("change", what), zap.String("kind", c.Kind), zap.String("name", c.Name),
			zap.Int("version", c.Version), zap.String("state", string(c.State)), zap.String("by", a.Name), zap.String("via", a.Via))
	}
	return c, nil
}

// Documents lists the documents of a kind, each as its last version.
func (s *Service) Documents(ctx context.Context, a Actor, kind string, l DocumentListing) (*DocumentList, error) {
	sc, err := s.beginDocuments(ctx, a, "Documents", kind, "", "", false)
	if err != nil {
		return nil, err
	}
	if l.Limit == 0 {
		l.Limit = 100
	}
	if l.Limit < 1 || l.Limit > MaxRows {
		return nil, badRequest("limit must lie between 1 and %d", MaxRows)
	}
	list := &DocumentList{Documents: []store.DocumentInfo{}}
	for after := l.After; len(list.Documents) < l.Limit; {
		page, err := s.o.Documents.List(ctx, kind, after, l.Limit+1)
		if err != nil {
			return nil, sc.documented(err)
		}
		for _, d := range page {
			if sc.has(d.Name) {
				list.Documents = append(list.Documents, d)
			}
		}
		if len(page) <= l.Limit {
			break
		}
		after = page[len(page)-1].Name
	}
	if len(list.Documents) > l.Limit {
		list.Documents = list.Documents[:l.Limit]
		list.Next = list.Documents[l.Limit-1].Name
	}
	return list, nil
}

// DocumentChoice says which version of a document is meant; 0 is the last.
type DocumentChoice struct {
	Version int `json:"version,omitempty"`
}

// Document shows a version of a document, without its secrets.
func (s *Service) Document(ctx context.Context, a Actor, kind, name string, c DocumentChoice) (*manage.Version, error) {
	sc, err := s.beginDocuments(ctx, a, "Document", kind, name, "", false)
	if err != nil {
		return nil, err
	}
	v, err := s.o.Documents.Show(ctx, kind, name, c.Version)
	return v, sc.documented(err)
}

// DocumentVersions lists the versions of a document, the last first.
func (s *Service) DocumentVersions(ctx context.Context, a Actor, kind, name string) (*DocumentList, error) {
	sc, err := s.beginDocuments(ctx, a, "DocumentVersions", kind, name, "", false)
	if err != nil {
		return nil, err
	}
	list, err := s.o.Documents.Versions(ctx, kind, name)
	return &DocumentList{Documents: list}, sc.documented(err)
}

// DocumentPair says which versions are compared. From 0 is the one in force, and To 0 the last.
type DocumentPair struct {
	From int `json:"from,omitempty"`
	To   int `json:"to,omitempty"`
}

// DocumentDiff is what differs between two versions of a document.
type DocumentDiff struct {
	Differences []manage.Difference `json:"differences"`
}

// CompareDocument compares two versions of a document.
func (s *Service) CompareDocument(ctx context.Context, a Actor, kind, name string, p DocumentPair) (*DocumentDiff, error) {
	sc, err := s.beginDocuments(ctx, a, "CompareDocument", kind, name, "", false)
	if err != nil {
		return nil, err
	}
	list, err := s.o.Documents.Diff(ctx, kind, name, p.From, p.To)
	return &DocumentDiff{list}, sc.documented(err)
}

// SaveDocument checks a document and keeps it as a new version, which is put into force at once if that is asked for.
func (s *Service) SaveDocument(ctx context.Context, a Actor, kind, name string, d manage.Draft) (*manage.Change, error) {
	sc, err := s.beginDocuments(ctx, a, "SaveDocument", kind, name, d.Note, d.DryRun)
	if err != nil {
		return nil, err
	}
	c, err := s.o.Documents.Save(a.by(ctx), author(a), kind, name, d)
	return s.changed(a, sc, "save", c, err)
}

// PublishDocument puts the last version of a document, a draft, into force. A version that is named has to be that one.
func (s *Service) PublishDocument(ctx context.Context, a Actor, kind, name string, v DocumentChoice) (*manage.Change, error) {
	sc, err := s.beginDocuments(ctx, a, "PublishDocument", kind, name, "", false)
	if err != nil {
		return nil, err
	}
	c, err := s.o.Documents.Publish(a.by(ctx), author(a), kind, name, v.Version)
	return s.changed(a, sc, "publish", c, err)
}

// DocumentRollback says where a document goes back to; version 0 is the last that was published before the one in force.
type DocumentRollback struct {
	Version int    `json:"version,omitempty"`
	Note    string `json:"note,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

// RollbackDocument publishes what an earlier version says.
func (s *Service) RollbackDocument(ctx context.Context, a Actor, kind, name string, r DocumentRollback) (*manage.Change, error) {
	sc, err := s.beginDocuments(ctx, a, "RollbackDocument", kind, name, r.Note, r.DryRun)
	if err != nil {
		return nil, err
	}
	c, err := s.o.Documents.Rollback(a.by(ctx), author(a), kind, name, r.Version, r.Note, r.DryRun)
	return s.changed(a, sc, "rollback", c, err)
}

// DocumentRemoval says how a document is removed.
type DocumentRemoval struct {
	Note string `json:"note,omitempty"`
	// Erase deletes besides the events of the tenant, with all that belongs to them, and all versions of the document. It
	// needs the capability erase too. Otherwise both are kept, and what waits is delivered if the tenant comes back.
	Erase  bool `json:"erase,omitempty"`
	DryRun bool `json:"dry_run,omitempty"`
}

// DocumentRemoved is what became of a removal. Events are those that were erased.
type DocumentRemoved struct {
	manage.Change
	Events int `json:"events,omitempty"`
}

// RemoveDocument takes a document out of force.
func (s *Service) RemoveDocument(ctx context.Context, a Actor, kind, name string, r DocumentRemoval) (*DocumentRemoved, error) {
	sc, err := s.beginDocuments(ctx, a, "RemoveDocument", kind, name, r.Note, r.DryRun)
	if err != nil {
		return nil, err
	}
	if r.Erase && kind != manage.Tenant {
		return nil, badRequest("erase is for tenants: what waits for a destination is kept, and cancelled or erased by its own commands")
	}
	removed := new(DocumentRemoved)
	erase := func(dryRun bool) error {
		n, err := s.Erase(ctx, a, EraseSelection{Selection: Selection{Filter: Filter{Tenant: name}, DryRun: dryRun}})
		if errors.Is(err, ErrNotFound) {
			return nil // nothing is stored of it
		}
		if err == nil {
			removed.Events = n.Events
		}
		return err
	}
	if r.Erase { // so that nothing is done if they may not, or it could not be
		if err := erase(true); err != nil {
			return nil, err
		}
	}
	c, err := s.o.Documents.Remove(a.by(ctx), author(a), kind, name, r.Note, r.DryRun)
	if c, err = s.changed(a, sc, "remove", c, err); err != nil {
		return nil, err
	}
	removed.Change = *c
	if !r.Erase || r.DryRun {
		return removed, nil
	}
	if err := erase(false); err != nil {
		return nil, err
	}
	return removed, sc.documented(s.o.Documents.Forget(a.by(ctx), kind, name))
}
