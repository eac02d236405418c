package operate

import (
	"context"
	"slices"
	"time"
)

// RotationList is where secrets are being rotated.
type RotationList struct {
	// Since is since when it is noted which secret is used, which begins with the process: a secret that was not used may
	// have been before.
	Since     time.Time  `json:"since"`
	Rotations []Rotation `json:"rotations"`
}

// Rotation is a tenant's secrets on one route, where there are several.
type Rotation struct {
	Source  string      `json:"source"`
	Route   string      `json:"route"`
	Tenant  string      `json:"tenant"`
	Secrets []SecretUse `json:"secrets"`
}

// SecretUse is when a secret was used last.
type SecretUse struct {
	// Secret is which one, counted from 1 in the order of the configuration; those that are left out there because they
	// have no value are not counted.
	Secret   int       `json:"secret"`
	LastUsed time.Time `json:"last_used,omitzero"`
}

// Rotations tells of each route and tenant with several secrets when each of them has verified a request last, so that an
// old one can be taken out when its sender uses it no more.
func (s *Service) Rotations(ctx context.Context, a Actor) (*RotationList, error) {
	sc, err := s.begin(ctx, a, Record{Operation: "Rotations"})
	if err != nil {
		return nil, err
	}
	if s.o.Rotations == nil {
		return nil, NoStore()
	}
	l := s.o.Rotations()
	l.Rotations = slices.DeleteFunc(l.Rotations, func(r Rotation) bool { return !sc.has(r.Tenant) })
	return &l, nil
}
