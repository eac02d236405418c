package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
)

var _ store.Exporter = (*Store)(nil)

// movedQueries count what store.MovedKinds names, but for data keys. Keys stand in their table and, the newest, in their events only.
var movedQueries = map[string]string{
	"events":               "SELECT count(*) FROM events",
	"events with content":  "SELECT count(*) FROM payloads",
	"bytes of content":     "SELECT coalesce(sum(coalesce(length(request), 0) + coalesce(length(body), 0) + coalesce(length(record), 0)), 0) FROM payloads",
	"deliveries pending":   "SELECT count(*) FROM deliveries WHERE state = 0",
	"deliveries delivered": "SELECT count(*) FROM deliveries WHERE state = 1",
	"deliveries dead":      "SELECT count(*) FROM deliveries WHERE state = 2",
	"attempts":             "SELECT count(*) FROM attempts",
	"unique keys":          "SELECT count(*) FROM (SELECT unique_key, accepted_at / 86400000000000 FROM events UNION SELECT key, day FROM keys)",
	"subjects":             "SELECT count(*) FROM subjects",
	"notes":                "SELECT count(*) FROM notes WHERE length(key) = 32",
	"progress":             "SELECT count(*) FROM notes WHERE length(key) = 25",
	"paused destinations":  "SELECT count(*) FROM paused",
	"document versions":    "SELECT count(*) FROM documents",
	"documents in force":   "SELECT count(*) FROM in_force",
	"audit records":        "SELECT coalesce(sum(n), 0) FROM audit_bundles",
	"audit nodes":          "SELECT count(*) FROM audit_nodes",
	"audit salts":          "SELECT count(*) FROM audit_beside",
}

// movedMarks change with what can be done to a store without changing how many there are of anything.
var movedMarks = []string{
	"SELECT coalesce(max(id), 0) FROM attempts",
	"SELECT coalesce(max(seq), 0) FROM events",
	"SELECT coalesce(max(updated_at), 0) FROM deliveries",
	"SELECT coalesce(sum(next_at / 1000000000), 0) FROM deliveries WHERE state = 0",
	"SELECT coalesce(sum(version * 4 + state), 0) FROM documents",
	"SELECT coalesce(sum(version), 0) FROM in_force",
}

var (
	errMoveLostKey = errors.New("something in the store was sealed with a data key that is not there any more, and which was not destroyed by callgate keys destroy: bring back a backup that has it, or erase the events whose content cannot be read")
	errMoveOldSeal = errors.New("something in the store was sealed by an older version, or with a key that encryption_key does not have: run callgate rekey first")
	errMovePlain   = fmt.Errorf("%w: run callgate rekey first, which says of which event", sealed.ErrUnsealed)
)

// Origin is store.Exporter's.
func (s *Store) Origin(ctx context.Context) (*store.Origin, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	o := &store.Origin{Counts: map[string]int64{}, Counters: map[string]int64{}}
	if err := s.movable(ctx); err != nil {
		return nil, err
	}
	sum := sha256.New()
	ask := func(query string) (n int64, err error) {
		if err = s.reader.QueryRowContext(ctx, query).Scan(&n); err == nil {
			sum.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
		}
		return n, public(err)
	}
	var err error
	for _, kind := range store.MovedKinds {
		query, ok := movedQueries[kind]
		if !ok {
			continue
		}
		if o.Counts[kind], err = ask(query); err != nil {
			return nil, err
		}
	}
	for i, query := range movedMarks {
		n, err := ask(query)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			o.LastAttempt = n
		}
	}
	for _, query := range []string{"SELECT id FROM events ORDER BY seq LIMIT 1", "SELECT id FROM events ORDER BY seq DESC LIMIT 1",
		"SELECT destination || ' ' || reason FROM paused ORDER BY destination", "SELECT key || value FROM notes ORDER BY key"} {
		if err := s.each(ctx, query, func(rows *sql.Rows) error {
			var b []byte
			err := rows.Scan(&b)
			part := store.ContentHash(b)
			sum.Write(part[:])
			return err
		}); err != nil {
			return nil, public(err)
		}
	}
	for _, name := range []string{expiredDone, expiredDead, "dropped"} {
		if o.Counters[name], err = s.counter(ctx, name); err != nil {
			return nil, err
		}
	}
	status, err := s.AuditStatus(ctx)
	if err != nil {
		return nil, err
	}
	if status.State.Size > 0 {
		o.Log = &store.MovedLog{Checkpoint: status.Checkpoint, Running: status.Running, Pruned: status.Pruned}
		if o.Log.State, err = status.State.MarshalBinary(); err != nil {
			return nil, err
		}
		sum.Write(o.Log.State)
	}
	if err := s.movedSealing(ctx, o); err != nil {
		return nil, err
	}
	if err := s.countDataKeys(ctx, o, sum); err != nil {
		return nil, public(err)
	}
	o.Fingerprint = hex.EncodeToString(sum.Sum(nil))
	return o, nil
}

func (s *Store) counter(ctx context.Context, name string) (n int64, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT value FROM counters WHERE name = ?", name).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return n, public(err)
}

// movable tells why what is stored cannot be carried over as it is.
func (s *Store) movable(ctx context.Context) error {
	for _, table := range []string{"events", "documents", "attempts"} {
		if err := s.each(ctx, "SELECT DISTINCT key_id FROM "+table+" WHERE key_id IS NOT NULL", func(rows *sql.Rows) error {
			var stored []byte
			if err := rows.Scan(&stored); err != nil {
				return err
			}
			id, dataKey, ok := seal.ParseStoredID(stored)
			_, known := s.dataKeys.get(id)
			switch {
			case dataKey && !known:
				return fmt.Errorf("%w (%s)", errMoveLostKey, id)
			case dataKey:
			case !ok || len(stored) != seal.KeyIDSize || s.o.Keys == nil || !s.o.Keys.Has(id):
				return errMoveOldSeal
			}
			return nil
		}); err != nil {
			return public(err)
		}
	}
	return nil
}

// movedSealing says from when on everything is sealed by the time of acceptance, since elsewhere events have no numbers: from
// after the last one that is not.
func (s *Store) movedSealing(ctx context.Context, o *store.Origin) error {
	if s.o.Keys == nil {
		return nil
	}
	const plain = " FROM payloads p JOIN events e ON e.seq = p.seq WHERE e.key_id IS NULL"
	var after, late int64
	if err := s.reader.QueryRowContext(ctx, "SELECT coalesce(max(e.accepted_at), 0)"+plain).Scan(&after); err != nil {
		return public(err)
	}
	if err := s.reader.QueryRowContext(ctx, "SELECT count(*)"+plain+" AND e.seq >= ?", s.sealing.event).Scan(&late); err != nil {
		return public(err)
	}
	if late > 0 {
		return errMovePlain
	}
	o.Sealed, o.SealedEvent, o.SealedAttempt = true, after+1, s.sealing.attempt
	return nil
}

// Contents is store.Exporter's.
func (s *Store) Contents(ctx context.Context, most int) (map[[16]byte][32]byte, error) {
	var first, last int64
	if err := s.reader.QueryRowContext(ctx, "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM payloads").Scan(&first, &last); err != nil {
		return nil, public(err)
	}
	every := (last - first + int64(most)) / int64(most) // rounded up
	list := map[[16]byte][32]byte{}
	for at := first; at > 0 && at <= last; at += every {
		err := s.each(ctx, `SELECT e.id, e.key_id, p.request, p.body, p.record FROM payloads p JOIN events e ON e.seq = p.seq WHERE p.seq >= ? ORDER BY p.seq LIMIT 1`,
			func(rows *sql.Rows) error {
				var id, keyID, request, body, record []byte
				err := rows.Scan(&id, &keyID, &request, &body, &record)
				if err == nil {
					list[[16]byte(id)] = store.ContentHash(keyID, request, body, record)
				}
				return err
			}, at)
		if err != nil {
			return nil, public(err)
		}
	}
	return list, nil
}

// exportPlace is up to where was read: a table, and the key of its last row.
type exportPlace struct {
	Table int    `json:"t"`
	A     int64  `json:"a,omitempty"`
	B     int64  `json:"b,omitempty"`
	Key   []byte `json:"k,omitempty"`
}

// exports are the tables in their order, which stays: what is half carried over may have been begun by an older version. Each reads on from a place, moves it on, and tells whether there may be more.
var exports = []func(*Store, context.Context, *exportPlace, *store.Portion) (more bool, err error){
	(*Store).exportEvents, (*Store).exportKeys, (*Store).exportDocuments, (*Store).exportBeside, (*Store).exportBundles, (*Store).exportNodes,
	(*Store).exportProgress, (*Store).exportRest, (*Store).exportDataKeys,
}

// Export is store.Exporter's.
func (s *Store) Export(ctx context.Context, from string) (*store.Portion, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	var at exportPlace
	if from != "" {
		if err := json.Unmarshal([]byte(from), &at); err != nil {
			return nil, fmt.Errorf("the place up to which the store was carried over cannot be read: %w", err)
		}
	}
	if at.Table >= len(exports) {
		return nil, nil
	}
	p := &store.Portion{From: from}
	more, err := exports[at.Table](s, ctx, &at, p)
	if err != nil {
		return nil, public(err)
	}
	if !more {
		at = exportPlace{Table: at.Table + 1}
	}
	to, err := json.Marshal(at)
	p.To = string(to)
	return p, err
}

const (
	// exportRows is how many rows make a portion, and exportBytes how many bytes of content, if that is less.
	exportRows  = 500
	exportBytes = 16 << 20
)

func (s *Store) exportKeys(ctx context.Context, at *exportPlace, p *store.Portion) (bool, error) {
	if at.Key == nil {
		at.Key = []byte{}
	}
	err := s.each(ctx, "SELECT day, key, at, event FROM keys WHERE (day, key) > (?, ?) ORDER BY day, key LIMIT ?", func(rows *sql.Rows) error {
		var k store.MovedKey
		var event []byte
		if err := rows.Scan(&at.A, &at.Key, &k.At, &event); err != nil {
			return err
		}
		k.Key, k.Event = [16]byte(at.Key), [16]byte(event)
		p.Keys = append(p.Keys, k)
		return nil
	}, at.A, at.Key, exportRows)
	return len(p.Keys) == exportRows, err
}

func (s *Store) exportDocuments(ctx context.Context, at *exportPlace, p *store.Portion) (bool, error) {
	const most = 8 // of up to 2 MiB
	err := s.each(ctx, `SELECT id, kind, name, version, state, author, at, note, published_by, published_at, body, secrets, key_id FROM documents WHERE id > ?
		ORDER BY id LIMIT ?`, func(rows *sql.Rows) error {
		var d store.MovedDocument
		err := rows.Scan(&at.A, &d.Kind, &d.Name, &d.Version, &d.State, &d.Author, &d.At, &d.Note, &d.PublishedBy, &d.PublishedAt, &d.Body, &d.Secrets, &d.KeyID)
		p.Documents = append(p.Documents, d)
		return err
	}, at.A, most)
	return len(p.Documents) == most, err
}

func (s *Store) exportBeside(ctx context.Context, at *exportPlace, p *store.Portion) (bool, error) {
	if at.Key == nil {
		at.Key = []byte{}
	}
	err := s.each(ctx, "SELECT event, tenant, beside FROM audit_beside WHERE event > ? ORDER BY event LIMIT ?", func(rows *sql.Rows) error {
		var b store.MovedBeside
		var tenant int64
		if err := rows.Scan(&at.Key, &tenant, &b.Beside); err != nil {
			return err
		}
		b.Event, b.Tenant = [16]byte(at.Key), s.names.Name(tenant)
		p.Beside = append(p.Beside, b)
		return nil
	}, at.Key, exportRows)
	return len(p.Beside) == exportRows, err
}

// exportBundles carries the log over as it was before it was packed.
func (s *Store) exportBundles(ctx context.Context, at *exportPlace, p *store.Portion) (bool, error) {
	const most = 64 // of up to 256 KiB, or a little more
	err := s.each(ctx, "SELECT first, n, at, lines, hashes FROM audit_bundles WHERE first >= ? ORDER BY first LIMIT ?", func(rows *sql.Rows) error {
		var b store.MovedBundle
		if err := rows.Scan(&b.First, &b.N, &b.At, &b.Lines, &b.Hashes); err != nil {
			return err
		}
		if b.Lines != nil {
			lines, err := audit.Unpack(b.Lines)
			if err != nil {
				return fmt.Errorf("%w (records %d to %d): %w", store.ErrAuditDamaged, b.First, b.First+b.N-1, err)
			}
			b.Lines = lines
		}
		at.A = b.First + b.N
		p.Bundles = append(p.Bundles, b)
		return nil
	}, at.A, most)
	return len(p.Bundles) == most, err
}

func (s *Store) exportNodes(ctx context.Context, at *exportPlace, p *store.Portion) (bool, error) {
	if at.A == 0 {
		at.B = -1 // before the first of level 0
	}
	err := s.each(ctx, "SELECT level, n, hash FROM audit_nodes WHERE (level, n) > (?, ?) ORDER BY level, n LIMIT ?", func(rows *sql.Rows) error {
		var n store.MovedNode
		err := rows.Scan(&n.Level, &n.N, &n.Hash)
		at.A, at.B = n.Level, n.N
		p.Nodes = append(p.Nodes, n)
		return err
	}, at.A, at.B, exportRows)
	return len(p.Nodes) == exportRows, err
}

func (s *Store) exportProgress(ctx context.Context, at *exportPlace, p *store.Portion) (bool, error) {
	if at.Key == nil {
		at.Key = []byte{}
	}
	err := s.each(ctx, "SELECT key, value FROM notes WHERE key > ? AND length(key) = ? ORDER BY key LIMIT ?", func(rows *sql.Rows) error {
		var one store.MovedProgress
		if err := rows.Scan(&at.Key, &one.Value); err != nil {
			return err
		}
		one.Event, one.N = [16]byte(at.Key[:16]), int64(binary.BigEndian.Uint64(at.Key[16:]))
		one.Sealed = at.Key[progressKey-1] == 1
		p.Progress = append(p.Progress, one)
		return nil
	}, at.Key, progressKey, exportRows)
	return len(p.Progress) == exportRows, err
}

// exportRest is what there is little of.
func (s *Store) exportRest(ctx context.Context, _ *exportPlace, p *store.Portion) (more bool, err error) {
	p.Paused = s.queues.Paused()
	if err := s.each(ctx, "SELECT key, value, until FROM notes WHERE length(key) = 32", func(rows *sql.Rows) error {
		var n store.MovedNote
		err := rows.Scan(&n.Key, &n.Value, &n.Until)
		p.Notes = append(p.Notes, n)
		return err
	}); err != nil {
		return false, err
	}
	return false, s.each(ctx, "SELECT kind, name, version FROM in_force", func(rows *sql.Rows) error {
		var d store.MovedDocument
		err := rows.Scan(&d.Kind, &d.Name, &d.Version)
		p.InForce = append(p.InForce, d)
		return err
	})
}
