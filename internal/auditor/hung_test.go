package auditor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/callgate/callgate/internal/audit/publish"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// stuck is a sink that does not come back, whatever its context says, as a file on a network that is gone.
type stuck struct{ released chan struct{} }

func (s *stuck) Name() string { return "stuck" }

func (s *stuck) Send(context.Context, publish.Signed) error {
	<-s.released
	return context.Canceled
}

// receiver takes everything at once.
type receiver struct{ got atomic.Int64 }

func (r *receiver) Deliver(_ context.Context, items []destination.Item) []destination.Result {
	r.got.Add(int64(len(items)))
	out := make([]destination.Result, len(items))
	for i := range out {
		out[i] = destination.Result{Outcome: destination.Delivered, Status: 200}
	}
	return out
}

func (r *receiver) Preview([]destination.Item) ([]destination.Request, error) { return nil, nil }
func (r *receiver) MaxBatch() int                                             { return 1 }

// traffic accepts and delivers calls while these sinks get checkpoints, and tells how long that took by the clock of its
// bubble, which stands still while anybody has something to do: what waits for a sink moves it.
func traffic(t *testing.T, sinks func() (list []publish.Sink, release func())) (took time.Duration, told map[string]error) {
	r := newRig(t)
	told = make(map[string]error)
	synctest.Test(t, func(t *testing.T) {
		const calls = 300
		r.T = t
		r.reopen()
		list, release := sinks()
		var mu sync.Mutex
		o := r.options()
		o.Changed = func(s publish.Status) {
			mu.Lock()
			told[s.Sink] = s.Error
			mu.Unlock()
		}
		a, err := Open(t.Context(), o, r.settings(list...))
		if err != nil {
			t.Fatal(err)
		}
		crm := new(receiver)
		engine := delivery.New(delivery.Options{Store: r.store})
		engine.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{"crm": {Destination: crm}}})
		began := time.Now()
		for i := range calls {
			if i%100 == 99 { // more of what a sink waits for
				if _, err := a.Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			e := &store.Event{ID: ulid.MustNew(ulid.Timestamp(time.Now()), ulid.DefaultEntropy()).String(), Source: "nextphone", Route: "r",
				ReceivedAt: time.Now(), Body: []byte("{}"), Record: []byte("{}"), Key: [16]byte{1, byte(i), byte(i >> 8)}}
			if _, err := engine.Accept(t.Context(), e, []string{"crm"}); err != nil {
				t.Fatal(err)
			}
		}
		for crm.got.Load() < calls {
			time.Sleep(time.Millisecond)
			if time.Since(began) > time.Hour {
				t.Fatalf("%d of %d calls were delivered within an hour", crm.got.Load(), calls)
			}
		}
		took = time.Since(began)
		time.Sleep(time.Minute)
		synctest.Wait()
		status, err := a.Status(t.Context())
		if err != nil || status.Records < 2*calls {
			t.Errorf("%d records, %v", status.Records, err)
		}
		mu.Lock()
		for _, sink := range status.Sinks {
			if (told[sink.Name] == nil) != sink.FailingSince.IsZero() {
				t.Errorf("%+v, and the operator was told %v", sink, told[sink.Name])
			}
		}
		mu.Unlock()
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := a.Close(ctx, true); err != nil {
			t.Error(err)
		}
		release()
		synctest.Wait()
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return took, told
}

// TestTrafficDoesNotWaitForSinks: calls are accepted and delivered while everybody who gets checkpoints hangs, in the time
// that it takes while they do not, and the operator is told.
func TestTrafficDoesNotWaitForSinks(t *testing.T) {
	well, told := traffic(t, func() ([]publish.Sink, func()) { return []publish.Sink{&box{name: "well"}}, func() {} })
	if len(told) != 0 {
		t.Errorf("without a reason it was told %v", told)
	}
	hung, told := traffic(t, func() ([]publish.Sink, func()) {
		s := &stuck{make(chan struct{})}
		return []publish.Sink{s, &box{name: "hung", hangs: true}}, func() { close(s.released) }
	})
	if hung > well+100*time.Millisecond {
		t.Errorf("it takes %v beside sinks that hang, and %v beside one that does not", hung, well)
	}
	if told["stuck"] == nil || told["hung"] == nil {
		t.Errorf("the operator was told %v", fmt.Sprint(told))
	}
}
