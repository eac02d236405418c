package storetest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Model carries out a random sequence of operations, the same for the same seed, on a store and on the memory store,
// and fails the test where they differ.
func Model(t *testing.T, h Harness, seed uint64, steps int) { model(t, h, seed, steps) }

type modelRun struct {
	*testing.T
	h     Harness
	r     *rand.Rand
	now   time.Time
	real  store.Store
	ref   *memory
	n     int
	known []string // delivery ids
	held  []string // deliveries claimed
	trace []string
}

func model(t *testing.T, h Harness, seed uint64, steps int) {
	m := &modelRun{T: t, h: h, r: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	o := Options{Window: time.Hour, Now: func() time.Time { return m.now }}
	m.real, m.ref = h.Open(t, o), NewMemory(o).(*memory)
	for i := range steps {
		m.step()
		if i%10 == 9 || i == steps-1 {
			m.compare()
		}
		if t.Failed() {
			for _, line := range m.trace[max(0, len(m.trace)-20):] {
				t.Log(line[:min(len(line), 300)])
			}
			t.Fatalf("seed %d, step %d", seed, i)
		}
	}
}

// same compares what the two stores gave.
func (m *modelRun) same(what string, got any, err error, want any, wantErr error) {
	m.Helper()
	m.trace = append(m.trace, fmt.Sprintf("%s at %s: %+v", what, m.now.Format("15:04:05.000"), want))
	if (err == nil) != (wantErr == nil) {
		m.Errorf("%s: error %v, want %v", what, err, wantErr)
	} else if !reflect.DeepEqual(got, want) {
		m.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func (m *modelRun) pick(list ...string) string { return list[m.r.IntN(len(list))] }

func (m *modelRun) destination() string { return m.pick("crm", "ehr", "dispatch") }

func (m *modelRun) filter() store.Filter {
	var f store.Filter
	for range 1 + m.r.IntN(2) {
		switch m.r.IntN(10) {
		case 0:
			f.Destination = m.destination()
		case 1:
			f.Tenant = m.pick("a", "b", "c", "x")
		case 2:
			f.State = store.State(m.pick("dead", "delivered", "pending"))
		case 3:
			f.Reason = m.pick("50", "timeout", "HTTP")
		case 4:
			f.CallID = fmt.Sprintf("call-%d", m.r.IntN(m.n+2)/2)
		case 5:
			f.CallerHash = m.pick("caller-0", "caller-1")
		case 6:
			f.From = m.now.Add(-time.Duration(m.r.IntN(3600)) * time.Second)
		case 7:
			f.To = m.now.Add(-time.Duration(m.r.IntN(3600)) * time.Second)
		case 8:
			if len(m.known) > 0 {
				f.DeliveryID = m.pick(m.known...)
			}
		case 9:
			f.Tenants = [][]string{{}, {"a"}, {"b", "c"}, {"x"}, {"x", "a"}}[m.r.IntN(5)]
		}
	}
	return f
}

func (m *modelRun) step() {
	m.now = m.now.Add(time.Duration(1+m.r.IntN(2000)) * time.Millisecond)
	switch p := m.r.IntN(100); {
	case p < 35:
		m.n++
		e := makeEvent(m.n, m.pick("a", "a", "a", "b", "c"), m.now)
		e.Key = [16]byte{byte(m.r.IntN(60))}
		var to []string
		for range m.r.IntN(4) {
			to = append(to, m.destination())
		}
		got, err := m.real.Accept(ctx, e, to)
		want, wantErr := m.ref.Accept(ctx, e, to)
		m.same("Accept", got, err, want, wantErr)
		m.known = append(m.known, want.Deliveries...)
	case p < 35 && len(m.known) > 0:
		id := m.pick(m.known...)
		got, err := m.real.ClaimOne(ctx, id, m.now, 20*time.Second)
		want, wantErr := m.ref.ClaimOne(ctx, id, m.now, 20*time.Second)
		m.same("ClaimOne "+id, got, err, want, wantErr)
		if want != nil {
			m.held = append(m.held, id)
		}
	case p < 55:
		destination, limit := m.destination(), 1+m.r.IntN(5)
		var skip []string
		if m.r.IntN(4) == 0 {
			skip = []string{m.pick("a", "b")}
		}
		got, err := m.real.Claim(ctx, destination, m.now, 20*time.Second, limit, skip)
		want, wantErr := m.ref.Claim(ctx, destination, m.now, 20*time.Second, limit, skip)
		m.same(fmt.Sprintf("Claim %s %d %v", destination, limit, skip), ids(got), err, ids(want), wantErr)
		for i := range want {
			if i < len(got) {
				m.same("claimed", got[i], nil, want[i], nil)
			}
			m.held = append(m.held, want[i].ID)
		}
	case p < 80:
		var results []store.Attempt
		for range 1 + m.r.IntN(3) {
			id := ""
			switch {
			case len(m.held) > 0 && m.r.IntN(10) > 0:
				i := m.r.IntN(len(m.held))
				id = m.held[i]
				m.held = append(m.held[:i], m.held[i+1:]...)
			case len(m.known) > 0:
				id = m.pick(m.known...)
			default:
				continue
			}
			a := store.Attempt{DeliveryID: id, At: m.now, Took: time.Second, State: store.State(m.pick("delivered", "delivered", "pending", "dead"))}
			if a.State != store.Delivered {
				a.Status, a.Reason = 500, m.pick("HTTP 500", "HTTP 503", "timeout")
			}
			if a.State == store.Pending && m.r.IntN(10) > 0 {
				a.NextAt = m.now.Add(time.Duration(m.r.IntN(30)) * time.Second)
			}
			a.RemoteID, a.Uncounted = m.pick("", "r1"), m.r.IntN(5) == 0
			results = append(results, a)
		}
		m.same(fmt.Sprintf("Finish %+v", results), nil, m.real.Finish(ctx, results), nil, m.ref.Finish(ctx, results))
	case p < 84:
		if len(m.held) > 0 {
			id := m.pick(m.held...)
			m.same("Return "+id, nil, m.real.Return(ctx, []string{id}), nil, m.ref.Return(ctx, []string{id}))
		}
	case p < 86:
		d := m.destination()
		m.same("Pause "+d, nil, m.real.Pause(ctx, d, "why"), nil, m.ref.Pause(ctx, d, "why"))
	case p < 90:
		d := m.destination()
		m.same("Resume "+d, nil, m.real.Resume(ctx, d), nil, m.ref.Resume(ctx, d))
	case p < 93:
		f, dry := m.filter(), m.r.IntN(2) == 0
		switch m.r.IntN(4) {
		case 0:
			got, err := m.real.SendNow(ctx, f, m.now, dry)
			want, wantErr := m.ref.SendNow(ctx, f, m.now, dry)
			m.same(fmt.Sprintf("SendNow %+v dry %v", f, dry), got, err, want, wantErr)
			return
		case 1:
			got, err := m.real.Cancel(ctx, f, dry)
			want, wantErr := m.ref.Cancel(ctx, f, dry)
			m.same(fmt.Sprintf("Cancel %+v dry %v", f, dry), got, err, want, wantErr)
			return
		}
		every := time.Duration(m.r.IntN(3)) * time.Second
		got, err := m.real.Replay(ctx, f, m.now, every, dry)
		want, wantErr := m.ref.Replay(ctx, f, m.now, every, dry)
		m.same(fmt.Sprintf("Replay %+v every %s dry %v", f, every, dry), got, err, want, wantErr)
	case p < 94:
		f, dry := m.filter(), m.r.IntN(2) == 0
		got, err := m.real.Erase(ctx, f, dry)
		want, wantErr := m.ref.Erase(ctx, f, dry)
		m.same(fmt.Sprintf("Erase %+v dry %v", f, dry), got, err, want, wantErr)
	case p < 96:
		kept := func() time.Duration { return time.Duration(m.r.IntN(600)-100) * time.Second }
		r := store.Retention{Done: max(0, kept()), Dead: max(0, kept())}
		m.same(fmt.Sprintf("Expire %+v", r), m.expireAll(m.real, r), nil, m.expireAll(m.ref, r), nil)
	case p < 98:
		m.now = m.now.Add(time.Duration(m.r.IntN(40)) * time.Minute)
	default:
		if m.h.Reopen != nil {
			m.real = m.h.Reopen(m.T, m.real)
			m.ref.restart()
			m.trace = append(m.trace, "restart")
		}
	}
}

// expireAll expires in small batches until nothing is left to.
func (m *modelRun) expireAll(s store.Store, r store.Retention) (total store.Expired) {
	for {
		n, err := s.Expire(ctx, r, m.now, 3)
		if err != nil {
			m.Error(err)
		}
		if n.Total() == 0 {
			return total
		}
		total.Done += n.Done
		total.Dead += n.Dead
	}
}

// compare holds everything that can be seen of the two stores against each other.
func (m *modelRun) compare() {
	m.Helper()
	for _, f := range []store.Filter{{}, m.filter(), m.filter()} {
		gotE, err := m.real.Events(ctx, f, store.Page{Limit: 1000})
		wantE, wantErr := m.ref.Events(ctx, f, store.Page{Limit: 1000})
		m.same(fmt.Sprintf("Events %+v", f), gotE, err, wantE, wantErr)
		gotD, err := m.real.Deliveries(ctx, f, store.Page{Limit: 1000})
		wantD, wantErr := m.ref.Deliveries(ctx, f, store.Page{Limit: 1000})
		m.same(fmt.Sprintf("Deliveries %+v", f), gotD, err, wantD, wantErr)
	}
	got, err := m.real.Stats(ctx)
	want, wantErr := m.ref.Stats(ctx)
	m.same("Stats", got.Destinations, err, want.Destinations, wantErr)
	tenants := [][]string{nil, {}, {"a", "x"}, {"b", "c"}}[m.r.IntN(4)]
	gotC, err := m.real.Counts(ctx, tenants)
	wantC, wantErr := m.ref.Counts(ctx, tenants)
	m.same(fmt.Sprintf("Counts of %v", tenants), gotC, err, wantC, wantErr)
	m.same("events", got.Events, nil, want.Events, nil)
	m.same("expired", got.Expired, nil, want.Expired, nil)
	for _, d := range []string{"crm", "ehr", "dispatch"} {
		got, err := m.real.Next(ctx, d)
		want, wantErr := m.ref.Next(ctx, d)
		m.same("Next "+d, got, err, want, wantErr)
	}
	if len(m.known) > 0 {
		id := m.pick(m.known...)
		got, err := m.real.Attempts(ctx, id)
		want, wantErr := m.ref.Attempts(ctx, id)
		m.same("Attempts "+id, got, err, want, wantErr)
	}
}

// restart does what the end of a process does to a store: leases end, turns begin anew.
func (m *memory) restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.turn)
	for d := range m.all {
		d.lease = time.Time{}
	}
}
