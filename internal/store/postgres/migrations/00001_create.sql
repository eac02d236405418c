-- compatible_from: 1
-- Times are nanoseconds since 1970 in UTC, 0 for none. Ids are ULIDs as uuid. day is the number of the day since 1970 of an
-- event's ULID; tables by day are partitioned, and days are dropped whole. {schema} stands for the schema's name.

-- What a program has to know of the tables. compatible_from is the oldest version of them that a program may know which works
-- with them as they are.
CREATE TABLE {schema}.meta (
    one             smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    compatible_from bigint   NOT NULL
);
INSERT INTO {schema}.meta (compatible_from) VALUES (1);

-- What repeats without end is stored once: tenants and destinations. pairs are those that have ever had a delivery.
CREATE TABLE {schema}.names (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text    NOT NULL UNIQUE
);
CREATE TABLE {schema}.pairs (
    destination integer NOT NULL,
    tenant      integer NOT NULL,
    PRIMARY KEY (destination, tenant)
);

CREATE TABLE {schema}.events (
    id          uuid     NOT NULL,
    day         integer  NOT NULL,
    unique_key  uuid     NOT NULL,
    accepted_at bigint   NOT NULL,
    received_at bigint   NOT NULL,
    tenant      integer  NOT NULL,
    bucket      smallint NOT NULL,
    bytes       integer  NOT NULL,
    size        bigint   NOT NULL,  -- its part of its tenant's bytes
    source      text     NOT NULL,
    route       text     NOT NULL,
    event_type  text     NOT NULL,
    event_id    text     NOT NULL,
    call_id     text     NOT NULL,
    caller_hash text     NOT NULL,
    key_id      bytea,              -- of the key the payload is sealed with; NULL if it is not sealed
    PRIMARY KEY (id, day)
) PARTITION BY RANGE (day);
CREATE INDEX events_caller ON {schema}.events (caller_hash) WHERE caller_hash <> '';

-- Apart from the events, so that listings and searches do not read past every body. An event without a row has lost its
-- content to make room.
CREATE TABLE {schema}.payloads (
    event   uuid    NOT NULL,
    day     integer NOT NULL,
    request bytea,
    body    bytea,
    record  bytea,
    PRIMARY KEY (event, day)
) PARTITION BY RANGE (day);
ALTER TABLE {schema}.payloads ALTER request SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL, ALTER record SET STORAGE EXTERNAL;

-- Deliveries that wait, all others being in settled: this table stays small and is vacuumed often.
CREATE TABLE {schema}.live (
    event       uuid     NOT NULL,
    n           integer  NOT NULL,
    day         integer  NOT NULL,
    destination integer  NOT NULL,
    tenant      integer  NOT NULL,
    bucket      smallint NOT NULL,
    attempts    integer  NOT NULL,
    last_status integer  NOT NULL,
    next_at     bigint   NOT NULL,
    updated_at  bigint   NOT NULL,
    reason      text     NOT NULL,
    remote_id   text     NOT NULL,
    PRIMARY KEY (event, n)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000);
CREATE INDEX live_due ON {schema}.live (destination, tenant, next_at, event, n, bucket);

-- state: 1 delivered, 2 dead.
CREATE TABLE {schema}.settled (
    event       uuid     NOT NULL,
    n           integer  NOT NULL,
    day         integer  NOT NULL,
    destination integer  NOT NULL,
    tenant      integer  NOT NULL,
    bucket      smallint NOT NULL,
    state       smallint NOT NULL,
    attempts    integer  NOT NULL,
    last_status integer  NOT NULL,
    updated_at  bigint   NOT NULL,
    reason      text     NOT NULL,
    remote_id   text     NOT NULL,
    PRIMARY KEY (event, n, day)
) PARTITION BY RANGE (day);
CREATE INDEX settled_dead ON {schema}.settled (destination, event, n) WHERE state = 2;

CREATE SEQUENCE {schema}.attempt_ids;
CREATE TABLE {schema}.attempts (
    event     uuid     NOT NULL,
    n         integer  NOT NULL,
    id        bigint   NOT NULL,
    day       integer  NOT NULL,
    number    integer  NOT NULL,
    status    integer  NOT NULL,
    at        bigint   NOT NULL,
    took      bigint   NOT NULL,
    next_at   bigint   NOT NULL,
    state     smallint NOT NULL,
    reason    text     NOT NULL,
    remote_id text     NOT NULL,
    warnings  text,                -- a JSON list
    sent      text,                -- what was sent, without its values, as JSON
    excerpt   bytea,
    key_id    bytea,
    PRIMARY KEY (event, n, id, day)
) PARTITION BY RANGE (day);
CREATE INDEX attempts_id ON {schema}.attempts (id);

-- Unique keys by the day on which they were seen first. event is the one that has the key.
CREATE TABLE {schema}.keys (
    key   uuid    NOT NULL,
    event uuid    NOT NULL,
    at    bigint  NOT NULL,
    day   integer NOT NULL,
    hits  integer NOT NULL,
    PRIMARY KEY (key, day)
) PARTITION BY RANGE (day);

-- By what else than the caller's number an event is found: keyed hashes of fields, such as a patient's id.
CREATE TABLE {schema}.subjects (
    hash  uuid    NOT NULL,
    event uuid    NOT NULL,
    day   integer NOT NULL,
    PRIMARY KEY (hash, event, day)
) PARTITION BY RANGE (day);
CREATE INDEX subjects_event ON {schema}.subjects (event);

-- Who counts: a gateway has two writers, and takes new numbers with each start. Each writes only rows with its own number, so
-- that nobody waits for another's commit. batch is the number of its last transaction.
CREATE SEQUENCE {schema}.writer_ids;
CREATE TABLE {schema}.writers (
    id    bigint PRIMARY KEY,
    batch bigint NOT NULL,
    until bigint NOT NULL   -- nobody counts under this number after
) WITH (fillfactor = 20);

-- How many deliveries there are: the sum over all writers.
CREATE TABLE {schema}.counts (
    writer      bigint  NOT NULL,
    destination integer NOT NULL,
    tenant      integer NOT NULL,
    pending     bigint  NOT NULL,
    delivered   bigint  NOT NULL,
    dead        bigint  NOT NULL,
    PRIMARY KEY (writer, destination, tenant)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- What tenants have stored. events counts those with content, total all.
CREATE TABLE {schema}.held (
    writer bigint  NOT NULL,
    tenant integer NOT NULL,
    events bigint  NOT NULL,
    bytes  bigint  NOT NULL,
    total  bigint  NOT NULL,
    PRIMARY KEY (writer, tenant)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE {schema}.counters (
    writer bigint NOT NULL,
    name   text   NOT NULL,
    value  bigint NOT NULL,
    PRIMARY KEY (writer, name)
);

CREATE TABLE {schema}.paused (
    destination text PRIMARY KEY,
    reason      text NOT NULL
);

-- What destinations note for some minutes, and how far deliveries of several steps have come, which have until = 0.
CREATE TABLE {schema}.notes (
    key   bytea  PRIMARY KEY,
    value bytea  NOT NULL,
    until bigint NOT NULL
);
CREATE INDEX notes_until ON {schema}.notes (until) WHERE until <> 0;
CREATE TABLE {schema}.progress (
    event  uuid    NOT NULL,
    n      integer NOT NULL,
    value  bytea   NOT NULL,
    sealed boolean NOT NULL,
    PRIMARY KEY (event, n)
);

-- Tenants and destinations that live in the store, in versions. state: 0 draft, 1 published, 2 removed.
CREATE TABLE {schema}.documents (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text    NOT NULL,
    name         text    NOT NULL,
    version      integer NOT NULL,
    state        integer NOT NULL,
    author       text    NOT NULL,
    at           bigint  NOT NULL,
    note         text    NOT NULL,
    published_by text    NOT NULL,
    published_at bigint  NOT NULL,
    body         bytea,
    secrets      bytea,
    key_id       bytea,
    UNIQUE (kind, name, version)
);
CREATE TABLE {schema}.in_force (
    kind    text    NOT NULL,
    name    text    NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (kind, name)
);

-- From which time of acceptance and which attempt on everything is sealed, authenticated with the key that is named.
CREATE TABLE {schema}.sealing (
    one     smallint PRIMARY KEY CHECK (one = 1),
    event   bigint NOT NULL,
    attempt bigint NOT NULL,
    key_id  bytea  NOT NULL,
    mac     bytea  NOT NULL
);

-- The audit logs: each gateway, by its name, has one of its own, one bundle of leaves for each commit that records something.
-- lines has the leaves, a line each, and is NULL once they are pruned; then hashes has their hashes, 32 bytes each.
CREATE TABLE {schema}.audit_logs (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text    NOT NULL UNIQUE,
    state      bytea   NOT NULL,
    running    boolean NOT NULL,
    pruned     bigint  NOT NULL,
    checkpoint bytea
) WITH (fillfactor = 20);
CREATE TABLE {schema}.audit_bundles (
    log    integer NOT NULL,
    first  bigint  NOT NULL,   -- the place of the first leaf
    n      bigint  NOT NULL,
    at     bigint  NOT NULL,
    lines  bytea,
    hashes bytea,
    PRIMARY KEY (log, first)
);
CREATE TABLE {schema}.audit_nodes (
    log   integer NOT NULL,
    level integer NOT NULL,
    n     bigint  NOT NULL,
    hash  bytea   NOT NULL,
    PRIMARY KEY (log, level, n)
);
-- What opens the commitments of an event's leaves. It goes when the event is erased, and with its leaves.
CREATE TABLE {schema}.audit_beside (
    event  uuid    PRIMARY KEY,
    tenant integer NOT NULL,
    beside bytea   NOT NULL
);

-- What others are to look at anew: a number that grows with each change of what is named, for each writer its own.
CREATE TABLE {schema}.signs (
    writer bigint NOT NULL,
    name   text   NOT NULL,
    value  bigint NOT NULL,
    PRIMARY KEY (writer, name)
) WITH (fillfactor = 20);

-- Who is there, and who holds which lane, judged by the database's clock. owner is NULL when nobody holds a lane.
CREATE TABLE {schema}.gateways (
    id      text   PRIMARY KEY,
    name    text   NOT NULL,
    version text   NOT NULL,
    started bigint NOT NULL,
    since   bigint NOT NULL,
    until   bigint NOT NULL,
    serves  jsonb
) WITH (fillfactor = 20);
CREATE SEQUENCE {schema}.epochs;
CREATE TABLE {schema}.lanes (
    destination text    NOT NULL,
    shard       integer NOT NULL,
    shards      integer NOT NULL,
    owner       text,
    epoch       bigint  NOT NULL,
    since       bigint  NOT NULL,
    PRIMARY KEY (destination, shards, shard)
) WITH (fillfactor = 40);

-- Work that only one gateway does at a time.
CREATE TABLE {schema}.jobs (
    name  text PRIMARY KEY,
    owner text NOT NULL,
    until timestamptz NOT NULL
);
