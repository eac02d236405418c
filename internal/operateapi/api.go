// Package operateapi is the HTTP in front of internal/operate: one table says which method and which path carry out which
// operation. It has several faces, such as Caddy's admin endpoint and the dashboard, which say where it lies, who asks,
// and how an error is written. It translates and no more: what is done is internal/operate's.
package operateapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/operate"
)

// API answers requests for one face.
type API struct {
	// Prefix begins the path of every resource, with a slash at both of its ends.
	Prefix string
	// Service gives what the configuration in force operates, or an error if that is nothing.
	Service func() (*operate.Service, error)
	// Ready gives what can tell whether calls should be sent here, also where there is no store to operate.
	Ready func() (*operate.Service, error)
	// Actor says who asks, and what they may do.
	Actor func(*http.Request) operate.Actor
	// Ended ends with what the face belongs to, and streams with it. nil never ends.
	Ended context.Context
	// Exiting tells that the process is about to end, and streams with it. nil means that it is not.
	Exiting func() bool
}

// Error is an error with its status. Its text is for whoever asked.
type Error struct {
	Status int
	Err    error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *Error) Unwrap() error { return e.Err }

// Route is a row of the table.
type Route struct {
	// Methods are those with which the resource is requested.
	Methods []string
	// Pattern is the path behind the prefix; {name} stands for any one part of it.
	Pattern string
	// Operation is the method of operate.Service that is carried out.
	Operation string

	handle handler
}

// handler answers a request; args are the parts of its path that stand for names, in their order.
type handler func(a *API, w http.ResponseWriter, r *http.Request, args []string) error

// Routes are the rows of the table. The first that fits a path and a method has it.
func Routes() []Route { return slices.Clone(routes) }

// Serve answers a request. If it cannot, it has written nothing of an answer, but perhaps headers, and gives an *Error.
func (a *API) Serve(w http.ResponseWriter, r *http.Request) error {
	err := a.route(w, r)
	if e, ok := errors.AsType[*operate.Error](err); ok {
		return &Error{StatusOf(e), e}
	}
	if _, ok := errors.AsType[*Error](err); err != nil && !ok {
		return &Error{http.StatusInternalServerError, err}
	}
	return err
}

// StatusOf is the status of an operation's error.
func StatusOf(e *operate.Error) int {
	switch e.Kind {
	case operate.ErrBadRequest:
		return http.StatusBadRequest
	case operate.ErrForbidden:
		return http.StatusForbidden
	case operate.ErrNotFound:
		return http.StatusNotFound
	case operate.ErrConflict:
		return http.StatusConflict
	case operate.ErrUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func (a *API) route(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), a.Prefix)
	if !ok {
		return a.noResource()
	}
	if rest == openapiPath && r.Method == http.MethodGet {
		return openapi(a, w, r)
	}
	path := strings.Split(rest, "/")
	for i := range path {
		var err error
		if path[i], err = url.PathUnescape(path[i]); err != nil {
			return badRequest("the path cannot be read; escape names in it as in any URL")
		}
	}
	if actor := a.Actor(r); actor.May == nil {
		return a.refuse(r, actor, path)
	}
	var methods []string
	for i := range routes {
		args, ok := Match(routes[i].Pattern, path)
		if !ok {
			continue
		}
		if slices.Contains(routes[i].Methods, r.Method) {
			return routes[i].handle(a, w, r, args)
		}
		methods = append(methods, routes[i].Methods...)
	}
	if len(methods) == 0 {
		return a.noResource()
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return &Error{http.StatusMethodNotAllowed, fmt.Errorf("this resource is requested with %s", strings.Join(methods, " or "))}
}

// refuse refuses somebody who may nothing at all, whatever they ask for, and has it recorded.
func (a *API) refuse(r *http.Request, actor operate.Actor, path []string) error {
	s, err := a.Service()
	if err != nil {
		s = nil
	}
	operation := ""
	for i := range routes {
		if _, ok := Match(routes[i].Pattern, path); ok && slices.Contains(routes[i].Methods, r.Method) {
			operation = routes[i].Operation
			break
		}
	}
	return operate.Deny(r.Context(), s, actor, operation)
}

func (a *API) noResource() error {
	return &Error{http.StatusNotFound, errors.New("there is no such resource under " + a.Prefix)}
}

// Match compares a path with a pattern, and gives the parts that stand for names.
func Match(pattern string, path []string) (args []string, ok bool) {
	for i, part := range path {
		want, rest, more := strings.Cut(pattern, "/")
		if more != (i < len(path)-1) {
			return nil, false
		}
		switch {
		case strings.HasPrefix(want, "{"):
			args = append(args, part)
		case want != part:
			return nil, false
		}
		pattern = rest
	}
	return args, true
}
