package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/oklog/ulid/v2"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

const (
	// month is the time that the events are spread over.
	month = 30 * 24 * time.Hour
	// tenants is how many there are; each has about as many events, but for the rare one, which has one in 50,000.
	tenants, rareEvery = 50, 50_000
	// together is how many events are accepted in one request.
	together = 500
)

// subject is the store under measurement and what pages ask.
type subject struct {
	store   *sqlite.Store
	engine  *delivery.Engine
	keys    *seal.Ring
	service *operate.Service
	now     time.Time
	events  int64
	filling atomic.Int64 // the event that it is filled with, by which its clock goes; -1 when it is full
}

func openSubject(path string) (*subject, error) {
	keys, err := seal.NewRing(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		return nil, err
	}
	s := &subject{keys: keys, now: time.Now()}
	s.filling.Store(-1)
	if s.store, err = sqlite.Open(sqlite.Options{Path: path, Keys: keys, Window: time.Hour, Now: s.clock}); err != nil {
		return nil, err
	}
	s.engine = delivery.New(delivery.Options{Store: s.store})
	return s, nil
}

func (s *subject) close() error {
	return errors.Join(s.engine.Close(context.Background()), s.store.Close())
}

// clock is the store's. While it is filled, it is the time of the events.
func (s *subject) clock() time.Time {
	if n := s.filling.Load(); n >= 0 {
		return s.at(n)
	}
	return time.Now()
}

// at is when the nth event was received.
func (s *subject) at(n int64) time.Time {
	return s.now.Add(-month + time.Duration(float64(month)*float64(n)/float64(s.events)))
}

func caller(n int64) string { return fmt.Sprintf("+1555%07d", n%200_000) }

func callID(n int64) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return hex.EncodeToString(sum[:16])
}

func (s *subject) event(n int64) *store.Event {
	e := &store.Event{
		Tenant: fmt.Sprintf("tenant-%02d", n%tenants), Source: []string{"nextphone", "retell", "vapi"}[n%3], Route: "hooks",
		EventType: []string{"call.completed", "call.started", "call.analyzed", "call.completed"}[n%4], EventID: callID(n), CallID: callID(n),
		CallerHash: s.keys.CallerHash(caller(n)), ReceivedAt: s.at(n), Method: http.MethodPost, URI: "/hook",
		Body: []byte(`{"transcript":"words"}`), Record: []byte(`{"provider":"nextphone"}`),
		Subjects: []store.Subject{s.keys.FieldHash("patient_id", fmt.Sprint("P", n%100_000))},
	}
	if n%rareEvery == 7 {
		e.Tenant = "rare"
	}
	id := ulid.ULID{}
	_ = id.SetTime(uint64(e.ReceivedAt.UnixMilli())) // of this century
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("key"), uint64(n)))
	e.ID, e.Key = id.String(), [16]byte(sum[:16])
	return e
}

// attempts are what became of an event's deliveries: two in a hundred are dead, for one of a few reasons, one in a hundred
// waits, and one in ten was delivered at the second try.
func (s *subject) attempts(n int64, deliveries []string) (list []store.Attempt) {
	at := s.at(n)
	for i, id := range deliveries {
		a := store.Attempt{DeliveryID: id, Number: 1, At: at, Took: time.Duration(50+n%400) * time.Millisecond, Status: 200, State: store.Delivered}
		failed := store.Attempt{DeliveryID: id, Number: 1, At: at, Took: time.Second, Status: 503, Reason: "503: the receiver failed", State: store.Pending, NextAt: s.now.Add(time.Hour)}
		switch kind := (n*7 + int64(i)*13) % 100; {
		case kind < 2:
			a.State, a.Status, a.Reason = store.Dead, 404, fmt.Sprintf("gave up after 5 attempts: 404: reason %d", n%12)
		case kind < 3:
			a = failed
		case kind < 13:
			list = append(list, failed)
			a.Number = 2
		}
		list = append(list, a)
	}
	return list
}

// fill stores events until there are as many as asked for; 0 where they are there already.
func (s *subject) fill(ctx context.Context, events int64, progress io.Writer) (perSecond float64, err error) {
	s.events = events
	stats, err := s.store.Stats(ctx)
	if err != nil || stats.Events >= events {
		return 0, err
	}
	began, told := time.Now(), time.Now()
	defer s.filling.Store(-1)
	for n := stats.Events; n < events; {
		var batch []*store.Event
		var to [][]string
		first := n
		s.filling.Store(n)
		for ; n < min(first+together, events); n++ {
			batch, to = append(batch, s.event(n)), append(to, []string{"crm", "dispatch"})
		}
		accepted, err := s.store.AcceptAll(ctx, batch, to)
		if err != nil {
			return 0, err
		}
		var attempts []store.Attempt
		for i := range accepted {
			attempts = append(attempts, s.attempts(first+int64(i), accepted[i].Deliveries)...)
		}
		if err := s.store.Finish(ctx, attempts); err != nil {
			return 0, err
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(progress, "filled %s of %s\n", humanize.Comma(n), humanize.Comma(events))
		}
	}
	perSecond = float64(events-stats.Events) / time.Since(began).Seconds()
	fmt.Fprintf(progress, "filled with %.0f events a second\n", perSecond)
	return perSecond, nil
}
