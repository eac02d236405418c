package operate

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"
)

// Actor is who acts.
type Actor struct {
	// Name is whom the face knows them as; empty where it knows nobody by name.
	Name string
	// Via is the face: "admin" for the admin API, "dashboard" for the directive callgate_dashboard, "command" for a command
	// that works without a gateway.
	Via string
	// Roles are by which roles they act, for the record; nil where the face has none.
	Roles []string
	// May says what they may do. nil means nothing.
	May func(Capability) bool
	// Bound says of which tenants they may do it, if it bounds that. nil means that nothing is bounded.
	Bound func(Capability) (tenants []string, bound bool)
	// Why says why they may not do something, and what to do about it. nil, or an empty text, leaves it at the name of the
	// capability.
	Why func(Capability) string
}

// Everything lets an actor do all that there is, for faces to which nobody else has access.
func Everything(Capability) bool { return true }

// Record is what an actor is about to do, or was denied. It holds no values of callers.
type Record struct {
	Actor Actor
	// Operation is the method of Service, and Capability what it needs.
	Operation  string
	Capability Capability
	// Denied tells that they may not, and that nothing is done.
	Denied bool
	// Tenants are those to which the actor is bound for this, if Bound says so.
	Tenants []string
	Bound   bool
	// Event, Tenant, Destination and Reason are what was asked for, where it says so; see Name for their form. The tenant of
	// an operation on one event is the event's.
	Event, Tenant, Destination, Reason string
	// Filter names the other members by which a selection is narrowed, such as caller or from.
	Filter []string
	// DryRun tells that it is only counted.
	DryRun bool
	// Ended is how something that was begun before has ended, such as done or stopped; empty of what is about to be done.
	Ended string
}

// scope is of which tenants an operation may be carried out.
type scope struct {
	tenants []string
	bound   bool
}

// has reports whether the scope takes in a tenant.
func (sc scope) has(tenant string) bool { return !sc.bound || slices.Contains(sc.tenants, tenant) }

// filter is the scope as a store.Filter has it: nil takes in every tenant, and an empty list none.
func (sc scope) filter() []string {
	if !sc.bound {
		return nil
	}
	return append([]string{}, sc.tenants...)
}

// begin begins an operation: it makes sure that the actor may do what r says, and has it recorded. Nothing may be done or
// shown before it, and nothing at all if it fails. r says everything but the actor and what follows from the table.
func (s *Service) begin(ctx context.Context, a Actor, r Record) (scope, error) {
	sc, err := s.permit(ctx, a, r)
	if err != nil {
		return sc, err
	}
	return sc, s.note(ctx, a, r)
}

// permit makes sure that an actor may do what r says. That they may not is recorded. An operation that has to look first
// what it is about calls it, and note when it knows; begin is both.
func (s *Service) permit(ctx context.Context, a Actor, r Record) (scope, error) {
	needed, ok := operations[r.Operation]
	if !ok || a.May == nil || !a.May(needed.capability) {
		return scope{}, s.deny(ctx, a, r, forbidden(a, needed.capability))
	}
	var sc scope
	if a.Bound != nil {
		sc.tenants, sc.bound = a.Bound(needed.capability)
	}
	switch {
	case sc.bound && needed.whole:
		return sc, s.deny(ctx, a, r, &Error{Kind: ErrForbidden, text: ofTheWhole})
	case sc.bound && len(sc.tenants) == 0:
		return sc, s.deny(ctx, a, r, &Error{Kind: ErrForbidden, text: "you may not do that: you are bound to tenants, and to none"})
	case r.Tenant != "" && !sc.has(r.Tenant):
		return sc, s.deny(ctx, a, r, noSuch("tenant", r.Tenant, sc.tenants))
	}
	return sc, nil
}

const ofTheWhole = "you may not do that: it is of the whole gateway, and you are bound to tenants"

func forbidden(a Actor, needed Capability) *Error {
	text := ""
	if a.Why != nil {
		text = a.Why(needed)
	}
	if text == "" {
		text = fmt.Sprintf("you may not do that: it needs the capability %s", needed)
	}
	return &Error{Kind: ErrForbidden, text: text}
}

// deny records that somebody was denied what they asked for. Where that cannot be recorded it is denied all the same.
func (s *Service) deny(ctx context.Context, a Actor, r Record, why error) error {
	r.Denied = true
	s.o.Log.Warn("an operator was denied what they asked for", zap.String("operation", r.Operation), zap.String("by", a.Name), zap.String("via", a.Via))
	if err := s.note(ctx, a, r); err != nil {
		s.o.Log.Error("that an operator was denied something cannot be recorded", zap.Error(err))
	}
	return why
}

// Deny is for faces that refuse somebody before an operation is called, as one who has no role at all, or who asks for a page
// about what they may not do. It is recorded as the operation would record it. s may be nil where there is nothing to
// operate.
func Deny(ctx context.Context, s *Service, a Actor, operation string) error {
	if s == nil {
		s = New(Options{})
	}
	why := &Error{Kind: ErrForbidden, text: "you may not do that: you have no role here"}
	if needed, ok := operations[operation]; ok && a.May != nil {
		if why = forbidden(a, needed.capability); a.May(needed.capability) && needed.whole {
			why.text = ofTheWhole
		}
	}
	return s.deny(ctx, a, Record{Operation: operation}, why)
}

// note has it recorded what an actor is about to do, or was denied.
func (s *Service) note(ctx context.Context, a Actor, r Record) error {
	if s.o.Record == nil {
		return nil
	}
	r.Actor, r.Capability = a, operations[r.Operation].capability
	if a.Bound != nil {
		r.Tenants, r.Bound = a.Bound(r.Capability)
	}
	for _, text := range []*string{&r.Event, &r.Tenant, &r.Destination, &r.Reason} {
		if !isText(*text) {
			*text = notText
		}
	}
	if err := s.o.Record(ctx, r); err != nil {
		return &Error{Kind: ErrUnavailable, cause: err, text: "it cannot be recorded who asks for this, so it is not done: " + err.Error()}
	}
	return nil
}

// notText stands in a record for what cannot be a name.
const notText = "(no name)"
