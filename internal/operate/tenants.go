package operate

import (
	"context"
	"slices"
	"strings"
	"time"
)

// TenantList are tenants by name.
type TenantList struct {
	Tenants []TenantView `json:"tenants"`
}

// TenantView is how a tenant does.
type TenantView struct {
	Name string `json:"name"`
	// Known tells that the configuration in force has it, and Faulty that the gateway runs without it because of a mistake in
	// its settings. What is stored of one that is not known waits.
	Known  bool `json:"known"`
	Faulty bool `json:"faulty,omitempty"`
	// Pending, Delivered and Dead count the deliveries of its calls.
	Pending   int64 `json:"pending"`
	Delivered int64 `json:"delivered"`
	Dead      int64 `json:"dead"`
	// Accepted, Attempted and Succeeded are of the last 24 hours: calls that were taken in, as far as this process has seen
	// them, and attempts at their deliveries.
	Accepted  int64 `json:"accepted"`
	Attempted int64 `json:"attempted"`
	Succeeded int64 `json:"succeeded"`
	// FailingSince is since when nothing of it was delivered to some destination although it was tried.
	FailingSince time.Time `json:"failing_since,omitzero"`
	// Refused are needs of the kinds shut_out and refused: whose requests of it are refused.
	Refused []Need `json:"refused,omitempty"`
}

// Tenants tells of each tenant how it does.
func (s *Service) Tenants(ctx context.Context, a Actor) (*TenantList, error) {
	r := Record{Operation: "Tenants"}
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	if s.o.Meter != nil {
		s.o.Meter.catchUp(ctx)
	}
	counts, err := s.o.Store.Counts(ctx, sc.filter())
	if err != nil {
		return nil, stored(err)
	}
	found := map[string]*TenantView{}
	of := func(name string) *TenantView {
		if found[name] == nil {
			found[name] = &TenantView{Name: name}
		}
		return found[name]
	}
	for _, c := range counts {
		t := of(c.Tenant)
		t.Pending, t.Delivered, t.Dead = t.Pending+c.Pending, t.Delivered+c.Delivered, t.Dead+c.Dead
	}
	if s.o.Names != nil {
		for _, name := range s.o.Names().Tenants {
			if sc.has(name) {
				of(name).Known = true
			}
		}
	}
	if s.o.Faulty != nil {
		for _, name := range s.o.Faulty() {
			if sc.has(name) {
				of(name).Faulty = true
			}
		}
	}
	if s.o.Meter != nil {
		s.o.Meter.ofTenants(found)
		n := needs{now: s.o.Now().UTC()}
		s.o.Meter.refusals(sc, &n)
		for _, need := range n.sorted() {
			if t := found[need.Tenant]; t != nil {
				t.Refused = append(t.Refused, need)
			}
		}
	}
	l := &TenantList{Tenants: []TenantView{}}
	for _, t := range found {
		l.Tenants = append(l.Tenants, *t)
	}
	slices.SortFunc(l.Tenants, func(a, b TenantView) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

// ofTenants adds what was counted of tenants in a day.
func (m *Meter) ofTenants(found map[string]*TenantView) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, s := range m.pairs {
		t := found[key[1]]
		if t == nil {
			continue
		}
		s.long.each(m.now(), windows["day"].slots, func(_ int, c *counts) {
			if c != nil {
				t.Accepted, t.Attempted, t.Succeeded = t.Accepted+int64(c.accepted), t.Attempted+int64(c.attempts), t.Succeeded+int64(c.delivered)
			}
		})
		if f := s.failing; f.count >= notTakenAfter && (t.FailingSince.IsZero() || f.since.Before(t.FailingSince)) {
			t.FailingSince = f.since.UTC()
		}
	}
}
