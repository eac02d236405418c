package operate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// manyAttempts is a shared store as a meter sees it: what gateways have recorded, by its place.
type manyAttempts struct {
	store.Shared
	list []store.AttemptInfo
	err  error
	read int
}

func (s *manyAttempts) RecentAttempts(_ context.Context, before int64, limit int) (list []store.AttemptInfo, next int64, err error) {
	if s.err != nil {
		return nil, 0, s.err
	}
	slices.SortFunc(s.list, func(a, b store.AttemptInfo) int { return cmp.Compare(b.Place, a.Place) })
	for _, a := range s.list {
		if before != 0 && a.Place >= before {
			continue
		}
		s.read++
		if list = append(list, a); len(list) == limit {
			return list, a.Place, nil
		}
	}
	return list, 0, nil
}

func (s *manyAttempts) record(place int64, a store.AttemptInfo) {
	a.Place = place
	s.list = append(s.list, a)
}

// looked reads what there is, as an overview has it read, to its end.
func (m *Meter) looked(t *testing.T) int {
	t.Helper()
	m.mu.Lock()
	if m.reading == nil {
		m.reading = make(chan struct{})
	}
	m.mu.Unlock()
	m.read(t.Context())
	return int(m.seen(t, "hour").attempts)
}

func TestAttemptsOfAllGatewaysAreCounted(t *testing.T) {
	now := noon
	s := &manyAttempts{}
	s.record(7, took(noon.Add(-time.Minute), 1, time.Second))
	s.record(5, met(noon.Add(-2*time.Minute), 1, 503))
	m := NewMeter(t.Context(), s, func() time.Time { return now })
	want := func(what string, n int) {
		t.Helper()
		if got := m.looked(t); got != n {
			t.Errorf("%s: %d attempts, want %d", what, got, n)
		}
	}
	want("from before the process", 2)
	now = now.Add(time.Second)
	mine := took(now, 1, time.Second)
	m.Attempt(mine) // which is told before it is recorded
	want("what is not recorded", 2)
	s.record(8, mine)
	s.record(10, took(now, 1, time.Second))
	want("its own and another one's", 4)
	want("again", 4)
	s.record(9, met(now, 1, 500)) // whose place was taken before
	want("one that came late", 5)
	want("and again", 5)
	if v := m.seen(t, "hour"); v.delivered != 3 || v.retries() != 0 {
		t.Errorf("%+v", v.counts)
	}
	now = now.Add(2 * settles)
	want("later", 5)
	want("much later", 5)
	s.read = 0
	for i := range int64(3) {
		s.record(11+i, took(now, 2, time.Second))
	}
	want("some more", 8)
	if m.shared.counted[9] || len(m.shared.looks) > 3 {
		t.Errorf("it remembers %v", m.shared)
	}
}

// When more was recorded than is read at once, the newest count, that is told, and what lies before is not taken for news later.
func TestMoreAttemptsThanAreReadAtOnce(t *testing.T) {
	now := noon
	s := &manyAttempts{}
	s.record(1, took(noon.Add(-time.Hour), 1, time.Second))
	m := NewMeter(t.Context(), s, func() time.Time { return now })
	m.looked(t)
	m.shared.most = readAtOnce
	now = noon.Add(time.Minute)
	for i := range int64(2*readAtOnce + 10) {
		s.record(2+i, took(noon.Add(time.Duration(i)*time.Millisecond), 1, time.Second))
	}
	got := m.looked(t)
	if got < readAtOnce || got > readAtOnce+1 || !m.countedSince(noon.Add(-time.Minute)).After(noon) {
		t.Errorf("%d attempts, since %s", got, m.countedSince(noon.Add(-time.Minute)))
	}
	now = now.Add(20 * time.Second)
	if again := m.looked(t); again != got {
		t.Errorf("%d attempts at the next look, and %d before", again, got)
	}
	s.record(10_000, took(now, 1, time.Second))
	if again := m.looked(t); again != got+1 {
		t.Errorf("%d attempts with a new one, and %d before", again, got)
	}
}

func TestWhatIsCountedWhenTheStoreWasAwayAtTheStart(t *testing.T) {
	now := noon
	s := &manyAttempts{err: errors.New("away")}
	m := NewMeter(t.Context(), s, func() time.Time { return now })
	s.record(1, took(noon.Add(-time.Hour), 1, time.Second))
	s.record(2, took(noon.Add(-time.Minute), 1, time.Second))
	if got := m.looked(t); got != 0 {
		t.Errorf("while it is away: %d", got)
	}
	s.err = nil
	s.record(3, took(noon.Add(time.Second), 1, time.Second))
	now = now.Add(time.Minute)
	if got := m.looked(t); got != 1 || !m.countedSince(noon.Add(-time.Hour)).Equal(noon) {
		t.Errorf("%d attempts, since %s", got, m.countedSince(noon.Add(-time.Hour)))
	}
	if got := m.looked(t); got != 1 {
		t.Errorf("again: %d", got)
	}
}
