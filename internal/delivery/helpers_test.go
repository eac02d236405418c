package delivery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sent is one Deliver call that a fake destination received.
type sent struct {
	at    time.Duration // since the test began
	items []destination.Item
}

// fake is a destination that answers as it is told and remembers what it got.
type fake struct {
	batch  int
	answer func(ctx context.Context, items []destination.Item) []destination.Result

	mu            sync.Mutex
	start         time.Time
	sent          []sent
	running, most int
}

func newFake(answer func(ctx context.Context, items []destination.Item) []destination.Result) *fake {
	return &fake{batch: 1, answer: answer, start: time.Now()}
}

// always answers every item alike.
func always(r destination.Result) func(context.Context, []destination.Item) []destination.Result {
	return func(_ context.Context, items []destination.Item) []destination.Result { return same(len(items), r) }
}

// takes answers after a time, or with Retry when the context ends before.
func takes(d time.Duration, r destination.Result) func(context.Context, []destination.Item) []destination.Result {
	return func(ctx context.Context, items []destination.Item) []destination.Result {
		select {
		case <-time.After(d):
			return same(len(items), r)
		case <-ctx.Done():
			return same(len(items), destination.Result{Reason: "timed out", Unhealthy: true})
		}
	}
}

var (
	ok       = destination.Result{Outcome: destination.Delivered, Status: 200}
	failing  = destination.Result{Outcome: destination.Retry, Status: 500, Reason: "500", Unhealthy: true}
	refusing = destination.Result{Outcome: destination.Dead, Status: 400, Reason: "property x is unknown"}
)

func (f *fake) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	f.mu.Lock()
	f.sent = append(f.sent, sent{time.Since(f.start), slices.Clone(items)})
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	return f.answer(ctx, items)
}

func (f *fake) Preview(items []destination.Item) ([]destination.Request, error) {
	return []destination.Request{{Method: "POST", URL: "https://crm.example/" + items[0].DeliveryID}}, nil
}

func (f *fake) MaxBatch() int { return f.batch }

func (f *fake) calls() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

func (f *fake) times() (at []time.Duration) {
	for _, s := range f.calls() {
		at = append(at, s.at)
	}
	return at
}

// spy remembers what the observer was told.
type spy struct {
	NopObserver
	mu       sync.Mutex
	attempts []Attempted
	failing  []Attempted
	dead     []Attempted
	own      []string
	resumed  []string
	paused   []string
	changes  []breaker.State
	rendered []destination.Request
	accepted int
}

func (s *spy) Accepted(*store.Event, store.Accepted, []string) {
	s.mu.Lock()
	s.accepted++
	s.mu.Unlock()
}

func (s *spy) AttemptFinished(a Attempted) {
	s.mu.Lock()
	s.attempts = append(s.attempts, a)
	s.mu.Unlock()
}

func (s *spy) DeadLetter(a Attempted) { s.mu.Lock(); s.dead = append(s.dead, a); s.mu.Unlock() }

func (s *spy) Failing(a Attempted) { s.mu.Lock(); s.failing = append(s.failing, a); s.mu.Unlock() }

// toldFailing is what Failing was told so far.
func (s *spy) toldFailing() []Attempted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failing)
}

func (s *spy) GatewayTrouble(name, reason string) {
	s.mu.Lock()
	s.own = append(s.own, name+": "+reason)
	s.mu.Unlock()
}

func (s *spy) Resumed(name string) { s.mu.Lock(); s.resumed = append(s.resumed, name); s.mu.Unlock() }

func (s *spy) Paused(name, reason string) {
	s.mu.Lock()
	s.paused = append(s.paused, name+": "+reason)
	s.mu.Unlock()
}

func (s *spy) BreakerChanged(_ string, _, to breaker.State) {
	s.mu.Lock()
	s.changes = append(s.changes, to)
	s.mu.Unlock()
}

func (s *spy) Rendered(_ Attempted, r []destination.Request) {
	s.mu.Lock()
	s.rendered = append(s.rendered, r...)
	s.mu.Unlock()
}

// rig is an engine on a memory store.
type rig struct {
	*testing.T
	store  store.Store
	engine *Engine
	spy    *spy
	detach func()
	events int
}

// noBreaker never opens.
var noBreaker = breaker.Settings{ConsecutiveFailures: -1, FailureRatio: -1}

// middle is the random number that jitters nothing.
func middle() float64 { return 0.5 }

func newRig(t *testing.T, o Options, destinations map[string]Config) *rig {
	r := &rig{T: t, store: o.Store, spy: &spy{}}
	if r.store == nil {
		r.store = storetest.NewMemory(storetest.Options{})
	}
	o.Store, o.Observer = r.store, r.spy
	if o.Rand == nil {
		o.Rand = middle
	}
	r.engine = New(o)
	if destinations != nil {
		r.detach = r.engine.Attach(&Snapshot{Destinations: destinations})
	}
	return r
}

func (r *rig) close() {
	r.Helper()
	if err := r.engine.Close(context.Background()); err != nil {
		r.Errorf("closing: %v", err)
	}
}

// accept stores an event of a call ("" for none) and returns its id.
func (r *rig) accept(tenant, callID string, destinations ...string) string {
	r.Helper()
	r.events++
	e := newEvent(r.events, tenant, callID)
	a, err := r.engine.Accept(context.Background(), e, destinations)
	if err != nil || a.Duplicate {
		r.Fatalf("accept: %+v, %v", a, err)
	}
	return e.ID
}

func newEvent(n int, tenant, callID string) *store.Event {
	record, _ := json.Marshal(call.Call{Provider: "test", ID: callID, FirstName: fmt.Sprint("caller ", n), EventType: "lead"})
	e := &store.Event{
		ID: newID(), Tenant: tenant, Source: "test", Route: "r", EventType: "lead", CallID: callID,
		ReceivedAt: time.Now(), Record: record, Body: []byte(`{"n":1}`),
		Header: map[string][]string{"Content-Type": {"application/json"}, "Traceparent": {"00-abc-def-01"}},
	}
	copy(e.Key[:], fmt.Sprint(n))
	return e
}

var ids = struct {
	sync.Mutex
	entropy io.Reader
}{entropy: ulid.Monotonic(rand.Reader, 0)}

func newID() string {
	ids.Lock()
	defer ids.Unlock()
	return ulid.MustNew(ulid.Timestamp(time.Now()), ids.entropy).String()
}

// states counts a destination's deliveries by state.
func (r *rig) states(name string) map[store.State]int {
	r.Helper()
	states := map[store.State]int{}
	s, err := r.store.Stats(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	for _, d := range s.Destinations {
		if d.Destination == name {
			states[store.Pending], states[store.Delivered], states[store.Dead] = int(d.Pending), int(d.Delivered), int(d.Dead)
		}
	}
	return states
}

func (r *rig) want(name string, pending, delivered, dead int) {
	r.Helper()
	got := r.states(name)
	if got[store.Pending] != pending || got[store.Delivered] != delivered || got[store.Dead] != dead {
		r.Errorf("%s: %d pending, %d delivered, %d dead; want %d, %d, %d", name,
			got[store.Pending], got[store.Delivered], got[store.Dead], pending, delivered, dead)
	}
}

// only is the one delivery to a destination.
func (r *rig) only(name string) store.Delivery {
	r.Helper()
	d, err := r.store.Deliveries(context.Background(), store.Filter{Destination: name}, store.Page{})
	if err != nil || len(d) != 1 {
		r.Fatalf("%d deliveries, %v", len(d), err)
	}
	return d[0]
}

func (r *rig) status(name string) DestinationStatus {
	r.Helper()
	all, err := r.engine.Status(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	return DestinationStatus{}
}

// in runs a test in a bubble with fake time.
func in(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// after lets time pass until everything that happens by then has happened.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func durations(seconds ...float64) []time.Duration {
	d := make([]time.Duration, len(seconds))
	for i, s := range seconds {
		d[i] = time.Duration(s * float64(time.Second))
	}
	return d
}
