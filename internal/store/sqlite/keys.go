package sqlite

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"slices"
	"strconv"
	"time"
)

// recentKeys are the unique keys of the newest events, which are not yet in the table of keys. Putting each random key
// into its table as it comes would make every commit write as many index pages as it has events. Instead the keys are
// divided by their first byte into parts, and when there are too many of them, one part, a range of neighbours, goes to
// the table in one transaction, a page taking many of them. After a crash they are read again from the events.
// Only the writer uses it.
type recentKeys struct {
	parts  [256]map[[16]byte]recentKey
	oldest [256]int64 // the lowest seq in each part
	count  int
	next   int            // the part to go next
	days   map[int64]bool // the days that have rows in the table
	after  int64          // the keys of events up to this seq are in the table
}

type recentKey struct {
	at    int64
	seq   int64
	event [16]byte
}

const day = int64(24 * time.Hour)

// partAfter and the number of a part are the name of the counter that says up to which event the part's keys are in the
// table.
const partAfter = "keys_after/"

func (k *recentKeys) put(key [16]byte, r recentKey) {
	i := key[0]
	if k.parts[i] == nil {
		k.parts[i] = map[[16]byte]recentKey{}
	}
	if len(k.parts[i]) == 0 || r.seq < k.oldest[i] {
		k.oldest[i] = r.seq
	}
	before := len(k.parts[i])
	k.parts[i][key] = r
	k.count += len(k.parts[i]) - before
}

// loadKeys reads the keys that are only in events, and which number the next event has.
func (s *Store) loadKeys() error {
	c := s.writer
	s.keys = &recentKeys{days: map[int64]bool{}}
	var err error
	if s.keys.after, err = c.number("SELECT value FROM counters WHERE name = 'keys_after'"); err != nil {
		return err
	}
	last, err := c.number("SELECT max(seq) FROM events")
	if err != nil {
		return err
	}
	if err := c.query(`WITH RECURSIVE d (day) AS (SELECT min(day) FROM keys
		UNION ALL SELECT (SELECT min(day) FROM keys WHERE keys.day > d.day) FROM d WHERE d.day IS NOT NULL)
		SELECT day FROM d WHERE day IS NOT NULL`, func(v []driver.Value) error {
		s.keys.days[v[0].(int64)] = true
		return nil
	}); err != nil {
		return err
	}
	// The parts go one after the other, so that half of what is read stands in the table already. Holding that too would
	// make the first commit write it once more, all over the table: seconds, when the table is large.
	var written [256]int64
	if err := c.query("SELECT CAST(substr(name, ?) AS INTEGER), value FROM counters WHERE name GLOB ?", func(v []driver.Value) error {
		if part := v[0].(int64); part >= 0 && part < int64(len(written)) {
			written[part] = v[1].(int64)
		}
		return nil
	}, len(partAfter)+1, partAfter+"*"); err != nil {
		return err
	}
	// A number whose key counts as written must not be given again, even if its event was the newest and is erased.
	s.nextSeq = max(last, s.keys.after, slices.Max(written[:])) + 1
	return c.query("SELECT seq, id, unique_key, accepted_at FROM events WHERE seq > ? ORDER BY seq", func(v []driver.Value) error {
		seq, key := v[0].(int64), [16]byte(v[2].([]byte))
		if seq > written[key[0]] {
			s.keys.put(key, recentKey{seq: seq, event: [16]byte(v[1].([]byte)), at: v[3].(int64)})
		}
		return nil
	}, s.keys.after)
}

// first finds the event that was accepted with a key within the window.
func (b *batch) first(key [16]byte) (event [16]byte, found bool, err error) {
	k := b.s.keys
	since := b.now - b.s.tuning.window.Load()
	r, ok := b.keys[key]
	if !ok {
		r, ok = k.parts[key[0]][key]
	}
	if ok && r.at > since {
		return r.event, true, nil
	}
	// An old key in memory does not mean that there is no newer one in the table: its event may have been erased before
	// a restart.
	for d := range k.days {
		if d < since/day {
			continue
		}
		if event, found, err = b.inTable(d, key, since); err != nil || found {
			return event, found, err
		}
	}
	return event, false, nil
}

// inTable finds the event that was accepted with a key on a day, after a time, in the table of keys.
func (b *batch) inTable(d int64, key [16]byte, since int64) (event [16]byte, found bool, err error) {
	err = b.c.query("SELECT event FROM keys WHERE day = ? AND key = ? AND at > ?", func(v []driver.Value) error {
		event, found = [16]byte(v[0].([]byte)), true
		return nil
	}, d, key[:], since)
	return event, found, err
}

// writeKey puts a key into its table, unless a later one stands there.
func (b *batch) writeKey(key [16]byte, r recentKey) error {
	_, err := b.c.exec(`INSERT INTO keys (day, key, at, event) VALUES (?, ?, ?, ?)
		ON CONFLICT (day, key) DO UPDATE SET at = excluded.at, event = excluded.event WHERE excluded.at > keys.at`,
		r.at/day, key[:], r.at, r.event[:])
	b.days = append(b.days, r.at/day)
	return err
}

// flushKeys writes parts of the recent keys until there are no more than should be.
func (b *batch) flushKeys() error {
	k := b.s.keys
	left := k.count + len(b.keys)
	since := b.now - b.s.tuning.window.Load()
	type entry struct {
		key [16]byte
		recentKey
	}
	var run []entry
	for part := k.next; left > b.s.o.RecentKeys && len(b.flushed) < len(k.parts); part = (part + 1) % len(k.parts) {
		run = run[:0]
		for key, r := range k.parts[part] {
			if r.at > since {
				run = append(run, entry{key, r})
			}
		}
		slices.SortFunc(run, func(x, y entry) int {
			return cmp.Or(cmp.Compare(x.at/day, y.at/day), bytes.Compare(x.key[:], y.key[:]))
		})
		for _, e := range run {
			if err := b.writeKey(e.key, e.recentKey); err != nil {
				return err
			}
		}
		if _, err := b.c.exec(`INSERT INTO counters (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, partAfter+strconv.Itoa(part), b.s.nextSeq-1); err != nil {
			return err
		}
		left -= len(k.parts[part])
		b.flushed = append(b.flushed, part)
	}
	if len(b.flushed) == 0 {
		return nil
	}
	b.keysAfter = b.s.nextSeq - 1
	for part, keys := range k.parts {
		if len(keys) > 0 && !slices.Contains(b.flushed, part) {
			b.keysAfter = min(b.keysAfter, k.oldest[part]-1)
		}
	}
	_, err := b.c.exec("UPDATE counters SET value = ? WHERE name = 'keys_after'", b.keysAfter)
	return err
}

// committed takes over what a committed batch did to the keys.
func (k *recentKeys) committed(b *batch) {
	for _, part := range b.flushed {
		k.count -= len(k.parts[part])
		clear(k.parts[part])
		k.next = (part + 1) % len(k.parts)
		k.after = b.keysAfter
	}
	for _, d := range b.days {
		k.days[d] = true
	}
	for key, r := range b.keys {
		k.put(key, r)
	}
}
