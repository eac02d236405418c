package lanes

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// The states as they are stored. None is where a delivery is before it is made and after it is deleted.
const (
	None      = -1
	Pending   = 0
	Delivered = 1
	Dead      = 2
)

// States are the states by their numbers.
var States = [...]store.State{Pending: store.Pending, Delivered: store.Delivered, Dead: store.Dead}

// StateNumber is how a state is stored; below 0 if there is no such state.
func StateNumber(s store.State) int64 {
	return int64(slices.Index(States[:], s))
}

// Key is a delivery's id: the event's ULID and the place of the destination among the event's.
type Key struct {
	Event [16]byte
	N     int64
}

// String is the id as everybody else knows it.
func (k Key) String() string {
	return ulid.ULID(k.Event).String() + "." + strconv.FormatInt(k.N, 10)
}

var errDeliveryID = errors.New("not the id of a delivery: it is the event's id, a dot and a number")

// ParseKey reads a delivery's id.
func ParseKey(id string) (k Key, err error) {
	event, n, ok := strings.Cut(id, ".")
	if !ok {
		return k, errDeliveryID
	}
	u, err := ulid.ParseStrict(event)
	if err != nil {
		return k, errDeliveryID
	}
	k.Event = u
	if k.N, err = strconv.ParseInt(n, 10, 32); err != nil || k.N < 0 || strconv.FormatInt(k.N, 10) != n {
		return k, errDeliveryID
	}
	return k, nil
}
