package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

// events writes events with all that belongs to them, and adds them to what is counted, under the number of nobody who writes
// any more.
func (i *Import) events(ctx context.Context, tx pgx.Tx, p *store.Portion) error {
	var events, payloads, live, settled, attempts, subjects [][]any
	t := &moving{counts: map[pair][3]int64{}, held: map[int64]held{}}
	for j := range p.Events {
		e := &p.Events[j]
		d, tenant := dayMoved(e), i.id(e.Tenant)
		bucket := store.Bucket(&store.Event{ID: ulid.ULID(e.ID).String(), Tenant: e.Tenant, CallID: e.CallID})
		size := e.Size
		if size == 0 { // it was not counted yet when it was accepted
			size = int64(len(e.Request)+len(e.Body)+len(e.Record)) + rowOverhead + deliveryOverhead*int64(len(e.Deliveries)) + subjectOverhead*int64(len(e.Subjects))
		}
		events = append(events, []any{e.ID, d, e.Key, e.Accepted, e.Received, tenant, bucket, e.Bytes, size, text(e.Source), text(e.Route), text(e.EventType), text(e.EventID),
			text(e.CallID), text(e.Caller), e.KeyID})
		if e.Content {
			payloads = append(payloads, []any{e.ID, d, e.Request, e.Body, e.Record})
		}
		t.hold(tenant, size, e.Content)
		for _, hash := range e.Subjects {
			subjects = append(subjects, []any{hash, e.ID, d})
		}
		for k := range e.Deliveries {
			r := &e.Deliveries[k]
			destination := i.id(r.Destination)
			if r.State < 0 || r.State > lanes.Dead {
				return errRecord
			}
			if r.State == lanes.Pending {
				live = append(live, []any{e.ID, r.N, d, destination, tenant, bucket, r.Attempts, r.Status, r.Next, r.Updated, text(r.Reason), text(r.RemoteID)})
			} else {
				settled = append(settled, []any{e.ID, r.N, d, destination, tenant, bucket, r.State, r.Attempts, r.Status, r.Updated, text(r.Reason), text(r.RemoteID)})
			}
			t.count(pair{destination, tenant}, r.State)
			for l := range r.Tries {
				a := &r.Tries[l]
				attempts = append(attempts, []any{e.ID, r.N, a.ID, d, a.Number, a.Status, a.At, a.Took, a.Next, a.State, text(a.Reason), text(a.RemoteID),
					optional(a.Warnings), optional(a.Sent), a.Excerpt, a.KeyID})
			}
		}
	}
	for _, table := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{
		{"events", []string{"id", "day", "unique_key", "accepted_at", "received_at", "tenant", "bucket", "bytes", "size", "source", "route", "event_type", "event_id", "call_id", "caller_hash", "key_id"}, events},
		{"payloads", []string{"event", "day", "request", "body", "record"}, payloads},
		{"live", []string{"event", "n", "day", "destination", "tenant", "bucket", "attempts", "last_status", "next_at", "updated_at", "reason", "remote_id"}, live},
		{"settled", []string{"event", "n", "day", "destination", "tenant", "bucket", "state", "attempts", "last_status", "updated_at", "reason", "remote_id"}, settled},
		{"attempts", []string{"event", "n", "id", "day", "number", "status", "at", "took", "next_at", "state", "reason", "remote_id", "warnings", "sent", "excerpt", "key_id"}, attempts},
		{"subjects", []string{"hash", "event", "day"}, subjects},
	} {
		if err := i.copy(ctx, tx, table.name, table.columns, table.rows); err != nil {
			return err
		}
	}
	return t.write(ctx, i.s, tx)
}

func optional(s *string) *string {
	if s == nil {
		return nil
	}
	stored := text(*s)
	return &stored
}

// moving is what a portion adds to the counts of nobody.
type moving struct {
	counts map[pair][3]int64
	held   map[int64]held
}

func (t *moving) hold(tenant, size int64, content bool) {
	h := t.held[tenant]
	if content {
		h.events++
	}
	t.held[tenant] = held{h.events, h.bytes + size, h.total + 1}
}

func (t *moving) count(p pair, state int64) {
	sum := t.counts[p]
	sum[state]++
	t.counts[p] = sum
}

func (t *moving) write(ctx context.Context, s *Store, tx pgx.Tx) error {
	for p, n := range t.counts {
		if _, err := tx.Exec(ctx, s.q(`INSERT INTO {s}.counts AS c (writer, destination, tenant, pending, delivered, dead) VALUES (0, $1, $2, $3, $4, $5)
			ON CONFLICT (writer, destination, tenant) DO UPDATE SET pending = c.pending + excluded.pending, delivered = c.delivered + excluded.delivered, dead = c.dead + excluded.dead`),
			p.destination, p.tenant, n[0], n[1], n[2]); err != nil {
			return err
		}
	}
	for tenant, h := range t.held {
		if _, err := tx.Exec(ctx, s.q(`INSERT INTO {s}.held AS h (writer, tenant, events, bytes, total) VALUES (0, $1, $2, $3, $4)
			ON CONFLICT (writer, tenant) DO UPDATE SET events = h.events + excluded.events, bytes = h.bytes + excluded.bytes, total = h.total + excluded.total`),
			tenant, h.events, h.bytes, h.total); err != nil {
			return err
		}
	}
	return nil
}

// keys writes unique keys, those of events too. Of two times on a day the later one holds.
func (i *Import) keys(ctx context.Context, tx pgx.Tx, p *store.Portion) error {
	type place struct {
		key [16]byte
		day int64
	}
	last := map[place]store.MovedKey{}
	add := func(k store.MovedKey) {
		at := place{k.Key, dayOf(k.At)}
		if was, ok := last[at]; !ok || k.At >= was.At {
			last[at] = k
		}
	}
	for j := range p.Events {
		e := &p.Events[j]
		add(store.MovedKey{Key: e.Key, Event: e.ID, At: e.Accepted})
	}
	for _, k := range p.Keys {
		add(k)
	}
	if len(last) == 0 {
		return nil
	}
	var keys, events [][16]byte
	var ats []int64
	var dayList []int32
	for at, k := range last {
		keys, events, ats, dayList = append(keys, k.Key), append(events, k.Event), append(ats, k.At), append(dayList, int32(at.day))
	}
	_, err := tx.Exec(ctx, i.s.q(`INSERT INTO {s}.keys AS k (key, event, at, day, hits)
		SELECT key, event, at, day, 0 FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[]) AS q (key, event, at, day)
		ON CONFLICT (key, day) DO UPDATE SET event = excluded.event, at = excluded.at WHERE excluded.at > k.at`), keys, events, ats, dayList)
	return err
}

// documents writes versions of documents, and which are in force.
func (i *Import) documents(ctx context.Context, tx pgx.Tx, p *store.Portion) error {
	var versions, inForce [][]any
	for j := range p.Documents {
		d := &p.Documents[j]
		if d.State < 0 || d.State >= int64(len(sealed.DocumentStates)) {
			return errRecord
		}
		versions = append(versions, []any{text(d.Kind), text(d.Name), d.Version, d.State, text(d.Author), d.At, text(d.Note), text(d.PublishedBy), d.PublishedAt, d.Body, d.Secrets, d.KeyID})
	}
	for j := range p.InForce {
		d := &p.InForce[j]
		inForce = append(inForce, []any{text(d.Kind), text(d.Name), d.Version})
	}
	if err := i.copy(ctx, tx, "documents", []string{"kind", "name", "version", "state", "author", "at", "note", "published_by", "published_at", "body", "secrets", "key_id"}, versions); err != nil {
		return err
	}
	return i.copy(ctx, tx, "in_force", []string{"kind", "name", "version"}, inForce)
}

var errNoLog = errors.New("there are records of an audit log that says it has none: see callgate audit verify")

// audit writes the audit log, which goes on as this gateway's.
func (i *Import) audit(ctx context.Context, tx pgx.Tx, p *store.Portion) error {
	var bundles, nodes, beside [][]any
	for j := range p.Bundles {
		b := &p.Bundles[j]
		bundles = append(bundles, []any{i.log, b.First, b.N, b.At, b.Lines, b.Hashes})
	}
	for j := range p.Nodes {
		n := &p.Nodes[j]
		nodes = append(nodes, []any{i.log, n.Level, n.N, n.Hash})
	}
	for j := range p.Beside {
		b := &p.Beside[j]
		beside = append(beside, []any{b.Event, i.id(b.Tenant), b.Beside})
	}
	if i.log == 0 && len(bundles)+len(nodes) > 0 {
		return errNoLog
	}
	if err := i.copy(ctx, tx, "audit_bundles", []string{"log", "first", "n", "at", "lines", "hashes"}, bundles); err != nil {
		return err
	}
	if err := i.copy(ctx, tx, "audit_nodes", []string{"log", "level", "n", "hash"}, nodes); err != nil {
		return err
	}
	return i.copy(ctx, tx, "audit_beside", []string{"event", "tenant", "beside"}, beside)
}

// rest writes what there is little of.
func (i *Import) rest(ctx context.Context, tx pgx.Tx, p *store.Portion) error {
	var notes, progress, paused [][]any
	for j := range p.Notes {
		n := &p.Notes[j]
		notes = append(notes, []any{n.Key, n.Value, n.Until})
	}
	for j := range p.Progress {
		k := &p.Progress[j]
		progress = append(progress, []any{k.Event, k.N, k.Value, k.Sealed})
	}
	for _, destination := range sortedKeys(p.Paused) {
		paused = append(paused, []any{text(destination), text(p.Paused[destination])})
	}
	if err := i.copy(ctx, tx, "notes", []string{"key", "value", "until"}, notes); err != nil {
		return err
	}
	if err := i.copy(ctx, tx, "progress", []string{"event", "n", "value", "sealed"}, progress); err != nil {
		return err
	}
	return i.copy(ctx, tx, "paused", []string{"destination", "reason"}, paused)
}

// movedQueries count what store.MovedKinds names.
var movedQueries = map[string]string{
	"events":               "SELECT count(*) FROM {s}.events",
	"events with content":  "SELECT count(*) FROM {s}.payloads",
	"bytes of content":     "SELECT coalesce(sum(coalesce(length(request), 0)::bigint + coalesce(length(body), 0) + coalesce(length(record), 0)), 0)::bigint FROM {s}.payloads",
	"deliveries pending":   "SELECT count(*) FROM {s}.live",
	"deliveries delivered": "SELECT count(*) FROM {s}.settled WHERE state = 1",
	"deliveries dead":      "SELECT count(*) FROM {s}.settled WHERE state = 2",
	"attempts":             "SELECT count(*) FROM {s}.attempts",
	"unique keys":          "SELECT count(*) FROM {s}.keys",
	"subjects":             "SELECT count(*) FROM {s}.subjects",
	"notes":                "SELECT count(*) FROM {s}.notes",
	"progress":             "SELECT count(*) FROM {s}.progress",
	"paused destinations":  "SELECT count(*) FROM {s}.paused",
	"document versions":    "SELECT count(*) FROM {s}.documents",
	"documents in force":   "SELECT count(*) FROM {s}.in_force",
	"audit records":        "SELECT coalesce(sum(n), 0)::bigint FROM {s}.audit_bundles",
	"audit nodes":          "SELECT count(*) FROM {s}.audit_nodes",
	"audit salts":          "SELECT count(*) FROM {s}.audit_beside",
	"data keys":            "SELECT count(*) FROM {s}.data_keys",
	"data keys destroyed":  "SELECT count(*) FROM {s}.data_keys WHERE destroyed_at <> 0",
}

// Counts is store.Importer's.
func (i *Import) Counts(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, kind := range store.MovedKinds {
		var n int64
		if err := i.s.pool.QueryRow(ctx, i.s.q(movedQueries[kind])).Scan(&n); err != nil {
			return nil, public(err)
		}
		counts[kind] = n
	}
	return counts, nil
}

// ContentsOf is store.Importer's.
func (i *Import) ContentsOf(ctx context.Context, ids [][16]byte) (map[[16]byte][32]byte, error) {
	found := map[[16]byte][32]byte{}
	for some := range slices.Chunk(ids, 16) {
		rows, err := i.s.pool.Query(ctx, i.s.q(`SELECT e.id, e.key_id, p.request, p.body, p.record FROM {s}.events e
			JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day WHERE e.id = ANY ($1::uuid[])`), some)
		if err != nil {
			return nil, public(err)
		}
		var id [16]byte
		var keyID, request, body, record []byte
		if _, err := pgx.ForEachRow(rows, []any{&id, &keyID, &request, &body, &record}, func() error {
			found[id] = store.ContentHash(keyID, request, body, record)
			return nil
		}); err != nil {
			return nil, public(err)
		}
	}
	return found, nil
}
