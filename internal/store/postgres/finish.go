package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/leaves"
	"github.com/callgate/callgate/internal/store/sealed"
)

// finished is an attempt ready to be written.
type finished struct {
	*store.Attempt
	key            lanes.Key
	day            int64 // -1 if the delivery was not leased
	warnings, sent *string
	excerpt        sealed.Excerpt
}

// beside tells that only the audit log is to know of the attempt.
func (f *finished) beside() bool { return f.Audit.Returned || f.Audit.Lost }

// Finish is store.Store's. Deliveries that were erased meanwhile are passed over. A delivery that is not pending any
// more, since its lease ran out and another attempt settled it, keeps its state unless the late attempt delivered it.
// Pending without NextAt means due at once.
func (s *Store) Finish(ctx context.Context, results []store.Attempt) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if len(results) == 0 {
		return nil
	}
	results = slices.Clone(results) // the writer notes in them whose they are
	list := make([]*finished, len(results))
	keys := make([]lanes.Key, len(results))
	for i := range results {
		a := &results[i]
		if lanes.StateNumber(a.State) < 0 {
			return errors.New("an attempt must leave its delivery pending, delivered or dead")
		}
		f := &finished{Attempt: a, day: -1}
		var err error
		if f.key, err = lanes.ParseKey(a.DeliveryID); err != nil && !f.beside() {
			return err
		}
		keys[i] = f.key
		if len(a.Warnings) > 0 {
			if f.warnings, err = asJSON(a.Warnings); err != nil {
				return err
			}
		}
		if a.Sent != nil {
			if f.sent, err = asJSON(a.Sent); err != nil {
				return err
			}
		}
		if f.excerpt, err = sealed.PrepareExcerpt(ctx, s.seals, a, f.key, s.tenantOf, s.o.Log); err != nil {
			return public(err)
		}
		list[i] = f
	}
	leased := s.lanes.Leases(keys)
	for _, f := range list {
		if l, ok := leased[f.key]; ok {
			f.day = l.Day
		}
	}
	return s.changes.Do(ctx, change{finished: list})
}

func asJSON(v any) (*string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out := text(string(data))
	return &out, nil
}

// readFinished reads the deliveries of attempts.
func (t *tx) readFinished(all []*finished) error {
	days := map[lanes.Key]int64{}
	var keys []lanes.Key
	var sealedBy [][]byte
	for _, f := range all {
		if f.beside() {
			continue
		}
		sealedBy = append(sealedBy, f.excerpt.KeyID())
		keys = append(keys, f.key)
		if f.day >= 0 {
			days[f.key] = f.day
		}
	}
	if err := t.knowKeys(sealedBy...); err != nil {
		return err
	}
	if err := t.readLanes(all); err != nil {
		return err
	}
	return t.find(keys, days)
}

// record writes an attempt and moves its delivery on.
func (t *tx) record(f *finished) error {
	if f.beside() {
		return t.noteAttempt(f, int64(f.Number), false)
	}
	r := t.rows[f.key]
	if r == nil {
		return t.noteAttempt(f, int64(f.Number), true)
	}
	to, next := int8(lanes.StateNumber(f.State)), nanos(f.NextAt)
	number := int64(f.Number)
	if number == 0 {
		number = r.attempts + 1
	}
	tenant, err := t.s.name(t.ctx, r.tenant)
	if err != nil {
		return err
	}
	destination, err := t.s.name(t.ctx, r.destination)
	if err != nil {
		return err
	}
	excerpt, keyID := t.sealExcerpt(f, sealed.ExcerptPlace(f.key.String(), tenant, destination, number))
	t.attempts.add(f, r.day, number, next, excerpt, keyID)
	if f.Audit.Destination == "" {
		f.Audit.Tenant, f.Audit.Destination = tenant, destination
	}
	if err := t.noteAttempt(f, number, false); err != nil {
		return err
	}
	if f.State == store.Delivered && t.s.keeps.Load() {
		t.queue("DELETE FROM {s}.progress WHERE event = $1 AND n = $2", f.key.Event, f.key.N)
	}
	if to != lanes.Delivered && t.lost(f.Held, r.bucket) {
		return nil // it is another gateway's by now
	}
	if !f.Uncounted {
		r.attempts++
	}
	r.updated, r.touched = t.now, true
	if r.state != lanes.Pending && to != lanes.Delivered {
		return nil
	}
	if to != lanes.Pending {
		next = 0
	} else if next == 0 {
		next = t.now
	}
	r.status, r.reason = f.Status, f.Reason
	if f.RemoteID != "" {
		r.remoteID = f.RemoteID
	}
	t.settled = t.settled || to == lanes.Delivered
	t.change(r, to, next, false)
	return nil
}

// sealExcerpt seals the excerpt of an attempt; nil if there is none.
func (t *tx) sealExcerpt(f *finished, p seal.Place) (excerpt, keyID []byte) {
	if keyID = f.excerpt.KeyID(); t.keyLost(keyID) { // and with it what the excerpt would tell of
		return nil, nil
	}
	return f.excerpt.Seal(p), keyID
}

// noteAttempt records an attempt in the audit log. erased tells that its delivery is gone, and with it the salt.
func (t *tx) noteAttempt(f *finished, number int64, erased bool) error {
	if !t.s.audit.on.Load() {
		return nil
	}
	l, err := leaves.Attempt(f.Attempt, f.key, number, erased, func() (salt audit.Salt, found bool, err error) { return t.salt(f.key.Event) })
	if err == nil {
		t.note(l)
	}
	return err
}

// attemptRows are attempts in the form in which the statement takes them.
type attemptRows struct {
	events             [][16]byte
	numbers, days      []int32
	tries, statuses    []int32
	ats, tooks, nexts  []int64
	states             []int16
	reasons, remoteIDs []string
	warnings, sents    []*string
	excerpts, keyIDs   [][]byte
}

func (l *attemptRows) add(f *finished, day, number, next int64, excerpt, keyID []byte) {
	l.events, l.numbers, l.days = append(l.events, f.key.Event), append(l.numbers, int32(f.key.N)), append(l.days, int32(day))
	l.tries, l.statuses = append(l.tries, int32(number)), append(l.statuses, int32(f.Status))
	l.ats, l.tooks, l.nexts = append(l.ats, nanos(f.At)), append(l.tooks, int64(f.Took)), append(l.nexts, next)
	l.states = append(l.states, int16(lanes.StateNumber(f.State)))
	l.reasons, l.remoteIDs = append(l.reasons, text(f.Reason)), append(l.remoteIDs, text(f.RemoteID))
	l.warnings, l.sents = append(l.warnings, f.warnings), append(l.sents, f.sent)
	l.excerpts, l.keyIDs = append(l.excerpts, excerpt), append(l.keyIDs, keyID)
}

func (l *attemptRows) queue(t *tx) {
	if len(l.events) == 0 {
		return
	}
	t.queue(`INSERT INTO {s}.attempts (id, event, n, day, number, status, at, took, next_at, state, reason, remote_id, warnings, sent, excerpt, key_id)
		SELECT nextval('{s}.attempt_ids'), * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[],
		$9::smallint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[], $15::bytea[])`,
		l.events, l.numbers, l.days, l.tries, l.statuses, l.ats, l.tooks, l.nexts, l.states, l.reasons, l.remoteIDs, l.warnings, l.sents, l.excerpts, l.keyIDs)
	*l = attemptRows{}
}

// Return is store.Store's. Leases are held in memory, so it writes nothing.
func (s *Store) Return(ctx context.Context, deliveryIDs []string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	s.lanes.Return(deliveryIDs)
	return nil
}

// Pause is store.Store's.
func (s *Store) Pause(ctx context.Context, destination, reason string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO {s}.paused (destination, reason) VALUES ($1, $2)
			ON CONFLICT (destination) DO UPDATE SET reason = excluded.reason`, text(destination), text(reason))
		t.after = append(t.after, func() { s.lanes.SetPaused(destination, reason, true) })
		t.signs["paused"] = true
		t.note(leaves.Flag(ctx, audit.Pause, destination, reason))
		return err
	})
}

// Resume is store.Store's.
func (s *Store) Resume(ctx context.Context, destination string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec("DELETE FROM {s}.paused WHERE destination = $1", text(destination))
		t.after = append(t.after, func() { s.lanes.SetPaused(destination, "", false) })
		t.signs["paused"] = true
		t.note(leaves.Flag(ctx, audit.Resume, destination, ""))
		return err
	})
}

// Paused is store.Store's.
func (s *Store) Paused(ctx context.Context) (map[string]string, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if err := s.read(ctx, func(ctx context.Context) error { return s.loadPaused(ctx, s.pool) }); err != nil {
		return nil, err
	}
	return s.lanes.Paused(), nil
}
