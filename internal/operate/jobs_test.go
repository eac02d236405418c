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

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// stepping is an engine whose cancellations go in steps, each of which has to be let through.
type stepping struct {
	Engine
	steps chan int
	fails error
}

func (e *stepping) Cancel(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	if dryRun {
		return 1000, nil
	}
	total := 0
	for {
		select {
		case <-ctx.Done():
			return total, ctx.Err()
		case n := <-e.steps:
			if n == 0 {
				return total, e.fails
			}
			total += n
			store.Progress(ctx, total)
		}
	}
}

// working is a gateway with an engine that goes in steps, and what is recorded.
func working(t *testing.T, test func(t *testing.T, g *gateway, e *stepping, records *[]Record)) {
	inBubble(t, func(t *testing.T, g *gateway) {
		e := &stepping{Engine: g.engine, steps: make(chan int)}
		records := new([]Record)
		var mu sync.Mutex
		g.Service = New(Options{Store: g.store, Engine: e, Record: func(_ context.Context, r Record) error {
			mu.Lock()
			defer mu.Unlock()
			*records = append(*records, r)
			return nil
		}})
		test(t, g, e, records)
	})
}

func (g *gateway) start(t *testing.T, a Actor, sel JobSelection) *Job {
	t.Helper()
	j, err := g.StartJob(t.Context(), a, sel)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (g *gateway) job(t *testing.T, id string) Job {
	t.Helper()
	synctest.Wait()
	j, err := g.Job(t.Context(), somebody, id)
	if err != nil {
		t.Fatal(err)
	}
	return *j
}

var cancelAll = JobSelection{Operation: "cancel", ReplaySelection: ReplaySelection{Selection: Selection{All: true}}}

// TestAJobGoesOnWithoutWhoBeganIt: it is counted, recorded at both ends, and tells how far it is.
func TestAJobGoesOnWithoutWhoBeganIt(t *testing.T) {
	working(t, func(t *testing.T, g *gateway, e *stepping, records *[]Record) {
		ctx, closeTab := context.WithCancel(t.Context())
		j, err := g.StartJob(ctx, somebody, cancelAll)
		if err != nil || j.State != JobRunning || j.Total != 1000 || j.Done != 0 || j.By != "ada" || j.Via != "test" {
			t.Fatalf("%+v, %v", j, err)
		}
		closeTab()
		e.steps <- 500
		if now := g.job(t, j.ID); now.State != JobRunning || now.Done != 500 {
			t.Errorf("%+v", now)
		}
		e.steps <- 499
		e.steps <- 0
		end := g.job(t, j.ID)
		if end.State != JobDone || end.Done != 999 || end.EndedAt.IsZero() {
			t.Errorf("%+v", end)
		}
		if len(*records) < 2 {
			t.Fatalf("%+v", *records)
		}
		first, last := (*records)[0], (*records)[len(*records)-1]
		for _, r := range *records {
			if r.Ended != "" {
				last = r
			}
		}
		if first.Operation != "StartJob" || first.Ended != "" || first.Reason != "cancel as job "+j.ID || last.Ended != "done" || last.Reason != "999 of 1000 by job "+j.ID || last.Actor.Name != "ada" {
			t.Errorf("%+v\n%+v", first, last)
		}
		if l, ok := last.Leaf(t.Context()); !ok || l.Outcome != "done" || l.Kind != audit.Kind("operate.start_job") {
			t.Errorf("%+v", l)
		}
		// Another process knows it from the store.
		g.Service = New(Options{Store: g.store, Engine: e})
		if again := g.job(t, j.ID); !reflect.DeepEqual(again, end) {
			t.Errorf("%+v, want %+v", again, end)
		}
	})
}

func TestAJobCanBeStopped(t *testing.T) {
	working(t, func(t *testing.T, g *gateway, e *stepping, _ *[]Record) {
		j := g.start(t, somebody, cancelAll)
		e.steps <- 500
		bob := Actor{Name: "bob", Via: "test", May: Everything}
		if _, err := g.StopJob(t.Context(), bob, j.ID); err != nil {
			t.Fatal(err)
		}
		if now := g.job(t, j.ID); now.State != JobStopped || now.Done != 500 || now.StoppedBy != "bob" || now.Error != "" {
			t.Errorf("%+v", now)
		}
		if _, err := g.StopJob(t.Context(), somebody, "nothing"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestAJobThatFailsSaysWhy(t *testing.T) {
	working(t, func(t *testing.T, g *gateway, e *stepping, _ *[]Record) {
		e.fails = fmt.Errorf("%w: disk", store.ErrUnavailable)
		j := g.start(t, somebody, cancelAll)
		e.steps <- 500
		e.steps <- 0
		if now := g.job(t, j.ID); now.State != JobFailed || now.Done != 500 || !strings.Contains(now.Error, "disk") {
			t.Errorf("%+v", now)
		}
	})
}

// mortal is the store as a process has it that is about to end.
type mortal struct {
	store.Store
	ended atomic.Bool
}

func (m *mortal) AddDocument(ctx context.Context, d *store.Document) error {
	if m.ended.Load() {
		return store.ErrClosed
	}
	return m.Store.AddDocument(ctx, d)
}

// TestAJobOfAnotherGatewayWhoseStepTakesLong is not taken for interrupted.
func TestAJobOfAnotherGatewayWhoseStepTakesLong(t *testing.T) {
	working(t, func(t *testing.T, g *gateway, e *stepping, _ *[]Record) {
		j := g.start(t, somebody, cancelAll)
		g.Service = New(Options{Store: g.store, Engine: g.engine})
		time.Sleep(10 * lostAfter)
		if now := g.job(t, j.ID); now.State != JobRunning {
			t.Errorf("%+v", now)
		}
		e.steps <- 0
		if now := g.job(t, j.ID); now.State != JobDone {
			t.Errorf("%+v", now)
		}
	})
}

// TestAJobThatARestartInterrupted is told of with how far it had come.
func TestAJobThatARestartInterrupted(t *testing.T) {
	working(t, func(t *testing.T, g *gateway, e *stepping, _ *[]Record) {
		process := &mortal{Store: g.store}
		g.Service = New(Options{Store: process, Engine: e})
		j := g.start(t, somebody, cancelAll)
		defer func() { e.steps <- 0 }()
		time.Sleep(saveEvery)
		e.steps <- 500
		synctest.Wait()
		g.Service = New(Options{Store: g.store, Engine: g.engine})
		if now := g.job(t, j.ID); now.State != JobRunning || now.Done != 500 {
			t.Errorf("at once, when another gateway may carry it out: %+v", now)
		}
		if _, err := g.StopJob(t.Context(), somebody, j.ID); !errors.Is(err, ErrConflict) {
			t.Error(err)
		}
		process.ended.Store(true)
		time.Sleep(lostAfter + time.Second)
		if now := g.job(t, j.ID); now.State != JobInterrupted || now.Done != 500 || now.Total != 1000 {
			t.Errorf("%+v", now)
		}
		list, err := g.Jobs(t.Context(), somebody)
		if err != nil || len(list.Jobs) != 1 || list.Jobs[0].State != JobInterrupted {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestJobsAreChecked(t *testing.T) {
	working(t, func(t *testing.T, g *gateway, e *stepping, _ *[]Record) {
		for name, sel := range map[string]JobSelection{
			"no filter":             {Operation: "replay"},
			"no operation":          {ReplaySelection: cancelAll.ReplaySelection},
			"erase, which is other": {Operation: "erase", ReplaySelection: cancelAll.ReplaySelection},
			"a rate of retries":     {Operation: "retry", ReplaySelection: ReplaySelection{Rate: "5/s", Selection: Selection{All: true}}},
			"a wrong rate":          {Operation: "replay", ReplaySelection: ReplaySelection{Rate: "fast", Selection: Selection{All: true}}},
			"replay of pending":     {Operation: "replay", ReplaySelection: ReplaySelection{Selection: Selection{Filter: Filter{State: "pending"}}}},
			"cancel of dead":        {Operation: "cancel", ReplaySelection: ReplaySelection{Selection: Selection{Filter: Filter{State: "dead"}}}},
		} {
			if j, err := g.StartJob(t.Context(), somebody, sel); !errors.Is(err, ErrBadRequest) {
				t.Errorf("%s: %+v, %v", name, j, err)
			}
		}
		counted := cancelAll
		counted.DryRun = true
		if j := g.start(t, somebody, counted); j.ID != "" || j.State != "" || j.Total != 1000 {
			t.Errorf("only counted: %+v", j)
		}
		for range maxRunning {
			g.start(t, somebody, cancelAll)
		}
		if j, err := g.StartJob(t.Context(), somebody, cancelAll); !errors.Is(err, ErrConflict) {
			t.Errorf("one too many: %+v, %v", j, err)
		}
		for range maxRunning {
			e.steps <- 0
		}
		synctest.Wait()
		for range maxJobs + 3 {
			g.start(t, somebody, cancelAll)
			e.steps <- 0
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		list, err := g.Jobs(t.Context(), somebody)
		if err != nil || len(list.Jobs) != maxJobs || !slices.IsSortedFunc(list.Jobs, func(a, b Job) int { return strings.Compare(b.ID, a.ID) }) {
			t.Errorf("%d jobs, %v", len(list.Jobs), err)
		}
	})
}

// TestJobsKeepToTheBound: neither do they touch what is of others, nor are those of others seen or stopped.
func TestJobsKeepToTheBound(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.down.Store(true)
		g.accept("acme")
		g.accept("beta")
		g.crm.down.Store(false)
		j := g.start(t, boundTo("acme"), JobSelection{Operation: "replay", ReplaySelection: ReplaySelection{Selection: Selection{All: true}}})
		if j.Total != 1 {
			t.Errorf("%+v", j)
		}
		whole := g.start(t, somebody, JobSelection{Operation: "replay", ReplaySelection: ReplaySelection{Selection: Selection{Filter: Filter{Tenant: "beta", State: "delivered"}}}})
		if now := g.job(t, j.ID); now.State != JobDone || now.Done != 1 {
			t.Errorf("%+v", now)
		}
		for a, want := range map[string][]string{"acme": {j.ID}, "beta": {whole.ID}, "gamma": {}} {
			list, err := g.Jobs(t.Context(), boundTo(a))
			var ids []string
			for _, j := range list.Jobs {
				ids = append(ids, j.ID)
			}
			if err != nil || len(ids) != len(want) || len(ids) > 0 && ids[0] != want[0] {
				t.Errorf("%s sees %v, %v; want %v", a, ids, err, want)
			}
		}
		_, errOthers := g.Job(t.Context(), boundTo("beta"), j.ID)
		_, errNone := g.Job(t.Context(), boundTo("beta"), "nothing")
		if !errors.Is(errOthers, ErrNotFound) || errOthers.Error() != errNone.Error() {
			t.Errorf("%v, %v", errOthers, errNone)
		}
		if _, err := g.StopJob(t.Context(), boundTo("beta"), j.ID); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestErasingIsAJobToo(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.accept("acme")
		g.accept("beta")
		j, err := g.StartErasure(t.Context(), somebody, EraseSelection{Selection: Selection{Filter: Filter{Tenant: "acme"}}})
		if err != nil {
			t.Fatal(err)
		}
		if now := g.job(t, j.ID); now.State != JobDone || now.Operation != "erase" || now.Total != 1 || now.Done != 1 {
			t.Errorf("%+v", now)
		}
		left, err := g.Events(t.Context(), somebody, Listing{})
		if err != nil || len(left.Events) != 1 || left.Events[0].Tenant != "beta" {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

// TestWhoBeganAJobFollowsIt: an eraser, who sees nothing else, learns whether everything is erased; nobody else's job is theirs.
func TestWhoBeganAJobFollowsIt(t *testing.T) {
	working(t, func(t *testing.T, g *gateway, e *stepping, records *[]Record) {
		only := func(name string, may ...Capability) Actor {
			return Actor{Name: name, Via: "test", May: func(c Capability) bool { return slices.Contains(may, c) }}
		}
		erika, mallory := only("erika", Erase), only("mallory", Erase)
		sel := EraseSelection{Selection: Selection{All: true}}
		g.accept("acme")
		j, err := g.StartErasure(t.Context(), erika, sel)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if end, err := g.Job(t.Context(), erika, j.ID); err != nil || end.State != JobDone || end.Done != 1 {
			t.Errorf("%+v, %v", end, err)
		}
		if _, err := g.StopJob(t.Context(), erika, j.ID); err != nil {
			t.Error(err)
		}
		// Who may see less than they may erase follows what they have begun all the same.
		half := only("erika", Erase, View)
		half.Bound = func(c Capability) ([]string, bool) { return []string{"other"}, c == View }
		if end, err := g.Job(t.Context(), half, j.ID); err != nil || end.State != JobDone {
			t.Errorf("%+v, %v", end, err)
		}
		*records = nil
		for _, a := range []Actor{mallory, only("erika", Reveal), {Name: "erika", Via: "elsewhere", May: erika.May}} {
			if got, err := g.Job(t.Context(), a, j.ID); !errors.Is(err, ErrForbidden) {
				t.Errorf("%+v: %+v, %v", a, got, err)
			}
		}
		if got, err := g.Job(t.Context(), erika, "01JC0Q4Z6W5P9G2N8S3T7V1X0Y"); !errors.Is(err, ErrForbidden) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := g.StopJob(t.Context(), mallory, j.ID); !errors.Is(err, ErrForbidden) {
			t.Error(err)
		}
		for _, r := range *records {
			if !r.Denied {
				t.Errorf("%+v", r)
			}
		}
		cancelled := g.start(t, somebody, cancelAll)
		if _, err := g.Job(t.Context(), only("ada", Erase), cancelled.ID); !errors.Is(err, ErrForbidden) {
			t.Errorf("what they may not begin any more: %v", err)
		}
		e.steps <- 0
	})
}
