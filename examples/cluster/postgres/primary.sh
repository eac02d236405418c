#!/bin/sh
# Makes a new PostgreSQL server the primary of a pair: it lets the standby replicate, and has every commit wait until the
# standby has it on its disk. Docker's image runs it once; on a machine of your own, see the page.
set -eu
echo "host replication all samenet scram-sha-256" >>"$PGDATA/pg_hba.conf"
cat >>"$PGDATA/postgresql.conf" <<END
wal_level = replica
max_wal_senders = 5
wal_keep_size = 1GB
synchronous_commit = on
synchronous_standby_names = 'ANY 1 (db_a, db_b)'
idle_in_transaction_session_timeout = 60s
END
