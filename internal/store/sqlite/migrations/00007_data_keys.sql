-- +goose Up

-- The keys that tenants' content is sealed with, wrapped. A tenant has one that is neither retired nor destroyed, with which
-- new content is sealed; a retired one only opens. Of a destroyed one wrapped is NULL, and what it has sealed is gone.
CREATE TABLE data_keys (
    id           BLOB    PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    retired_at   INTEGER NOT NULL,   -- 0 if it is not
    destroyed_at INTEGER NOT NULL,   -- 0 if it is not
    wrapped      BLOB
) WITHOUT ROWID;
CREATE UNIQUE INDEX data_keys_current ON data_keys (tenant) WHERE retired_at = 0 AND destroyed_at = 0;

-- +goose Down
DROP TABLE data_keys;
