package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
)

// lockDocument has nobody else change a document until the transaction ends, whether it is there or not.
func (t *tx) lockDocument(kind, name string) error {
	_, err := t.exec("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", t.s.o.Schema+" document "+text(kind)+" "+text(name))
	return err
}

func (t *tx) lastVersion(kind, name string) (int64, error) {
	if err := t.lockDocument(kind, name); err != nil {
		return 0, err
	}
	return t.number("SELECT coalesce(max(version), 0) FROM {s}.documents WHERE kind = $1 AND name = $2", text(kind), text(name))
}

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
	return s.write(ctx, func(t *tx) error {
		last, err := t.lastVersion(d.Kind, d.Name)
		if err != nil {
			return err
		}
		if int64(d.Version) != last+1 {
			return store.ErrConflict
		}
		if _, err := t.exec(`INSERT INTO {s}.documents (kind, name, version, state, author, at, note, published_by, published_at, body, secrets, key_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, text(d.Kind), text(d.Name), d.Version, state, text(d.Author), nanos(d.At), text(d.Note),
			text(d.PublishedBy), nanos(d.PublishedAt), body, secrets, keyID); err != nil {
			return err
		}
		if err := t.setInForce(d.Kind, d.Name, d.Version, d.State); err != nil {
			return err
		}
		t.note(store.DocumentLeaf(ctx, d.State.Recorded(), d.Kind, d.Name, d.Version, d.Note))
		_, err = t.exec(`DELETE FROM {s}.documents WHERE kind = $1 AND name = $2 AND version <= $3 AND version NOT IN
			(SELECT version FROM {s}.in_force WHERE kind = $1 AND name = $2)`, text(d.Kind), text(d.Name), d.Version-store.MaxVersions)
		return err
	})
}

// setInForce notes which version is in force after one was published or removed.
func (t *tx) setInForce(kind, name string, version int, state store.DocumentState) error {
	var err error
	switch state {
	case store.Published:
		t.signs["documents"] = true
		_, err = t.exec(`INSERT INTO {s}.in_force (kind, name, version) VALUES ($1, $2, $3)
			ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version`, text(kind), text(name), version)
	case store.Removed:
		t.signs["documents"] = true
		_, err = t.exec("DELETE FROM {s}.in_force WHERE kind = $1 AND name = $2", text(kind), text(name))
	}
	return err
}

// PublishDocument is store.Store's.
func (s *Store) PublishDocument(ctx context.Context, kind, name string, version int, by string, at time.Time) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		last, err := t.lastVersion(kind, name)
		switch {
		case err != nil:
			return err
		case last == 0:
			return store.ErrNotFound
		case last != int64(version):
			return store.ErrConflict
		}
		n, err := t.exec(`UPDATE {s}.documents SET state = 1, published_by = $4, published_at = $5
			WHERE kind = $1 AND name = $2 AND version = $3 AND state = 0`, text(kind), text(name), version, text(by), nanos(at))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		t.note(store.DocumentLeaf(ctx, audit.DocumentPublished, kind, name, version, ""))
		return t.setInForce(kind, name, version, store.Published)
	})
}

// ForgetDocument is store.Store's.
func (s *Store) ForgetDocument(ctx context.Context, kind, name string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	err := s.write(ctx, func(t *tx) error {
		if err := t.lockDocument(kind, name); err != nil {
			return err
		}
		n, err := t.number("SELECT count(*) FROM {s}.in_force WHERE kind = $1 AND name = $2", text(kind), text(name))
		if err != nil {
			return err
		}
		if n > 0 {
			return store.ErrConflict
		}
		t.signs["documents"] = true
		deleted, err := t.exec("DELETE FROM {s}.documents WHERE kind = $1 AND name = $2", text(kind), text(name))
		if err == nil && deleted > 0 {
			l := store.DocumentLeaf(ctx, audit.DocumentForgotten, kind, name, 0, "")
			l.Count = deleted
			t.note(l)
		}
		return err
	})
	if err != nil {
		return err
	}
	// What it held must not stay in the table either.
	conn, release, err := s.ownerConn(ctx)
	if err == nil {
		_, err = conn.Exec(ctx, s.q("VACUUM {s}.documents"))
		release()
	}
	if err != nil {
		s.o.Log("vacuuming a document that was forgotten", public(err))
	}
	return nil
}

const documentInfo = `d.kind, d.name, d.version, d.state, d.author, d.at, d.note, d.published_by, d.published_at, coalesce(f.version, 0)`

const documentRows = ` FROM {s}.documents d LEFT JOIN {s}.in_force f ON f.kind = d.kind AND f.name = d.name `

// scanDocument reads a row of documentInfo and whatever else was selected.
func scanDocument(row pgx.Row, d *store.DocumentInfo, more ...any) error {
	var state, at, published int64
	if err := row.Scan(append([]any{&d.Kind, &d.Name, &d.Version, &state, &d.Author, &at, &d.Note, &d.PublishedBy, &published, &d.InForce}, more...)...); err != nil {
		return err
	}
	for _, column := range []*string{&d.Kind, &d.Name, &d.Author, &d.Note, &d.PublishedBy} {
		*column = untext(*column)
	}
	if state < 0 || state >= int64(len(sealed.DocumentStates)) {
		return fmt.Errorf("document %s %s has no state that is known", d.Kind, d.Name)
	}
	d.State, d.At, d.PublishedAt = sealed.DocumentStates[state], fromNanos(at), fromNanos(published)
	return nil
}

// Document is store.Store's.
func (s *Store) Document(ctx context.Context, kind, name string, version int) (*store.Document, error) {
	return s.oneDocument(ctx, "WHERE d.kind = $1 AND d.name = $2 AND ($3::integer = 0 OR d.version = $3) ORDER BY d.version DESC LIMIT 1", text(kind), text(name), version)
}

// DocumentInForce is store.Store's.
func (s *Store) DocumentInForce(ctx context.Context, kind, name string) (*store.Document, error) {
	return s.oneDocument(ctx, "WHERE d.kind = $1 AND d.name = $2 AND d.version = f.version", text(kind), text(name))
}

func (s *Store) oneDocument(ctx context.Context, where string, args ...any) (*store.Document, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	d := new(store.Document)
	var keyID []byte
	err := scanDocument(s.pool.QueryRow(ctx, s.q("SELECT "+documentInfo+", d.body, d.secrets, d.key_id"+documentRows+where), args...),
		&d.DocumentInfo, &d.Body, &d.Secrets, &keyID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, public(err)
	}
	return d, sealed.OpenDocument(s.o.Keys, d, keyID)
}

// DocumentsInForce is store.Store's. It reads some at a time, so that it keeps no connection while each is at work.
func (s *Store) DocumentsInForce(ctx context.Context, each func(*store.Document, error) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	type found struct {
		store.Document
		keyID []byte
	}
	kind, name := "", ""
	for {
		rows, err := s.pool.Query(ctx, s.q("SELECT "+documentInfo+`, d.body, d.secrets, d.key_id FROM {s}.in_force f
			JOIN {s}.documents d ON d.kind = f.kind AND d.name = f.name AND d.version = f.version WHERE (f.kind, f.name) > ($1, $2) ORDER BY f.kind, f.name LIMIT 32`), kind, name)
		if err != nil {
			return public(err)
		}
		list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*found, error) {
			f := &found{}
			return f, scanDocument(r, &f.DocumentInfo, &f.Body, &f.Secrets, &f.keyID)
		})
		if err != nil || len(list) == 0 {
			return public(err)
		}
		for _, f := range list {
			kind, name = text(f.Kind), text(f.Name)
			if err := each(&f.Document, sealed.OpenDocument(s.o.Keys, &f.Document, f.keyID)); err != nil {
				return err
			}
		}
	}
}

// DocumentHeads is store.Store's.
func (s *Store) DocumentHeads(ctx context.Context, kind, after string, limit int) ([]store.DocumentInfo, error) {
	return s.documentInfos(ctx, `WHERE d.kind = $1 AND d.name > $2 AND
		d.version = (SELECT max(version) FROM {s}.documents v WHERE v.kind = d.kind AND v.name = d.name) ORDER BY d.name LIMIT $3`, text(kind), text(after), limit)
}

// DocumentVersions is store.Store's.
func (s *Store) DocumentVersions(ctx context.Context, kind, name string) ([]store.DocumentInfo, error) {
	return s.documentInfos(ctx, "WHERE d.kind = $1 AND d.name = $2 ORDER BY d.version DESC", text(kind), text(name))
}

func (s *Store) documentInfos(ctx context.Context, where string, args ...any) ([]store.DocumentInfo, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, s.q("SELECT "+documentInfo+documentRows+where), args...)
	if err != nil {
		return nil, public(err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (d store.DocumentInfo, err error) {
		err = scanDocument(r, &d)
		return d, err
	})
	if len(list) == 0 {
		list = nil
	}
	return list, public(err)
}

// sealDocuments seals what was stored before there was a key, when sealing begins: from then on what has no seal is refused.
func (s *Store) sealDocuments(ctx context.Context, tx pgx.Tx) error {
	for {
		d, id := new(store.Document), int64(0)
		err := tx.QueryRow(ctx, s.q("SELECT id, kind, name, version, body FROM {s}.documents WHERE key_id IS NULL LIMIT 1")).Scan(&id, &d.Kind, &d.Name, &d.Version, &d.Body)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		d.Kind, d.Name = untext(d.Kind), untext(d.Name)
		body, _, keyID := sealed.Document(s.o.Keys, d)
		if _, err := tx.Exec(ctx, s.q("UPDATE {s}.documents SET body = $2, key_id = $3 WHERE id = $1"), id, body, keyID); err != nil {
			return err
		}
	}
}
