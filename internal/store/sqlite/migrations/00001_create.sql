-- +goose Up

-- Times are nanoseconds since 1970 in UTC, 0 for none. Ids are ULIDs as 16 bytes. Events are numbered in the order they
-- were accepted (seq), so that every table but keys grows at its end.

-- What repeats without end is stored once: tenants and destinations.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE events (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,
    unique_key  BLOB    NOT NULL,
    accepted_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    tenant      INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    event_type  TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    call_id     TEXT    NOT NULL,
    caller_hash TEXT    NOT NULL,
    bytes       INTEGER NOT NULL,
    key_id      BLOB              -- of the key the payload is sealed with; NULL if it is not sealed
);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_received ON events (received_at);

-- Apart from the events, so that listings and searches do not read past every body.
CREATE TABLE payloads (
    seq     INTEGER PRIMARY KEY,
    request BLOB,
    body    BLOB,
    record  BLOB
);

-- state: 0 pending, 1 delivered, 2 dead.
CREATE TABLE deliveries (
    event       INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    tenant      INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    next_at     INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    last_status INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    remote_id   TEXT    NOT NULL,
    PRIMARY KEY (event, n)
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (destination, tenant, next_at, event, n) WHERE state = 0;
CREATE INDEX deliveries_dead ON deliveries (destination, event, n) WHERE state = 2;

CREATE TABLE attempts (
    id        INTEGER PRIMARY KEY,
    event     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    took      INTEGER NOT NULL,
    status    INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    warnings  TEXT,              -- a JSON list
    remote_id TEXT    NOT NULL,
    excerpt   BLOB,
    key_id    BLOB,
    state     INTEGER NOT NULL,
    next_at   INTEGER NOT NULL
);
CREATE INDEX attempts_delivery ON attempts (event, n);

-- Unique keys older than the newest ones, which are still only in events (counter keys_after says from where on).
CREATE TABLE keys (
    day   INTEGER NOT NULL,
    key   BLOB    NOT NULL,
    at    INTEGER NOT NULL,
    event BLOB    NOT NULL,
    PRIMARY KEY (day, key)
) WITHOUT ROWID;

CREATE TABLE queues (
    destination INTEGER NOT NULL,
    tenant      INTEGER NOT NULL,
    pending     INTEGER NOT NULL,
    delivered   INTEGER NOT NULL,
    dead        INTEGER NOT NULL,
    PRIMARY KEY (destination, tenant)
) WITHOUT ROWID;

CREATE TABLE paused (
    destination TEXT PRIMARY KEY,
    reason      TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('events', 0), ('keys_after', 0);

PRAGMA application_id = 1128352844;

-- +goose Down
DROP TABLE counters;
DROP TABLE paused;
DROP TABLE queues;
DROP TABLE keys;
DROP TABLE attempts;
DROP TABLE deliveries;
DROP TABLE payloads;
DROP TABLE events;
DROP TABLE names;
