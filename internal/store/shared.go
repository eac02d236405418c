package store

import (
	"context"
	"errors"
	"hash/fnv"
	"time"
)

// Shared is a Store that several gateways use at once. A destination's deliveries are made by one gateway at a time, the
// holder of its lane, so that order, pace, breaker and batches are what they are with one gateway. Which gateway is to hold
// a lane is decided above the store, by all gateways alike; the store keeps who is there and who holds what, and sees to
// it that no two hold a lane.
//
// An open Shared is one gateway. Times here are those of the store's own clock, the database's, which is the same for all
// gateways; a gateway never judges by its own clock whether another one is there.
//
// The methods of Store work on a Shared as on any other. Those that lease, Claim, ClaimOne and Next, do so for all of a
// destination and ask for no lane: they are for a gateway that is known to be alone. Others take a [Queue].
type Shared interface {
	Store

	// Heartbeat says that this gateway is there, until TTL from now, and what it can serve, and tells who else is there.
	// The first one registers the gateway under a new id. A gateway whose time has run out is never renewed: the next
	// heartbeat registers it under another id, and what it held it holds no longer, even if nobody has taken it since.
	Heartbeat(ctx context.Context, p Presence) (Meeting, error)
	// Take makes this gateway the holder of those of the lanes that are free, and returns these with their epochs. A lane
	// is free when nobody holds it, or its holder is gone or its time has run out; and when nobody who is there holds a
	// lane of the same destination with another number of shards, which would be the same deliveries. ErrGone means that
	// the gateway is not registered, or that its own time has run out.
	Take(ctx context.Context, lanes []Lane) ([]Hold, error)
	// Release gives lanes up at once. Holds that are none any longer are passed over.
	Release(ctx context.Context, holds []Hold) error
	// Leave gives up all lanes and takes this gateway off the list, as at the end of the process. Nothing else is said
	// of the store: it stays open.
	Leave(ctx context.Context) error
	// Queue is a lane as its holder uses it.
	Queue(h Hold) Queue

	// Wake has f called with what other gateways have done, soon after they did: within a second, though not surely. It
	// is a hint. Whoever needs to know looks by himself now and then besides. f must not block. What this gateway does
	// itself is not told. stop ends it; f is not called after it has returned.
	Wake(f func(Hint)) (stop func())

	// Cluster lists the gateways that are there, in the order of their ids, and all lanes that somebody holds or has held,
	// in the order of destinations and shards.
	Cluster(ctx context.Context) (Cluster, error)
}

// Times of lanes. A gateway sends a heartbeat every HeartbeatEvery, and TTL is how long each lasts. HoldMargin before the
// end, counted by its own monotonic clock from when the heartbeat was sent, it ceases to use what it holds.
const (
	HeartbeatEvery = 5 * time.Second
	TTL            = 15 * time.Second
	HoldMargin     = 2 * time.Second
)

// Maintenance is a lane of no destination. Its holder clears away what is old: one gateway is enough for that.
const Maintenance = "#maintenance"

// MaxShards bounds the shards of a destination. It is the number of values of [Bucket].
const MaxShards = 64

// Errors of Shared.
var (
	// ErrGone means that this gateway is not registered with the store, or was not heard of for longer than its TTL.
	ErrGone = errors.New("the store has not heard of this gateway for so long that it counts as gone")
	// ErrLaneLost means that this gateway does not hold the lane, or not any longer.
	ErrLaneLost = errors.New("another gateway may be delivering to this destination by now")
)

// Lane is the way to a destination, or a part of it. It is comparable.
type Lane struct {
	Destination string `json:"destination"`
	// Shards is how many parts the destination has, 1 to MaxShards, and Shard which one this is, from 0.
	Shard  int `json:"shard"`
	Shards int `json:"shards"`
}

// Has tells whether an event's deliveries to the lane's destination are in this lane.
func (l Lane) Has(e *Event) bool { return l.Shards <= 1 || l.HasBucket(Bucket(e)) }

// HasBucket tells whether deliveries of a bucket are in this lane. A shard has neighbouring buckets: from
// Shard*MaxShards/Shards on, rounded up, to before where the next one begins.
func (l Lane) HasBucket(bucket int) bool { return bucket*max(1, l.Shards)/MaxShards == l.Shard }

// Bucket says in which part of a sharded destination an event's deliveries go, 0 to MaxShards-1: the events of a call of a
// tenant all in the same. It goes by what does not change, so that it can be stored, and stays what it is when the number of
// shards changes.
func Bucket(e *Event) int {
	of := e.CallID
	if of == "" {
		of = e.ID
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.Tenant))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(of))
	sum := h.Sum64()
	sum ^= sum >> 29 // FNV's low bits are weak for texts that differ in their last bytes
	return int(sum % MaxShards)
}

// Hold is a lane that this gateway holds. Its epoch is the fence: larger than that of any hold of any lane before, so that
// who has lost a lane and got it back is another holder. The zero Hold is no lane at all, as of a store that is not shared.
type Hold struct {
	Lane
	Epoch int64 `json:"epoch"`
}

// Presence is what a gateway says of itself with a heartbeat.
type Presence struct {
	// Name is the machine's, for people. It need not be unique.
	Name string
	// Version is that of the program.
	Version string
	// Started is when the process began, by its own clock.
	Started time.Time
	// Serves are the destinations that the gateway's configuration has, in the order of their names. nil leaves it as it
	// was said before, so that a long list need not be written every few seconds; after registering anew it is asked for
	// with Meeting.Unknown.
	Serves []Served
	// TTL is how long the heartbeat lasts.
	TTL time.Duration
}

// Served is a destination that a gateway can deliver to. It is comparable.
type Served struct {
	Destination string `json:"destination"`
	// Shards is in how many parts its configuration divides it; 1 for not at all.
	Shards int `json:"shards"`
	// Group is what its lanes have to be held together with, such as the account whose pace they share; empty for nothing.
	Group string `json:"group,omitempty"`
}

// Meeting is the answer to a heartbeat.
type Meeting struct {
	// Self is this gateway's id. When it is another than before, everything held before is lost.
	Self string
	// Unknown tells that the store does not know what this gateway serves: the next heartbeat has to say so.
	Unknown bool
	// Now is the store's clock, read while the heartbeat was handled.
	Now time.Time
	// Gateways are those that are there, this one among them, in the order of their ids.
	Gateways []Gateway
}

// Gateway is a gateway that is there.
type Gateway struct {
	// ID is unique, and a new one each time it registers.
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"`
	Started time.Time `json:"started,omitzero"`
	// Since is when it registered, and Until how long its last heartbeat lasts.
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Serves []Served  `json:"serves,omitempty"`
}

// Queue is what a lane takes its work from. The methods are those of Store of the same names, for the deliveries of the
// lane only. They fail with ErrLaneLost when the gateway does not hold the lane in this epoch; leases end with the hold. What
// was claimed is finished through Store.Finish with the hold in the attempt's Held, and given back through Store.Return.
//
// now is by the caller's clock. A store with a clock of its own goes by that for what is due, and counts leases from it.
type Queue interface {
	Claim(ctx context.Context, now time.Time, lease time.Duration, limit int, skip []string) ([]Claimed, error)
	// ClaimOne gives nil also for a delivery that is not in the lane.
	ClaimOne(ctx context.Context, deliveryID string, now time.Time, lease time.Duration) (*Claimed, error)
	Next(ctx context.Context) (time.Time, error)
}

// Hint is what another gateway has done.
type Hint struct {
	// Destinations have deliveries that may be due: accepted, replayed or sent now.
	Destinations []string
	// All tells that the same may be so of any, and of everything else here, as when the connection was lost on which hints come.
	All bool
	// Lanes tells that a gateway came or went, or gave lanes up.
	Lanes bool
	// Paused tells that a destination was paused or resumed.
	Paused bool
	// Flush tells that deliveries were cancelled or events erased, so that what was claimed and is not begun is to be given
	// back.
	Flush bool
	// Documents tells that a document was published, removed or forgotten.
	Documents bool
}

// Cluster is who is there and who holds what.
type Cluster struct {
	// Self is the id of the gateway that answers; empty if it is not registered.
	Self string `json:"self,omitempty"`
	// Now is the store's clock.
	Now      time.Time  `json:"now"`
	Gateways []Gateway  `json:"gateways"`
	Lanes    []LaneInfo `json:"lanes"`
}

// LaneInfo is how a lane stands.
type LaneInfo struct {
	Hold
	// Gateway is the id of the holder; empty when nobody holds it, also when its holder's time has run out.
	Gateway string `json:"gateway,omitempty"`
	// Since is when it was taken in this epoch.
	Since time.Time `json:"since"`
}

// Vital is a store that can tell how its database is doing. Whoever answers need not be Shared.
type Vital interface {
	// Vitals reads the server's own statistics. It takes milliseconds, and is not to be asked for each request.
	Vitals(ctx context.Context) (Vitals, error)
}

// Vitals are the signs by which trouble of a database server is seen before it comes.
type Vitals struct {
	// Server is its kind and version, such as "PostgreSQL 15.8", and Schema the version of the tables.
	Server string `json:"server"`
	Schema int64  `json:"schema,omitempty"`
	// OldestTransaction is for how long the oldest snapshot has been held that keeps dead rows from being cleared away, and
	// OldestHolder who holds it, such as "backend 4711 (pg_dump)" or "replication slot x". XminAge is how many transactions
	// began since.
	OldestTransaction time.Duration `json:"oldest_transaction_ns,omitempty"`
	OldestHolder      string        `json:"oldest_holder,omitempty"`
	XminAge           int64         `json:"xmin_age,omitempty"`
	// DeadRows and LiveRows are estimates by the server, of the table of what waits for delivery.
	DeadRows int64 `json:"dead_rows"`
	LiveRows int64 `json:"live_rows"`
	// LogBytes counts what was written to the server's log since the store was opened, whoever wrote it, and LogEvents the
	// events that all gateways stored meanwhile: divided, the log of one event with its deliveries. Both are 0 where that is not
	// known.
	LogBytes  int64 `json:"log_bytes,omitempty"`
	LogEvents int64 `json:"log_events,omitempty"`
	// Connections are those to the server by everybody, of at most MaxConnections.
	Connections    int64 `json:"connections,omitempty"`
	MaxConnections int64 `json:"max_connections,omitempty"`
	// Synchronous tells that commits wait for a standby. Standbys are those connected, in the order of their names.
	Synchronous bool      `json:"synchronous"`
	Standbys    []Standby `json:"standbys,omitempty"`
	// Warnings say what is wrong with the above, and what to do about it.
	Warnings []string `json:"warnings,omitempty"`
}

// Standby is a copy of the database that follows it.
type Standby struct {
	Name string `json:"name"`
	// State is the server's word, such as streaming, and Sync whether commits wait for it: sync, quorum, potential or async.
	State string `json:"state"`
	Sync  string `json:"sync"`
	// Lag is how long ago what it has on its disk was written here, and LagBytes how much of the log it has not.
	Lag      time.Duration `json:"lag_ns,omitempty"`
	LagBytes int64         `json:"lag_bytes,omitempty"`
}
