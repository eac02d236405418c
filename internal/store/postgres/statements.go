package postgres

import "strings"

// statements are those of accepting, with the schema's name in them.
type statements struct {
	accept, acceptAudited string
	look                  string
}

func newStatements(schema string) statements {
	fill := func(query string, audited bool) string {
		beside := ""
		if audited {
			beside = besideSQL
		}
		return strings.ReplaceAll(strings.ReplaceAll(query, "{beside}", beside), "{s}", schema)
	}
	return statements{accept: fill(acceptSQL, false), acceptAudited: fill(acceptSQL, true), look: fill(lookSQL, false)}
}

// Arrays that a statement takes are written unnest((SELECT $1::uuid[])) where it is carried out often: of an argument as such the
// server sees how long it is, takes the plan for these for cheaper than one for any, and so plans each time, which takes
// longer than what it plans.

// syncSQL sees to it that the commit of the statement it stands in waits for the standby, whatever the connection's default
// is: a setting of the session would be lost in a pooler. Stronger than that it leaves it.
const syncSQL = `CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
	THEN set_config('synchronous_commit', 'on', true) END`

// acceptSQL accepts a batch. Where an event's key is taken it stores nothing of that event. Keys are sorted, so that two
// gateways cannot wait for each other; and no key may be in it twice.
//
// In the first minutes of a day keys are judged by the table of the day before, and put into both: otherwise two copies that
// arrive around midnight could each find nothing. An old key in older tables is looked for besides, and in that of tomorrow, as of
// a gateway that is ahead: by bounds for the day, since the server tells by these at once which tables there are to look at,
// and by a list only when it has looked at all.
//
// A copy writes nothing, and the server waits for its standby only with what has been written. But the event that it is a copy
// of may be on this server only, as after a restart or a cancelled wait; so a message is written to the log, behind which
// everything lies that was seen.
//
// An event that is neither stored nor known under its key has the id of another one: the statement fails, with an error that
// only this can cause, and leaves nothing.
const acceptSQL = `WITH q AS MATERIALIZED (
	SELECT * FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::bigint[], $5::integer[], $6::smallint[], $7::integer[], $8::bigint[],
		$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[], $18::bytea[])
		AS q (id, day, key, received, tenant, bucket, bytes, size, source, route, event_type, event_id, call_id, caller_hash, key_id, request, body, record)
), old AS MATERIALIZED (
	SELECT q.key, o.event FROM q CROSS JOIN LATERAL (
		SELECT k.event FROM {s}.keys k WHERE k.key = q.key AND k.day >= $19::integer AND k.day <= coalesce($23::integer, $22::integer) + 1
			AND k.day <> $22 AND k.day IS DISTINCT FROM $23 AND k.at > $20::bigint LIMIT 1) o
), k AS (
	INSERT INTO {s}.keys AS k (key, event, at, day, hits)
	SELECT q.key, q.id, $21::bigint, $22, 0 FROM q WHERE NOT EXISTS (SELECT 1 FROM old WHERE old.key = q.key) ORDER BY q.key
	ON CONFLICT (key, day) DO UPDATE SET hits = k.hits + 1,
		event = CASE WHEN k.at > $20 THEN k.event ELSE excluded.event END, at = CASE WHEN k.at > $20 THEN k.at ELSE excluded.at END
	RETURNING k.key, k.event
), also AS (
	INSERT INTO {s}.keys AS k (key, event, at, day, hits)
	SELECT k.key, k.event, $21, $23, 0 FROM k WHERE $23 IS NOT NULL ORDER BY k.key
	ON CONFLICT (key, day) DO UPDATE SET event = excluded.event, at = excluded.at WHERE k.event <> excluded.event
), e AS (
	INSERT INTO {s}.events (id, day, unique_key, accepted_at, received_at, tenant, bucket, bytes, size, source, route, event_type, event_id, call_id, caller_hash, key_id)
	SELECT q.id, q.day, q.key, $21, q.received, q.tenant, q.bucket, q.bytes, q.size, q.source, q.route, q.event_type, q.event_id, q.call_id, q.caller_hash, q.key_id
	FROM q JOIN k ON k.key = q.key AND k.event = q.id
	ON CONFLICT DO NOTHING RETURNING id, tenant, size
), p AS (
	INSERT INTO {s}.payloads (event, day, request, body, record) SELECT q.id, q.day, q.request, q.body, q.record FROM q JOIN e ON e.id = q.id
), l AS (
	INSERT INTO {s}.live (event, n, day, destination, tenant, bucket, attempts, last_status, next_at, updated_at, reason, remote_id)
	SELECT d.event, d.n, q.day, d.destination, q.tenant, q.bucket, 0, 0, q.received, q.received, '', ''
	FROM unnest($24::uuid[], $25::integer[], $26::integer[]) AS d (event, n, destination) JOIN e ON e.id = d.event JOIN q ON q.id = d.event
	RETURNING destination, tenant
), c AS (
	INSERT INTO {s}.counts AS c (writer, destination, tenant, pending, delivered, dead)
	SELECT $27::bigint, l.destination, l.tenant, count(*), 0, 0 FROM l GROUP BY l.destination, l.tenant
	ON CONFLICT (writer, destination, tenant) DO UPDATE SET pending = c.pending + excluded.pending
), h AS (
	INSERT INTO {s}.held AS h (writer, tenant, events, bytes, total)
	SELECT $27, e.tenant, count(*), sum(e.size), count(*) FROM e GROUP BY e.tenant
	ON CONFLICT (writer, tenant) DO UPDATE SET events = h.events + excluded.events, bytes = h.bytes + excluded.bytes, total = h.total + excluded.total
), s AS (
	INSERT INTO {s}.subjects (hash, event, day)
	SELECT DISTINCT s.hash, s.event, q.day FROM unnest($28::uuid[], $29::uuid[]) AS s (hash, event) JOIN e ON e.id = s.event JOIN q ON q.id = s.event
){beside}, x AS MATERIALIZED (
	SELECT ` + syncSQL + ` AS sync,
		CASE WHEN $30::boolean AND current_setting('synchronous_standby_names') = '' THEN 1 / (current_setting('synchronous_standby_names') <> '')::integer END AS standby,
		CASE WHEN (SELECT count(*) FROM e) < (SELECT count(*) FROM q) THEN pg_logical_emit_message(true, 'callgate', '') END AS behind
)
SELECT q.id, coalesce(k.event, old.event), e.id IS NOT NULL,
	CASE WHEN e.id IS NULL AND coalesce(k.event, old.event) = q.id
		AND NOT EXISTS (SELECT 1 FROM {s}.events x WHERE x.id = q.id AND x.day = q.day AND x.unique_key = q.key)
		AND EXISTS (SELECT 1 FROM {s}.events x WHERE x.id = q.id AND x.day = q.day)
	THEN ('taken ' || q.id)::integer END, x.sync, x.standby, x.behind::text
FROM q CROSS JOIN x LEFT JOIN k ON k.key = q.key LEFT JOIN old ON old.key = q.key LEFT JOIN e ON e.id = q.id`

// besideSQL keeps what opens the commitments of the leaves of events.
const besideSQL = `, b AS (
	INSERT INTO {s}.audit_beside (event, tenant, beside)
	SELECT b.event, q.tenant, b.beside FROM unnest($31::uuid[], $32::bytea[]) AS b (event, beside) JOIN e ON e.id = b.event JOIN q ON q.id = b.event
	ON CONFLICT DO NOTHING
)`

// lookSQL finds the event that has a key, and waits like acceptSQL.
const lookSQL = `WITH o AS MATERIALIZED (SELECT k.event FROM {s}.keys k WHERE k.key = $1::uuid AND k.at > $2::bigint LIMIT 1)
SELECT o.event, ` + syncSQL + `, pg_logical_emit_message(true, 'callgate', '')::text FROM o`
