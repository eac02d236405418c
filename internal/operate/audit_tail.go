package operate

import (
	"context"
	"encoding/json"
	"time"
)

// tailEvery is how often it is looked for new records.
const tailEvery = 500 * time.Millisecond

// AuditTail hands out the newest records of the audit log and then new ones as they come, until the context ends or f returns
// an error, which it gives back. f is called without records too, so that it can tell whether somebody still reads. Newest is
// how many of those that are there are looked at; after and limit have no meaning.
func (s *Service) AuditTail(ctx context.Context, a Actor, sel AuditSelection, f func(records []json.RawMessage) error) error {
	log, _, err := s.beginAudit(ctx, a, Record{Operation: "AuditTail", Event: sel.Event, Tenant: sel.Tenant, Destination: sel.Destination})
	if err != nil {
		return err
	}
	newest := sel.Newest
	sel.Newest, sel.Limit = 0, 0
	q, err := sel.query(s.pseudonyms)
	if err != nil {
		return err
	}
	if q.First, err = log.Newest(ctx, max(newest, 0)); err != nil {
		return auditError(err)
	}
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		p, err := log.Find(ctx, q)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return auditError(err)
		}
		if err := f(p.Records); err != nil {
			return err
		}
		q.First = p.End
		if p.Next > 0 {
			q.First = p.Next
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
