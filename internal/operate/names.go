package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/store"
)

// Names are what filters can name: Fields are those by whose values events are found.
type Names struct{ Tenants, Sources, Fields []string }

// compile checks a filter, also its names, and gives what the store understands; see Filter.compile. A name that does not
// exist would match nothing: who misspells a tenant would take its calls for delivered, or for erased.
func (s *Service) compile(ctx context.Context, sc scope, f *Filter) ([]store.Filter, error) {
	filters, err := f.compile(s.o.CallerHashes, s.o.FieldHashes)
	if err != nil {
		return nil, err
	}
	for i := range filters {
		filters[i].Tenants = sc.filter()
	}
	if f.Destination != "" && s.o.Engine != nil {
		if err := s.knownDestination(ctx, sc, f.Destination); err != nil {
			return nil, err
		}
	}
	if sc.bound { // their tenants were looked at already, and the names of others are not for them
		if err := s.ofTheirs(ctx, sc, "source", f.Source, store.Filter{Source: f.Source}); err != nil {
			return nil, err
		}
		var fields []string
		if s.o.Names != nil {
			fields = s.o.Names().Fields
		}
		err := s.knownField(ctx, f.Field, fields, filters)
		if errors.Is(err, ErrNotFound) {
			err = &Error{Kind: ErrNotFound, text: "there is no such field in a find_by line, and events are found by those only"}
		}
		return filters, err
	}
	if s.o.Names == nil {
		return filters, nil
	}
	names := s.o.Names()
	if err := s.knownField(ctx, f.Field, names.Fields, filters); err != nil {
		return nil, err
	}
	if err := s.known(ctx, "tenant", f.Tenant, names.Tenants, store.Filter{Tenant: f.Tenant}); err != nil {
		return nil, err
	}
	return filters, s.known(ctx, "source", f.Source, names.Sources, store.Filter{Source: f.Source})
}

// knownField makes sure that events are stored so that they are found by a field, or that one was: to find none by another
// would be taken for that there is none.
func (s *Service) knownField(ctx context.Context, name string, names []string, filters []store.Filter) error {
	if name == "" || slices.Contains(names, call.Canonical(name)) {
		return nil
	}
	for _, f := range filters {
		found, err := s.o.Store.Events(ctx, store.Filter{Subject: f.Subject, Tenants: f.Tenants}, store.Page{Limit: 1})
		if err != nil {
			return stored(err)
		}
		if len(found) > 0 {
			return nil
		}
	}
	return noSuch("field in a find_by line, and events are found by those only", name, names)
}

// known makes sure that a name is one of the configuration, or that something is stored under it from an earlier one.
func (s *Service) known(ctx context.Context, what, name string, names []string, under store.Filter) error {
	if name == "" || slices.Contains(names, name) {
		return nil
	}
	found, err := s.o.Store.Events(ctx, under, store.Page{Limit: 1})
	if err != nil {
		return stored(err)
	}
	if len(found) > 0 {
		return nil
	}
	if k, ok := s.o.Store.(store.DataKeyed); ok && what == "tenant" { // its events are erased, and its data keys left
		if list, err := k.DataKeys(ctx, []string{name}); err != nil || len(list) > 0 {
			return keysError(err)
		}
	}
	return noSuch(what, name, names)
}

// ofTheirs makes sure that something of the tenants of a scope is stored under a name.
func (s *Service) ofTheirs(ctx context.Context, sc scope, what, name string, under store.Filter) error {
	if name == "" {
		return nil
	}
	under.Tenants = sc.filter()
	found, err := s.o.Store.Events(ctx, under, store.Page{Limit: 1})
	if err != nil {
		return stored(err)
	}
	if len(found) == 0 {
		return &Error{Kind: ErrNotFound, text: "nothing that you may see has such a " + what}
	}
	return nil
}

// knownDestination makes sure that a name is one of a destination.
func (s *Service) knownDestination(ctx context.Context, sc scope, name string) error {
	if sc.bound {
		if of, _, own := strings.Cut(name, "/"); s.reached(sc)[name] || own && sc.has(of) {
			return nil
		}
		return s.ofTheirs(ctx, sc, "destination", name, store.Filter{Destination: name})
	}
	known, err := s.o.Engine.Status(ctx)
	if err != nil {
		return stored(err)
	}
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].Name
	}
	if slices.Contains(names, name) {
		return nil
	}
	return noSuch("destination", name, names)
}

// maxNamed is how many names an error lists.
const maxNamed = 12

// noSuch says that there is nothing of a name, and what there is: if that is much, what is spelt most like it.
func noSuch(what, name string, names []string) error {
	e := &Error{Kind: ErrNotFound, text: "there is no such " + what}
	switch {
	case len(names) == 0:
		e.text += "; there is none at all"
	case len(names) <= maxNamed:
		e.text += "; there are: " + strings.Join(slices.Sorted(slices.Values(names)), ", ")
	default:
		near := slices.Clone(names)
		slices.SortFunc(near, func(a, b string) int {
			return cmp.Or(cmp.Compare(distance(name, a), distance(name, b)), strings.Compare(a, b))
		})
		e.text += fmt.Sprintf("; of the %d that there are, spelt most like it: %s", len(names), strings.Join(near[:maxNamed/4], ", "))
	}
	return e
}

// distance is how many characters have to be changed, added or taken away to make one name of another. Names are short.
func distance(a, b string) int {
	const longest = 64
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	x, y = x[:min(len(x), longest)], y[:min(len(y), longest)]
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, c := range x {
		before := row[0] // of the row above, one to the left
		row[0] = i + 1
		for j, d := range y {
			above := row[j+1]
			cost := 1
			if c == d {
				cost = 0
			}
			row[j+1] = min(above+1, row[j]+1, before+cost)
			before = above
		}
	}
	return row[len(y)]
}
