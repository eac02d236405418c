package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// memoryDocument is a document by its versions, the last one at the end.
type memoryDocument struct {
	versions []store.Document
	inForce  int
}

func (m *memory) AddDocument(ctx context.Context, d *store.Document) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	switch {
	case len(d.Body) > store.MaxDocument || len(d.Secrets) > store.MaxDocument:
		return store.ErrDocumentSize
	case len(d.Secrets) > 0 && !m.o.Sealing:
		return store.ErrUnsealed
	}
	key := [2]string{d.Kind, d.Name}
	doc := m.documents[key]
	if doc == nil {
		doc = new(memoryDocument)
	}
	if d.Version != doc.last()+1 {
		return store.ErrConflict
	}
	kept := *d
	kept.Body, kept.Secrets = bytes.Clone(d.Body), bytes.Clone(d.Secrets)
	doc.versions = append(doc.versions, kept)
	doc.setInForce(d.Version, d.State)
	doc.versions = slices.DeleteFunc(doc.versions, func(v store.Document) bool {
		return v.Version <= d.Version-store.MaxVersions && v.Version != doc.inForce
	})
	m.documents[key] = doc
	return nil
}

func (d *memoryDocument) last() int {
	if len(d.versions) == 0 {
		return 0
	}
	return d.versions[len(d.versions)-1].Version
}

func (d *memoryDocument) setInForce(version int, state store.DocumentState) {
	switch state {
	case store.Published:
		d.inForce = version
	case store.Removed:
		d.inForce = 0
	}
}

// version is a copy of a version as it is given out; nil if there is none.
func (d *memoryDocument) version(n int) *store.Document {
	if d == nil {
		return nil
	}
	for _, v := range d.versions {
		if v.Version == n {
			v.InForce, v.Body, v.Secrets = d.inForce, bytes.Clone(v.Body), bytes.Clone(v.Secrets)
			return &v
		}
	}
	return nil
}

func (m *memory) PublishDocument(ctx context.Context, kind, name string, version int, by string, at time.Time) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	doc := m.documents[[2]string{kind, name}]
	if doc == nil {
		return store.ErrNotFound
	}
	last := &doc.versions[len(doc.versions)-1]
	if last.Version != version || last.State != store.Draft {
		return store.ErrConflict
	}
	last.State, last.PublishedBy, last.PublishedAt = store.Published, by, at
	doc.setInForce(version, store.Published)
	return nil
}

func (m *memory) ForgetDocument(ctx context.Context, kind, name string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	key := [2]string{kind, name}
	if doc := m.documents[key]; doc != nil && doc.inForce != 0 {
		return store.ErrConflict
	}
	delete(m.documents, key)
	return nil
}

func (m *memory) Document(ctx context.Context, kind, name string, version int) (*store.Document, error) {
	return m.oneDocument(ctx, kind, name, func(d *memoryDocument) int { return cmp.Or(version, d.last()) })
}

func (m *memory) DocumentInForce(ctx context.Context, kind, name string) (*store.Document, error) {
	return m.oneDocument(ctx, kind, name, func(d *memoryDocument) int { return d.inForce })
}

func (m *memory) oneDocument(ctx context.Context, kind, name string, which func(*memoryDocument) int) (*store.Document, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if doc := m.documents[[2]string{kind, name}]; doc != nil {
		if d := doc.version(which(doc)); d != nil {
			return d, nil
		}
	}
	return nil, store.ErrNotFound
}

func (m *memory) DocumentsInForce(ctx context.Context, each func(*store.Document, error) error) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	var all []*store.Document
	for _, doc := range m.documents {
		if d := doc.version(doc.inForce); d != nil {
			all = append(all, d)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b *store.Document) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	for _, d := range all {
		if err := each(d, nil); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) DocumentHeads(ctx context.Context, kind, after string, limit int) ([]store.DocumentInfo, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var list []store.DocumentInfo
	for key, doc := range m.documents {
		if key[0] == kind && key[1] > after {
			list = append(list, doc.version(doc.last()).DocumentInfo)
		}
	}
	slices.SortFunc(list, func(a, b store.DocumentInfo) int { return strings.Compare(a.Name, b.Name) })
	return list[:min(limit, len(list))], nil
}

func (m *memory) DocumentVersions(ctx context.Context, kind, name string) ([]store.DocumentInfo, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var list []store.DocumentInfo
	if doc := m.documents[[2]string{kind, name}]; doc != nil {
		for _, v := range slices.Backward(doc.versions) {
			list = append(list, doc.version(v.Version).DocumentInfo)
		}
	}
	return list, nil
}
