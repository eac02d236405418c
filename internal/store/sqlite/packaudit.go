package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// What has been in the audit log for a while is packed: runs of bundles become one segment that zstd has compressed, in the
// place of the first of them. A segment is pruned as a whole, so that it holds the records of one day only.

const (
	// packAfter is how old bundles are that are packed. Those who follow the log read younger ones.
	packAfter = time.Hour
	// auditSegment is how many bytes of lines make a segment, unless a day ends before.
	auditSegment = 256 << 10
	// mostSegments are made at once; the others follow.
	mostSegments = 4096
	// pruneLeaves is about how many leaves are pruned in one transaction.
	pruneLeaves = 20_000
)

// bundles are some of the audit log, one behind the other.
type bundles struct {
	first, end int64 // leaves
	at         int64 // of the last
	count      int64
	lines      []byte
}

// packAudit packs what is old enough.
func (s *Store) packAudit(ctx context.Context) error {
	if !s.audit.on.Load() {
		return nil
	}
	packed := false
	for range mostSegments {
		run, err := s.bundlesToPack(ctx)
		if err != nil {
			return err
		}
		if run == nil {
			break
		}
		segment, err := audit.Pack(run.lines)
		if err != nil {
			return err
		}
		if err := s.write(ctx, false, func(b *batch) error { return b.replace(run, segment) }); err != nil {
			return err
		}
		s.packedTo, packed = run.end, true
	}
	if !packed {
		return nil
	}
	return s.write(ctx, false, (*batch).vacuum)
}

// bundlesToPack reads the next that make a segment; nil if there are not enough.
func (s *Store) bundlesToPack(ctx context.Context) (*bundles, error) {
	const day = int64(24 * time.Hour)
	young := s.o.Now().Add(-packAfter).UnixNano()
	run, whole := new(bundles), false
	err := s.each(ctx, "SELECT first, n, at, lines FROM audit_bundles WHERE first >= ? AND lines IS NOT NULL ORDER BY first", func(rows *sql.Rows) error {
		var first, n, at int64
		var lines []byte
		if err := rows.Scan(&first, &n, &at, &lines); err != nil {
			return err
		}
		packed := audit.Packed(lines)
		if run.count == 0 && packed {
			s.packedTo = first + n
			return nil
		}
		if run.count > 0 && (packed || first != run.end || at/day != run.at/day) {
			whole = true
			return errEnough
		}
		if at > young {
			return errEnough
		}
		if run.count == 0 {
			run.first = first
		}
		run.end, run.at, run.count, run.lines = first+n, at, run.count+1, append(run.lines, lines...)
		if whole = len(run.lines) >= s.o.AuditSegment; whole {
			return errEnough
		}
		return nil
	}, s.packedTo)
	if err != nil && !errors.Is(err, errEnough) || !whole {
		return nil, public(err)
	}
	return run, nil
}

// replace puts a segment in the place of what it was made of, unless that was pruned meanwhile.
func (b *batch) replace(run *bundles, segment []byte) error {
	var count, size int64
	if err := b.c.query("SELECT count(*), coalesce(sum(length(lines)), 0) FROM audit_bundles WHERE first >= ? AND first < ? AND lines IS NOT NULL", func(v []driver.Value) error {
		count, _ = v[0].(int64)
		size, _ = v[1].(int64)
		return nil
	}, run.first, run.end); err != nil || count != run.count || size != int64(len(run.lines)) {
		return err
	}
	if _, err := b.c.exec("DELETE FROM audit_bundles WHERE first > ? AND first < ?", run.first, run.end); err != nil {
		return err
	}
	_, err := b.c.exec("UPDATE audit_bundles SET n = ?, at = ?, lines = ? WHERE first = ?", run.end-run.first, run.at, segment, run.first)
	return err
}
