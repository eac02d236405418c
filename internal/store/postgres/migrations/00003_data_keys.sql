-- compatible_from: 1
-- Data keys of tenants, wrapped by somebody else: see internal/seal. What one has sealed has its id beside it. A tenant has one
-- at most that is neither retired nor destroyed, which seals; wrapped is NULL once it is destroyed. Older programs go on with
-- everything else, and hold back what is sealed with one.
CREATE TABLE {schema}.data_keys (
    id           bytea  PRIMARY KEY,
    tenant       text   NOT NULL,
    created_at   bigint NOT NULL,
    retired_at   bigint NOT NULL DEFAULT 0,
    destroyed_at bigint NOT NULL DEFAULT 0,
    wrapped      bytea
);
CREATE UNIQUE INDEX data_keys_current ON {schema}.data_keys (tenant) WHERE retired_at = 0 AND destroyed_at = 0;
CREATE INDEX data_keys_ended ON {schema}.data_keys (id) WHERE retired_at <> 0 OR destroyed_at <> 0;
