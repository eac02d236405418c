package lanes

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// A delivery's lease is found without a look into the lanes, of which a gateway of many tenants has thousands: what every lane
// has leased, and nothing else, is on the one list of all, whatever happens to lanes that lie over each other.
func TestLeasesAreOnOneList(t *testing.T) {
	const destinations, deliveries = 5, 12
	r := rand.New(rand.NewPCG(1, 2))
	names := NewNames()
	names.Add("tenant", 100)
	ls := New(names, true)
	var parts []*Lane
	for d := range int64(destinations) {
		names.Add(fmt.Sprint("destination ", d), d+1)
		parts = append(parts, ls.Whole(d+1))
	}
	key := func(n int64) Key { return Key{Event: event(n)} }
	check := func(step int) {
		t.Helper()
		held := map[Key]int{}
		for _, list := range ls.lanes {
			for _, l := range list {
				for k, e := range l.leases {
					held[k]++
					if other, found := ls.lease(k); found == nil || other.leases[k] != found {
						t.Fatalf("step %d: a lease is not found", step)
					} else if held[k] == 1 && len(list) == 1 && found != e {
						t.Fatalf("step %d: another lease is found", step)
					}
				}
			}
		}
		if len(held) != len(ls.leased) {
			t.Fatalf("step %d: %d deliveries are leased, and %d are on the list", step, len(held), len(ls.leased))
		}
	}
	leased := 0
	for step := range 5000 {
		l := parts[r.IntN(len(parts))]
		n := r.Int64N(deliveries)*destinations + l.Destination
		switch r.IntN(6) {
		case 0, 1, 2:
			read := func() (*store.Event, Row, error) {
				return &store.Event{ID: ulid.ULID(event(n)).String()}, Row{Ref: Ref{Seq: n}, Next: 1}, nil
			}
			until := int64(step + 1 + r.IntN(200))
			if c, err := ls.ClaimOne(l, 100, key(n), int64(step), until, read); err != nil {
				t.Fatal(err)
			} else if c != nil {
				leased++
			}
		case 3:
			ls.Return([]string{key(n).String(), "none"})
		case 4:
			ls.Apply([]Change{{Destination: l.Destination, Tenant: 100, Bucket: r.IntN(64), Key: key(n), From: Pending, To: Delivered}})
		default: // another division takes over
			if len(parts) > destinations {
				gone := parts[len(parts)-1]
				ls.Drop(gone)
				parts = parts[:len(parts)-1]
				if len(gone.order) > 0 { // a claim that is under way has found what cannot be read
					ls.hold(gone, gone.order[0], ulid.ULID(event(n)).String(), Row{Ref: Ref{Seq: n}}, int64(step+100))
				}
			} else {
				parts = append(parts, ls.Part(l.Destination, 0, 32))
			}
		}
		check(step)
	}
	for len(parts) > 0 {
		ls.Drop(parts[0])
		parts = parts[1:]
		check(-1)
	}
	if leased < 500 || len(ls.leased) > 0 {
		t.Errorf("%d were leased, and %d still are", leased, len(ls.leased))
	}
}

// BenchmarkRefs finds where the rows of a delivery are, as each recorded attempt does, among more and more destinations.
func BenchmarkRefs(b *testing.B) {
	for _, destinations := range []int64{1, 1000} {
		b.Run(fmt.Sprint(destinations, " destinations"), func(b *testing.B) {
			names := NewNames()
			ls := New(names, false)
			var keys []Key
			for d := range destinations {
				l := ls.Whole(d + 1)
				k := Key{Event: event(d)}
				l.lend(k, &lease{until: 1, q: l.queue(names, 1)})
				keys = append(keys, k)
			}
			for i := 0; b.Loop(); i++ {
				ls.Leases(keys[i%len(keys) : i%len(keys)+1])
			}
		})
	}
}
