package store

import (
	"cmp"
	"slices"
	"time"
)

// Stats summarises the store.
type Stats struct {
	Events   int64 `json:"events"`
	Bytes    int64 `json:"bytes"`
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// LogBytes is the length of the write-ahead log beside it, which is counted in MaxBytes as far as it is longer than
	// it should be; 0 if the store has none.
	LogBytes int64 `json:"log_bytes,omitempty"`
	// DiskBytes and DiskFree are how large its file system is, and what is free there; 0 and 0 if that is not known.
	DiskBytes int64 `json:"disk_bytes,omitempty"`
	DiskFree  int64 `json:"disk_free,omitempty"`
	// Dropped counts events that have lost their content to make room, since the store was made.
	Dropped int64 `json:"dropped,omitempty"`
	// Expired counts what Expire has deleted since the store was made.
	Expired      Expired            `json:"expired"`
	Destinations []DestinationStats `json:"destinations"`
}

// Waiting is how many deliveries of a tenant wait for a destination.
type Waiting struct {
	Destination, Tenant string
	Pending             int64
}

// Count counts the deliveries of a tenant to a destination.
type Count struct {
	Destination, Tenant      string
	Pending, Delivered, Dead int64
}

// Group counts deliveries that are alike.
type Group struct {
	State       State  `json:"state"`
	Destination string `json:"destination"`
	Reason      string `json:"reason,omitempty"`
	Deliveries  int64  `json:"deliveries"`
	// Oldest and Newest are when the first and the last of their events in the order of the store were received.
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
}

// SortGroups sorts groups as Groups gives them: the largest first, and equal ones by destination, reason and state.
func SortGroups(groups []Group) {
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Deliveries, a.Deliveries), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.State, b.State))
	})
}

// DestinationStats summarises one destination's queue.
type DestinationStats struct {
	Destination string `json:"destination"`
	Pending     int64  `json:"pending"`
	Delivered   int64  `json:"delivered"`
	Dead        int64  `json:"dead"`
	// OldestPending is when the oldest waiting delivery was created.
	OldestPending time.Time `json:"oldest_pending,omitzero"`
	Paused        bool      `json:"paused"`
	PauseReason   string    `json:"pause_reason,omitempty"`
}
