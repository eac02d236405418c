#!/bin/sh
# Makes the standby of a pair from its primary, unless it is there already, and runs it.
set -eu
data=${PGDATA:-/var/lib/postgresql/data}
if [ ! -s "$data/PG_VERSION" ]; then
	pg_basebackup -D "$data" -R -X stream -c fast -d "host=${PRIMARY:-db-a} user=callgate application_name=db_b"
	chmod 700 "$data"
fi
exec postgres -D "$data" -c hot_standby=on
