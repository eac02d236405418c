package operate

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// Selection says what a replay or an erasure is of.
type Selection struct {
	Filter
	// All has to be true when there is no filter, and must not be when there is one.
	All bool `json:"all,omitempty"`
	// DryRun counts and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// AnyEnded is a state of replays only: dead and delivered ones.
const AnyEnded = "any"

// record is what is recorded of an operation on the selection.
func (s *Selection) record(operation string) Record {
	r := s.Filter.record(operation)
	r.DryRun = s.DryRun
	return r
}

// check keeps a filter that was forgotten from being one for everything.
func (s *Selection) check() error {
	none := s.Filter == Filter{}
	if none && !s.All {
		return badRequest(`without a filter this would be for everything; give a filter, or "all": true if everything is meant`)
	}
	if !none && s.All {
		return badRequest(`"all" means no filter; give either "all" or a filter`)
	}
	return nil
}

// The answers of operations that count deliveries, and of those that count events.
type (
	DeliveryCount struct {
		DryRun     bool `json:"dry_run"`
		Deliveries int  `json:"deliveries"`
	}
	EventCount struct {
		DryRun bool `json:"dry_run"`
		Events int  `json:"events"`
	}
)

// ReplaySelection says what a replay is of, and how fast it goes.
type ReplaySelection struct {
	Selection
	// Rate is how many deliveries fall due in a time: 5/s, 30/min or 100/10s. Default: all at once. The destination's
	// own pace holds besides.
	Rate string `json:"rate,omitempty"`
}

// Replay sends dead deliveries again or, if the state says so, delivered ones. A selection that names no state is of dead
// ones.
func (s *Service) Replay(ctx context.Context, a Actor, sel ReplaySelection) (*DeliveryCount, error) {
	r := sel.record("Replay")
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if err := sel.check(); err != nil {
		return nil, err
	}
	rate, err := sel.settle()
	if err != nil {
		return nil, err
	}
	ctx = a.by(ctx)
	n, err := s.act(ctx, a, sc, r, &sel.Selection, func(f store.Filter) (int, error) {
		return s.o.Engine.ReplayAt(ctx, f, rate, sel.DryRun)
	})
	if err != nil {
		return nil, err
	}
	return &DeliveryCount{sel.DryRun, n}, nil
}

// settle fills the default of the state in, and reads the rate.
func (s *ReplaySelection) settle() (perSecond float64, err error) {
	switch s.State {
	case "":
		s.State = string(store.Dead)
	case string(store.Pending):
		return 0, badRequest("pending deliveries need no replay: retry sends them now; state is dead (the default), delivered or %s", AnyEnded)
	case AnyEnded:
		s.State = ""
	}
	return ParseRate(s.Rate)
}

// SendNow sends deliveries now that wait for their next attempt, as after a receiver was mended. It ends no pause, nor
// what a breaker keeps.
func (s *Service) SendNow(ctx context.Context, a Actor, sel Selection) (*DeliveryCount, error) {
	r := sel.record("SendNow")
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	ctx = a.by(ctx)
	return s.actOnPending(ctx, a, sc, r, sel, func(f store.Filter) (int, error) { return s.o.Engine.SendNow(ctx, f, sel.DryRun) })
}

// Cancel takes waiting deliveries back: they are dead, with a reason that says so, and can be replayed. An attempt under
// way cannot be called back.
func (s *Service) Cancel(ctx context.Context, a Actor, sel Selection) (*DeliveryCount, error) {
	r := sel.record("Cancel")
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	ctx = a.by(ctx)
	return s.actOnPending(ctx, a, sc, r, sel, func(f store.Filter) (int, error) { return s.o.Engine.Cancel(ctx, f, sel.DryRun) })
}

func (s *Service) actOnPending(ctx context.Context, a Actor, sc scope, r Record, sel Selection, do func(store.Filter) (int, error)) (*DeliveryCount, error) {
	if err := sel.check(); err != nil {
		return nil, err
	}
	if err := checkPending(&sel); err != nil {
		return nil, err
	}
	n, err := s.act(ctx, a, sc, r, &sel, do)
	if err != nil {
		return nil, err
	}
	return &DeliveryCount{sel.DryRun, n}, nil
}

// checkPending keeps what waits for nothing out of a selection of what waits.
func checkPending(sel *Selection) error {
	if sel.State != "" && sel.State != string(store.Pending) {
		return badRequest("only pending deliveries wait for something; leave the state out, or see replay for dead and delivered ones")
	}
	return nil
}

// EraseSelection says what is erased.
type EraseSelection struct {
	Selection
	// KeepSubject leaves what lies beside the records in the audit log: the pseudonym of the caller, a keyed hash, and what
	// opens the records' commitments. So the log still answers what was sent about a person, to whom and when, as an
	// accounting of disclosures has to (45 CFR 164.528). By default it goes with the event, and nobody can tell any more whom
	// the records are about. It needs an audit log and an encryption_key.
	KeepSubject bool `json:"keep_subject,omitempty"`
	// DestroyKey destroys the tenant's data keys when its events are erased, as DestroyDataKeys does, and is recorded as that
	// too: then nothing of them can be read any more in a backup either, as far as that has no more than wrapped keys. The
	// selection has to be of everything of one tenant, and of nothing else.
	DestroyKey bool `json:"destroy_key,omitempty"`
}

// record is what is recorded of an erasure.
func (s *EraseSelection) record(operation string) Record {
	r := s.Selection.record(operation)
	if s.KeepSubject {
		r.Filter = append(r.Filter, "keep_subject")
	}
	if s.DestroyKey {
		r.Filter = append(r.Filter, "destroy_key")
	}
	return r
}

// Erase deletes events with all that belongs to them.
func (s *Service) Erase(ctx context.Context, a Actor, sel EraseSelection) (*EventCount, error) {
	r := sel.record("Erase")
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if err := sel.check(); err != nil {
		return nil, err
	}
	ctx = a.by(ctx)
	if err := s.canErase(ctx, &sel); err != nil {
		return nil, err
	}
	if sel.KeepSubject {
		ctx = audit.KeepSubjects(ctx)
	}
	erase := s.erasing(a, &sel)
	n, err := s.act(ctx, a, sc, r, &sel.Selection, func(f store.Filter) (int, error) { return erase(ctx, f, sel.DryRun) })
	if err != nil {
		return nil, err
	}
	return &EventCount{sel.DryRun, n}, nil
}

// canErase makes sure that what an erasure is asked for besides can be done.
func (s *Service) canErase(ctx context.Context, sel *EraseSelection) error {
	if sel.KeepSubject {
		if err := s.canKeepSubject(); err != nil {
			return err
		}
	}
	if !sel.DestroyKey {
		return nil
	}
	if sel.Tenant == "" || sel.Filter != (Filter{Tenant: sel.Tenant}) {
		return badRequest("destroy_key is for everything of one tenant, since a data key opens everything of its tenant; name the tenant, and nothing else")
	}
	k, err := s.dataKeyed()
	if err == nil {
		_, err = k.DestroyDataKeys(ctx, sel.Tenant, true)
		err = keysError(err)
	}
	return err
}

// erasing is what an erasure does to what one filter matches: when the events are gone, the keys go that have sealed them.
func (s *Service) erasing(a Actor, sel *EraseSelection) jobFunc {
	return func(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
		n, err := s.o.Engine.Erase(ctx, f, dryRun)
		if err != nil || dryRun || !sel.DestroyKey {
			return n, err
		}
		done, err := s.DestroyDataKeys(ctx, a, Destruction{TenantChoice: TenantChoice{Tenant: sel.Tenant}, Reason: "erased with destroy_key"})
		if err == nil && done.Left != "" {
			err = errors.New("the events are erased and the data keys destroyed, and something is left: " + done.Left)
		}
		return n, err
	}
}

// canKeepSubject makes sure that there is something that keep_subject could keep.
func (s *Service) canKeepSubject() error {
	if s.auditor() == nil || len(s.pseudonyms("+15550100000")) == 0 {
		return badRequest("keep_subject keeps the caller's pseudonym beside the audit log, and there is none: it needs audit and an encryption_key in the configuration")
	}
	return nil
}

// did are the words for operations in the log.
var did = map[string]string{"Replay": "replay", "SendNow": "retry", "Cancel": "cancel", "Erase": "erase"}

// act has it recorded what is done, carries it out for each filter of a selection, and logs what was done.
func (s *Service) act(ctx context.Context, a Actor, sc scope, r Record, sel *Selection, do func(store.Filter) (int, error)) (total int, err error) {
	filters, err := s.compile(ctx, sc, &sel.Filter)
	if err != nil {
		return 0, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return 0, err
	}
	what := did[r.Operation]
	log := s.o.Log.With(zap.String("by", a.Name), zap.String("via", a.Via))
	for _, f := range filters {
		n, err := do(f)
		total += n
		if err != nil {
			log.Error("an operator's "+what+" stopped on the way; what was done stays done", zap.Int("done", total), zap.Error(err))
			if total > 0 {
				return total, partly(err)
			}
			return total, stored(err)
		}
	}
	if !sel.DryRun {
		log.Info("an operator's "+what+" is done", zap.Int("count", total), zap.String("destination", sel.Destination),
			zap.String("tenant", sel.Tenant), zap.String("state", sel.State), zap.Bool("by_caller", sel.Caller != ""), zap.String("by_field", sel.Field))
	}
	return total, nil
}

// PauseState is whether a destination is paused.
type PauseState struct {
	Destination string `json:"destination"`
	Paused      bool   `json:"paused"`
	Reason      string `json:"reason,omitempty"`
}

// maxNote bounds what operators say of why they do something.
const maxNote = 200

func isNote(s string) bool {
	return len(s) <= maxNote && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Pause keeps a destination's deliveries waiting until Resume, also over restarts.
func (s *Service) Pause(ctx context.Context, a Actor, destination, reason string) (*PauseState, error) {
	r := Record{Operation: "Pause", Destination: destination, Reason: reason}
	if _, err := s.permitDelivering(ctx, a, r); err != nil {
		return nil, err
	}
	if !isNote(reason) {
		return nil, badRequest("reason must be a line of up to %d bytes", maxNote)
	}
	if reason == "" {
		reason = "paused by an operator"
	}
	if err := s.knownDestination(ctx, scope{}, destination); err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	if err := s.o.Engine.Pause(a.by(ctx), destination, reason); err != nil {
		return nil, stored(err)
	}
	return s.pauseSet(a, PauseState{destination, true, reason}), nil
}

// Resume lets the deliveries to a paused destination go.
func (s *Service) Resume(ctx context.Context, a Actor, destination string) (*PauseState, error) {
	r := Record{Operation: "Resume", Destination: destination}
	if _, err := s.permitDelivering(ctx, a, r); err != nil {
		return nil, err
	}
	if err := s.knownDestination(ctx, scope{}, destination); err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	if err := s.o.Engine.Resume(a.by(ctx), destination); err != nil {
		return nil, stored(err)
	}
	return s.pauseSet(a, PauseState{Destination: destination}), nil
}

func (s *Service) pauseSet(a Actor, p PauseState) *PauseState {
	s.o.Log.Info("an operator paused or resumed a destination", zap.String("destination", p.Destination),
		zap.Bool("paused", p.Paused), zap.String("by", a.Name), zap.String("via", a.Via))
	return &p
}
