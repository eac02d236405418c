package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Database is what several memory stores share, as several gateways do a database.
type Database struct {
	state *memoryState

	// The rest is under state.mu.
	handles  []*SharedMemory
	gateways map[string]*store.Gateway
	lanes    map[store.Lane]*store.LaneInfo
	epoch    int64
	made     int // ids given
}

// NewDatabase makes an empty database. Its clock is that of the options.
func NewDatabase(o Options) *Database {
	return &Database{state: newMemoryState(o), gateways: map[string]*store.Gateway{}, lanes: map[store.Lane]*store.LaneInfo{}}
}

// Open gives another gateway's way to the database.
func (db *Database) Open() *SharedMemory {
	db.state.mu.Lock()
	defer db.state.mu.Unlock()
	m := &SharedMemory{memory: &memory{memoryState: db.state}, db: db, watchers: map[*watcher]bool{}}
	db.handles = append(db.handles, m)
	return m
}

// SharedMemory is a gateway's memory store on a shared database.
type SharedMemory struct {
	*memory
	db *Database

	// Under mu.
	self     string // empty when it is not registered
	watchers map[*watcher]bool
	mute     bool
	// lose is how many of the next calls of Accept store what they are given, and say that the store is unavailable.
	lose int
}

// Cut takes the connection to the database away, so that every call fails and no hints come, or gives it back.
func (m *SharedMemory) Cut(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away && !away {
		m.tellLocked(store.Hint{All: true})
	}
	m.away = away
}

// Mute has this gateway give no hints from now on.
func (m *SharedMemory) Mute() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mute = true
}

// LoseAnswers has the next calls of Accept and AcceptAll store what they are given, and fail.
func (m *SharedMemory) LoseAnswers(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lose = n
}

// watcher is told hints until it is stopped.
type watcher struct {
	mu      sync.Mutex
	stopped bool
	f       func(store.Hint)
}

func (w *watcher) call(h store.Hint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.f(h)
	}
}

// tellLocked calls this gateway's watchers. The caller holds mu.
func (m *SharedMemory) tellLocked(h store.Hint) {
	if m.away || m.closed {
		return
	}
	for w := range m.watchers {
		go w.call(h)
	}
}

// tell gives the other gateways a hint, unless what it tells of has failed.
func (m *SharedMemory) tell(err error, h store.Hint) {
	if err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tellOthersLocked(h)
}

func (m *SharedMemory) tellOthersLocked(h store.Hint) {
	for _, other := range m.db.handles {
		if other != m && !m.mute {
			other.tellLocked(h)
		}
	}
}

// Wake is store.Shared's.
func (m *SharedMemory) Wake(f func(store.Hint)) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &watcher{f: f}
	m.watchers[w] = true
	return func() {
		m.mu.Lock()
		delete(m.watchers, w)
		m.mu.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stopped = true
	}
}

// Heartbeat is store.Shared's.
func (m *SharedMemory) Heartbeat(ctx context.Context, p store.Presence) (store.Meeting, error) {
	if p.TTL <= 0 {
		return store.Meeting{}, errors.New("a heartbeat that lasts no time is none")
	}
	if err := m.enter(ctx); err != nil {
		return store.Meeting{}, err
	}
	defer m.mu.Unlock()
	now := plain(m.o.Now())
	g := m.me(now)
	if g == nil {
		m.forgetLocked()
		m.db.made++
		m.self = fmt.Sprintf("gateway-%04d", m.db.made)
		g = &store.Gateway{ID: m.self, Since: now}
		m.db.gateways[m.self] = g
		m.tellOthersLocked(store.Hint{Lanes: true})
	}
	g.Name, g.Version, g.Started, g.Until = p.Name, p.Version, plain(p.Started), now.Add(p.TTL)
	if p.Serves != nil {
		if !slices.Equal(g.Serves, p.Serves) {
			m.tellOthersLocked(store.Hint{Lanes: true})
		}
		g.Serves = append([]store.Served{}, p.Serves...)
	}
	return store.Meeting{Self: m.self, Unknown: g.Serves == nil, Now: now, Gateways: m.db.present(now)}, nil
}

// me is this gateway's row, or nil if it counts as gone. The caller holds mu.
func (m *SharedMemory) me(now time.Time) *store.Gateway {
	if g := m.db.gateways[m.self]; g != nil && now.Before(g.Until) {
		return g
	}
	return nil
}

// forgetLocked takes this gateway off the list, with what it holds.
func (m *SharedMemory) forgetLocked() {
	delete(m.db.gateways, m.self)
	for _, l := range m.db.lanes {
		if l.Gateway == m.self {
			l.Gateway = ""
		}
	}
	m.self = ""
}

// present are the gateways that are there. The caller holds mu.
func (db *Database) present(now time.Time) []store.Gateway {
	list := []store.Gateway{}
	for _, g := range db.gateways {
		if now.Before(g.Until) {
			c := *g
			c.Serves = slices.Clone(g.Serves)
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b store.Gateway) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// holder is who holds a lane, or empty. The caller holds mu.
func (db *Database) holder(l *store.LaneInfo, now time.Time) string {
	if g := db.gateways[l.Gateway]; g != nil && now.Before(g.Until) {
		return l.Gateway
	}
	return ""
}

// Take is store.Shared's.
func (m *SharedMemory) Take(ctx context.Context, lanes []store.Lane) ([]store.Hold, error) {
	for _, l := range lanes {
		if l.Shards < 1 || l.Shards > store.MaxShards || l.Shard < 0 || l.Shard >= l.Shards {
			return nil, fmt.Errorf("there is no shard %d of %d", l.Shard, l.Shards)
		}
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	now := plain(m.o.Now())
	if m.me(now) == nil {
		return nil, store.ErrGone
	}
	var taken []store.Hold
	for _, want := range lanes {
		if !m.db.free(want, now) {
			continue
		}
		for l := range m.db.lanes {
			if l.Destination == want.Destination && l.Shards != want.Shards {
				delete(m.db.lanes, l)
			}
		}
		m.db.epoch++
		h := store.Hold{Lane: want, Epoch: m.db.epoch}
		m.db.lanes[want] = &store.LaneInfo{Hold: h, Gateway: m.self, Since: now}
		for d := range m.all {
			if d.Destination == want.Destination && want.Has(&d.event.Event) {
				d.lease = time.Time{}
			}
		}
		taken = append(taken, h)
	}
	return taken, nil
}

// free tells whether a lane can be taken. The caller holds mu.
func (db *Database) free(want store.Lane, now time.Time) bool {
	for _, l := range db.lanes {
		if l.Destination == want.Destination && (l.Lane == want || l.Shards != want.Shards) && db.holder(l, now) != "" {
			return false
		}
	}
	return true
}

// holds tells whether this gateway has a lane in the epoch. The caller holds mu.
func (m *SharedMemory) holds(h store.Hold) bool {
	l := m.db.lanes[h.Lane]
	return l != nil && l.Epoch == h.Epoch && m.self != "" && l.Gateway == m.self && m.me(plain(m.o.Now())) != nil
}

// Release is store.Shared's.
func (m *SharedMemory) Release(ctx context.Context, holds []store.Hold) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, h := range holds {
		if l := m.db.lanes[h.Lane]; l != nil && l.Epoch == h.Epoch && l.Gateway == m.self {
			l.Gateway = ""
			m.tellOthersLocked(store.Hint{Lanes: true})
		}
	}
	return nil
}

// Leave is store.Shared's.
func (m *SharedMemory) Leave(ctx context.Context) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.self != "" {
		m.forgetLocked()
		m.tellOthersLocked(store.Hint{Lanes: true})
	}
	return nil
}

// Cluster is store.Shared's.
func (m *SharedMemory) Cluster(ctx context.Context) (store.Cluster, error) {
	if err := m.enter(ctx); err != nil {
		return store.Cluster{}, err
	}
	defer m.mu.Unlock()
	now := plain(m.o.Now())
	c := store.Cluster{Now: now, Gateways: m.db.present(now), Lanes: []store.LaneInfo{}}
	if m.me(now) != nil {
		c.Self = m.self
	}
	for _, l := range m.db.lanes {
		info := *l
		info.Gateway = m.db.holder(l, now)
		c.Lanes = append(c.Lanes, info)
	}
	slices.SortFunc(c.Lanes, func(a, b store.LaneInfo) int {
		if a.Destination != b.Destination {
			return strings.Compare(a.Destination, b.Destination)
		}
		return a.Shard - b.Shard
	})
	return c, nil
}
