package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// delivery finds a delivery by id, or returns nil.
func (m *memory) delivery(id string) *memoryDelivery {
	event, _, _ := strings.Cut(id, ".")
	if e := m.events[event]; e != nil {
		for _, d := range e.deliveries {
			if d.ID == id {
				return d
			}
		}
	}
	return nil
}

func (m *memory) Finish(ctx context.Context, results []store.Attempt) error {
	return m.finish(ctx, results, func(store.Hold) bool { return true })
}

// finish is Finish, where held tells whether a hold is one still.
func (m *memory) finish(ctx context.Context, results []store.Attempt, held func(store.Hold) bool) error {
	for _, a := range results {
		if a.State != store.Pending && a.State != store.Delivered && a.State != store.Dead {
			return errors.New("an attempt must leave its delivery pending, delivered or dead")
		}
	}
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, a := range results {
		if a.Audit.Returned || a.Audit.Lost {
			continue // for the audit log, which there is none of
		}
		late := !held(a.Held)
		a.Audit, a.Held = store.AuditAttempt{}, store.Hold{}
		d := m.delivery(a.DeliveryID)
		if d == nil {
			continue // erased while it was under way
		}
		late = late && a.State != store.Delivered
		a.Number = cmp.Or(a.Number, d.Attempts+1)
		if !a.Uncounted && !late {
			d.Attempts++
		}
		a.Uncounted = false
		a.At, a.NextAt = plain(a.At), plain(a.NextAt)
		a.Warnings, a.Excerpt = slices.Clone(a.Warnings), bytes.Clone(a.Excerpt)
		if a.Sent != nil {
			sent := *a.Sent
			sent.Requests = slices.Clone(sent.Requests)
			a.Sent = &sent
		}
		d.attempts = append(d.attempts, a)
		m.recorded = append(m.recorded, memoryAttempt{d.ID, store.AttemptInfo{
			Destination: d.Destination, Tenant: d.Tenant, Number: a.Number, At: a.At, Took: a.Took, Status: a.Status, Reason: a.Reason,
			Warnings: a.Warnings, State: a.State,
		}})
		if late {
			continue // it is another gateway's by now
		}
		d.UpdatedAt = plain(m.o.Now())
		if a.State == store.Delivered {
			d.kept = nil
		}
		if d.State == store.Pending {
			d.lease = time.Time{}
		} else if a.State != store.Delivered {
			continue // a late attempt does not bring back what is settled
		}
		d.State, d.NextAt, d.LastStatus, d.Reason = a.State, time.Time{}, a.Status, a.Reason
		d.RemoteID = cmp.Or(a.RemoteID, d.RemoteID)
		if d.State == store.Pending {
			if d.NextAt = a.NextAt; a.NextAt.IsZero() {
				d.NextAt = d.UpdatedAt
			}
		}
	}
	return nil
}

func (m *memory) Return(ctx context.Context, deliveryIDs []string) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, id := range deliveryIDs {
		if d := m.delivery(id); d != nil && d.by == m {
			d.lease = time.Time{}
		}
	}
	return nil
}
