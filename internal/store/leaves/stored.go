package leaves

import (
	"reflect"
	"slices"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// Each gives the lines of a bundle, of which the first one has the place first, from a place on.
func Each(lines []byte, first, from int64, f func(seq int64, line []byte) error) error {
	seq := first
	for line := range audit.Lines(lines) {
		if seq >= from {
			if err := f(seq, line); err != nil {
				return err
			}
		}
		seq++
	}
	return nil
}

// HashesOf are those of a bundle's leaves from a place of the log on and up to before another one. The bundle begins at a place,
// and has lines, or their hashes if it is pruned.
func HashesOf(at int64, lines, kept []byte, from, end int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	if lines != nil {
		all = audit.LeafHashes(nil, lines)
	} else {
		if len(kept)%tlog.HashSize != 0 {
			return nil, store.ErrAuditDamaged
		}
		for ; len(kept) > 0; kept = kept[tlog.HashSize:] {
			all = append(all, tlog.Hash(kept[:tlog.HashSize]))
		}
	}
	first, last := max(from-at, 0), min(end-at, int64(len(all)))
	if first >= last {
		return nil, nil
	}
	return all[first:last], nil
}

// Kept is what stays of a bundle that is pruned: the hashes of its leaves, one after the other.
func Kept(lines []byte) []byte {
	all := audit.LeafHashes(nil, lines)
	kept := make([]byte, 0, len(all)*tlog.HashSize)
	for _, h := range all {
		kept = append(kept, h[:]...)
	}
	return kept
}

// AcceptedBy are the events that the lines of a bundle accepted. A line of a later version stays as it is, and so does what lies
// beside it.
func AcceptedBy(lines []byte) (events [][16]byte) {
	for line := range audit.Lines(lines) {
		l, err := audit.ParseLine(line)
		if err != nil || l.Kind != audit.EventAccepted {
			continue
		}
		if event, err := ulid.ParseStrict(l.Event); err == nil {
			events = append(events, event)
		}
	}
	return events
}

// OfCaller tells whether a filter asks for a caller and at most for tenants: of events that have expired nothing else is known.
func OfCaller(f *store.Filter) bool {
	rest := *f
	rest.CallerHash, rest.Tenant, rest.Tenants = "", "", nil
	return f.CallerHash != "" && reflect.DeepEqual(rest, store.Filter{})
}

// OfTenant tells whether a filter asks for a tenant's.
func OfTenant(f *store.Filter, tenant string) bool {
	return (f.Tenant == "" || f.Tenant == tenant) && (f.Tenants == nil || slices.Contains(f.Tenants, tenant))
}
