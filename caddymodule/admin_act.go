package caddymodule

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/store"
)

// adminSelection says what a replay or an erasure is of.
type adminSelection struct {
	adminFilter
	// All has to be true when there is no filter, and must not be when there is one.
	All bool `json:"all,omitempty"`
	// DryRun counts and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// anyEnded is a state of replays only: dead and delivered ones.
const anyEnded = "any"

func readSelection(w http.ResponseWriter, r *http.Request) (s adminSelection, err error) {
	if err := readAdminQuery(r, noQuery); err != nil {
		return s, err
	}
	if err := readAdminJSON(w, r, &s); err != nil {
		return s, err
	}
	none := s.adminFilter == adminFilter{}
	if none && !s.All {
		return s, badRequest(`without a filter this would be for everything; give a filter, or "all": true if everything is meant`)
	}
	if !none && s.All {
		return s, badRequest(`"all" means no filter; give either "all" or a filter`)
	}
	return s, nil
}

// replayed is the answer of a replay, and erased that of an erasure.
type (
	replayCount struct {
		DryRun     bool `json:"dry_run"`
		Deliveries int  `json:"deliveries"`
	}
	eraseCount struct {
		DryRun bool `json:"dry_run"`
		Events int  `json:"events"`
	}
)

func (a *Admin) replay(w http.ResponseWriter, r *http.Request) error {
	s, err := readSelection(w, r)
	if err != nil {
		return err
	}
	switch s.State {
	case "":
		s.State = string(store.Dead)
	case string(store.Pending):
		return badRequest("pending deliveries need no replay; state is dead (the default), delivered or %s", anyEnded)
	case anyEnded:
		s.State = ""
	}
	n, err := act(r.Context(), &s, "replay", func(d *dispatcher, f store.Filter) (int, error) {
		return d.engine.Replay(r.Context(), f, s.DryRun)
	})
	if err != nil {
		return err
	}
	return writeAdminJSON(w, replayCount{s.DryRun, n})
}

func (a *Admin) erase(w http.ResponseWriter, r *http.Request) error {
	s, err := readSelection(w, r)
	if err != nil {
		return err
	}
	n, err := act(r.Context(), &s, "erase", func(d *dispatcher, f store.Filter) (int, error) {
		return d.engine.Erase(r.Context(), f, s.DryRun)
	})
	if err != nil {
		return err
	}
	return writeAdminJSON(w, eraseCount{s.DryRun, n})
}

// act carries something out for each filter of a selection and logs what was done.
func act(ctx context.Context, s *adminSelection, what string, do func(*dispatcher, store.Filter) (int, error)) (total int, err error) {
	d, err := openDispatcher()
	if err != nil {
		return 0, err
	}
	filters, err := s.compile(d.callerHashes)
	if err != nil {
		return 0, err
	}
	for _, f := range filters {
		n, err := do(d, f)
		total += n
		if err != nil {
			d.logger.Error("an operator's "+what+" stopped on the way; what was done stays done", zap.Int("done", total), zap.Error(err))
			if apiErr, ok := storeError(err).(caddy.APIError); ok && total > 0 {
				apiErr.Message = apiErr.Err.Error() + "; a part was done already, repeat the request for the rest"
				return total, apiErr
			}
			return total, storeError(err)
		}
	}
	if !s.DryRun {
		d.logger.Info("an operator's "+what+" is done", zap.Int("count", total), zap.String("destination", s.Destination),
			zap.String("tenant", s.Tenant), zap.String("state", s.State), zap.Bool("by_caller", s.Caller != ""))
	}
	return total, nil
}

// maxPauseReason bounds the note that is kept with a pause.
const maxPauseReason = 200

func (a *Admin) setPaused(w http.ResponseWriter, r *http.Request, name string, pause bool) error {
	var p struct {
		Reason string `json:"reason"`
	}
	if err := readAdminQuery(r, noQuery); err != nil {
		return err
	}
	var into any = &p
	if !pause {
		into = new(struct{})
	}
	if err := readAdminJSON(w, r, into); err != nil {
		return err
	}
	if len(p.Reason) > maxPauseReason || !utf8.ValidString(p.Reason) || strings.ContainsFunc(p.Reason, unicode.IsControl) {
		return badRequest("reason must be a line of up to %d bytes", maxPauseReason)
	}
	if p.Reason == "" {
		p.Reason = "paused by an operator"
	}
	d, err := openDispatcher()
	if err != nil {
		return err
	}
	known, err := d.engine.Status(r.Context())
	if err != nil {
		return storeError(err)
	}
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].Name
	}
	if !slices.Contains(names, name) {
		return caddy.APIError{
			HTTPStatus: http.StatusNotFound, Message: "there is no such destination; there are: " + strings.Join(names, ", "),
		}
	}
	if pause {
		err = d.engine.Pause(r.Context(), name, p.Reason)
	} else {
		err = d.engine.Resume(r.Context(), name)
		p.Reason = ""
	}
	if err != nil {
		return storeError(err)
	}
	d.logger.Info("an operator paused or resumed a destination", zap.String("destination", name), zap.Bool("paused", pause))
	return writeAdminJSON(w, struct {
		Destination string `json:"destination"`
		Paused      bool   `json:"paused"`
		Reason      string `json:"reason,omitempty"`
	}{name, pause, p.Reason})
}
