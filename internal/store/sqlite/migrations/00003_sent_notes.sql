-- +goose Up

-- What an attempt sent, without its values, as JSON; NULL where nothing is known of it, as of attempts from before.
ALTER TABLE attempts ADD COLUMN sent TEXT;

-- What destinations note for some minutes, by a hash of whose note it is and of its name. Hash and value are keyed and
-- sealed if the store has keys.
CREATE TABLE notes (
    key   BLOB    PRIMARY KEY,
    value BLOB    NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX notes_until ON notes (until);

-- +goose Down
DROP TABLE notes;
ALTER TABLE attempts DROP COLUMN sent;
