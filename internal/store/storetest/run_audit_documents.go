package storetest

import (
	"errors"
	"slices"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// auditDocuments: each change of a document has its record, and what was refused has none.
func auditDocuments(b *auditBench) {
	ann := audit.Actor{Type: audit.ActorUser, ID: "ann", Via: "dashboard"}
	by := audit.By(ctx, ann)
	add := func(kind, name string, version int, state store.DocumentState) func() error {
		return func() error {
			return b.s.AddDocument(by, &store.Document{Body: []byte("a value that is in no record"), DocumentInfo: store.DocumentInfo{
				Kind: kind, Name: name, Version: version, State: state, Author: "ann", At: b.now, Note: "a note",
			}})
		}
	}
	publish := func(version int) func() error {
		return func() error { return b.s.PublishDocument(by, store.TenantDocument, "acme", version, "ann", b.now) }
	}
	forget := func() error { return b.s.ForgetDocument(by, store.TenantDocument, "acme") }
	acme := audit.Leaf{Tenant: "acme", Outcome: audit.OutcomeOK}
	want := func(kind audit.Kind, version int, note string) *audit.Leaf {
		l := acme
		l.Kind, l.Version, l.Why = kind, version, note
		return &l
	}
	for _, step := range []struct {
		what string
		do   func() error
		want *audit.Leaf // nil if it is refused
	}{
		{"a draft", add(store.TenantDocument, "acme", 1, store.Draft), want(audit.DocumentSaved, 1, "a note")},
		{"the same version again", add(store.TenantDocument, "acme", 1, store.Draft), nil},
		{"publishing what is not there", publish(7), nil},
		{"publishing it", publish(1), want(audit.DocumentPublished, 1, "")},
		{"publishing it again", publish(1), nil},
		{"forgetting what is in force", forget, nil},
		{"published at once", add(store.TenantDocument, "acme", 2, store.Published), want(audit.DocumentPublished, 2, "a note")},
		{"a destination", add(store.DestinationDocument, "crm", 1, store.Published), &audit.Leaf{
			Kind: audit.DocumentPublished, Version: 1, Why: "a note", Outcome: audit.OutcomeOK, To: []audit.Recipient{{Name: "crm"}},
		}},
		{"a removal", add(store.TenantDocument, "acme", 3, store.Removed), want(audit.DocumentRemoved, 3, "a note")},
		{"forgetting it", forget, &audit.Leaf{Kind: audit.DocumentForgotten, Tenant: "acme", Count: 3, Outcome: audit.OutcomeOK}},
		{"forgetting it again", forget, nil},
	} {
		since := b.size()
		err := step.do()
		if step.want == nil {
			if n := b.size() - since; n != 0 || err != nil && !errors.Is(err, store.ErrConflict) {
				b.Errorf("%s: %d records, %v", step.what, n, err)
			}
			continue
		}
		if err != nil {
			b.Fatalf("%s: %v", step.what, err)
		}
		l := b.last(since)
		if l.Kind != step.want.Kind || l.Actor != ann || l.Tenant != step.want.Tenant || l.Version != step.want.Version || l.Why != step.want.Why ||
			l.Count != step.want.Count || l.Outcome != step.want.Outcome || !slices.Equal(l.To, step.want.To) {
			b.Errorf("%s: %+v, want %+v", step.what, l, *step.want)
		}
	}
	b.checkTree()
}
