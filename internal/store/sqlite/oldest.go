package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// queueStats are a destination's, with what is known of its oldest waiting delivery.
type queueStats struct {
	store.DestinationStats
	lane   *lanes.Lane
	oldest int64
}

// fewWait is up to how many waiting deliveries of a destination are read to find the oldest of them.
const fewWait = 1000

// oldestQuery tells of a list of destinations, in one statement however many there are, since each scrape and each look
// whether the gateway is ready asks it: the event of the oldest waiting delivery and when it was received. It is the one that is
// known if that waits still, and else the first of those that wait, if these are few; NULL otherwise. The signs keep SQLite from
// reading the index for one delivery.
const oldestQuery = `WITH found AS MATERIALIZED (SELECT w.key AS place, CASE
	WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.event = w.value ->> 1 AND +d.destination = w.value ->> 0 AND +d.state = 0) THEN w.value ->> 1
	WHEN w.value ->> 2 <= ?2 THEN (SELECT min(d.event) FROM deliveries d INDEXED BY deliveries_due WHERE d.destination = w.value ->> 0 AND d.state = 0)
	END AS seq FROM json_each(?1) w)
	SELECT f.place, f.seq, e.received_at FROM found f LEFT JOIN events e ON e.seq = f.seq`

// oldestPending finds when the oldest waiting delivery of each destination was made. What was found is kept for as long
// as that delivery waits.
func (s *Store) oldestPending(ctx context.Context, list []queueStats) error {
	var asked []*queueStats
	var ask [][3]int64
	for i := range list {
		e := &list[i]
		if e.Pending > 0 {
			asked = append(asked, e)
			ask = append(ask, [3]int64{e.lane.Destination, e.oldest, e.Pending})
		}
	}
	if len(asked) == 0 {
		return nil
	}
	text, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	rows, err := s.reader.QueryContext(ctx, oldestQuery, string(text), fewWait)
	if err != nil {
		return err
	}
	defer rows.Close()
	var many []*queueStats
	for rows.Next() {
		var place int
		var seq, received sql.NullInt64
		if err := rows.Scan(&place, &seq, &received); err != nil {
			return err
		}
		switch e := asked[place]; {
		case received.Valid:
			s.foundOldest(e, seq.Int64, received.Int64)
		case !seq.Valid && e.Pending > fewWait: // else it was settled or erased meanwhile
			many = append(many, e)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, e := range many {
		if err := s.oldestOfMany(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// foundOldest notes the oldest waiting delivery.
func (s *Store) foundOldest(e *queueStats, seq, received int64) {
	e.OldestPending = fromNanos(received)
	s.queues.Locked(func() {
		// A replay since then may have made an older one wait; it has forgotten what was known.
		if e.lane.Oldest == e.oldest {
			e.lane.Oldest = seq
		}
	})
}

// oldestOfMany finds the oldest waiting delivery of a destination for which many wait.
func (s *Store) oldestOfMany(ctx context.Context, e *queueStats) error {
	seq, err := s.firstPending(ctx, e.lane.Destination, e.Pending, e.oldest)
	if err != nil || seq == 0 {
		return err
	}
	var received int64
	err = s.reader.QueryRowContext(ctx, "SELECT received_at FROM events WHERE seq = ?", seq).Scan(&received)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // erased meanwhile
	}
	if err == nil {
		s.foundOldest(e, seq, received)
	}
	return err
}

// firstPending finds the first event that has a waiting delivery for a destination; 0 if there is none. No event before
// the known one has, unless it is 0.
func (s *Store) firstPending(ctx context.Context, destination, waiting, known int64) (int64, error) {
	if known != 0 {
		// Deliveries are mostly settled in the order they were made, so that the next one that waits is near. Looking
		// through more events than deliveries wait would take longer than reading their index, which is about half a
		// second for a million. The signs keep SQLite from reading the index here too.
		var seq int64
		err := s.reader.QueryRowContext(ctx, `SELECT event FROM deliveries WHERE event >= ? AND event < ? AND +destination = ? AND +state = 0
			ORDER BY event LIMIT 1`, known, known+waiting, destination).Scan(&seq)
		if !errors.Is(err, sql.ErrNoRows) {
			return seq, err
		}
	}
	var seq sql.NullInt64
	err := s.reader.QueryRowContext(ctx, "SELECT min(event) FROM deliveries INDEXED BY deliveries_due WHERE destination = ? AND state = 0", destination).Scan(&seq)
	return seq.Int64, err
}
