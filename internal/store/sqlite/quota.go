package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
)

// Room in a store is shared by rules that look at one tenant and at what is free, and at nobody else:
//
//   - A tenant holds no more than its quota, if it has one.
//   - With a max_size it holds no more than fairShare times what is still free. So one tenant alone may have four fifths,
//     two that want all have four ninths each, and there is always a rest for who comes next. (Dynamic thresholds, as in
//     switches that share a memory: Choudhury and Hahne, 1998.)
//   - The same holds for the last part of the disk, whether there is a max_size or not.
//
// Before an event is refused by these rules, by max_size or by the reserve of the disk, delivered events lose their
// content, the oldest first: a tenant's own when it is about its share, anybody's when it is about all.

const fairShare = 4

// held is what a tenant has stored.
type held struct {
	events int64 // with content
	bytes  int64
}

// everybody is the tenant that cursors know for all of them.
const everybody = -1

const (
	// scanStep is how many events are looked at with one query, and scanMost in one transaction, for what they can lose.
	// What is not found then the next transaction goes on looking for.
	scanStep = 500
	scanMost = 20_000
	// dropMost is how much is dropped at once when room is needed, or a 32nd of max_size if that is less, so that not
	// every event has to look.
	dropMost = 1 << 20
	// tellDropped is how often Log hears that content is dropped.
	tellDropped = 10 * time.Minute
)

// loadHeld reads what each tenant has stored.
func (s *Store) loadHeld() error {
	s.held, s.cursors = map[int64]held{}, map[int64]int64{}
	return s.writer.query("SELECT tenant, events, bytes FROM held", func(v []driver.Value) error {
		s.held[v[0].(int64)] = held{v[1].(int64), v[2].(int64)}
		return nil
	})
}

// holds tells what a tenant has stored, with what the transaction under way has changed.
func (b *batch) holds(tenant int64) held {
	h, d := b.s.held[tenant], b.held[tenant]
	return held{h.events + d.events, h.bytes + d.bytes}
}

// hold changes it.
func (b *batch) hold(tenant, events, bytes int64) {
	if b.held == nil {
		b.held = map[int64]held{}
	}
	d := b.held[tenant]
	b.held[tenant] = held{d.events + events, d.bytes + bytes}
}

// writeHeld writes what has changed in the transaction, one row for each tenant in it.
func (b *batch) writeHeld() error {
	for tenant, d := range b.held {
		if d == (held{}) {
			continue
		}
		if _, err := b.c.exec(`INSERT INTO held (tenant, events, bytes) VALUES (?, ?, ?)
			ON CONFLICT (tenant) DO UPDATE SET events = events + excluded.events, bytes = bytes + excluded.bytes`, tenant, d.events, d.bytes); err != nil {
			return err
		}
	}
	return nil
}

// commitHeld takes over what the transaction has changed.
func (b *batch) commitHeld() {
	s := b.s
	for tenant := range b.held {
		if h := b.holds(tenant); h == (held{}) {
			delete(s.held, tenant)
		} else {
			s.held[tenant] = h
		}
	}
	for tenant, at := range b.cursors {
		s.cursors[tenant] = at
	}
	for tenant, seq := range b.settled {
		for _, c := range []int64{tenant, everybody} {
			if at, ok := s.cursors[c]; ok && at >= seq {
				s.cursors[c] = seq - 1
			}
		}
	}
	if b.dropped > 0 {
		s.dropped.Add(b.dropped)
		if now := time.Now(); now.Sub(s.droppedTold) >= tellDropped {
			s.droppedTold = now
			s.o.Log("the store makes room", fmt.Errorf("%w; %d so far", errDropped, s.dropped.Load()))
		}
	}
}

var errDropped = errors.New("delivered events lose their content, the oldest first, and cannot be replayed any more, since there is no room for new ones: raise max_size, make room on the disk, or shorten the retention")

// delivered notes that an event may be one that can lose its content now, if it was passed over before.
func (b *batch) delivered(tenant, seq int64) {
	if len(b.s.cursors) == 0 {
		return
	}
	if b.settled == nil {
		b.settled = map[int64]int64{}
	}
	if first, ok := b.settled[tenant]; !ok || seq < first {
		b.settled[tenant] = seq
	}
}

// fit finds room for an event of a tenant, or refuses it.
func (b *batch) fit(tenant string, size, deliveries int64) error {
	id, _ := b.s.names.ID(tenant)
	if id == 0 {
		id = b.names[tenant]
	}
	for {
		whose, refused := b.refuses(tenant, id, size)
		if refused == nil {
			break
		}
		freed := false
		for _, t := range whose {
			var err error
			if freed, err = b.makeRoom(t, size); err != nil {
				return err
			} else if freed {
				break
			}
		}
		if !freed {
			return group.Refuse(fmt.Errorf("%w: %w", store.ErrFull, refused))
		}
	}
	b.used += size
	b.take(size, deliveries)
	return nil
}

// refuses tells why an event cannot be stored now, and whose content could make room for it.
func (b *batch) refuses(tenant string, id, size int64) (whose []int64, err error) {
	h, q := b.holds(id), b.s.tuning.quota(tenant)
	switch {
	case b.limit > 0 && size > b.limit, q.Bytes > 0 && size > q.Bytes:
		return nil, fmt.Errorf("the event alone takes %d bytes, which is more than there may be: raise max_size and the tenant's bound, or let its source accept smaller bodies only", size)
	case q.Bytes > 0 && h.bytes+size > q.Bytes:
		return []int64{id}, fmt.Errorf("tenant %q holds %d bytes, and may hold %d: see what is not delivered, or raise its bound", tenant, h.bytes, q.Bytes)
	case q.Events > 0 && h.events >= q.Events:
		return []int64{id}, fmt.Errorf("tenant %q holds %d events, as many as it may: see what is not delivered, or raise its bound", tenant, h.events)
	case b.room < size:
		return []int64{everybody}, fmt.Errorf("its disk has no more free than is kept for the deliveries of what is stored (min_free, here %d bytes, and %d for each): make room on the disk, or shorten the retention", b.s.room.reserve, b.s.outcomeBytes())
	case b.room < b.s.room.shared && h.bytes+size > fairShare*b.room && !(tenant == "" && b.alone(id)):
		return []int64{id, everybody}, fmt.Errorf("tenant %q holds %d bytes, which is its share while %d are left on the disk beyond what is kept free (min_free): make room on the disk, or see what is not delivered", tenant, h.bytes, b.room)
	case b.limit == 0:
		return nil, nil
	case b.used+size > b.limit && b.used-b.overlong+size <= b.limit:
		// Dropping contents would only make the log longer.
		return nil, fmt.Errorf("it has reached max_size, %d bytes, with its log (the -wal file), which has %d more than it should: %w", b.limit, b.overlong, errLogGrows)
	case b.used+size > b.limit:
		return []int64{everybody}, fmt.Errorf("it has reached max_size, %d bytes: raise it, shorten the retention or see what is not delivered", b.limit)
	case h.bytes+size > fairShare*(b.limit-b.used+b.overlong) && !(tenant == "" && b.alone(id)):
		return []int64{id, everybody}, fmt.Errorf("tenant %q holds %d bytes of max_size, %d, which is its share while %d are left for all: raise max_size, or see what is not delivered", tenant, h.bytes, b.limit, b.limit-b.used+b.overlong)
	}
	return nil, nil
}

// alone tells whether nobody else has anything stored.
func (b *batch) alone(id int64) bool {
	for tenant := range b.s.held {
		if tenant != id {
			return false
		}
	}
	for tenant := range b.held {
		if tenant != id {
			return false
		}
	}
	return true
}

// candidate is an event that may be able to lose its content.
type candidate struct {
	seq, tenant, size int64
	content           int64 // bytes; -1 if it has lost it
	done              bool  // delivered everywhere, and somewhere: what nobody took may have been meant for somebody
}

// makeRoom has delivered events of a tenant, or of everybody, lose their content, and tells whether there was any.
func (b *batch) makeRoom(tenant, size int64) (bool, error) {
	want := int64(dropMost)
	if b.limit > 0 {
		want = min(want, b.limit/32)
	}
	want = max(want, size)
	if b.cursors == nil {
		b.cursors = map[int64]int64{}
	}
	at, ok := b.cursors[tenant]
	if !ok {
		at = b.s.cursors[tenant]
	}
	freed, any := int64(0), false
	for freed < want && b.scanned < scanMost {
		list, err := b.candidates(at)
		if err != nil {
			return false, err
		}
		for _, c := range list {
			if freed >= want {
				break
			}
			at = c.seq
			if !c.done || c.content < 0 || tenant != everybody && c.tenant != tenant {
				continue
			}
			if err := b.drop(c); err != nil {
				return false, err
			}
			freed += c.content
			any = true
		}
		if len(list) < scanStep {
			break
		}
	}
	b.cursors[tenant] = at
	if !any {
		return false, nil
	}
	// How many pages that has given back only SQLite knows.
	if b.limit > 0 {
		var err error
		if b.used, err = b.bytesUsed(); err != nil {
			return false, err
		}
	}
	if b.room < dropMost+size {
		b.room += freed
	}
	return true, nil
}

// candidates are the next events behind one.
func (b *batch) candidates(after int64) (list []candidate, err error) {
	err = b.c.query(`SELECT e.seq, e.tenant, e.size,
		coalesce((SELECT coalesce(length(p.Request), 0) + coalesce(length(p.Body), 0) + coalesce(length(p.Record), 0) FROM payloads p WHERE p.seq = e.seq), -1),
		coalesce((SELECT min(d.state = 1) FROM deliveries d WHERE d.event = e.seq), 0)
		FROM events e WHERE e.seq > ? ORDER BY e.seq LIMIT ?`, func(v []driver.Value) error {
		list = append(list, candidate{v[0].(int64), v[1].(int64), v[2].(int64), v[3].(int64), v[4].(int64) == 1})
		return nil
	}, after, scanStep)
	b.scanned += len(list)
	return list, err
}

// drop takes an event's content away to make room.
func (b *batch) drop(c candidate) error {
	b.dropped++
	return b.takeContent(c)
}

// takeContent takes an event's content away.
func (b *batch) takeContent(c candidate) error {
	if _, err := b.c.exec("DELETE FROM payloads WHERE seq = ?", c.seq); err != nil {
		return err
	}
	b.gone = append(b.gone, c.seq)
	left := max(0, c.size-c.content)
	// Without content there is nothing that a key is needed for.
	if _, err := b.c.exec("UPDATE events SET size = ?, key_id = NULL WHERE seq = ?", left, c.seq); err != nil {
		return err
	}
	if c.size > 0 {
		b.hold(c.tenant, -1, left-c.size)
	}
	return nil
}
