package sqlite_test

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestOldestPending settles the oldest delivery again and again: the next one is found near it, far from it, before it
// after a replay, and not at all in the end. Deliveries to another destination do not count.
func TestOldestPending(t *testing.T) {
	s := openStore(t, sqlite.Options{})
	start := time.Now().UTC().Truncate(time.Second)
	made := 0
	accept := func(destinations ...string) (deliveries []string, at time.Time) {
		t.Helper()
		e := randomEvent([]byte("body"))
		at = start.Add(time.Duration(made) * time.Second)
		e.ReceivedAt = at
		made++
		a, err := s.Accept(t.Context(), e, destinations)
		if err != nil {
			t.Fatal(err)
		}
		return a.Deliveries, at
	}
	settle := func(deliveries []string) {
		t.Helper()
		var attempts []store.Attempt
		for _, id := range deliveries {
			attempts = append(attempts, store.Attempt{DeliveryID: id, At: start, State: store.Delivered})
		}
		if err := s.Finish(t.Context(), attempts); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, want time.Time) {
		t.Helper()
		for range 2 { // found, and then known
			stats, err := s.Stats(t.Context())
			if err != nil || len(stats.Destinations) != 2 {
				t.Fatalf("%+v, %v", stats, err)
			}
			if got := stats.Destinations[0].OldestPending; !got.Equal(want) {
				t.Errorf("%s the oldest is of %v, want %v", when, got, want)
			}
		}
	}

	first, firstAt := accept("crm")
	second, secondAt := accept("crm", "ehr")
	accept("ehr")
	third, thirdAt := accept("crm")
	var between []string
	for range 1500 {
		d, _ := accept("crm")
		between = append(between, d...)
	}
	settle(between)
	last, lastAt := accept("crm")

	check("at first", firstAt)
	settle(first)
	check("with the first settled", secondAt)
	settle(second[:1])
	check("with the second settled", thirdAt)
	settle(third)
	check("with all but the last settled", lastAt)
	if n, err := s.Replay(t.Context(), store.Filter{DeliveryID: second[0]}, start, 0, false); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	check("after a replay", secondAt)
	settle(second[:1])
	settle(last)
	check("with all settled", time.Time{})
}
