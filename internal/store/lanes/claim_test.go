package lanes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// rows is a Source of rows in memory, by tenant.
type rows struct {
	of   map[int64][]Row
	asks int
	from []int64 // where readings began
	err  error   // of reading events
}

func (*rows) AtOnce() int { return 3 }

func (s *rows) Tenants(context.Context, int64) (list []int64, err error) {
	for t := range s.of {
		list = append(list, t)
	}
	return list, nil
}

func (*rows) HeldBack(string, string, error) {}

func (s *rows) Due(_ context.Context, asks []*Ask) error {
	s.asks += len(asks)
	for _, a := range asks {
		if a.After.Ref == (Ref{}) {
			s.from = append(s.from, a.After.Next)
		}
		list := slices.Clone(s.of[a.Tenant])
		order := func(x, y Row) int { return cmp.Or(cmp.Compare(x.Next, y.Next), cmp.Compare(x.Seq, y.Seq)) }
		slices.SortFunc(list, order)
		for _, r := range list {
			if order(r, a.After) > 0 && len(a.Rows) < a.Want {
				a.Rows = append(a.Rows, r)
			}
		}
	}
	return nil
}

// Events implements Source: number n is the event whose id ends with n.
func (s *rows) Events(_ context.Context, _ string, list []Row) (read []Read, err error) {
	if s.err != nil {
		return nil, s.err
	}
	for _, r := range list {
		read = append(read, Read{Event: &store.Event{ID: ulid.ULID(event(r.Seq)).String()}})
	}
	return read, nil
}

func event(n int64) [16]byte { return [16]byte{14: byte(n >> 8), 15: byte(n)} }

// bench makes lanes of one destination with a delivery for each of some tenants.
func bench(shared bool, tenants int) (*Lanes, *Lane, *rows) {
	names := NewNames()
	names.Add("crm", 1)
	ls, src := New(names, shared), &rows{of: map[int64][]Row{}}
	for i := range tenants {
		n := int64(i + 2)
		names.Add(fmt.Sprintf("tenant %02d", i), n)
		src.of[n] = []Row{{Ref: Ref{Seq: n}, Next: 100}}
		ls.Apply([]Change{{Destination: 1, Tenant: n, Key: Key{Event: event(n)}, From: None, To: Pending, Next: 100}})
	}
	return ls, ls.Whole(1), src
}

func claim(t *testing.T, ls *Lanes, l *Lane, src Source, now int64, limit int) (ids []string) {
	t.Helper()
	list, err := ls.Claim(t.Context(), src, l, now, now+1000, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

// With thousands of tenants a Claim reads the queues of a few. Next, which reads those it knows nothing of, took seconds
// when a Claim made it forget all the others.
func TestClaimForgetsNothingOfTenantsWithoutATurn(t *testing.T) {
	const tenants = 20
	ls, l, src := bench(false, tenants)
	unknown := func() (n int) {
		ls.Each(func(_ *Lane, q *Queue) {
			if !q.headKnown {
				n++
			}
		})
		return n
	}
	if _, err := ls.Next(t.Context(), src, l, 100); err != nil || unknown() != 0 {
		t.Fatal(unknown(), err)
	}
	for round := range tenants / 5 {
		if c := claim(t, ls, l, src, 100, 5); len(c) != 5 {
			t.Fatal(len(c))
		}
		if n := unknown(); n != 0 {
			t.Fatalf("after %d claims the heads of %d queues are not known", round+1, n)
		}
	}
	if at, err := ls.Next(t.Context(), src, l, 100); err != nil || !at.IsZero() {
		t.Errorf("next at %s, %v", at, err)
	}
	if src.asks > 3*tenants {
		t.Errorf("%d times it was asked for rows", src.asks)
	}
}

// A Claim may read what a commit has made before the queues know of the commit. What it got is its own all the same: the
// commit, when it is told of, must not hand it out a second time.
func TestClaimBetweenACommitAndItsNews(t *testing.T) {
	for name, from := range map[string]int8{"accepted": None, "replayed": Dead} {
		t.Run(name, func(t *testing.T) {
			ls, l, src := bench(false, 1)
			// The commit is known of already, so what it counts is taken back before it is told of again.
			var q *Queue
			ls.Each(func(_ *Lane, only *Queue) { q = only })
			if n := len(claim(t, ls, l, src, 100, 10)); n != 1 {
				t.Fatalf("%d claimed", n)
			}
			ls.Locked(func() {
				q.Count[Pending]--
				if from > None {
					q.Count[from]++
				}
				ls.live--
			})
			ls.Apply([]Change{{Destination: 1, Tenant: 2, Key: Key{Event: event(2)}, From: from, To: Pending, Next: 100}})
			if n := len(claim(t, ls, l, src, 100, 10)); n != 0 {
				t.Errorf("what was claimed is handed out again: %d", n)
			}
			if n := len(claim(t, ls, l, src, 2000, 10)); n != 1 {
				t.Errorf("%d claimed when the lease has run out", n)
			}
		})
	}
}

// What others add to a shared store is found when it is told of, without that within a second; and a reading begins near the
// last one, but for what is known to be due before that.
func TestSharedLanesLookForWhatOthersAdd(t *testing.T) {
	ls, l, src := bench(true, 1)
	hour := int64(time.Hour)
	src.of[2] = []Row{{Ref: Ref{Seq: 2}, Next: hour}}
	if n := len(claim(t, ls, l, src, hour, 10)); n != 1 {
		t.Fatalf("%d claimed", n)
	}
	ls.names.Add("another", 9)
	src.of[9] = []Row{{Ref: Ref{Seq: 9}, Next: hour}}
	src.of[2] = append(src.of[2], Row{Ref: Ref{Seq: 3}, Next: hour - int64(time.Second)}, Row{Ref: Ref{Seq: 4}, Next: hour / 2})
	if n := claim(t, ls, l, src, hour, 10); len(n) != 0 {
		t.Errorf("claimed %v of which nobody has told", n)
	}
	ls.Stale([]string{"erp"}, 0)
	if n := claim(t, ls, l, src, hour, 10); len(n) != 0 {
		t.Errorf("claimed %v when told of another destination", n)
	}
	ls.Stale([]string{"crm"}, 0)
	want := []string{Key{Event: event(9)}.String(), Key{Event: event(3)}.String()}
	if got := claim(t, ls, l, src, hour, 10); !slices.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
	ls.Apply([]Change{{Destination: 1, Tenant: 2, Key: Key{Event: event(4)}, From: Dead, To: Pending, Next: hour / 2}})
	if got := claim(t, ls, l, src, hour, 10); len(got) != 1 {
		t.Errorf("claimed %v after hearing of one that is due long before", got)
	}
}

// Rows that are gone leave entries in an index that are walked over: so a reading begins where the last one ended, but for what
// was told of meanwhile, and a minute before that once a second.
func TestSharedLanesReadOnFromWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ls, l, src := bench(true, 1)
		const second = int64(time.Second)
		at := int64(time.Hour)
		add := func(seq, next int64) { src.of[2] = append(src.of[2], Row{Ref: Ref{Seq: seq}, Next: next}) }
		// claims claims, settles what it has claimed, and tells where it began to read.
		claims := func(limit int, want ...int64) int64 {
			t.Helper()
			src.from = nil
			got := claim(t, ls, l, src, at, limit)
			var ids []string
			for _, seq := range want {
				key := Key{Event: event(seq)}
				ids = append(ids, key.String())
				src.of[2] = slices.DeleteFunc(src.of[2], func(r Row) bool { return r.Seq == seq })
				ls.Apply([]Change{{Destination: 1, Tenant: 2, Key: key, From: Pending, To: Delivered}})
			}
			if !slices.Equal(got, ids) {
				t.Fatalf("claimed %v, want %v", got, ids)
			}
			if len(src.from) == 0 {
				return 0
			}
			return src.from[0]
		}
		src.of[2] = nil
		add(3, at-2*second)
		add(4, at-second)
		add(5, at)
		if from := claims(10, 3, 4, 5); from != math.MinInt64 {
			t.Errorf("the first reading begins at %d", from)
		}
		at += second / 2
		add(6, at)
		ls.Stale([]string{"crm"}, at)
		if from := claims(10, 6); from != at-second/2 {
			t.Errorf("told of something later it begins at %d, want where the last one ended", from)
		}
		add(7, at-5*second) // of a gateway whose clock is late
		ls.Stale([]string{"crm"}, at-5*second)
		if from := claims(10, 7); from != at-5*second {
			t.Errorf("told of something earlier it begins at %d, want there", from)
		}
		add(8, at-20*second) // of which nobody tells
		time.Sleep(lookEvery)
		if from := claims(10, 8); from != at-int64(behind) {
			t.Errorf("after a second it begins at %d, want a minute before the last row", from)
		}
		// What is left over for another time is not passed.
		add(9, at-3*second)
		add(10, at-2*second)
		ls.Stale([]string{"crm"}, at-3*second)
		claims(1, 9)
		claims(1, 10)
		// Nor is what could not be read.
		add(11, at-3*second)
		ls.Stale([]string{"crm"}, at-3*second)
		src.err = errors.New("the server is away")
		if _, err := ls.Claim(t.Context(), src, l, at, at+second, 10, nil); err != src.err {
			t.Fatalf("claimed with error %v", err)
		}
		src.err = nil
		claims(10, 11)
		// What is given back is claimed again.
		add(12, at-second)
		ls.Stale([]string{"crm"}, at-second)
		id := claim(t, ls, l, src, at, 10)
		ls.Return(id)
		claims(10, 12)
		// In the end there is the look at all.
		add(13, 1)
		time.Sleep(fullEvery)
		if from := claims(10, 13); from != math.MinInt64 {
			t.Errorf("after a minute it begins at %d", from)
		}
	})
}

// Parts of a destination have a share of its deliveries each, and leases that end with them.
func TestSharedLanesPassNothingThatWasNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ls, l, src := bench(true, 2)
		const second = int64(time.Second)
		at := int64(time.Hour)
		src.of[2], src.of[3] = []Row{{Ref: Ref{Seq: 9}, Next: at}}, nil
		done := func(got []string, want ...int64) {
			t.Helper()
			var ids []string
			for _, seq := range want {
				key := Key{Event: event(seq)}
				ids = append(ids, key.String())
				src.of[2] = slices.DeleteFunc(src.of[2], func(r Row) bool { return r.Seq == seq })
				ls.Apply([]Change{{Destination: 1, Tenant: 2, Key: key, From: Pending, To: Delivered}})
			}
			if !slices.Equal(got, ids) {
				t.Fatalf("claimed %v, want %v", got, ids)
			}
		}
		done(claim(t, ls, l, src, at, 10), 9)
		// Others have added what was due earlier. Of two tenants one has all of it, so that a Claim takes all that it has read,
		// and there is more behind.
		for i := range int64(4) {
			src.of[2] = append(src.of[2], Row{Ref: Ref{Seq: 10 + i}, Next: at - (9-i)*second})
		}
		time.Sleep(lookEvery)
		done(claim(t, ls, l, src, at, 2), 10, 11)
		done(claim(t, ls, l, src, at, 2), 12, 13)
		// What is not due, after a clock was set back, is not passed either.
		src.of[2] = []Row{{Ref: Ref{Seq: 20}, Next: at - second}}
		time.Sleep(lookEvery)
		done(claim(t, ls, l, src, at-2*second, 2))
		done(claim(t, ls, l, src, at, 2), 20)
	})
}

func TestPartsOfADestination(t *testing.T) {
	ls, _, src := bench(true, 1)
	a, b := ls.Part(1, 0, 32), ls.Part(1, 32, 64)
	ls.Apply([]Change{{Destination: 1, Tenant: 2, Bucket: 40, Key: Key{Event: event(7)}, From: None, To: Pending, Next: 5}})
	if len(a.order) != 0 || len(b.order) != 1 {
		t.Errorf("%d and %d tenants", len(a.order), len(b.order))
	}
	if n := len(claim(t, ls, b, src, 100, 10)); n != 1 {
		t.Fatalf("%d claimed", n)
	}
	key := Key{Event: event(2)}
	if !ls.Leased(key, 100) {
		t.Error("not leased")
	}
	ls.Drop(b)
	if ls.Leased(key, 100) || len(claim(t, ls, b, src, 100, 10)) != 0 {
		t.Error("a lane that was given up goes on")
	}
}
