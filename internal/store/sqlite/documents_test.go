package sqlite_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

const token = "a-token-that-nobody-reads"

func addDocument(t *testing.T, s *sqlite.Store, name string, body, secrets string) {
	t.Helper()
	d := &store.Document{DocumentInfo: store.DocumentInfo{Kind: "tenant", Name: name, Version: 1, State: store.Published, At: time.Unix(1, 0)}, Body: []byte(body)}
	if secrets != "" {
		d.Secrets = []byte(secrets)
	}
	if err := s.AddDocument(ctx, d); err != nil {
		t.Fatal(err)
	}
}

func closed(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// onFile changes the file of a closed store, as somebody could who has no key.
func onFile(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestDocumentsAreSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	addDocument(t, s, "acme", token+" in the body", token)
	addDocument(t, s, "zen", "zen", "other")
	closed(t, s)
	if onDisk(t, path, token) {
		t.Error("a secret stands on the disk")
	}
	if _, err := sqlite.Open(sqlite.Options{Path: path}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("opened without a key: %v", err)
	}
	if _, err := sqlite.Open(sqlite.Options{Path: path, Keys: ring(t, keyB)}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("opened with another key: %v", err)
	}

	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB, keyA)})
	if err := s.Rekey(ctx, nil); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
	if d, err := s.DocumentInForce(ctx, "tenant", "acme"); err != nil || string(d.Secrets) != token || string(d.Body) != token+" in the body" {
		t.Errorf("after a new key: %+v, %v", d, err)
	}
	closed(t, s)

	// Whoever can write the file and has no key makes no document, and moves none.
	onFile(t, path, "UPDATE documents SET body = (SELECT body FROM documents WHERE name = 'zen') WHERE name = 'acme'")
	onFile(t, path, `UPDATE documents SET body = '{"to":"a stranger"}', secrets = NULL, key_id = NULL WHERE name = 'zen'`)
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
	refused := 0
	if err := s.DocumentsInForce(ctx, func(d *store.Document, err error) error {
		if errors.Is(err, seal.ErrTampered) {
			refused++
		}
		return nil
	}); err != nil || refused != 2 {
		t.Errorf("%d of 2 documents that were changed are refused, and %v", refused, err)
	}
}

// TestDocumentsFromBeforeTheKey are sealed when sealing begins, since what has no seal is refused from then on.
func TestDocumentsFromBeforeTheKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	addDocument(t, s, "acme", "plain body", "")
	closed(t, s)
	for range 2 {
		s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
		if d, err := s.DocumentInForce(ctx, "tenant", "acme"); err != nil || string(d.Body) != "plain body" || d.Secrets != nil {
			t.Errorf("%+v, %v", d, err)
		}
		closed(t, s)
	}
	if _, err := sqlite.Open(sqlite.Options{Path: path}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("opened without the key: %v", err)
	}
}

func TestForgottenDocumentsAreGoneFromTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	addDocument(t, s, "acme", token, "")
	d := &store.Document{DocumentInfo: store.DocumentInfo{Kind: "tenant", Name: "acme", Version: 2, State: store.Removed}}
	if err := s.AddDocument(ctx, d); err != nil {
		t.Fatal(err)
	}
	if !onDisk(t, path, token) {
		t.Error("the test looks for what was never there")
	}
	if err := s.ForgetDocument(ctx, "tenant", "acme"); err != nil {
		t.Fatal(err)
	}
	if onDisk(t, path, token) {
		t.Error("what was forgotten stands on the disk")
	}
}

// TestADocumentAndItsRecordAreDurableTogether: where the log cannot be written, no document comes into force either.
func TestADocumentAndItsRecordAreDurableTogether(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAudited(t, sqlite.Options{Path: path})
	add := func(name string, state store.DocumentState) error {
		return s.AddDocument(ctx, &store.Document{Body: []byte("{}"), DocumentInfo: store.DocumentInfo{
			Kind: store.TenantDocument, Name: name, Version: 1, State: state, At: time.Now(),
		}})
	}
	if err := add("acme", store.Draft); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO audit_bundles (first, n, at, lines) VALUES (1, 1, 0, x'00')"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"published at once": add("zen", store.Published),
		"publishing":        s.PublishDocument(ctx, store.TenantDocument, "acme", 1, "ann", time.Now()),
	} {
		if err == nil {
			t.Errorf("%s: there is no record of it", what)
		}
	}
	if err := s.DocumentsInForce(ctx, func(d *store.Document, err error) error {
		t.Errorf("%s is in force, and nothing says by whom", d.Name)
		return err
	}); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec("DELETE FROM audit_bundles WHERE first = 1"); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishDocument(ctx, store.TenantDocument, "acme", 1, "ann", time.Now()); err != nil {
		t.Errorf("once the log can be written: %v", err)
	}
}
