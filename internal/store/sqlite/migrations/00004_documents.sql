-- +goose Up

-- Tenants and destinations that live in the store, in versions. state: 0 draft, 1 published, 2 removed. Body and secrets are
-- sealed with the key that is named, if the store has keys.
CREATE TABLE documents (
    id           INTEGER PRIMARY KEY,
    kind         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    author       TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    note         TEXT    NOT NULL,
    published_by TEXT    NOT NULL,
    published_at INTEGER NOT NULL,
    body         BLOB,
    secrets      BLOB,
    key_id       BLOB
);
CREATE UNIQUE INDEX documents_version ON documents (kind, name, version);

-- The version of each document that is in force.
CREATE TABLE in_force (
    kind    TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE in_force;
DROP TABLE documents;
