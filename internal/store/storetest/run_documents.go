package storetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/callgate/callgate/internal/store"
)

func (b *bench) draft(kind, name string, version int, state store.DocumentState, body string) error {
	b.Helper()
	d := &store.Document{DocumentInfo: store.DocumentInfo{
		Kind: kind, Name: name, Version: version, State: state, Author: "ann", At: b.now, Note: "note " + body,
	}}
	if body != "" {
		d.Body = []byte(body)
	}
	return b.s.AddDocument(ctx, d)
}

// inForce lists what is in force, as kind/name=body.
func (b *bench) inForce() string {
	b.Helper()
	var all []string
	if err := b.s.DocumentsInForce(ctx, func(d *store.Document, err error) error {
		if err != nil {
			return err
		}
		one, err := b.s.DocumentInForce(ctx, d.Kind, d.Name)
		if err != nil || string(one.Body) != string(d.Body) || one.InForce != one.Version {
			b.Errorf("%s %s alone: %+v, %v", d.Kind, d.Name, one, err)
		}
		all = append(all, fmt.Sprintf("%s/%s=%s", d.Kind, d.Name, d.Body))
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	return strings.Join(all, " ")
}

func documents(b *bench) {
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(b.draft("tenant", "acme", 1, store.Draft, "one"))
	equal(b, "a draft is not in force", b.inForce(), "")
	if _, err := b.s.DocumentInForce(ctx, "tenant", "acme"); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("in force: %v", err)
	}
	must(b.s.PublishDocument(ctx, "tenant", "acme", 1, "bob", b.now))
	must(b.draft("destination", "acme", 1, store.Published, "crm")) // another kind is another document
	must(b.draft("tenant", "acme", 2, store.Draft, "two"))
	must(b.draft("tenant", "zen", 1, store.Draft, "z"))
	equal(b, "the published one", b.inForce(), "destination/acme=crm tenant/acme=one")
	if b.h.Reopen != nil {
		b.s = b.h.Reopen(b, b.s)
		equal(b, "after a restart", b.inForce(), "destination/acme=crm tenant/acme=one")
	}

	// Whoever was slower is told.
	for what, err := range map[string]error{
		"the same number":     b.draft("tenant", "acme", 2, store.Draft, "other"),
		"a number too far":    b.draft("tenant", "acme", 4, store.Draft, "other"),
		"an older version":    b.s.PublishDocument(ctx, "tenant", "acme", 1, "bob", b.now),
		"what is in force":    b.s.ForgetDocument(ctx, "tenant", "acme"),
		"published already":   b.s.PublishDocument(ctx, "destination", "acme", 1, "bob", b.now),
		"a version not there": b.s.PublishDocument(ctx, "tenant", "acme", 3, "bob", b.now),
	} {
		if !errors.Is(err, store.ErrConflict) {
			b.Errorf("%s: %v", what, err)
		}
	}
	if err := b.s.PublishDocument(ctx, "tenant", "nobody", 1, "bob", b.now); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("publishing nothing: %v", err)
	}
	last, err := b.s.Document(ctx, "tenant", "acme", 0)
	must(err)
	equal(b, "the last version", *last, store.Document{DocumentInfo: store.DocumentInfo{
		Kind: "tenant", Name: "acme", Version: 2, State: store.Draft, Author: "ann", At: b.now, Note: "note two", InForce: 1,
	}, Body: []byte("two")})
	first, err := b.s.Document(ctx, "tenant", "acme", 1)
	must(err)
	equal(b, "the first", fmt.Sprint(string(first.Body), first.State, first.PublishedBy, first.PublishedAt.Equal(b.now)), "onepublishedbobtrue")

	must(b.s.PublishDocument(ctx, "tenant", "acme", 2, "bob", b.now))
	heads, err := b.s.DocumentHeads(ctx, "tenant", "", 10)
	must(err)
	equal(b, "heads", heads, []store.DocumentInfo{
		{Kind: "tenant", Name: "acme", Version: 2, State: store.Published, Author: "ann", At: b.now, Note: "note two", PublishedBy: "bob", PublishedAt: b.now, InForce: 2},
		{Kind: "tenant", Name: "zen", Version: 1, State: store.Draft, Author: "ann", At: b.now, Note: "note z"},
	})
	heads, err = b.s.DocumentHeads(ctx, "tenant", "acme", 1)
	must(err)
	equal(b, "the next page", len(heads) == 1 && heads[0].Name == "zen", true)

	must(b.draft("tenant", "acme", 3, store.Removed, ""))
	equal(b, "removed", b.inForce(), "destination/acme=crm")
	versions, err := b.s.DocumentVersions(ctx, "tenant", "acme")
	must(err)
	equal(b, "versions", fmt.Sprintln(versions[0].Version, versions[0].State, versions[1].State, versions[2].State, versions[2].InForce), "3 removed published published 0\n")
	must(b.s.ForgetDocument(ctx, "tenant", "acme"))
	if _, err := b.s.Document(ctx, "tenant", "acme", 0); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("after forgetting: %v", err)
	}
}

func documentsAreBounded(b *bench) {
	for n := 1; n <= store.MaxVersions+5; n++ {
		state := store.Draft
		if n == 2 {
			state = store.Published
		}
		if err := b.draft("tenant", "acme", n, state, fmt.Sprint(n)); err != nil {
			b.Fatal(err)
		}
	}
	versions, err := b.s.DocumentVersions(ctx, "tenant", "acme")
	if err != nil || len(versions) != store.MaxVersions+1 || versions[store.MaxVersions].Version != 2 {
		b.Errorf("%d versions are kept, and %v; want the last %d and the one in force", len(versions), err, store.MaxVersions)
	}
	large := &store.Document{DocumentInfo: store.DocumentInfo{Kind: "tenant", Name: "large", Version: 1, State: store.Draft}, Body: make([]byte, store.MaxDocument+1)}
	if err := b.s.AddDocument(ctx, large); !errors.Is(err, store.ErrDocumentSize) {
		b.Errorf("a document that is too large: %v", err)
	}
	secret := &store.Document{DocumentInfo: store.DocumentInfo{Kind: "tenant", Name: "secret", Version: 1, State: store.Draft}, Secrets: []byte("s")}
	if err := b.s.AddDocument(ctx, secret); b.h.Seals && err != nil || !b.h.Seals && !errors.Is(err, store.ErrUnsealed) {
		b.Errorf("secrets, with keys %t: %v", b.h.Seals, err)
	}
}
