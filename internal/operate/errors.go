package operate

import (
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// The kinds of errors, by which faces tell them apart. An error of none of these is the gateway's own.
var (
	// ErrBadRequest means that what was asked for cannot be right as it stands.
	ErrBadRequest = errors.New("bad request")
	// ErrForbidden means that the actor lacks the capability.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound means that there is no such event, delivery or destination.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that something else is in the way: a name that is taken, or a change of somebody else's.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable means that it cannot be done now and can be later.
	ErrUnavailable = errors.New("unavailable")
)

// Error is an error with its kind. Its text is for whoever asked: it says what to do, and repeats no value of theirs.
type Error struct {
	// Kind is one of the kinds above, or nil for the gateway's own failures.
	Kind  error
	text  string
	cause error
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// Unwrap gives the kind and what lies behind the error.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func badRequest(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: ErrBadRequest, text: err.Error(), cause: errors.Unwrap(err)}
}

// NoStore is the error of operations for which there is no store.
func NoStore() error {
	return &Error{Kind: ErrUnavailable, text: "no store is open: the configuration that runs has no destination, no route that delivers or spools, and no store in its callgate option, or it is just starting"}
}

// stored gives an error of the store or the engine its kind.
func stored(err error) error {
	e := &Error{cause: err}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		e.Kind, e.text = ErrNotFound, "not found: there is no such event or delivery; it may have been erased, or be past its retention"
	case errors.Is(err, store.ErrClosed), errors.Is(err, delivery.ErrClosed):
		e.Kind, e.text = ErrUnavailable, "the store is being closed; try again when the gateway is up"
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull):
		e.Kind, e.text = ErrUnavailable, err.Error()
	default:
		e.text = err.Error()
	}
	return e
}

// partly is an error after which a part of what was asked for is done.
func partly(err error) error {
	e := *stored(err).(*Error)
	e.text += "; a part was done already, repeat the request for the rest"
	return &e
}
