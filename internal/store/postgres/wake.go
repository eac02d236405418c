package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

// Gateways tell each other what they have done by notifications of the server, at most one from each in tellEvery, after the
// commit and on another connection: a notification within a commit has all that notify wait for each other. They get lost
// without a word, as behind a pooler; so everybody looks besides, each second, at a table of signs.

const (
	// tellEvery is how often a gateway tells the others.
	tellEvery = 50 * time.Millisecond
	// tellMost is how long the text of a notification may be; longer than that it says that anything may have changed.
	tellMost = 7000
	// quiet is how long nothing may be heard before it is looked at whether the connection still stands.
	quiet = 10 * time.Second
)

// signSQL makes a writer's sign.
const signSQL = `INSERT INTO {s}.signs AS g (writer, name, value) VALUES ($1, $2, 1) ON CONFLICT (writer, name) DO UPDATE SET value = g.value + 1`

// hint is what another gateway has done.
type hint struct {
	// From is who tells.
	From string `json:"f"`
	// Destinations have deliveries that may be due. All tells that the same may be so of any, and that anything else may have
	// changed.
	Destinations []string `json:"d,omitempty"`
	// Due is when the first of those deliveries is due, in nanoseconds since 1970; 0 if that is not said.
	Due int64 `json:"t,omitempty"`
	All bool  `json:"a,omitempty"`
	// Signs are the names of what else has changed: paused, documents, lanes, flush, keys.
	Signs []string `json:"s,omitempty"`
}

// wake tells and hears.
type wake struct {
	s       *Store
	self    string
	channel string

	mu    sync.Mutex
	due   map[string]bool
	first int64 // when the first of what there is to tell of is due
	signs map[string]bool
	kick  chan struct{}

	heard     sync.Mutex // held while listeners are called
	listeners map[int]func(store.Hint)
	next      int
	seen      map[string]int64 // the values of the signs
}

func (w *wake) init(s *Store) {
	w.s, w.self, w.channel = s, ulid.Make().String(), "callgate "+s.o.Schema
	w.due, w.first, w.signs, w.kick = map[string]bool{}, lanes.Never, map[string]bool{}, make(chan struct{}, 1)
	w.listeners = map[int]func(store.Hint){}
}

// destinations has others be told that there are deliveries that may be due, none of them before a time.
func (w *wake) destinations(list []string, from int64) {
	if len(list) == 0 {
		return
	}
	w.mu.Lock()
	for _, d := range list {
		w.due[d] = true
	}
	w.first = min(w.first, from)
	w.mu.Unlock()
	w.poke()
}

// sign has others be told what else has changed.
func (w *wake) sign(name string) {
	w.mu.Lock()
	w.signs[name] = true
	w.mu.Unlock()
	w.poke()
}

func (w *wake) poke() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// tell is who tells.
func (w *wake) tell() {
	for {
		select {
		case <-w.s.ctx.Done():
			return
		case <-w.kick:
		}
		w.flush()
		select {
		case <-w.s.ctx.Done():
			return
		case <-time.After(tellEvery):
		}
	}
}

// flush tells what there is to tell. That it fails is no error: the others look by themselves.
func (w *wake) flush() {
	w.mu.Lock()
	h := hint{From: w.self, Destinations: slices.Sorted(maps.Keys(w.due)), Signs: slices.Sorted(maps.Keys(w.signs))}
	if len(h.Destinations) > 0 {
		h.Due, w.first = w.first, lanes.Never
	}
	clear(w.due)
	clear(w.signs)
	w.mu.Unlock()
	if len(h.Destinations)+len(h.Signs) == 0 || !w.s.open.Load() {
		return
	}
	text, err := json.Marshal(h)
	if err == nil && len(text) > tellMost {
		text, err = json.Marshal(hint{From: w.self, All: true, Signs: h.Signs})
	}
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.s.ctx, connectTimeout)
	defer cancel()
	_, _ = w.s.pool.Exec(ctx, "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)", w.channel, string(text))
}

// listen is who hears.
func (w *wake) listen() {
	for wait := 100 * time.Millisecond; w.s.ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		conn, err := w.s.dial(w.s.ctx, nil)
		if err == nil {
			_, err = conn.Exec(w.s.ctx, "LISTEN "+pgx.Identifier{w.channel}.Sanitize())
			if err == nil {
				wait = 100 * time.Millisecond
				w.tellAll(store.Hint{All: true}) // what was said in between was not heard
				w.hear(conn)
			}
			drop(conn)
		}
		select {
		case <-w.s.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// hear hands on what is said on a connection, until it is lost or leads to a server that has become a standby.
func (w *wake) hear(conn *pgx.Conn) {
	for {
		ctx, cancel := context.WithTimeout(w.s.ctx, quiet)
		n, err := conn.WaitForNotification(ctx)
		cancel()
		if w.s.ctx.Err() != nil {
			return
		}
		if err == nil {
			var h hint
			if json.Unmarshal([]byte(n.Payload), &h) == nil && h.From != w.self {
				w.take(h)
			}
			continue
		}
		if conn.IsClosed() {
			return
		}
		ctx, cancel = context.WithTimeout(w.s.ctx, connectTimeout)
		var standby bool
		err = conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby)
		cancel()
		if err != nil || standby {
			return
		}
	}
}

// take takes over what another gateway has told.
func (w *wake) take(h hint) {
	if h.All {
		w.s.lanes.Stale(nil, 0)
	} else if len(h.Destinations) > 0 {
		w.s.lanes.Stale(h.Destinations, h.Due)
	}
	if len(h.Signs) > 0 || h.All {
		if err := w.look(w.s.ctx, h.Signs); err != nil {
			return // who looks each second tells of it
		}
	}
	if len(h.Destinations) > 0 || h.All {
		w.tellAll(store.Hint{Destinations: h.Destinations, All: h.All})
	}
}

// begin reads the signs from which on changes are looked for.
func (w *wake) begin(ctx context.Context, conn querier) error {
	now, err := w.read(ctx, conn)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = now
	return err
}

// read reads what signs others have made.
func (w *wake) read(ctx context.Context, conn querier) (map[string]int64, error) {
	rows, err := conn.Query(ctx, w.s.q("SELECT name, sum(value)::bigint FROM {s}.signs WHERE writer <> $1 GROUP BY name"), w.s.signer)
	if err != nil {
		return nil, err
	}
	now := map[string]int64{}
	var name string
	var value int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		now[name] = value
		return nil
	}); err != nil {
		return nil, err
	}
	return now, nil
}

// look reads the signs, and does what those say that have changed. told are those that are known to have.
func (w *wake) look(ctx context.Context, told []string) error {
	now, err := w.read(ctx, w.s.pool)
	if err != nil {
		return err
	}
	w.mu.Lock()
	var changed []string
	for name, value := range now {
		if w.seen[name] != value || slices.Contains(told, name) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	w.mu.Unlock()
	if slices.Contains(changed, "paused") {
		if err := w.s.loadPaused(ctx, w.s.pool); err != nil {
			return err
		}
	}
	if slices.Contains(changed, keysSign) {
		if err := w.s.loadEnded(ctx, w.s.pool); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.seen = now // not before all is known that they stand for
	w.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	var h store.Hint
	for name, said := range map[string]*bool{"paused": &h.Paused, "documents": &h.Documents, "lanes": &h.Lanes, "flush": &h.Flush} {
		*said = slices.Contains(changed, name)
	}
	w.tellAll(h)
	return nil
}

// tellAll calls those who want to know.
func (w *wake) tellAll(h store.Hint) {
	w.heard.Lock()
	defer w.heard.Unlock()
	for _, f := range w.listeners {
		f(h)
	}
}

// Wake is store.Shared's.
func (s *Store) Wake(f func(store.Hint)) (stop func()) {
	w := &s.wake
	w.heard.Lock()
	defer w.heard.Unlock()
	id := w.next
	w.next++
	w.listeners[id] = f
	return func() {
		w.heard.Lock()
		defer w.heard.Unlock()
		delete(w.listeners, id)
	}
}
