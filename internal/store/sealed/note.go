package sealed

import (
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// Note gives what a note stands under, and its value as it is kept: sealed if there are keys. The error is store.ErrNoteSize.
func Note(keys *seal.Ring, destination, name string, value []byte) (key, kept []byte, err error) {
	if len(value) == 0 || len(value) > store.MaxNote {
		return nil, nil, store.ErrNoteSize
	}
	key = NoteKey(keys, destination, name)
	if keys != nil {
		value = keys.Seal(value, NotePlace(key, destination))
	}
	return key, value, nil
}

// OpenNote gives the value of a note that is kept under a key.
func OpenNote(keys *seal.Ring, key []byte, destination string, kept []byte) ([]byte, error) {
	if keys == nil {
		return kept, nil
	}
	return keys.Open(kept, NotePlace(key, destination))
}
