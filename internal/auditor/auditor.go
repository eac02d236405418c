// Package auditor keeps the audit log of an open store: it records starts and stops, signs what the log holds from time to
// time and hands that out of the machine, takes what is too old away, and refuses a store that has forgotten something.
//
// Nothing waits for whoever gets the checkpoints: each has a worker of its own and gets the newest one when it is ready.
package auditor

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

const (
	// DefaultEvery is the time between checkpoints.
	DefaultEvery = time.Hour
	// mostLeaves is how many leaves are written before the next checkpoint is due, whatever the time.
	mostLeaves = 10_000
	// look is how often it is looked whether a checkpoint is due, and pruneEvery how often whether leaves are too old.
	look       = 5 * time.Second
	pruneEvery = 24 * time.Hour
)

// Sink takes checkpoints to another place.
type Sink interface {
	// Publish hands a signed checkpoint over; when it returns without an error the other side has it. Errors hold no secret.
	Publish(ctx context.Context, signed []byte) error
}

// Remembers is a Sink that can tell what it was given last.
type Remembers interface {
	Sink
	// Last is the last checkpoint, signed; nil if there was none.
	Last() ([]byte, error)
}

// Scheduled is a sink with the time between the checkpoints that it gets.
type Scheduled struct {
	// Name tells it from others in metrics, in the status and in the log: its kind and its host, and nothing secret.
	Name string
	Sink Sink
	// Every is the time between two. Default: DefaultEvery.
	Every time.Duration
}

// Settings are what a configuration says of the audit log.
type Settings struct {
	Signer *audit.Signer
	// Keep is how long the lines of leaves are kept; 0 keeps them all.
	Keep  time.Duration
	Sinks []Scheduled
}

// Options are what an auditor works on.
type Options struct {
	Store store.Audited
	// Boot tells this start of the process from others.
	Boot string
	// File is where the last checkpoint is kept beside the store; empty for a store that is no file.
	File string
	// Failed hears of every checkpoint that a sink did not take. nil means nobody.
	Failed func(sink string)
	Log    *zap.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Auditor keeps the audit log of an open store. It is safe for concurrent use.
type Auditor struct {
	o    Options
	stop chan struct{}
	done chan struct{}

	mu       sync.Mutex
	settings Settings
	workers  map[string]*worker
	pruned   time.Time
	// base is the size of the log when it was opened, size that of the last checkpoint that was signed by this process, and
	// at when that was.
	base int64
	size int64
	at   time.Time
}

// Open begins to keep the audit log of a store, and records that the gateway has started. It fails with ErrRolledBack where
// the store has less than was published before; then nothing is recorded.
func Open(ctx context.Context, o Options, s Settings) (*Auditor, error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Failed == nil {
		o.Failed = func(string) {}
	}
	if err := check(ctx, o.Store, o.File, s.Sinks); err != nil {
		return nil, err
	}
	before, err := o.Store.OpenAudit(o.Boot)
	if err != nil {
		return nil, err
	}
	start := audit.Leaf{Kind: audit.Start, Outcome: audit.OutcomeClean}
	if before.Running {
		start.Outcome = audit.OutcomeUnclean
		start.Reason = "the gateway did not stop in order: attempts that were under way may have been made and are not recorded, and what is pending may have been sent"
		o.Log.Warn("the gateway was not stopped in order before; the audit log says so, since attempts that were under way may have been made and are not recorded")
	}
	if err := o.Store.Record(ctx, start); err != nil {
		return nil, err
	}
	a := &Auditor{o: o, stop: make(chan struct{}), done: make(chan struct{}), workers: make(map[string]*worker), base: before.State.Size}
	a.Set(s)
	go a.run()
	return a, nil
}

// Set puts other settings in force. A sink that has the name of one before goes on where that was.
func (a *Auditor) Set(s Settings) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settings = s
	kept := make(map[string]*worker)
	for _, sink := range s.Sinks {
		if sink.Every <= 0 {
			sink.Every = DefaultEvery
		}
		w := a.workers[sink.Name]
		if w == nil {
			w = newWorker(a, sink.Name, a.o.Now())
		}
		w.set(sink)
		kept[sink.Name] = w
	}
	for name, w := range a.workers {
		if kept[name] == nil {
			w.end()
		}
	}
	a.workers = kept
}

// Record appends a leaf.
func (a *Auditor) Record(ctx context.Context, l audit.Leaf) error { return a.o.Store.Record(ctx, l) }

// run makes checkpoints and prunes when it is time.
func (a *Auditor) run() {
	defer close(a.done)
	// The first one tells at once that the gateway has started, and with what.
	for now := true; ; now = false {
		wait := look
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := a.publish(ctx, now); err != nil {
			a.o.Log.Error("a checkpoint of the audit log could not be made; trying again in a minute", zap.Error(err))
			wait = time.Minute
		}
		a.prune(ctx)
		cancel()
		timer := time.NewTimer(wait)
		select {
		case <-a.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// prune takes leaves away that are older than they are kept.
func (a *Auditor) prune(ctx context.Context) {
	a.mu.Lock()
	keep, now := a.settings.Keep, a.o.Now()
	due := keep > 0 && now.Sub(a.pruned) >= pruneEvery
	if due {
		a.pruned = now
	}
	a.mu.Unlock()
	if !due {
		return
	}
	n, err := a.o.Store.PruneAudit(ctx, now.Add(-keep), false)
	switch {
	case err != nil:
		a.o.Log.Error("records of the audit log past their time could not be taken away; trying again tomorrow", zap.Error(err))
	case n > 0:
		a.o.Log.Info("records of the audit log past their time were taken away; their hashes stay", zap.Int64("records", n))
	}
}

// Checkpoint signs what the log holds now, and hands it to every sink.
func (a *Auditor) Checkpoint(ctx context.Context) ([]byte, error) {
	if err := a.publish(ctx, true); err != nil {
		return nil, err
	}
	status, err := a.o.Store.AuditStatus(ctx)
	return status.Checkpoint, err
}

// publish makes a checkpoint if one is due, or in any case, and hands it to the sinks that it is due for.
func (a *Auditor) publish(ctx context.Context, now bool) error {
	status, err := a.o.Store.AuditStatus(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.o.Now()
	var due []*worker
	for _, w := range a.workers {
		if w.due(status.State.Size, at) || now {
			due = append(due, w)
		}
	}
	own := status.State.Size-a.size >= mostLeaves || status.State.Size != a.size && at.Sub(a.at) >= DefaultEvery
	if len(due) == 0 && !own && !now || a.settings.Signer == nil {
		return nil
	}
	signed, err := a.settings.Signer.Sign(status.State)
	if err != nil {
		return err
	}
	// What somebody has may not be unknown here after a crash, so it is kept first.
	if err := keep(a.o.File, signed); err != nil {
		return err
	}
	if err := a.o.Store.NoteCheckpoint(ctx, signed); err != nil {
		return err
	}
	a.size, a.at = status.State.Size, at
	for _, w := range due {
		w.give(signed, status.State.Size, at)
	}
	return nil
}

// Close records that the gateway stops, and hands the last checkpoint out, for which it waits no longer than the context.
// clean tells that nothing was cut off. The store is closed by the caller.
func (a *Auditor) Close(ctx context.Context, clean bool) error {
	close(a.stop)
	<-a.done
	stop := audit.Leaf{Kind: audit.Stop, Outcome: audit.OutcomeClean}
	if !clean {
		stop.Outcome = audit.OutcomeUnclean
		stop.Reason = "attempts were cut off: they may have been made and are not recorded"
	}
	// What has to be written is written, however little time is left.
	write := context.WithoutCancel(ctx)
	err := a.o.Store.Record(write, stop)
	err = errors.Join(err, a.publish(write, true))
	a.mu.Lock()
	workers := a.workers
	a.workers = nil
	a.mu.Unlock()
	for _, w := range workers {
		w.finish(ctx)
	}
	return err
}

// Status is how the log and whoever gets its checkpoints stand.
type Status struct {
	// Name is the log's: that of the key that signs it.
	Name string `json:"name,omitempty"`
	// Records counts them; Pruned is how many of them, the first ones, have lost their lines.
	Records int64 `json:"records"`
	Pruned  int64 `json:"pruned,omitempty"`
	// Checkpoint is how many records the last one is of that this process signed, and CheckpointAt when that was.
	Checkpoint   int64        `json:"checkpoint,omitempty"`
	CheckpointAt time.Time    `json:"checkpoint_at,omitzero"`
	Sinks        []SinkStatus `json:"sinks,omitempty"`
}

// SinkStatus is how one sink stands.
type SinkStatus struct {
	Name string `json:"name"`
	// Checkpoint is how many records the last one is of that it took, and At when that was.
	Checkpoint int64     `json:"checkpoint"`
	At         time.Time `json:"at,omitzero"`
	// FailingSince is since when it takes none, and Error why; both are empty if it does.
	FailingSince time.Time `json:"failing_since,omitzero"`
	Error        string    `json:"error,omitempty"`
}

// Status tells how it stands.
func (a *Auditor) Status(ctx context.Context) (Status, error) {
	log, err := a.o.Store.AuditStatus(ctx)
	if err != nil {
		return Status{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Records: log.State.Size, Pruned: log.Pruned, Checkpoint: a.size, CheckpointAt: a.at}
	if a.settings.Signer != nil {
		s.Name = a.settings.Signer.Origin()
	}
	for _, sink := range a.settings.Sinks {
		if w := a.workers[sink.Name]; w != nil {
			s.Sinks = append(s.Sinks, w.status())
		}
	}
	return s, nil
}
