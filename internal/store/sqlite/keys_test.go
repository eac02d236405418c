package sqlite

import (
	"crypto/sha256"
	"encoding/binary"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// keysStore is a store most of whose keys go to their table, and the events that are accepted there.
type keysStore struct {
	*testing.T
	o Options
	s *Store
}

func newKeysStore(t *testing.T) *keysStore {
	k := &keysStore{T: t, o: Options{Path: filepath.Join(t.TempDir(), "store.db"), RecentKeys: 512}}
	k.open()
	t.Cleanup(func() { k.s.Close() })
	return k
}

func (k *keysStore) open() {
	k.Helper()
	var err error
	if k.s, err = Open(k.o); err != nil {
		k.Fatal(err)
	}
}

// reopen checks that as many keys are held afterwards as before.
func (k *keysStore) reopen() {
	k.Helper()
	if err := k.s.Close(); err != nil {
		k.Fatal(err)
	}
	before := k.s.keys.count
	k.open()
	if after := k.s.keys.count; after != before || after > k.o.RecentKeys {
		k.Errorf("%d keys are held after opening, want as many as before, %d, and no more than %d", after, before, k.o.RecentKeys)
	}
}

// received is when an event was received, by its number.
func received(n int) time.Time { return time.Unix(1_700_000_000+int64(n), 0) }

// accept accepts a range of events, which are all duplicates or all new.
func (k *keysStore) accept(from, to int, duplicate bool) {
	k.Helper()
	var wg sync.WaitGroup
	for p := range 64 {
		wg.Go(func() {
			for n := from + p; n < to; n += 64 {
				sum := sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(n)))
				a, err := k.s.Accept(k.Context(), &store.Event{ID: ulid.Make().String(), Key: [16]byte(sum[:]), ReceivedAt: received(n)}, nil)
				if err != nil || a.Duplicate != duplicate {
					k.Errorf("event %d: %+v, %v", n, a, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestKeysHeldAfterOpening opens a store again and again, which finds every key and holds no more of them than before.
func TestKeysHeldAfterOpening(t *testing.T) {
	k := newKeysStore(t)
	k.accept(0, 3000, false)
	k.reopen()
	k.accept(0, 3000, true)
	k.accept(3000, 3100, false)
	k.reopen()
	k.accept(0, 3100, true)
}

// TestKeysAfterErasingTheNewest erases all events whose numbers are above those of the last few parts that went to the
// table. Events after that must not be taken for those, or their keys would be lost.
func TestKeysAfterErasingTheNewest(t *testing.T) {
	k := newKeysStore(t)
	k.accept(0, 3000, false)
	if n, err := k.s.Erase(t.Context(), store.Filter{From: received(1000)}, false); err != nil || n != 2000 {
		t.Fatal(n, err)
	}
	if err := k.s.Close(); err != nil {
		t.Fatal(err)
	}
	k.open()
	k.accept(3000, 3400, false)
	if err := k.s.Close(); err != nil {
		t.Fatal(err)
	}
	k.open()
	k.accept(0, 3400, true)
}
