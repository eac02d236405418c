package manage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/callgate/callgate/internal/store"
)

// Draft is what somebody writes.
type Draft struct {
	// Body is the document: the JSON of a tenant file, of a destination, or a NextPhone webhook document.
	Body json.RawMessage `json:"body,omitempty"`
	// Text is the same as it stands in a file, in place of Body: mistakes are told with their places in it.
	Text string `json:"text,omitempty"`
	// Secrets are written with it, and laid over those that there are; null takes one away.
	Secrets map[string]*SecretInput `json:"secrets,omitempty"`
	// Note says why.
	Note string `json:"note,omitempty"`
	// Base is the last version that the author has seen; another one is a conflict. Without it there is none.
	Base *int `json:"base,omitempty"`
	// Publish puts it into force at once.
	Publish bool `json:"publish,omitempty"`
	// DryRun checks and compares it, and keeps nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Change is what became of a change.
type Change struct {
	Kind    string              `json:"kind"`
	Name    string              `json:"name"`
	Version int                 `json:"version,omitempty"` // that is the last now
	State   store.DocumentState `json:"state,omitempty"`
	DryRun  bool                `json:"dry_run,omitempty"`
	// Unchanged tells that there was nothing to do.
	Unchanged bool `json:"unchanged,omitempty"`
	// Differences are from the version in force.
	Differences []Difference `json:"differences"`
	Warnings    []string     `json:"warnings,omitempty"`
}

// Save checks a document and keeps it as a new version. One with a mistake is not kept.
func (s *Service) Save(ctx context.Context, by, kind, name string, in Draft) (*Change, error) {
	g, err := s.beginChange(kind, name, in.Note)
	if err != nil {
		return nil, err
	}
	if in.Text != "" && in.Body == nil {
		in.Body = json.RawMessage(in.Text)
	} else if in.Text != "" || !json.Valid(in.Body) {
		return nil, fail(ErrBadRequest, "body has to be the document, in JSON, or text what stands in its file")
	}
	last, force, err := s.state(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if in.Base != nil && *in.Base != last.Version {
		return nil, stored(store.ErrConflict, kind, name)
	}
	secrets, err := ReadSecrets(last.Secrets)
	if err != nil {
		return nil, err
	}
	if secrets, err = s.merge(secrets, in.Secrets); err != nil {
		return nil, err
	}
	d := &store.Document{Body: in.Body}
	if err := s.fill(d, by, kind, name, last.Version+1, in.Note, secrets, in.Publish); err != nil {
		return nil, err
	}
	return s.keep(ctx, g, d, last, force, in.DryRun)
}

// fill gives a new version all but its body.
func (s *Service) fill(d *store.Document, by, kind, name string, version int, note string, secrets Secrets, publish bool) error {
	d.Kind, d.Name, d.Version, d.Author, d.Note, d.At, d.State = kind, name, version, by, note, s.o.Now().UTC(), store.Draft
	if publish {
		d.State, d.PublishedBy, d.PublishedAt = store.Published, by, d.At
	}
	if len(secrets) == 0 {
		return nil
	}
	var err error
	d.Secrets, err = json.Marshal(secrets)
	return err
}

// keep checks a new version and keeps it.
func (s *Service) keep(ctx context.Context, g Gateway, d, last, force *store.Document, dryRun bool) (*Change, error) {
	c, err := propose(ctx, g, d, force, dryRun)
	if err != nil {
		return nil, err
	}
	sinceLast, err := compare(last, d)
	if err != nil {
		return nil, err
	}
	already := last.State == store.Published || last.State == store.Draft && d.State == store.Draft
	if c.Unchanged = len(sinceLast) == 0 && already; c.Unchanged {
		c.Version, c.State = last.Version, last.State
	}
	return s.carryOut(ctx, g, c, func() error { return s.o.Store.AddDocument(ctx, d) })
}

// propose checks what a document is to be and compares it with what is in force. A removal needs no check.
func propose(ctx context.Context, g Gateway, d, force *store.Document, dryRun bool) (*Change, error) {
	c := &Change{Kind: d.Kind, Name: d.Name, Version: d.Version, State: d.State, DryRun: dryRun}
	var err error
	if d.State != store.Removed {
		if c.Warnings, err = g.Check(ctx, d); err != nil {
			return nil, &Error{Kind: ErrBadRequest, text: err.Error(), cause: err}
		}
	}
	c.Differences, err = compare(force, d)
	return c, err
}

// carryOut has the store make a change, unless nothing is to be done, and brings it into force. The store records it in the
// audit log, in the same transaction.
func (s *Service) carryOut(ctx context.Context, g Gateway, c *Change, change func() error) (*Change, error) {
	if c.Unchanged || c.DryRun {
		return c, nil
	}
	if err := change(); err != nil {
		return nil, stored(err, c.Kind, c.Name)
	}
	if c.State == store.Draft {
		return c, nil
	}
	return c, g.Apply(ctx, c.Kind, c.Name)
}

// existing begins a change of a document that has to be there.
func (s *Service) existing(ctx context.Context, kind, name, note string) (g Gateway, last, force *store.Document, err error) {
	if g, err = s.beginChange(kind, name, note); err != nil {
		return nil, nil, nil, err
	}
	if last, force, err = s.state(ctx, kind, name); err == nil && last.Version == 0 {
		err = stored(store.ErrNotFound, kind, name)
	}
	return g, last, force, err
}

// Publish puts the last version, a draft, into force. version is the one that is meant; 0 is the last.
func (s *Service) Publish(ctx context.Context, by, kind, name string, version int) (*Change, error) {
	g, last, force, err := s.existing(ctx, kind, name, "")
	switch {
	case err != nil:
		return nil, err
	case version != 0 && version != last.Version:
		return nil, fail(ErrConflict, "version %d of %s %s is not the last, which is %d; roll back to it, or write it anew", version, kind, name, last.Version)
	case last.State != store.Draft:
		return nil, fail(ErrConflict, "version %d of %s %s is %s already", last.Version, kind, name, last.State)
	}
	last.State = store.Published
	c, err := propose(ctx, g, last, force, false) // the configuration may be another than when it was saved
	if err != nil {
		return nil, err
	}
	return s.carryOut(ctx, g, c, func() error {
		return s.o.Store.PublishDocument(ctx, kind, name, last.Version, by, s.o.Now().UTC())
	})
}

// Rollback publishes what an earlier version says, as a new version. Secrets stay as they are now, since one that was taken
// back may be known to somebody; only those come back that there are none of any more. version 0 is the last one that was
// published before the one in force.
func (s *Service) Rollback(ctx context.Context, by, kind, name string, version int, note string, dryRun bool) (*Change, error) {
	g, last, force, err := s.existing(ctx, kind, name, note)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		if version, err = s.before(ctx, kind, name, cmp.Or(force.Version, last.Version)); err != nil {
			return nil, err
		}
	}
	old, err := s.o.Store.Document(ctx, kind, name, version)
	if err != nil {
		return nil, storedVersion(err, kind, name, version)
	}
	if old.Body == nil {
		return nil, fail(ErrConflict, "version %d of %s %s is its removal: use remove", version, kind, name)
	}
	secrets, err := ReadSecrets(old.Secrets)
	if err != nil {
		return nil, err
	}
	now, err := ReadSecrets(last.Secrets)
	if err != nil {
		return nil, err
	}
	maps.Copy(secrets, now)
	d := &store.Document{Body: old.Body}
	if err := s.fill(d, by, kind, name, last.Version+1, cmp.Or(note, fmt.Sprintf("back to version %d", version)), secrets, true); err != nil {
		return nil, err
	}
	return s.keep(ctx, g, d, last, force, dryRun)
}

// Remove takes a document out of force. Its versions are kept, and can be rolled back to, until Forget.
func (s *Service) Remove(ctx context.Context, by, kind, name, note string, dryRun bool) (*Change, error) {
	g, last, force, err := s.existing(ctx, kind, name, note)
	if err != nil {
		return nil, err
	}
	d := new(store.Document)
	if err := s.fill(d, by, kind, name, last.Version+1, note, nil, true); err != nil {
		return nil, err
	}
	d.State = store.Removed
	c, err := propose(ctx, g, d, force, dryRun)
	if err != nil {
		return nil, err
	}
	if c.Unchanged = last.State == store.Removed; c.Unchanged || dryRun {
		c.Version = last.Version
	}
	return s.carryOut(ctx, g, c, func() error { return s.o.Store.AddDocument(ctx, d) })
}

// Forget deletes all versions of a document that was removed.
func (s *Service) Forget(ctx context.Context, kind, name string) error {
	if _, err := s.begin(kind); err != nil {
		return err
	}
	return stored(s.o.Store.ForgetDocument(ctx, kind, name), kind, name)
}
