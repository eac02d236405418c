-- +goose Up

-- What a tenant's events take, so that no tenant can fill the store for the others. size is an event's part of its tenant's
-- bytes, 0 for events from before this was counted.
ALTER TABLE events ADD COLUMN size INTEGER NOT NULL DEFAULT 0;

-- events counts those with content, which bodies that were delivered lose when room is needed.
CREATE TABLE held (
    tenant INTEGER PRIMARY KEY,
    events INTEGER NOT NULL,
    bytes  INTEGER NOT NULL
);

-- From which event and which attempt on everything is sealed, authenticated with the key that is named.
CREATE TABLE sealing (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    event   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    key_id  BLOB    NOT NULL,
    mac     BLOB    NOT NULL
);

-- +goose Down
DROP TABLE sealing;
DROP TABLE held;
ALTER TABLE events DROP COLUMN size;
