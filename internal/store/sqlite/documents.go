package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/sealed"
)

// AddDocument is store.Store's.
func (s *Store) AddDocument(ctx context.Context, d *store.Document) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	state, err := sealed.DocumentState(d.State)
	switch {
	case err != nil:
		return err
	case len(d.Body) > store.MaxDocument || len(d.Secrets) > store.MaxDocument:
		return store.ErrDocumentSize
	case len(d.Secrets) > 0 && s.o.Keys == nil:
		return store.ErrUnsealed
	}
	body, secrets, keyID := sealed.Document(s.o.Keys, d)
	return s.write(ctx, false, func(b *batch) error {
		last, err := b.c.number("SELECT max(version) FROM documents WHERE kind = ? AND name = ?", d.Kind, d.Name)
		if err != nil {
			return err
		}
		if int64(d.Version) != last+1 {
			return group.Refuse(store.ErrConflict)
		}
		if _, err := b.c.exec(`INSERT INTO documents (kind, name, version, state, author, at, note, published_by, published_at, body, secrets, key_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, d.Kind, d.Name, int64(d.Version), state, d.Author, nanos(d.At), d.Note, d.PublishedBy,
			nanos(d.PublishedAt), body, secrets, keyID); err != nil {
			return err
		}
		if err := b.setInForce(d.Kind, d.Name, d.Version, d.State); err != nil {
			return err
		}
		b.note(store.DocumentLeaf(ctx, d.State.Recorded(), d.Kind, d.Name, d.Version, d.Note))
		_, err = b.c.exec(`DELETE FROM documents WHERE kind = ?1 AND name = ?2 AND version <= ?3 AND version NOT IN
			(SELECT version FROM in_force WHERE kind = ?1 AND name = ?2)`, d.Kind, d.Name, int64(d.Version-store.MaxVersions))
		return err
	})
}

// setInForce notes which version is in force after one was published or removed.
func (b *batch) setInForce(kind, name string, version int, state store.DocumentState) error {
	var err error
	switch state {
	case store.Published:
		_, err = b.c.exec(`INSERT INTO in_force (kind, name, version) VALUES (?, ?, ?)
			ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version`, kind, name, int64(version))
	case store.Removed:
		_, err = b.c.exec("DELETE FROM in_force WHERE kind = ? AND name = ?", kind, name)
	}
	return err
}

// PublishDocument is store.Store's.
func (s *Store) PublishDocument(ctx context.Context, kind, name string, version int, by string, at time.Time) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.write(ctx, false, func(b *batch) error {
		last, err := b.c.number("SELECT max(version) FROM documents WHERE kind = ? AND name = ?", kind, name)
		switch {
		case err != nil:
			return err
		case last == 0:
			return group.Refuse(store.ErrNotFound)
		case last != int64(version):
			return group.Refuse(store.ErrConflict)
		}
		n, err := b.c.exec(`UPDATE documents SET state = 1, published_by = ?, published_at = ?
			WHERE kind = ? AND name = ? AND version = ? AND state = 0`, by, nanos(at), kind, name, int64(version))
		if err != nil {
			return err
		}
		if n == 0 {
			return group.Refuse(store.ErrConflict)
		}
		b.note(store.DocumentLeaf(ctx, audit.DocumentPublished, kind, name, version, ""))
		return b.setInForce(kind, name, version, store.Published)
	})
}

// ForgetDocument is store.Store's.
func (s *Store) ForgetDocument(ctx context.Context, kind, name string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	// What it held must not stay in the log either.
	return s.emptyLog(ctx, func(b *batch) error {
		n, err := b.c.number("SELECT count(*) FROM in_force WHERE kind = ? AND name = ?", kind, name)
		if err != nil {
			return err
		}
		if n > 0 {
			return group.Refuse(store.ErrConflict)
		}
		deleted, err := b.c.exec("DELETE FROM documents WHERE kind = ? AND name = ?", kind, name)
		if err == nil && deleted > 0 {
			l := store.DocumentLeaf(ctx, audit.DocumentForgotten, kind, name, 0, "")
			l.Count = deleted
			b.note(l)
		}
		return err
	})
}

const documentInfo = `d.kind, d.name, d.version, d.state, d.author, d.at, d.note, d.published_by, d.published_at, coalesce(f.version, 0)`

const documentRows = ` FROM documents d LEFT JOIN in_force f ON f.kind = d.kind AND f.name = d.name `

// scanDocument reads a row of documentInfo and whatever else was selected.
func scanDocument(rows interface{ Scan(...any) error }, d *store.DocumentInfo, more ...any) error {
	var state, at, published int64
	if err := rows.Scan(append([]any{&d.Kind, &d.Name, &d.Version, &state, &d.Author, &at, &d.Note, &d.PublishedBy, &published, &d.InForce}, more...)...); err != nil {
		return err
	}
	if state < 0 || state >= int64(len(sealed.DocumentStates)) {
		return fmt.Errorf("document %s %s has no state that is known", d.Kind, d.Name)
	}
	d.State, d.At, d.PublishedAt = sealed.DocumentStates[state], fromNanos(at), fromNanos(published)
	return nil
}

// Document is store.Store's.
func (s *Store) Document(ctx context.Context, kind, name string, version int) (*store.Document, error) {
	return s.oneDocument(ctx, "WHERE d.kind = ? AND d.name = ? AND (? = 0 OR d.version = ?) ORDER BY d.version DESC LIMIT 1", kind, name, version, version)
}

// DocumentInForce is store.Store's.
func (s *Store) DocumentInForce(ctx context.Context, kind, name string) (*store.Document, error) {
	return s.oneDocument(ctx, "WHERE d.kind = ? AND d.name = ? AND d.version = f.version", kind, name)
}

func (s *Store) oneDocument(ctx context.Context, where string, args ...any) (*store.Document, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	d := new(store.Document)
	var keyID []byte
	err := scanDocument(s.reader.QueryRowContext(ctx, "SELECT "+documentInfo+", d.body, d.secrets, d.key_id"+documentRows+where, args...),
		&d.DocumentInfo, &d.Body, &d.Secrets, &keyID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, public(err)
	}
	return d, sealed.OpenDocument(s.o.Keys, d, keyID)
}

// DocumentsInForce is store.Store's.
func (s *Store) DocumentsInForce(ctx context.Context, each func(*store.Document, error) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	var own error
	err := s.each(ctx, "SELECT "+documentInfo+`, d.body, d.secrets, d.key_id FROM in_force f
		JOIN documents d ON d.kind = f.kind AND d.name = f.name AND d.version = f.version ORDER BY f.kind, f.name`, func(rows *sql.Rows) error {
		d := new(store.Document)
		var keyID []byte
		if err := scanDocument(rows, &d.DocumentInfo, &d.Body, &d.Secrets, &keyID); err != nil {
			return err
		}
		if own = each(d, sealed.OpenDocument(s.o.Keys, d, keyID)); own != nil {
			return errEnough
		}
		return nil
	})
	if own != nil {
		return own
	}
	return public(err)
}

// DocumentHeads is store.Store's.
func (s *Store) DocumentHeads(ctx context.Context, kind, after string, limit int) ([]store.DocumentInfo, error) {
	return s.documentInfos(ctx, `WHERE d.kind = ? AND d.name > ? AND
		d.version = (SELECT max(version) FROM documents v WHERE v.kind = d.kind AND v.name = d.name) ORDER BY d.name LIMIT ?`, kind, after, limit)
}

// DocumentVersions is store.Store's.
func (s *Store) DocumentVersions(ctx context.Context, kind, name string) ([]store.DocumentInfo, error) {
	return s.documentInfos(ctx, "WHERE d.kind = ? AND d.name = ? ORDER BY d.version DESC", kind, name)
}

func (s *Store) documentInfos(ctx context.Context, where string, args ...any) ([]store.DocumentInfo, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	var list []store.DocumentInfo
	err := s.each(ctx, "SELECT "+documentInfo+documentRows+where, func(rows *sql.Rows) error {
		var d store.DocumentInfo
		err := scanDocument(rows, &d)
		list = append(list, d)
		return err
	}, args...)
	return list, public(err)
}

// sealedDocuments counts the documents that are sealed.
func (s *Store) sealedDocuments() (int64, error) {
	return s.writer.number("SELECT count(*) FROM documents WHERE key_id IS NOT NULL")
}

// rekeyDocuments seals the next documents again and tells how many. Those that are not sealed are sealed too.
func (s *Store) rekeyDocuments(ctx context.Context, after *int64) (int, error) {
	type row struct {
		id    int64
		d     store.Document
		keyID []byte
	}
	var list []row
	err := s.each(ctx, "SELECT "+documentInfo+", d.id, d.body, d.secrets, d.key_id"+documentRows+
		"WHERE d.key_id IS NOT ? AND d.id > ? ORDER BY d.id LIMIT ?", func(rows *sql.Rows) error {
		var r row
		if err := scanDocument(rows, &r.d.DocumentInfo, &r.id, &r.d.Body, &r.d.Secrets, &r.keyID); err != nil {
			return err
		}
		if err := sealed.OpenDocument(s.o.Keys, &r.d, r.keyID); err != nil {
			return err
		}
		*after = r.id
		list = append(list, r)
		return nil
	}, s.o.Keys.StoredID(), *after, 64) // of up to 2 MiB
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return len(list), s.write(ctx, false, func(b *batch) error {
		for _, r := range list {
			body, secrets, keyID := sealed.Document(s.o.Keys, &r.d)
			if _, err := b.c.exec("UPDATE documents SET body = ?, secrets = ?, key_id = ? WHERE id = ? AND key_id IS ?", body, secrets, keyID, r.id, r.keyID); err != nil {
				return err
			}
		}
		return nil
	})
}

// sealDocuments seals what was stored before there was a key, when sealing begins: from then on what has no seal is refused.
func (s *Store) sealDocuments() error {
	for {
		var d *store.Document
		var id int64
		err := s.writer.query("SELECT id, kind, name, version, body FROM documents WHERE key_id IS NULL LIMIT 1", func(v []driver.Value) error {
			d = new(store.Document)
			var version int64
			id, _ = v[0].(int64)
			d.Kind, _ = v[1].(string)
			d.Name, _ = v[2].(string)
			version, _ = v[3].(int64)
			body, _ := v[4].([]byte)
			d.Version, d.Body = int(version), bytes.Clone(body)
			return nil
		})
		if err != nil || d == nil {
			return err
		}
		body, _, keyID := sealed.Document(s.o.Keys, d)
		if _, err := s.writer.exec("UPDATE documents SET body = ?, key_id = ? WHERE id = ?", body, keyID, id); err != nil {
			return err
		}
	}
}
