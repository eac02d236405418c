-- compatible_from: 1
-- The version of the tables that a gateway's program knows; 0 for one from before this was said. A migration that older programs
-- cannot bear waits while one of them is there.
ALTER TABLE {schema}.gateways ADD COLUMN knows bigint NOT NULL DEFAULT 0;
