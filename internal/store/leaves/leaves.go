// Package leaves makes the leaves of the audit log of what stores do: the same in every store.
package leaves

import (
	"context"
	"crypto/sha256"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/oklog/ulid/v2"
)

// Accepted tells of an event with its destinations.
func Accepted(e *store.Event, destinations []string, subject audit.Commitment) audit.Leaf {
	to := make([]audit.Recipient, len(destinations))
	for i, name := range destinations {
		to[i].Name = name
	}
	return audit.Leaf{Kind: audit.EventAccepted, Tenant: e.Tenant, Route: e.Route, Source: e.Source, Event: e.ID, To: to,
		Bytes: int64(len(e.Body)), Subject: subject}
}

// Attempt tells of an attempt. erased tells that its delivery is gone, and with it the salt, which is otherwise asked for if
// there is something to commit to.
func Attempt(a *store.Attempt, key lanes.Key, number int64, erased bool, salt func() (audit.Salt, bool, error)) (audit.Leaf, error) {
	l := audit.Leaf{Kind: audit.Attempt, At: a.At, Tenant: a.Audit.Tenant, Delivery: a.DeliveryID, Attempt: int(number),
		Status: a.Status, TookMS: a.Took.Milliseconds(), Outcome: outcomeOf(a)}
	if key != (lanes.Key{}) {
		l.Event = ulid.ULID(key.Event).String()
	}
	switch {
	case a.Audit.Lost:
		l.Reason = "its outcome could not be stored"
	case a.Audit.Test:
		l.Reason = "test mode: nothing was sent"
	case erased:
		l.Reason = "erased while it was under way"
	}
	to := audit.Recipient{Name: a.Audit.Destination, Kind: a.Audit.Kind}
	if s := a.Sent; s != nil {
		l.Policy = audit.PolicySent
		for _, q := range s.Requests {
			l.Bytes += q.Bytes
			if to.Host == "" {
				to.Host = q.Host
			} else if q.Host != "" && q.Host != to.Host && len(l.To) == 0 {
				l.To = append(l.To, audit.Recipient{Name: to.Name, Kind: to.Kind, Host: q.Host})
			}
			l.Fields = addNames(l.Fields, q.Fields)
		}
	}
	l.To = append(l.To, to)
	if !erased && a.Audit.Digest != ([sha256.Size]byte{}) {
		salt, found, err := salt()
		if err != nil {
			return l, err
		}
		if found {
			l.Sent = audit.Commit(salt, a.Audit.Digest[:])
		}
	}
	return l, nil
}

// outcomeOf is how a leaf says what an attempt came to.
func outcomeOf(a *store.Attempt) string {
	switch {
	case a.Audit.Returned:
		return "returned"
	case a.State == store.Delivered:
		return audit.OutcomeOK
	case a.State == store.Dead:
		return audit.OutcomeDead
	}
	return audit.OutcomeRetry
}

// addNames adds the names that a list does not have.
func addNames(list, names []string) []string {
	if len(list) == 0 {
		return append(list, names...)
	}
	for _, name := range names {
		known := false
		for _, have := range list {
			known = known || have == name
		}
		if !known {
			list = append(list, name)
		}
	}
	return list
}

// Moved tells what an operator did to a delivery.
func Moved(ctx context.Context, kind audit.Kind, tenant, destination string, key lanes.Key) audit.Leaf {
	return audit.Leaf{Kind: kind, Actor: audit.ActorOf(ctx), Tenant: tenant, Event: ulid.ULID(key.Event).String(),
		Delivery: key.String(), To: []audit.Recipient{{Name: destination}}}
}

// Expired tells of events whose retention is over.
func Expired(ctx context.Context, e *lanes.Expiry, n int) audit.Leaf {
	reason := "delivered, and past its retention"
	if e.Dead {
		reason = "dead, and past its retention"
	}
	return audit.Leaf{Kind: audit.Expire, Actor: audit.ActorOf(ctx), Count: int64(n), Reason: reason}
}

// Flag tells of a pause or its end. What the gateway pauses by itself it does for what a receiver answered, of which the
// attempt's leaf tells.
func Flag(ctx context.Context, kind audit.Kind, destination, why string) audit.Leaf {
	l := audit.Leaf{Kind: kind, Actor: audit.ActorOf(ctx), To: []audit.Recipient{{Name: destination}}}
	if l.Actor != (audit.Actor{}) {
		l.Why = why
	}
	return l
}
