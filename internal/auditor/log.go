package auditor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// Log is the audit log of an open store, for those who read it.
type Log struct {
	Store  store.Audited
	Signer *audit.Signer
}

// Log is the log that the auditor keeps.
func (a *Auditor) Log() *Log {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &Log{Store: a.o.Store, Signer: a.settings.Signer}
}

// Bounds of a page of records: how many it has unless told, at most, and how many are looked at for one.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
	mostRead     = 200_000
)

// Query selects records. Zero members match everything.
type Query struct {
	// First is the first record that is looked at.
	First int64
	// From is included, To is not.
	From, To time.Time
	Kinds    []audit.Kind
	// By is the id of the actor.
	By string
	// Tenant, Event, Delivery, Destination and Outcome are those of the record; Destination is the name of a recipient.
	Tenant, Event, Delivery, Destination, Outcome string
	// Tenants, if it is not nil, are the only tenants whose records are looked at.
	Tenants []string
	// Callers, if it is not nil, are the pseudonyms by which a caller may be known: records about their events match.
	Callers []string
	// Limit is the number of records. Default: DefaultLimit.
	Limit int
}

// matches reports whether a record is selected.
func (q *Query) matches(l *audit.Leaf) bool {
	return (q.From.IsZero() || !l.At.Before(q.From)) && (q.To.IsZero() || l.At.Before(q.To)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, l.Kind)) &&
		(q.By == "" || q.By == l.Actor.ID) && (q.Tenant == "" || q.Tenant == l.Tenant) && (q.Event == "" || q.Event == l.Event) &&
		(q.Delivery == "" || q.Delivery == l.Delivery) && (q.Outcome == "" || q.Outcome == l.Outcome) &&
		(q.Tenants == nil || slices.Contains(q.Tenants, l.Tenant)) &&
		(q.Destination == "" || slices.ContainsFunc(l.To, func(r audit.Recipient) bool { return r.Name == q.Destination }))
}

// Page is a part of the records that a query selects, oldest first, as they stand in the log.
type Page struct {
	Records []json.RawMessage `json:"records"`
	// Next is where the next page begins; 0 if there is nothing more. A page may be short, and have a next one: no more than
	// some records are looked at for one.
	Next int64 `json:"next,omitempty"`
	// End is the place behind the last record that was looked at.
	End int64 `json:"-"`
}

// errEnough ends reading.
var errEnough = errors.New("enough")

// Find selects records. A line that a later version has written is left out.
func (g *Log) Find(ctx context.Context, q Query) (Page, error) {
	limit := min(q.Limit, MaxLimit)
	if limit <= 0 {
		limit = DefaultLimit
	}
	ofCaller := g.byCaller(ctx, q.Callers)
	p := Page{Records: []json.RawMessage{}, End: q.First}
	read := 0
	err := g.Store.AuditLines(ctx, q.First, func(seq int64, line []byte) error {
		if len(p.Records) >= limit || read >= mostRead {
			p.Next = seq
			return errEnough
		}
		read++
		p.End = seq + 1
		l, err := audit.ParseLine(line)
		if _, later := errors.AsType[*audit.VersionError](err); later {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w (record %d)", store.ErrAuditDamaged, seq)
		}
		if q.matches(l) {
			ok, err := ofCaller(l.Event)
			if err != nil {
				return err
			}
			if ok {
				p.Records = append(p.Records, slices.Clone(line))
			}
		}
		return ctx.Err()
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return p, err
}

// byCaller tells whether an event's caller is one that is known by a pseudonym. Of an event that was erased that is not known,
// unless its subject was kept.
func (g *Log) byCaller(ctx context.Context, pseudonyms []string) func(event string) (bool, error) {
	known := make(map[string]bool)
	return func(event string) (bool, error) {
		if pseudonyms == nil {
			return true, nil
		}
		if event == "" {
			return false, nil
		}
		is, ok := known[event]
		if ok {
			return is, nil
		}
		beside, err := g.Store.AuditBeside(ctx, event)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		is = err == nil && beside.Pseudonym != "" && slices.Contains(pseudonyms, beside.Pseudonym)
		known[event] = is
		return is, nil
	}
}

// Newest is the place of the first of the n newest records.
func (g *Log) Newest(ctx context.Context, n int64) (first int64, err error) {
	status, err := g.Store.AuditStatus(ctx)
	return max(status.Pruned, status.State.Size-n, 0), err
}

// sign signs what the log holds now.
func (g *Log) sign(ctx context.Context) (store.AuditStatus, []byte, error) {
	status, err := g.Store.AuditStatus(ctx)
	if err != nil {
		return status, nil, err
	}
	if g.Signer == nil {
		return status, nil, store.ErrNoAudit
	}
	signed, err := g.Signer.Sign(status.State)
	return status, signed, err
}

// ErrNoRecord is a record that is not there.
var ErrNoRecord = errors.New("the audit log has no such record, or its line was pruned")

// Prove gives the proof that a record is in the log, under a checkpoint of now; see audit.Prove.
func (g *Log) Prove(ctx context.Context, seq int64) ([]byte, error) {
	status, signed, err := g.sign(ctx)
	if err != nil {
		return nil, err
	}
	if seq < status.Pruned || seq >= status.State.Size {
		return nil, fmt.Errorf("%w: it has the records %d to %d", ErrNoRecord, status.Pruned, status.State.Size-1)
	}
	var proof []byte
	err = g.Store.AuditLines(ctx, seq, func(at int64, line []byte) (err error) {
		if at != seq {
			return fmt.Errorf("%w (record %d is missing)", store.ErrAuditDamaged, seq)
		}
		if proof, err = audit.Prove(line, seq, signed, status.State.Size, audit.HashReader(g.Store.AuditTiles(ctx))); err != nil {
			return err
		}
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return proof, nil
}

// Export writes the records from a place on, with a checkpoint of now, as audit.Verify reads them. since are the sizes of
// older checkpoints that whoever verifies it may have. It returns how many records it wrote.
func (g *Log) Export(ctx context.Context, w io.Writer, first int64, since ...int64) (records int64, err error) {
	status, signed, err := g.sign(ctx)
	if err != nil {
		return 0, err
	}
	size := status.State.Size
	x, err := audit.NewExporter(w, audit.Export{Origin: g.Signer.Origin(), First: max(first, status.Pruned), Size: size, Since: since},
		audit.HashReader(g.Store.AuditTiles(ctx)))
	if err != nil {
		return 0, err
	}
	err = g.Store.AuditLines(ctx, max(first, status.Pruned), func(seq int64, line []byte) error {
		if seq >= size {
			return errEnough
		}
		records++
		if err := x.Line(line); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errEnough) {
		return records, err
	}
	if err := x.Checkpoint(signed, size); err != nil {
		return records, err
	}
	return records, x.Close()
}
