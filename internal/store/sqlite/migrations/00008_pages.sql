-- +goose Up

-- What pages ask for at a million events. Nothing here but the last three is written when an event is accepted
-- or delivered at the first try.

-- The dead by destination, with what they are sorted and grouped by.
DROP INDEX deliveries_dead;
CREATE INDEX deliveries_dead ON deliveries (destination, event, n, tenant, reason) WHERE state = 2;

-- What has failed and why, in the order of listings.
CREATE INDEX deliveries_reason ON deliveries (event, n, destination, tenant, state, reason) WHERE reason <> '';

-- Attempts that failed, by when they were begun.
CREATE INDEX attempts_failed ON attempts (at, event, n) WHERE reason <> '';

-- Events by call and by caller. These are random values, and an index of such costs a page write for each once it has grown.
-- So they go by the 73 minutes (2^42 ns) in which events were received first: what is written is the newest part of it, which
-- is small enough to stay in memory, and a search looks into each part.
CREATE INDEX events_call ON events (received_at >> 42, call_id) WHERE call_id <> '';
CREATE INDEX events_caller ON events (received_at >> 42, caller_hash) WHERE caller_hash <> '';

-- Those of a tenant that has few.
CREATE INDEX events_tenant ON events (tenant);

-- +goose Down
DROP INDEX events_tenant;
DROP INDEX events_caller;
DROP INDEX events_call;
DROP INDEX attempts_failed;
DROP INDEX deliveries_reason;
DROP INDEX deliveries_dead;
CREATE INDEX deliveries_dead ON deliveries (destination, event, n) WHERE state = 2;
