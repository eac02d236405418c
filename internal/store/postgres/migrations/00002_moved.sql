-- compatible_from: 1
-- What is being carried over into these tables from another store, and up to which of its places; there is a row only if
-- something was. As long as it is not done no gateway works with the tables.
CREATE TABLE {schema}.moved (
    one    smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    origin text    NOT NULL,
    place  text    NOT NULL,
    done   boolean NOT NULL
);
