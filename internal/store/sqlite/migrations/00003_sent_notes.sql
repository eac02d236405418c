-- +goose Up

-- What an attempt sent, without its values, as JSON; NULL where nothing is known of it, as of attempts from before.
ALTER TABLE attempts ADD COLUMN sent TEXT;

-- What destinations note for a while, by a hash of whose note it is and of its key. event is the one that it was noted
-- for, with which it goes; 0 for none. key_id is that of the key it is sealed with; NULL if it is not sealed.
CREATE TABLE notes (
    key    BLOB    PRIMARY KEY,
    value  BLOB    NOT NULL,
    until  INTEGER NOT NULL,
    event  INTEGER NOT NULL,
    key_id BLOB
) WITHOUT ROWID;
CREATE INDEX notes_until ON notes (until);
CREATE INDEX notes_event ON notes (event);

-- +goose Down
DROP TABLE notes;
ALTER TABLE attempts DROP COLUMN sent;
