package sealed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store/lanes"
)

// What is sealed is bound to its place, so that it opens in no other's.

// ExcerptPlace is that of an attempt's excerpt.
func ExcerptPlace(delivery, tenant, destination string, attempt int64) seal.Place {
	return seal.Place{Event: delivery, Column: "excerpt", Tenant: tenant, Destination: destination, Attempt: attempt}
}

// DocumentPlace is that of a part of a document's version.
func DocumentPlace(column, kind, name string, version int) seal.Place {
	return seal.Place{Event: kind, Column: column, Destination: name, Attempt: int64(version)}
}

// NoteKey is what a note stands under: a hash, under the first key if there is one, so that it tells nothing of a number
// that could be guessed. With another first key what was noted before is not found any more, and ends by itself.
func NoteKey(keys *seal.Ring, destination, name string) []byte {
	text := binary.AppendUvarint([]byte("callgate note "), uint64(len(destination)))
	text = append(append(text, destination...), name...)
	if keys == nil {
		sum := sha256.Sum256(text)
		return sum[:]
	}
	return keys.MAC(keys.First(), text)
}

// NotePlace is that of a note.
func NotePlace(key []byte, destination string) seal.Place {
	return seal.Place{Event: hex.EncodeToString(key), Column: "note", Destination: destination}
}

// ProgressPlace is that of what is kept of a delivery.
func ProgressPlace(k lanes.Key) seal.Place {
	return seal.Place{Event: k.String(), Column: "progress"}
}
