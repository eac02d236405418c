package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// JobState is how a job stands.
type JobState string

// The states of jobs. What a job has done when it ends early stays done.
const (
	JobRunning JobState = "running"
	JobDone    JobState = "done"
	// JobStopped is one that somebody stopped, JobFailed one that met with an error, and JobInterrupted one whose process
	// ended before it.
	JobStopped     JobState = "stopped"
	JobFailed      JobState = "failed"
	JobInterrupted JobState = "interrupted"
)

// Job is something that is done to everything that matches a filter, however long it takes.
type Job struct {
	ID string `json:"id"`
	// Operation is replay, retry, cancel or erase.
	Operation string   `json:"operation"`
	State     JobState `json:"state"`
	// By is who began it, through which face.
	By  string `json:"by"`
	Via string `json:"via"`
	// Destination and Tenant are those of the filter, and Filter names its other members, whose values are not kept.
	Destination string   `json:"destination,omitempty"`
	Tenant      string   `json:"tenant,omitempty"`
	Filter      []string `json:"filter,omitempty"`
	// Bound are the tenants to which who began it was bound; nil if they were not.
	Bound []string `json:"bound,omitempty"`
	// Total is how many matched at the beginning: deliveries, or events to erase. Done is how many were changed so far.
	Total     int       `json:"total"`
	Done      int       `json:"done"`
	StartedAt time.Time `json:"started_at"`
	UpdatedAt time.Time `json:"updated_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// StoppedBy is who stopped it.
	StoppedBy string `json:"stopped_by,omitempty"`
	// Error says why it failed.
	Error string `json:"error,omitempty"`
}

// JobList are jobs, the last first.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

// JobSelection says what a job does, and to what. Where it is only counted, no job is begun.
type JobSelection struct {
	// Operation is replay, retry or cancel.
	Operation string `json:"operation,omitempty"`
	ReplaySelection
}

const (
	// maxRunning is how many jobs run at a time, and maxJobs how many are remembered.
	maxRunning, maxJobs = 4, 50
	// saveEvery is how often it is written down how far a job is, and lostAfter after which time without that it was
	// interrupted, if this process does not carry it out. It is written at least every aliveEvery, since a step may take long.
	saveEvery, aliveEvery, lostAfter = 5 * time.Second, 10 * time.Second, 30 * time.Second
)

// jobs are those that this process carries out, or has carried out.
type jobs struct {
	mu  sync.Mutex
	all map[string]*runningJob
}

type runningJob struct {
	mu      sync.Mutex
	job     Job
	version int // of what is kept of it
	saved   time.Time
	stop    context.CancelFunc
}

func (j *runningJob) read() Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.job
}

// StartJob begins to replay, retry or cancel everything that matches a selection, and does not wait for it.
func (s *Service) StartJob(ctx context.Context, a Actor, sel JobSelection) (*Job, error) {
	return s.startJob(ctx, a, sel.record("StartJob"), sel, nil)
}

// StartErasure begins to erase everything that matches a selection, and does not wait for it.
func (s *Service) StartErasure(ctx context.Context, a Actor, sel EraseSelection) (*Job, error) {
	ctx = a.by(ctx)
	if sel.KeepSubject {
		ctx = audit.KeepSubjects(ctx)
	}
	return s.startJob(ctx, a, sel.record("StartErasure"), JobSelection{Operation: "erase", ReplaySelection: ReplaySelection{Selection: sel.Selection}}, &sel)
}

func (s *Service) startJob(ctx context.Context, a Actor, r Record, sel JobSelection, erasure *EraseSelection) (*Job, error) {
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	do, err := s.jobOf(&sel, a, erasure)
	if err == nil && erasure != nil {
		err = s.canErase(ctx, erasure)
	}
	if err != nil {
		return nil, err
	}
	filters, err := s.compile(ctx, sc, &sel.Filter)
	if err != nil {
		return nil, err
	}
	now := s.o.Now().UTC()
	id := ulid.MustNew(ulid.Timestamp(now), ulid.DefaultEntropy()).String()
	r.Reason = sel.Operation
	if !sel.DryRun {
		r.Reason += " as job " + id
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	job := Job{
		ID: id, Operation: sel.Operation, State: JobRunning, By: author(a), Via: a.Via, Destination: sel.Destination, Tenant: sel.Tenant,
		Filter: r.Filter, Bound: sc.filter(), StartedAt: now, UpdatedAt: now,
	}
	for _, f := range filters {
		n, err := do(ctx, f, true)
		if err != nil {
			return nil, stored(err)
		}
		job.Total += n
	}
	if sel.DryRun {
		job.ID, job.State = "", ""
		return &job, nil
	}
	return s.runJob(ctx, a, r, job, filters, do)
}

// jobFunc does what a job does to what one filter matches, or counts that.
type jobFunc func(ctx context.Context, f store.Filter, dryRun bool) (int, error)

// jobOf checks a selection and gives what is to be done.
func (s *Service) jobOf(sel *JobSelection, a Actor, erasure *EraseSelection) (jobFunc, error) {
	if err := sel.check(); err != nil {
		return nil, err
	}
	if sel.Rate != "" && sel.Operation != "replay" {
		return nil, badRequest("only a replay has a rate")
	}
	e := s.o.Engine
	switch {
	case erasure != nil:
		return s.erasing(a, erasure), nil
	case sel.Operation == "replay":
		rate, err := sel.settle()
		return func(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
			return e.ReplayAt(ctx, f, rate, dryRun)
		}, err
	case sel.Operation == "retry":
		return e.SendNow, checkPending(&sel.Selection)
	case sel.Operation == "cancel":
		return e.Cancel, checkPending(&sel.Selection)
	}
	return nil, badRequest("operation must be replay, retry or cancel")
}

// runJob keeps a job and carries it out.
func (s *Service) runJob(ctx context.Context, a Actor, r Record, job Job, filters []store.Filter, do jobFunc) (*Job, error) {
	ctx, stop := context.WithCancel(a.by(context.WithoutCancel(ctx)))
	j := &runningJob{job: job, stop: stop}
	s.jobs.mu.Lock()
	running := 0
	for _, other := range s.jobs.all {
		if other.read().State == JobRunning {
			running++
		}
	}
	if running < maxRunning {
		if s.jobs.all == nil {
			s.jobs.all = map[string]*runningJob{}
		}
		s.jobs.all[job.ID] = j
	}
	s.jobs.mu.Unlock()
	if running >= maxRunning {
		stop()
		return nil, &Error{Kind: ErrConflict, text: "as many jobs run already as may run at a time; wait until one of them is done, or stop one"}
	}
	if err := s.keepJob(ctx, j); err != nil {
		stop()
		s.jobs.mu.Lock()
		delete(s.jobs.all, job.ID)
		s.jobs.mu.Unlock()
		return nil, stored(err)
	}
	s.forgetJobs(ctx)
	go s.carryOut(ctx, a, r, j, filters, do)
	return &job, nil
}

// carryOut does what a job does, and notes how far it is and how it ended.
func (s *Service) carryOut(ctx context.Context, a Actor, r Record, j *runningJob, filters []store.Filter, do jobFunc) {
	defer j.stop()
	// The end is recorded and kept also of a job that was stopped.
	rest := context.WithoutCancel(ctx)
	ended := s.keepAlive(rest, j)
	var err error
	before := 0
	for _, f := range filters {
		var n int
		n, err = do(store.WithProgress(ctx, func(done int) { s.progressed(rest, j, before+done) }), f, false)
		if before += n; err != nil {
			break
		}
	}
	ended()
	j.mu.Lock()
	j.job.Done = max(before, j.job.Done)
	switch {
	case err == nil:
		j.job.State = JobDone
	case ctx.Err() != nil:
		j.job.State = JobStopped
	case errors.Is(err, store.ErrClosed): // the process ends; whoever asks afterwards is told that it was interrupted
		j.job.State = JobInterrupted
	default:
		j.job.State, j.job.Error = JobFailed, stored(err).Error()
	}
	now := s.o.Now().UTC()
	j.job.EndedAt, j.job.UpdatedAt = now, now
	done := j.job
	j.mu.Unlock()
	r.Ended, r.Reason = string(done.State), fmt.Sprintf("%d of %d by job %s", done.Done, done.Total, done.ID)
	if err := errors.Join(s.note(rest, a, r), s.keepJob(rest, j)); err != nil {
		s.o.Log.Error("how a job ended cannot be kept", zap.String("job", done.ID), zap.Error(err))
	}
	s.o.Log.Info("an operator's job has ended", zap.String("job", done.ID), zap.String("operation", done.Operation), zap.String("state", string(done.State)),
		zap.Int("done", done.Done), zap.Int("total", done.Total), zap.String("by", done.By), zap.String("via", done.Via), zap.String("error", done.Error))
}

// progressed notes how far a job is.
func (s *Service) progressed(ctx context.Context, j *runningJob, done int) {
	j.mu.Lock()
	j.job.Done = done
	j.mu.Unlock()
	s.keepJobEvery(ctx, j, saveEvery)
}

// keepAlive keeps a job again and again while a step of it takes long, so that other gateways do not take it for interrupted,
// until it is told that the job has ended.
func (s *Service) keepAlive(ctx context.Context, j *runningJob) (end func()) {
	ended := make(chan struct{})
	go func() {
		tick := time.NewTicker(aliveEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.keepJobEvery(ctx, j, aliveEvery)
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended) }
}

// keepJobEvery keeps how far a job is if that was not done for so long.
func (s *Service) keepJobEvery(ctx context.Context, j *runningJob, every time.Duration) {
	now := s.o.Now().UTC()
	j.mu.Lock()
	j.job.UpdatedAt = now
	due := now.Sub(j.saved) >= every
	j.mu.Unlock()
	if !due {
		return
	}
	if err := s.keepJob(ctx, j); err != nil {
		s.o.Log.Warn("how far a job is cannot be kept", zap.Error(err))
	}
}

// StopJob stops a job after the step that it is at. What it has done stays done.
func (s *Service) StopJob(ctx context.Context, a Actor, id string) (*Job, error) {
	r := Record{Operation: "StopJob", Reason: id}
	sc, err := s.permitJob(ctx, a, r, id)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	s.jobs.mu.Lock()
	j := s.jobs.all[id]
	s.jobs.mu.Unlock()
	if j == nil {
		if _, err := s.oneJob(ctx, sc, id); err != nil {
			return nil, err
		}
		return nil, &Error{Kind: ErrConflict, text: "this process does not carry the job out, so that it cannot be stopped here; if another gateway does, ask that"}
	}
	if job := j.read(); !sc.sees(&job) {
		return nil, errNoJob
	}
	j.mu.Lock()
	if j.job.State == JobRunning && j.job.StoppedBy == "" {
		j.job.StoppedBy = author(a)
	}
	j.mu.Unlock()
	j.stop()
	job := j.read()
	return &job, nil
}

// Job tells how a job stands. Who began it is told so whatever else they may see.
func (s *Service) Job(ctx context.Context, a Actor, id string) (*Job, error) {
	sc, err := s.permitJob(ctx, a, Record{Operation: "Job"}, id)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, Record{Operation: "Job"}); err != nil {
		return nil, err
	}
	return s.oneJob(ctx, sc, id)
}

// Jobs lists jobs, the last first.
func (s *Service) Jobs(ctx context.Context, a Actor) (*JobList, error) {
	sc, err := s.permitStored(ctx, a, Record{Operation: "Jobs"})
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, Record{Operation: "Jobs"}); err != nil {
		return nil, err
	}
	names, err := s.jobNames(ctx)
	if err != nil {
		return nil, stored(err)
	}
	l := &JobList{Jobs: []Job{}}
	for _, name := range slices.Backward(names) {
		job, err := s.oneJob(ctx, sc, name)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		default:
			if l.Jobs = append(l.Jobs, *job); len(l.Jobs) == maxJobs {
				return l, nil
			}
		}
	}
	return l, nil
}

// sees reports whether a job is the business of those who are bound to a scope.
func (sc scope) sees(j *Job) bool {
	if !sc.bound {
		return true
	}
	if j.Tenant != "" {
		return sc.has(j.Tenant)
	}
	return len(j.Bound) > 0 && !slices.ContainsFunc(j.Bound, func(t string) bool { return !sc.has(t) })
}

var errNoJob = &Error{Kind: ErrNotFound, text: "there is no such job; only the last ones are remembered"}
