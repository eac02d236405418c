package postgres

import (
	"strconv"
	"strings"
)

// statements are those of accepting, with the schema's name in them.
type statements struct {
	accept map[acceptKind]string
	look   string
}

// acceptKind is what a batch needs of the statement that accepts. What is in the statement takes its time of each batch, also if
// there is nothing for it to do.
type acceptKind struct{ midnight, subjects, audited bool }

func newStatements(schema string) statements {
	q := statements{accept: map[acceptKind]string{}, look: strings.ReplaceAll(lookSQL, "{s}", schema)}
	for i := range 8 {
		kind := acceptKind{midnight: i&1 != 0, subjects: i&2 != 0, audited: i&4 != 0}
		q.accept[kind] = strings.ReplaceAll(kind.statement(), "{s}", schema)
	}
	return q
}

// statement is the statement for a kind of batch. Those of its arguments that not every batch has come last, in this order.
func (k acceptKind) statement() string {
	query, last := acceptSQL, acceptArgs
	part := func(name, text string, wanted bool) {
		if !wanted {
			text = ""
		}
		for _, arg := range []string{"{1}", "{2}"} {
			if strings.Contains(text, arg) {
				last++
				text = strings.ReplaceAll(text, arg, "$"+strconv.Itoa(last))
			}
		}
		query = strings.ReplaceAll(query, name, text)
	}
	part("{also}", alsoSQL, k.midnight)
	part("{subjects}", subjectsSQL, k.subjects)
	part("{beside}", besideSQL, k.audited)
	return query
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
// arrive around midnight could each find nothing. An old key in older tables is looked for besides, and in those of the days after, as
// of a gateway that is ahead: by bounds for the day, since the server tells by these at once which tables there are to look at,
// and by a list only when it has looked at all.
//
// A copy writes nothing, and the server waits for its standby only with what has been written. But the event that it is a copy
// of may be on this server only, as after a restart or a cancelled wait; so a message is written to the log, behind which
// everything lies that was seen.
//
// An event is new if its key was not there or is too old to count, which hits says: it is 0 then, and more if the event has come
// before, as when nobody knew how the commit ended. What is new is inserted as it is; if its id is that of another event, this
// fails by the tables' own key and leaves nothing. Only of events that are not new does the statement tell, and how many are: to
// tell each one of a batch takes longer than to insert its row.
const acceptSQL = `WITH q AS MATERIALIZED (
	SELECT * FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::bigint[], $5::integer[], $6::smallint[], $7::integer[], $8::bigint[],
		$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[])
		AS q (id, day, key, received, tenant, bucket, bytes, size, source, route, event_type, event_id, call_id, caller_hash, key_id)
), old AS MATERIALIZED (
	SELECT q.key, o.event FROM q CROSS JOIN LATERAL (
		SELECT k.event FROM {s}.keys k WHERE k.key = q.key AND k.day >= $19::integer AND k.day < $22::integer AND k.at > $20::bigint
		UNION ALL
		SELECT k.event FROM {s}.keys k WHERE k.key = q.key AND k.day > $22 AND k.day <= coalesce($23::integer, $22) + 1 AND k.at > $20 LIMIT 1) o
), k AS (
	INSERT INTO {s}.keys AS k (key, event, at, day, hits)
	SELECT q.key, q.id, $21::bigint, $22, 0 FROM q WHERE NOT EXISTS (SELECT 1 FROM old WHERE old.key = q.key) ORDER BY q.key
	ON CONFLICT (key, day) DO UPDATE SET hits = CASE WHEN k.at > $20 OR k.event = excluded.event THEN k.hits + 1 ELSE 0 END,
		event = CASE WHEN k.at > $20 THEN k.event ELSE excluded.event END, at = CASE WHEN k.at > $20 THEN k.at ELSE excluded.at END
	RETURNING k.key, k.event, k.hits
){also}, n AS MATERIALIZED (
	SELECT q.* FROM q JOIN k ON k.key = q.key WHERE k.hits = 0
), e AS (
	INSERT INTO {s}.events (id, day, unique_key, accepted_at, received_at, tenant, bucket, bytes, size, source, route, event_type, event_id, call_id, caller_hash, key_id)
	SELECT id, day, key, $21, received, tenant, bucket, bytes, size, source, route, event_type, event_id, call_id, caller_hash, key_id FROM n
), p AS (
	INSERT INTO {s}.payloads (event, day, request, body, record)
	SELECT p.event, n.day, p.request, p.body, p.record
	FROM unnest($1, $16::bytea[], $17::bytea[], $18::bytea[]) AS p (event, request, body, record) JOIN n ON n.id = p.event
), l AS (
	INSERT INTO {s}.live (event, n, day, destination, tenant, bucket, attempts, last_status, next_at, updated_at, reason, remote_id)
	SELECT d.event, d.n, n.day, d.destination, n.tenant, n.bucket, 0, 0, n.received, n.received, '', ''
	FROM unnest($24::uuid[], $25::integer[], $26::integer[]) AS d (event, n, destination) JOIN n ON n.id = d.event
	RETURNING destination, tenant
), c AS (
	INSERT INTO {s}.counts AS c (writer, destination, tenant, pending, delivered, dead)
	SELECT $27::bigint, l.destination, l.tenant, count(*), 0, 0 FROM l GROUP BY l.destination, l.tenant
	ON CONFLICT (writer, destination, tenant) DO UPDATE SET pending = c.pending + excluded.pending
), h AS (
	INSERT INTO {s}.held AS h (writer, tenant, events, bytes, total)
	SELECT $27, n.tenant, count(*), sum(n.size), count(*) FROM n GROUP BY n.tenant
	ON CONFLICT (writer, tenant) DO UPDATE SET events = h.events + excluded.events, bytes = h.bytes + excluded.bytes, total = h.total + excluded.total
){subjects}{beside}, x AS MATERIALIZED (
	SELECT m.made, ` + syncSQL + ` AS sync,
		CASE WHEN $28::boolean AND current_setting('synchronous_standby_names') = '' THEN 1 / (current_setting('synchronous_standby_names') <> '')::integer END AS standby,
		CASE WHEN m.made < (SELECT count(*) FROM q) THEN pg_logical_emit_message(true, 'callgate', '') END AS behind
	FROM (SELECT count(*) AS made FROM n) m
)
SELECT x.made, x.sync, x.standby, x.behind::text, o.id, o.event FROM x LEFT JOIN (
	SELECT q.id, coalesce(k.event, old.event) AS event FROM q LEFT JOIN k ON k.key = q.key LEFT JOIN old ON old.key = q.key WHERE k.hits IS DISTINCT FROM 0
) o ON true`

// acceptArgs is how many arguments every batch has.
const acceptArgs = 28

// alsoSQL puts the keys into a second day's table.
const alsoSQL = `, also AS (
	INSERT INTO {s}.keys AS k (key, event, at, day, hits)
	SELECT k.key, k.event, $21, $23, 0 FROM k ORDER BY k.key
	ON CONFLICT (key, day) DO UPDATE SET event = excluded.event, at = excluded.at WHERE k.event <> excluded.event
)`

// subjectsSQL keeps by what else than the caller's number events are found.
const subjectsSQL = `, s AS (
	INSERT INTO {s}.subjects (hash, event, day)
	SELECT DISTINCT s.hash, s.event, n.day FROM unnest({1}::uuid[], {2}::uuid[]) AS s (hash, event) JOIN n ON n.id = s.event
)`

// besideSQL keeps what opens the commitments of the leaves of events.
const besideSQL = `, b AS (
	INSERT INTO {s}.audit_beside (event, tenant, beside)
	SELECT b.event, n.tenant, b.beside FROM unnest({1}::uuid[], {2}::bytea[]) AS b (event, beside) JOIN n ON n.id = b.event
	ON CONFLICT DO NOTHING
)`

// lookSQL finds the event that has a key, and waits like acceptSQL.
const lookSQL = `WITH o AS MATERIALIZED (SELECT k.event FROM {s}.keys k WHERE k.key = $1::uuid AND k.at > $2::bigint LIMIT 1)
SELECT o.event, ` + syncSQL + `, pg_logical_emit_message(true, 'callgate', '')::text FROM o`
