package sealed

import (
	"fmt"
	"slices"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// ErrUnsealed is said of what has no seal and should have one.
var ErrUnsealed = fmt.Errorf("%w (it has no seal, and was stored after sealing began)", seal.ErrTampered)

// DocumentStates are the states of documents by their numbers in a table.
var DocumentStates = [...]store.DocumentState{store.Draft, store.Published, store.Removed}

// DocumentState is the number of a state.
func DocumentState(s store.DocumentState) (int64, error) {
	if i := slices.Index(DocumentStates[:], s); i >= 0 {
		return int64(i), nil
	}
	return 0, fmt.Errorf("a document has no state %q", s)
}

// Document seals what a version holds, if there are keys.
func Document(keys *seal.Ring, d *store.Document) (body, secrets, keyID []byte) {
	if keys == nil {
		return d.Body, d.Secrets, nil
	}
	part := func(column string, b []byte) []byte {
		if b == nil {
			return nil
		}
		return keys.Seal(b, DocumentPlace(column, d.Kind, d.Name, d.Version))
	}
	return part("document", d.Body), part("document secrets", d.Secrets), keys.StoredID()
}

// OpenDocument opens what Document sealed, in place. Without a seal, where there are keys, somebody put it there.
func OpenDocument(keys *seal.Ring, d *store.Document, keyID []byte) error {
	if keyID == nil && keys == nil {
		return nil
	}
	if keyID == nil {
		return fmt.Errorf("document %s %s: %w", d.Kind, d.Name, ErrUnsealed)
	}
	if keys == nil {
		return fmt.Errorf("document %s %s: %w", d.Kind, d.Name, seal.ErrNoKey)
	}
	for column, b := range map[string]*[]byte{"document": &d.Body, "document secrets": &d.Secrets} {
		if *b == nil {
			continue
		}
		var err error
		if *b, err = keys.Open(*b, DocumentPlace(column, d.Kind, d.Name, d.Version)); err != nil {
			return fmt.Errorf("document %s %s: %w", d.Kind, d.Name, err)
		}
	}
	return nil
}
