package publish

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// scripted is a sink that fails, hangs or takes as it is told.
type scripted struct {
	hang bool

	mu    sync.Mutex
	fail  bool
	took  []int64
	tries int
}

// failing says how it goes from now on.
func (s *scripted) failing(fail bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *scripted) Name() string { return "scripted" }

func (s *scripted) Send(ctx context.Context, c Signed) error {
	if s.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.fail {
		return errors.New("no")
	}
	s.took = append(s.took, c.Size)
	return nil
}

func of(size int64) Signed { return Signed{Checkpoint: audit.Checkpoint{Size: size}} }

func TestAHungSinkHoldsNothingUpAndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf, good := &stuck{release: make(chan struct{})}, &scripted{}
		var told []Status
		p := New([]Sink{deaf, good}, Options{Changed: func(s Status) { told = append(told, s) }})
		start := time.Now()
		for size := range int64(1000) {
			p.Publish(of(size + 1))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("publishing took %v", took)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(good.took) == 0 || good.took[len(good.took)-1] != 1000 {
			t.Errorf("beside a sink that hangs the other took %v", good.took)
		}
		if len(told) != 1 || told[0].Sink != "stuck" || told[0].Failing.IsZero() || !errors.Is(told[0].Error, errHung) {
			t.Errorf("told was %+v", told)
		}
		s := p.Status()
		if !s[0].Waiting || s[0].Size != 0 || s[1].Waiting || s[1].Size != 1000 || s[1].Error != nil {
			t.Errorf("they stand %+v", s)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closing says %v", err)
		}
		close(deaf.release)
	})
}

// stuck does not even look at its context, as a write to a file system that is gone.
type stuck struct{ release chan struct{} }

func (*stuck) Name() string                         { return "stuck" }
func (s *stuck) Send(context.Context, Signed) error { <-s.release; return nil }

func TestASinkThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{fail: true}
		var told []Status
		p := New([]Sink{s}, Options{Changed: func(s Status) { told = append(told, s) }})
		p.Publish(of(10))
		time.Sleep(37 * time.Second) // after 0, 1, 6 and 36 s
		synctest.Wait()
		if s.tries != 4 {
			t.Errorf("%d tries in 37 s", s.tries)
		}
		p.Publish(of(30))
		p.Publish(of(20)) // smaller: an older one, that came late
		synctest.Wait()
		if s.tries != 4 {
			t.Error("a new checkpoint made a sink that fails be asked more often")
		}
		s.failing(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if len(s.took) != 1 || s.took[0] != 30 {
			t.Errorf("it took %v", s.took)
		}
		if len(told) != 2 || told[0].Failing.IsZero() || !told[1].Failing.IsZero() || told[1].Size != 30 {
			t.Errorf("told was %+v", told)
		}
		p.Publish(of(40))
		synctest.Wait()
		if len(s.took) != 2 || s.took[1] != 40 {
			t.Errorf("then it took %v", s.took)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLastCheckpointIsTriedOnceMoreAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{fail: true}
		p := New([]Sink{s}, Options{})
		p.Publish(of(10))
		synctest.Wait()
		s.failing(false)
		if err := p.Close(t.Context()); err != nil || len(s.took) != 1 {
			t.Errorf("it took %v, %v", s.took, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{hang: true}
		p := New([]Sink{s}, Options{})
		p.Publish(of(10))
		synctest.Wait()
		start := time.Now()
		if err := p.Close(t.Context()); err != nil || time.Since(start) != 2*DefaultTimeout {
			t.Errorf("closing took %v, %v", time.Since(start), err)
		}
	})
}
