package operate

import (
	"context"
	"encoding/json"
	"errors"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/store"
)

// jobKind is the kind of the documents that jobs are kept as: drafts, which are in force for nothing. Each version says how far
// a job was.
const jobKind = "job"

// keepJob keeps how far a job is.
func (s *Service) keepJob(ctx context.Context, j *runningJob) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, err := json.Marshal(&j.job)
	if err != nil {
		return err
	}
	d := &store.Document{DocumentInfo: store.DocumentInfo{Kind: jobKind, Name: j.job.ID, Version: j.version + 1, State: store.Draft, Author: j.job.By, At: s.o.Now()}, Body: text}
	if err := s.o.Store.AddDocument(ctx, d); err != nil {
		return err
	}
	j.version++
	j.saved = s.o.Now()
	return nil
}

// jobNames are the ids of the jobs that are kept, the oldest first.
func (s *Service) jobNames(ctx context.Context) (names []string, err error) {
	for after := ""; ; {
		page, err := s.o.Store.DocumentHeads(ctx, jobKind, after, 100)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if d.State == store.Draft {
				names = append(names, d.Name)
			}
			after = d.Name
		}
		if len(page) < 100 {
			return names, nil
		}
	}
}

// forgetJobs forgets the oldest jobs when there are too many.
func (s *Service) forgetJobs(ctx context.Context) {
	names, err := s.jobNames(ctx)
	for i := 0; err == nil && i < len(names)-maxJobs; i++ {
		err = s.forgetJob(ctx, names[i])
	}
	if err != nil {
		s.o.Log.Warn("old jobs cannot be forgotten", zap.Error(err))
	}
}

func (s *Service) forgetJob(ctx context.Context, id string) error {
	s.jobs.mu.Lock()
	j := s.jobs.all[id]
	runs := j != nil && j.read().State == JobRunning
	if j != nil && !runs {
		delete(s.jobs.all, id)
	}
	s.jobs.mu.Unlock()
	if runs {
		return nil
	}
	versions, err := s.o.Store.DocumentVersions(ctx, jobKind, id)
	if err != nil || len(versions) == 0 {
		return err
	}
	gone := &store.Document{DocumentInfo: store.DocumentInfo{Kind: jobKind, Name: id, Version: versions[0].Version + 1, State: store.Removed, At: s.o.Now()}}
	if err := s.o.Store.AddDocument(ctx, gone); err != nil {
		return err
	}
	return s.o.Store.ForgetDocument(ctx, jobKind, id)
}

// oneJob is a job as it stands: one of this process, or what is kept of it.
func (s *Service) oneJob(ctx context.Context, sc scope, id string) (*Job, error) {
	if !isText(id) {
		return nil, errNoJob
	}
	s.jobs.mu.Lock()
	j := s.jobs.all[id]
	s.jobs.mu.Unlock()
	var job Job
	if j != nil {
		job = j.read()
	} else {
		d, err := s.o.Store.Document(ctx, jobKind, id, 0)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, errNoJob
		case err != nil:
			return nil, stored(err)
		case d.State != store.Draft:
			return nil, errNoJob
		}
		if err := json.Unmarshal(d.Body, &job); err != nil {
			return nil, stored(err)
		}
		if job.State == JobRunning && s.o.Now().Sub(job.UpdatedAt) > lostAfter {
			job.State = JobInterrupted
		}
	}
	if !sc.sees(&job) {
		return nil, errNoJob
	}
	return &job, nil
}

// permitJob is permitStored for an operation on one job. Who has begun it may see how far it is, and stop it, as long as they
// may begin such a job: an eraser, who sees nothing else or less than they may erase, has to learn whether everything is erased.
func (s *Service) permitJob(ctx context.Context, a Actor, r Record, id string) (scope, error) {
	if a.Name == "" || a.May == nil || s.o.Store == nil {
		return s.permitStored(ctx, a, r)
	}
	job, err := s.oneJob(ctx, scope{}, id)
	if err != nil || job.By != a.Name || job.Via != a.Via {
		return s.permitStored(ctx, a, r)
	}
	began := operations["StartJob"].capability
	if job.Operation == "erase" {
		began = operations["StartErasure"].capability
	}
	if !a.May(began) {
		return s.permitStored(ctx, a, r)
	}
	var sc scope
	if a.Bound != nil {
		sc.tenants, sc.bound = a.Bound(began)
	}
	return sc, nil
}
