// Package auditor keeps the audit log of an open store: it records starts and stops, signs what the log holds from time to
// time and hands that out of the machine, takes what is too old away, and refuses a store that has forgotten something.
//
// Nothing waits for whoever gets the checkpoints: each has a worker of its own and gets the newest one when it is ready.
package auditor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/publish"
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

// Remembers is a sink that can tell what it was given last.
type Remembers interface {
	publish.Sink
	// Last is the last checkpoint, signed; nil if there was none.
	Last() ([]byte, error)
}

// Settings are what a configuration says of the audit log.
type Settings struct {
	Signer *audit.Signer
	// Keep is how long the lines of leaves are kept; 0 keeps them all.
	Keep time.Duration
	// Every is the time between checkpoints, where there are new records. Default: DefaultEvery.
	Every time.Duration
	Sinks []publish.Sink
	// Witnesses cosign every checkpoint.
	Witnesses []Witness
}

// Witness is a witness of C2SP's tlog-witness protocol; see publish.NewWitness.
type Witness struct{ URL, Key string }

// Check tells whether there can be such a witness.
func (w Witness) Check() error {
	_, err := publish.NewWitness(w.URL, w.Key, publish.WitnessOptions{})
	return err
}

// Options are what an auditor works on.
type Options struct {
	Store store.Audited
	// Boot tells this start of the process from others.
	Boot string
	// File is where the last checkpoint is kept beside the store; empty for a store that is no file.
	File string
	// Changed hears when a sink begins to fail, and when it takes checkpoints again. nil means nobody.
	Changed func(publish.Status)
	Log     *zap.Logger
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
	sinks    *publish.Publisher
	last     publish.Signed // the last checkpoint of this process
	pruned   time.Time
	at       time.Time // when last was signed
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
	if o.Changed == nil {
		o.Changed = func(publish.Status) {}
	}
	if err := check(ctx, o.Store, o.File, s); err != nil {
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
	a := &Auditor{o: o, stop: make(chan struct{}), done: make(chan struct{})}
	a.Set(s)
	go a.run()
	return a, nil
}

// Set puts other settings in force. The new sinks get the last checkpoint at once, so that what an old one did not take is
// not lost.
func (a *Auditor) Set(s Settings) {
	if s.Every <= 0 {
		s.Every = DefaultEvery
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.sinks
	a.settings, a.sinks = s, publish.New(a.places(s), publish.Options{Changed: a.changed})
	if a.last.Note != nil {
		a.sinks.Publish(a.last)
	}
	if before != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = before.Close(ended) // what they did not take the new ones have
	}
}

// places are all that get checkpoints: the sinks, and the witnesses, who ask for proofs of this log.
func (a *Auditor) places(s Settings) []publish.Sink {
	all := slices.Clone(s.Sinks)
	for _, w := range s.Witnesses {
		sink, err := publish.NewWitness(w.URL, w.Key, publish.WitnessOptions{
			Prove: func(ctx context.Context, from, size int64) (tlog.TreeProof, error) {
				return tlog.ProveTree(size, from, audit.HashReader(a.o.Store.AuditTiles(ctx)))
			},
			Cosigned: func(c publish.Signed) {
				if err := a.o.Store.NoteCheckpoint(context.Background(), c.Note); err != nil {
					a.o.Log.Error("a checkpoint of the audit log with its cosignature could not be kept", zap.Error(err))
				}
			},
		})
		if err != nil { // see Witness.Check
			a.o.Log.Error("a witness of the audit log cannot be asked", zap.Error(err))
			continue
		}
		all = append(all, sink)
	}
	return all
}

// changed tells that a sink begins to fail, or takes checkpoints again.
func (a *Auditor) changed(s publish.Status) {
	if s.Error != nil {
		a.o.Log.Error("checkpoints of the audit log are not taken; they are offered again, and nothing else waits for that",
			zap.String("sink", s.Sink), zap.Error(s.Error))
	} else {
		a.o.Log.Info("checkpoints of the audit log are taken again", zap.String("sink", s.Sink))
	}
	a.o.Changed(s)
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

// publish makes a checkpoint if one is due, or in any case, and hands it out.
func (a *Auditor) publish(ctx context.Context, now bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Under the lock: of two at the same time the one that has seen less must not come last.
	status, err := a.o.Store.AuditStatus(ctx)
	if err != nil {
		return err
	}
	at, more := a.o.Now(), status.State.Size-a.last.Size
	if !now && more < mostLeaves && (more == 0 || at.Sub(a.at) < a.settings.Every) {
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
	a.last, a.at = publish.Signed{
		Checkpoint: audit.Checkpoint{Origin: a.settings.Signer.Origin(), Size: status.State.Size, Root: status.State.Root()}, Note: signed,
	}, at
	a.sinks.Publish(a.last)
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
	defer a.mu.Unlock()
	if waited := a.sinks.Close(ctx); waited != nil {
		a.o.Log.Error("the last checkpoint of the audit log was not taken before the gateway stopped; the next start hands one out")
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
	s := Status{Records: log.State.Size, Pruned: log.Pruned, Name: a.settings.Signer.Origin(), Checkpoint: a.last.Size, CheckpointAt: a.at}
	for _, sink := range a.sinks.Status() {
		state := SinkStatus{Name: sink.Sink, Checkpoint: sink.Size, At: sink.At, FailingSince: sink.Failing}
		if sink.Error != nil {
			state.Error = sink.Error.Error()
		}
		s.Sinks = append(s.Sinks, state)
	}
	return s, nil
}
