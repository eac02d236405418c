package seal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrDestroyed means that an envelope was sealed with a data key that was destroyed: what is in it is gone for good.
	ErrDestroyed = errors.New("the data key that it was sealed with was destroyed: the content is gone for good")
	// ErrUnavailable means that a data key cannot be had now, since whoever unwraps it does not.
	ErrUnavailable = errors.New("the tenant's data key cannot be unwrapped now: what is sealed with it waits, and new calls of the tenant are answered with 503, until whoever wraps it answers again")
	// ErrAway is what a [Wrapper]'s error is if it would have failed with any other key as well: it cannot be reached, is
	// sealed, or lets this gateway do nothing. Then others are not tried for a moment.
	ErrAway = errors.New("whoever wraps data keys cannot be asked now")
)

// DataKey is a tenant's data key as a store keeps it: wrapped.
type DataKey struct {
	// ID is derived from the key and the tenant, so that no other key can stand in its place.
	ID     KeyID
	Tenant string
	// Created is when it was made. It seals until Retired, and opens until Destroyed; zero if that has not been yet.
	Created, Retired, Destroyed time.Time
	// Wrapped is the key as whoever wraps it has given it, and says who that is; see [ParseWrapped]. nil once it is destroyed.
	Wrapped []byte
}

// KeyTable is where a store keeps data keys. Its methods are called by whoever seals or opens something, and by several at a
// time.
type KeyTable interface {
	// DataKey reads one, also if it was retired or destroyed; false if it is not there.
	DataKey(ctx context.Context, id KeyID) (DataKey, bool, error)
	// CurrentDataKey reads the one that a tenant's content is sealed with; false if there is none.
	CurrentDataKey(ctx context.Context, tenant string) (DataKey, bool, error)
	// AddDataKey keeps a new one as its tenant's current one and returns it when it is durable. If the tenant has one by
	// then, which another call was quicker to add, that one is returned and nothing is added.
	AddDataKey(ctx context.Context, k DataKey) (DataKey, error)
}

// Wrapper wraps data keys somewhere else than in this process. Its errors hold no key. An error that would be any other
// key's too is ErrAway.
type Wrapper interface {
	// Wrap gives a tenant's key in a form that only Unwrap can read.
	Wrap(ctx context.Context, tenant string, key []byte) (string, error)
	Unwrap(ctx context.Context, tenant, wrapped string) ([]byte, error)
	// Rewrap gives a wrapped key as Wrap would give it now, which may be as it is.
	Rewrap(ctx context.Context, tenant, wrapped string) (string, error)
	// Lifetime is for how long an unwrapped key may be kept in memory.
	Lifetime() time.Duration
}

// Wrapping says who wraps data keys. What the ring has wrapped it always opens.
type Wrapping struct {
	// Tenants tells that tenants have data keys. If not, the ring seals itself, and data keys only open what was sealed
	// with them before.
	Tenants bool
	// Remote wraps them; nil if the ring's first key does. With ByRing it only opens what it has wrapped before.
	Remote Wrapper
	ByRing bool
}

// remote is who wraps new keys; nil if the ring does.
func (w *Wrapping) remote() Wrapper {
	if w.ByRing {
		return nil
	}
	return w.Remote
}

// Wrapped is what a wrapped key says of itself.
type Wrapped struct {
	// Remote tells that a [Wrapper] has wrapped it, as Text; if not the ring's Key has, as envelope.
	Remote   bool
	Text     string
	Key      KeyID
	envelope []byte
}

// The first byte of a wrapped key.
const (
	wrappedByRing   = 1
	wrappedByRemote = 2

	// maxWrapped bounds what a wrapper may make of 32 bytes.
	maxWrapped = 4096
)

// ParseWrapped reads a wrapped key as a store keeps it. The error is ErrTampered.
func ParseWrapped(b []byte) (w Wrapped, err error) {
	switch {
	case len(b) == 1+Overhead+KeySize && b[0] == wrappedByRing && b[1] == version2:
		w.envelope = b[1:]
		w.Key = KeyID(w.envelope[1:headerSize])
	case len(b) > 1 && len(b) <= maxWrapped && b[0] == wrappedByRemote:
		w.Remote, w.Text = true, string(b[1:])
	default:
		return w, fmt.Errorf("%w (a wrapped data key)", ErrTampered)
	}
	return w, nil
}

func wrapText(text string) ([]byte, error) {
	if text == "" || len(text) >= maxWrapped {
		return nil, fmt.Errorf("a wrapped data key of %d bytes", len(text))
	}
	return append([]byte{wrappedByRemote}, text...), nil
}

// wrappedPlace is what a data key that the ring has wrapped is bound to.
func wrappedPlace(tenant string) Place { return Place{Column: "data key", Tenant: tenant} }

// dataKey is one that is unwrapped.
type dataKey struct {
	id     KeyID
	tenant string
	xaes   *xaes
	// until is when it has to be unwrapped again, and renew from when on that is tried; 0 if it need not be.
	renew, until int64
	renewing     chan struct{} // has room for who renews it
}

// newDataKey makes what seals of a raw key. Its id and what it seals with are its tenant's: under another name it is another.
func newDataKey(raw []byte, tenant string) (*dataKey, error) {
	if len(raw) != KeySize {
		return nil, fmt.Errorf("%w (a data key of %d bytes)", ErrTampered, len(raw))
	}
	id, sealing := derive(raw, "callgate data key id 3 "+tenant), derive(raw, "callgate data key xaes-256-gcm 3 "+tenant)
	x, err := newXAES(sealing[:])
	if err != nil {
		return nil, err
	}
	return &dataKey{id: KeyID(id[:8]), tenant: tenant, xaes: x, renewing: make(chan struct{}, 1)}, nil
}

// randomKey makes a raw key.
func randomKey() []byte {
	raw := make([]byte, KeySize)
	rand.Read(raw) // it never fails: without random numbers the process ends
	return raw
}

// storedID is how the id of a key stands beside what it seals: the version of the seal and the id. That of version 1 is the
// id alone.
func storedID(version byte, id KeyID) []byte { return append([]byte{version}, id[:]...) }

// KeyIDSize is how long a stored key id is, of every version but the first.
const KeyIDSize = 1 + len(KeyID{})

// StoredID is how the id of the first key is stored beside what the ring itself seals; nil without a ring.
func (r *Ring) StoredID() []byte {
	if r == nil {
		return nil
	}
	return storedID(version2, r.First())
}

// StoredID is how the id of the key that seals is stored beside what it seals.
func (s *Sealer) StoredID() []byte {
	version, id, _ := s.sealsWith()
	return storedID(version, id)
}

// ParseStoredID reads a stored key id, and tells whether it is a data key's.
func ParseStoredID(stored []byte) (id KeyID, dataKey, ok bool) {
	if len(stored) == KeyIDSize && (stored[0] == version2 || stored[0] == versionKey) {
		dataKey, stored = stored[0] == versionKey, stored[1:]
	}
	if len(stored) != len(id) {
		return id, false, false
	}
	return KeyID(stored), dataKey, true
}

// StoredDataKey is how the id of a data key is stored beside what it seals.
func StoredDataKey(id KeyID) []byte { return storedID(versionKey, id) }

// ParseKeyID reads an id as String writes it.
func ParseKeyID(text string) (id KeyID, ok bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, false
	}
	return KeyID(b), true
}
