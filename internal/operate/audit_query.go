package operate

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/auditor"
)

// AuditSelection says which records of the audit log are asked for. Members that are empty match all.
type AuditSelection struct {
	// After is the place in the log that is begun at: next of the page before. Newest, instead, is how many of the newest
	// records are looked at.
	After  int64 `json:"after,omitempty"`
	Newest int64 `json:"newest,omitempty"`
	// From is included, To is not: RFC 3339 or a date.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Kind is what is recorded, such as attempt or erase; several are separated by commas. One that is never recorded is
	// refused, with those that are. By is the id of who did it.
	Kind string `json:"kind,omitempty"`
	By   string `json:"by,omitempty"`
	// Tenant, Event, Delivery, Destination and Outcome are those of the record.
	Tenant      string `json:"tenant,omitempty"`
	Event       string `json:"event,omitempty"`
	Delivery    string `json:"delivery,omitempty"`
	Destination string `json:"destination,omitempty"`
	Outcome     string `json:"outcome,omitempty"`
	// Caller is a phone number with its country, such as +15551234567: records about that caller's events, also erased ones
	// whose subject was kept. It needs an encryption_key, under which the log knows callers.
	Caller string `json:"caller,omitempty"`
	// Limit is how many records a page has: 100 unless told, and 1000 at most.
	Limit int `json:"limit,omitempty"`
}

// query is what the log understands.
func (sel *AuditSelection) query(pseudonyms func(number string) []string) (q auditor.Query, err error) {
	if sel.After < 0 || sel.Newest < 0 || sel.After > 0 && sel.Newest > 0 {
		return q, badRequest("give either after, a place in the log, or newest, how many records")
	}
	if sel.Limit < 0 || sel.Limit > auditor.MaxLimit {
		return q, badRequest("limit must be between 1 and %d", auditor.MaxLimit)
	}
	q = auditor.Query{First: sel.After, By: sel.By, Tenant: sel.Tenant, Event: sel.Event, Delivery: sel.Delivery,
		Destination: sel.Destination, Outcome: sel.Outcome, Limit: sel.Limit}
	if sel.Caller != "" {
		number, err := callerNumber(sel.Caller)
		if err != nil {
			return q, err
		}
		if q.Callers = pseudonyms(number); len(q.Callers) == 0 {
			return q, badRequest("the audit log knows callers only where there is an encryption_key, with which their pseudonyms are made")
		}
	}
	for kind := range strings.SplitSeq(sel.Kind, ",") {
		switch kind = strings.TrimSpace(kind); {
		case kind == "":
		case !slices.Contains(auditKinds(), audit.Kind(kind)):
			return q, badRequest("there is no such kind of record; there are: %s", strings.Join(slices.Sorted(slices.Values(texts(auditKinds()))), ", "))
		default:
			q.Kinds = append(q.Kinds, audit.Kind(kind))
		}
	}
	for _, t := range []struct {
		name, text string
		into       *time.Time
	}{{"from", sel.From, &q.From}, {"to", sel.To, &q.To}} {
		if *t.into, err = filterTime(t.name, t.text); err != nil {
			return q, err
		}
	}
	return q, nil
}

// pseudonyms are those by which the log may know a caller; none without keys.
func (s *Service) pseudonyms(number string) []string {
	return slices.DeleteFunc(s.o.CallerHashes(number), func(hash string) bool { return hash == number })
}

// AuditQuery gives records of the audit log, oldest first, as they stand in it.
func (s *Service) AuditQuery(ctx context.Context, a Actor, sel AuditSelection) (*auditor.Page, error) {
	log, sc, err := s.beginAudit(ctx, a, Record{Operation: "AuditQuery", Event: sel.Event, Tenant: sel.Tenant, Destination: sel.Destination})
	if err != nil {
		return nil, err
	}
	q, err := sel.query(s.pseudonyms)
	if err != nil {
		return nil, err
	}
	q.Tenants = sc.filter()
	if sel.Newest > 0 {
		if q.First, err = log.Newest(ctx, sel.Newest); err != nil {
			return nil, auditError(err)
		}
	}
	p, err := log.Find(ctx, q)
	if err != nil {
		return nil, auditError(err)
	}
	return &p, nil
}
