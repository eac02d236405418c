package operate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// somebody may do everything.
var somebody = Actor{Name: "ada", Via: "test", May: Everything}

// TestEveryOperationSaysWhatItNeeds: an exported method that is not in the table, or that does not ask for what the table
// says before it does anything, could be had by everybody.
func TestEveryOperationSaysWhatItNeeds(t *testing.T) {
	methods := reflect.TypeFor[*Service]()
	named := map[string]bool{}
	for m := range methods.Methods() {
		named[m.Name] = true
		needed, ok := operations[m.Name]
		if !ok {
			t.Errorf("%s is not in the table of operations", m.Name)
			continue
		}
		if m.Type.NumIn() < 3 || m.Type.In(1) != reflect.TypeFor[context.Context]() || m.Type.In(2) != reflect.TypeFor[Actor]() {
			t.Errorf("%s does not take a context and an actor", m.Name)
			continue
		}
		var asked []Capability
		may := func(c Capability) bool { asked = append(asked, c); return false }
		for _, actor := range []Actor{{}, {May: may}} {
			in := []reflect.Value{reflect.ValueOf(New(Options{})), reflect.ValueOf(t.Context()), reflect.ValueOf(actor)}
			for i := 3; i < m.Type.NumIn(); i++ {
				in = append(in, reflect.Zero(m.Type.In(i)))
			}
			out := m.Func.Call(in)
			if err, _ := out[len(out)-1].Interface().(error); !errors.Is(err, ErrForbidden) {
				t.Errorf("%s for somebody who may nothing: %v", m.Name, err)
			}
		}
		if !slices.Equal(asked, []Capability{needed.capability}) {
			t.Errorf("%s asks for %v, the table says %s", m.Name, asked, needed.capability)
		}
	}
	for name := range operations {
		if !named[name] {
			t.Errorf("%s is in the table, and no operation", name)
		}
	}
}

func TestWithoutAStoreOperationsSaySo(t *testing.T) {
	s := New(Options{})
	_, err := s.Events(t.Context(), somebody, Listing{})
	_, err2 := s.Statistics(t.Context(), somebody)
	for _, err := range []error{err, err2, s.Rekey(t.Context(), somebody, nil)} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no store is open") {
			t.Error(err)
		}
	}
	s = New(Options{Store: storetest.NewMemory(storetest.Options{})})
	if _, err := s.Replay(t.Context(), somebody, ReplaySelection{Selection: Selection{All: true}}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "start it") {
		t.Error(err)
	}
}

func TestErrorsOfTheStoreHaveTheirKind(t *testing.T) {
	for err, want := range map[error]error{
		store.ErrNotFound: ErrNotFound, store.ErrClosed: ErrUnavailable, delivery.ErrClosed: ErrUnavailable,
		fmt.Errorf("%w: disk", store.ErrUnavailable): ErrUnavailable, fmt.Errorf("%w: disk", store.ErrFull): ErrUnavailable,
		errors.New("odd"): nil,
	} {
		var e *Error
		if got := stored(err); !errors.As(got, &e) || e.Kind != want || !errors.Is(got, err) {
			t.Errorf("%v: %+v, want %v", err, got, want)
		}
	}
	if stored(nil) != nil {
		t.Error("nothing has become an error")
	}
	if err := partly(store.ErrFull); !errors.Is(err, ErrUnavailable) || !strings.HasSuffix(err.Error(), "repeat the request for the rest") {
		t.Error(err)
	}
}

// receiver is a destination that works, refuses while it is down, and is to be tried again while it is slow.
type receiver struct {
	down, slow atomic.Bool
	mu         sync.Mutex
	at         []time.Time // when it got something
}

func (r *receiver) Deliver(_ context.Context, items []destination.Item) []destination.Result {
	r.mu.Lock()
	r.at = append(r.at, time.Now())
	r.mu.Unlock()
	out := make([]destination.Result, len(items))
	for i := range out {
		if out[i] = (destination.Result{Outcome: destination.Delivered, Status: 200}); r.down.Load() {
			out[i] = destination.Result{Outcome: destination.Dead, Status: 400, Reason: "a property is unknown"}
		} else if r.slow.Load() {
			out[i] = destination.Result{Outcome: destination.Retry, Status: 503, Reason: "try later"}
		}
	}
	return out
}

func (r *receiver) Preview([]destination.Item) ([]destination.Request, error) { return nil, nil }
func (r *receiver) MaxBatch() int                                             { return 1 }

// gateway is a store with an engine that delivers from it, for tests in a bubble of testing/synctest.
type gateway struct {
	*Service
	t      *testing.T
	engine *delivery.Engine
	store  store.Store
	crm    *receiver
	number int
}

// inBubble runs a test with a gateway whose destinations are crm, which can be down, and log.
func inBubble(t *testing.T, test func(t *testing.T, g *gateway)) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{t: t, store: storetest.NewMemory(storetest.Options{}), crm: new(receiver)}
		g.engine = delivery.New(delivery.Options{Store: g.store})
		g.engine.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{
			"crm": {Destination: g.crm, Schedule: delivery.ListSchedule(0, time.Hour, time.Hour)}, "log": {Destination: new(receiver)},
		}})
		defer g.engine.Close(context.Background())
		g.Service = New(Options{Store: g.store, Engine: g.engine})
		test(t, g)
	})
}

// accept accepts an event of a tenant, and lets it be delivered.
func (g *gateway) accept(tenant string) (id string) {
	g.t.Helper()
	g.number++
	e := &store.Event{
		ID: ulid.MustNew(ulid.Timestamp(time.Now()), ulid.DefaultEntropy()).String(), Tenant: tenant, Source: "retell", Route: "r",
		EventType: "call_ended", CallID: fmt.Sprintf("c-%d", g.number), CallerHash: "+15551234567", ReceivedAt: time.Now(),
		Body: []byte("private words"), Record: []byte(`{"provider":"retell"}`), Key: [16]byte{byte(g.number)},
	}
	if _, err := g.engine.Accept(g.t.Context(), e, []string{"crm", "log"}); err != nil {
		g.t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	synctest.Wait()
	return e.ID
}

func TestWhatIsDoneIsDoneOnlyToWhatIsSelected(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.down.Store(true)
		id := g.accept("acme")
		g.accept("beta")
		page, err := g.Deliveries(t.Context(), somebody, Listing{Filter: Filter{State: "dead"}})
		if err != nil || len(page.Deliveries) != 2 || page.Deliveries[0].Tenant != "beta" {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, wrong := range []Selection{{}, {DryRun: true}, {All: true, Filter: Filter{Tenant: "acme"}}, {Filter: Filter{State: "pending"}}} {
			if n, err := g.Replay(t.Context(), somebody, ReplaySelection{Selection: wrong}); !errors.Is(err, ErrBadRequest) {
				t.Errorf("%+v: %v, %v", wrong, n, err)
			}
		}
		g.crm.down.Store(false)
		if n, err := g.Replay(t.Context(), somebody, ReplaySelection{Selection: Selection{Filter: Filter{Tenant: "acme"}}}); err != nil || n.Deliveries != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		e, err := g.Event(t.Context(), somebody, id)
		if err != nil || e.States[store.Delivered] != 2 || e.Content != nil || len(e.Deliveries) != 2 {
			t.Errorf("%+v, %v", e, err)
		}
		if e, err = g.RevealEvent(t.Context(), somebody, id, "a test"); err != nil || e.Content == nil || e.Content.Body != "private words" {
			t.Errorf("%+v, %v", e, err)
		}
		if p, err := g.Pause(t.Context(), somebody, "crn", ""); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "crm, log") {
			t.Errorf("%+v, %v", p, err)
		}
		if p, err := g.Pause(t.Context(), somebody, "crm", "tea"); err != nil || *p != (PauseState{"crm", true, "tea"}) {
			t.Errorf("%+v, %v", p, err)
		}
		s, err := g.Statistics(t.Context(), somebody)
		if err != nil || s.Events != 2 || len(s.Destinations) != 2 || s.Destinations[0].PauseReason != "tea" {
			t.Errorf("%+v, %v", s, err)
		}
		if n, err := g.Erase(t.Context(), somebody, EraseSelection{Selection: Selection{Filter: Filter{Tenant: "acme"}}}); err != nil || n.Events != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		if _, err := g.Event(t.Context(), somebody, id); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

// TestWhoReadsWhatACallerSaidIsLogged: before it is read, so that there is no look without a line.
func TestWhoReadsWhatACallerSaidIsLogged(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	failing := storetest.NewMemory(storetest.Options{})
	if err := failing.Close(); err != nil {
		t.Fatal(err)
	}
	s := New(Options{Store: failing, Log: zap.New(core)})
	if _, err := s.RevealEvent(t.Context(), somebody, "e-1", "a complaint"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	got := logs.All()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	if m := got[0].ContextMap(); m["event"] != "e-1" || m["reason"] != "a complaint" || m["by"] != "ada" || m["via"] != "test" {
		t.Errorf("%v", m)
	}
	if _, err := s.RevealEvent(t.Context(), somebody, "e-1", ""); !errors.Is(err, ErrBadRequest) {
		t.Error(err)
	}
}

func TestACallerIsErasedUnderEveryHash(t *testing.T) {
	ring, err := seal.ParseRing(strings.Repeat("01", 32))
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(t *testing.T, g *gateway) {
		g.accept("acme") // under the number itself, as from before there was a key
		g.Service = New(Options{Store: g.store, Engine: g.engine, CallerHashes: func(n string) []string { return CallerHashes(ring, n) }})
		n, err := g.Erase(t.Context(), somebody, EraseSelection{Selection: Selection{Filter: Filter{Caller: "+1 (555) 123-4567"}}})
		if err != nil || n.Events != 1 {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

func TestPreviewShowsWhichDestinationsCannotBeRendered(t *testing.T) {
	parser, err := source.New("retell", source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Scene: func(in *PreviewInput) (*Scene, error) {
		if in.Source != "retell" {
			return nil, errors.New("unknown source")
		}
		return &Scene{Parser: parser, Render: func(name string, item destination.Item) ([]destination.Request, error) {
			if name == "crm" {
				return nil, errors.New("no template")
			}
			return []destination.Request{{Method: "POST", URL: "https://log.example/" + item.Tenant}}, nil
		}}, nil
	}})
	p, err := s.Preview(t.Context(), somebody, PreviewInput{Source: "retell", Tenant: "acme", Destinations: []string{"crm", "log"}, Body: []byte(`{}`)})
	if err != nil || len(p.Deliveries) != 2 || p.Deliveries[0].Error != "no template" || p.Deliveries[1].Requests[0].URL != "https://log.example/acme" || !errors.Is(p.Err(), ErrPreview) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := s.Preview(t.Context(), somebody, PreviewInput{Source: "x"}); !errors.Is(err, ErrBadRequest) || err.Error() != "unknown source" {
		t.Error(err)
	}
	if _, err := New(Options{}).Preview(t.Context(), somebody, PreviewInput{}); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
