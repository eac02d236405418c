-- +goose Up

-- The audit log: one bundle of leaves for each commit that records something. lines has the leaves, a line each, and is NULL
-- once they are pruned; then hashes has their hashes, 32 bytes each. at is when the commit was.
CREATE TABLE audit_bundles (
    first  INTEGER PRIMARY KEY,   -- the place of the first leaf
    n      INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    lines  BLOB,
    hashes BLOB
);

-- Hashes of the tree above the leaves, of the levels 8, 16 and so on.
CREATE TABLE audit_nodes (
    level INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    PRIMARY KEY (level, n)
) WITHOUT ROWID;

-- Where the log stands, whether a gateway runs that has begun it, how many leaves have lost their lines, and the last
-- checkpoint that was published.
CREATE TABLE audit_state (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    state      BLOB    NOT NULL,
    running    INTEGER NOT NULL,
    pruned     INTEGER NOT NULL,
    checkpoint BLOB
);

-- What opens the commitments of an event's leaves, and by which keyed hash its caller is known. It goes when the event is
-- erased, and with its leaves; not when the event expires.
CREATE TABLE audit_beside (
    event  BLOB    PRIMARY KEY,
    tenant INTEGER NOT NULL,
    beside BLOB    NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE audit_beside;
DROP TABLE audit_state;
DROP TABLE audit_nodes;
DROP TABLE audit_bundles;
