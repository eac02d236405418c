package auditor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/convert"
	"github.com/callgate/callgate/internal/store"
)

// ExportCSV writes the records from a place on as CSV, and returns how many. What is written cannot be verified.
func (g *Log) ExportCSV(ctx context.Context, w io.Writer, first int64) (records int64, err error) {
	c, err := convert.NewCSV(w)
	if err != nil {
		return 0, err
	}
	if records, err = g.each(ctx, first, c.Write); err != nil {
		return records, err
	}
	return records, c.Close()
}

// ExportFHIR writes the records from a place on as AuditEvents of FHIR R4, one in a line, and returns how many. Callers are in
// them by their pseudonyms, as long as they were not erased. What is written cannot be verified.
func (g *Log) ExportFHIR(ctx context.Context, w io.Writer, first int64) (records int64, err error) {
	if g.Signer == nil {
		return 0, store.ErrNoAudit
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // then no event claims a profile that asks for it
	}
	var failed error
	f := convert.NewFHIR(w, convert.FHIROptions{Origin: g.Signer.Origin(), Host: host, Pseudonym: func(event string) string {
		beside, err := g.Store.AuditBeside(ctx, event)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			failed = err
		}
		return beside.Pseudonym
	}})
	return g.each(ctx, first, func(l *audit.Leaf) error {
		if err := f.Write(l); err != nil {
			return err
		}
		return failed
	})
}

// each reads the records that there are now from a place on.
func (g *Log) each(ctx context.Context, first int64, f func(*audit.Leaf) error) (records int64, err error) {
	status, err := g.Store.AuditStatus(ctx)
	if err != nil {
		return 0, err
	}
	err = g.Store.AuditLines(ctx, max(first, status.Pruned), func(seq int64, line []byte) error {
		if seq >= status.State.Size {
			return errEnough
		}
		l, err := audit.ParseLine(line)
		if errors.Is(err, audit.ErrLine) {
			return fmt.Errorf("%w (record %d)", store.ErrAuditDamaged, seq)
		}
		if err != nil {
			return err // of a later version: an export without it would not be whole
		}
		records++
		if err := f(l); err != nil {
			return err
		}
		return ctx.Err()
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return records, err
}
