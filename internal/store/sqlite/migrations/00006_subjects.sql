-- +goose Up

-- By what else than the caller's number an event is found: keyed hashes of fields, such as a patient's id.
CREATE TABLE subjects (
    hash BLOB    NOT NULL,
    seq  INTEGER NOT NULL,
    PRIMARY KEY (hash, seq)
) WITHOUT ROWID;
CREATE INDEX subjects_seq ON subjects (seq);

-- +goose Down
DROP TABLE subjects;
