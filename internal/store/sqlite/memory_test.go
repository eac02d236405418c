package sqlite_test

import (
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestNothingOutlivesItsBatch accepts many events at once, then a few, and looks for what the store still holds of them:
// a burst of large bodies must not stay in memory until the next burst of its size.
func TestNothingOutlivesItsBatch(t *testing.T) {
	for name, o := range map[string]sqlite.Options{
		"plain":  {WaitForEach: time.Millisecond},
		"sealed": {WaitForEach: time.Millisecond, Keys: ring(t, keyA)},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, o)
			var mu sync.Mutex
			var bodies []weak.Pointer[byte]
			var events []weak.Pointer[store.Event]
			accept := func() {
				e := randomEvent(noise(64 << 10))
				mu.Lock()
				bodies, events = append(bodies, weak.Make(&e.Body[0])), append(events, weak.Make(e))
				mu.Unlock()
				a, err := s.Accept(ctx, e, []string{"crm"})
				if err != nil {
					t.Error(err)
					return
				}
				excerpt := make([]byte, 64<<10)
				excerpt[0] = 'x'
				mu.Lock()
				bodies = append(bodies, weak.Make(&excerpt[0]))
				mu.Unlock()
				if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Dead, Excerpt: excerpt}}); err != nil {
					t.Error(err)
				}
			}
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(accept)
			}
			wg.Wait()
			// A request is answered before the writer forgets it; that it has taken the next one tells that it did.
			if err := s.Pause(ctx, "crm", "a small batch"); err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			runtime.GC()
			live := 0
			for _, p := range bodies {
				if p.Value() != nil {
					live++
				}
			}
			for _, p := range events {
				if p.Value() != nil {
					live++
				}
			}
			if live > 0 {
				t.Errorf("of %d events and %d contents %d are still in memory", len(events), len(bodies), live)
			}
		})
	}
}
