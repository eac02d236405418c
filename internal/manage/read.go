package manage

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/callgate/callgate/internal/store"
)

// Version is a version of a document as it is shown.
type Version struct {
	store.DocumentInfo
	Body    json.RawMessage       `json:"body,omitempty"`
	Secrets map[string]SecretInfo `json:"secrets,omitempty"`
}

func shown(d *store.Document) (*Version, error) {
	secrets, err := ReadSecrets(d.Secrets)
	if err != nil {
		return nil, err
	}
	v := &Version{DocumentInfo: d.DocumentInfo, Body: d.Body}
	for name, s := range secrets {
		if v.Secrets == nil {
			v.Secrets = make(map[string]SecretInfo)
		}
		v.Secrets[name] = SecretInfo{s.Fingerprint, s.At, s.Hosts}
	}
	return v, nil
}

// List lists the documents of a kind whose names come after a name, at most limit, each as its last version.
func (s *Service) List(ctx context.Context, kind, after string, limit int) ([]store.DocumentInfo, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	return s.o.Store.DocumentHeads(ctx, kind, after, limit)
}

// Show gives a version of a document; 0 is the last.
func (s *Service) Show(ctx context.Context, kind, name string, version int) (*Version, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	d, err := s.o.Store.Document(ctx, kind, name, version)
	if err != nil {
		return nil, storedVersion(err, kind, name, version)
	}
	return shown(d)
}

// Versions lists the versions of a document, the last first.
func (s *Service) Versions(ctx context.Context, kind, name string) ([]store.DocumentInfo, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	list, err := s.o.Store.DocumentVersions(ctx, kind, name)
	if err == nil && len(list) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, stored(err, kind, name)
	}
	return list, nil
}

// state is the last version of a document and the one in force. Where there is none it has the number 0.
func (s *Service) state(ctx context.Context, kind, name string) (last, force *store.Document, err error) {
	none := func(d *store.Document, err error) (*store.Document, error) {
		if errors.Is(err, store.ErrNotFound) {
			return &store.Document{DocumentInfo: store.DocumentInfo{Kind: kind, Name: name}}, nil
		}
		return d, err
	}
	if last, err = none(s.o.Store.Document(ctx, kind, name, 0)); err != nil {
		return nil, nil, err
	}
	force, err = none(s.o.Store.DocumentInForce(ctx, kind, name))
	return last, force, err
}

// before is the last version before another that was published.
func (s *Service) before(ctx context.Context, kind, name string, version int) (int, error) {
	list, err := s.o.Store.DocumentVersions(ctx, kind, name)
	if err != nil {
		return 0, err
	}
	for _, v := range list {
		if v.Version < version && v.State == store.Published {
			return v.Version, nil
		}
	}
	return 0, fail(ErrConflict, "%s %s has no earlier version that was published", kind, name)
}

// Diff compares two versions. to 0 is the last one, and from 0 the one in force.
func (s *Service) Diff(ctx context.Context, kind, name string, from, to int) ([]Difference, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	last, force, err := s.state(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if last.Version == 0 {
		return nil, stored(store.ErrNotFound, kind, name)
	}
	for _, which := range []struct {
		version int
		into    **store.Document
	}{{from, &force}, {to, &last}} {
		if which.version == 0 {
			continue
		}
		if *which.into, err = s.o.Store.Document(ctx, kind, name, which.version); err != nil {
			return nil, storedVersion(err, kind, name, which.version)
		}
	}
	return compare(force, last)
}
