#!/bin/bash
# A standby: copies the primary when it has nothing yet, then follows it. Told to take over, it stays what it is then.
set -euo pipefail

# pg_basebackup tells the standby to look for the password here; a new container does not have it yet.
passfile=/var/lib/postgresql/.pgpass
umask 077
printf '*:*:*:%s:%s\n' "$POSTGRES_USER" "$(sed 's/[:\\]/\\&/g' "$POSTGRES_PASSWORD_FILE")" >"$passfile"
chown postgres:postgres "$passfile"

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  install -d -o postgres -g postgres -m 0700 "$PGDATA"
  until gosu postgres pg_isready -q -h "$PRIMARY" -U "$POSTGRES_USER"; do sleep 2; done
  gosu postgres env PGPASSFILE="$passfile" pg_basebackup -d "host=$PRIMARY user=$POSTGRES_USER application_name=standby" \
    -D "$PGDATA" -S standby -X stream -R -c fast -w
fi
exec gosu postgres postgres "$@"
