#!/bin/sh
# Copies everything Keyturn remembers from its embedded database into PostgreSQL. docs/operating.md says when.
#
#   PGHOST=db.example.com PGDATABASE=keyturn PGUSER=keyturn PGPASSWORD=... copy-to-postgresql.sh keyturn-data/keyturn.db
#
# Keyturn must be stopped. The database must hold Keyturn's tables (start and stop `keyturn web` once), of the same
# version, and nothing that was done with them: what is there is replaced. Needs sqlite3 and psql.

set -eu

from=${1:?"name the file keyturn.db"}
[ -f "$from" ] || { echo "there is no $from" >&2; exit 2; }

sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "$@"; }
revision=$(sqlite3 -readonly "$from" "SELECT version_num FROM alembic_version")
if [ "$(sql --command "SELECT version_num FROM alembic_version")" != "$revision" ]; then
    echo "the two databases are of different versions; start the same Keyturn on both once" >&2
    exit 1
fi
if [ "$(sql --command "SELECT count(*) FROM work WHERE handled > 0")" != 0 ]; then
    echo "Keyturn has already worked with this PostgreSQL database; make a new one" >&2
    exit 1
fi

# A table comes after those it refers to. `shares` belongs to running processes and is left out.
tables="businesses installations deliveries delivery_subjects work lanes rentals owners codes memberships transfers
    claims pins units tokens problems"
umask 077
everything=$(mktemp)
trap 'rm -f "$everything"' EXIT
# Into a file first: in a pipe, a failure of sqlite3 would pass unnoticed.
{
    echo "BEGIN; TRUNCATE $(echo $tables | tr ' ' ','), shares;"
    for table in $tables; do
        columns=$(sql --command "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)
            FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '$table'")
        echo "COPY $table ($columns) FROM STDIN WITH (FORMAT csv);"
        sqlite3 -readonly -csv "$from" "SELECT $columns FROM $table"
        echo "\\."
    done
    echo "SELECT setval(pg_get_serial_sequence('deliveries', 'id'), max(id)) FROM deliveries HAVING max(id) > 0;"
    echo "COMMIT;"
} >"$everything"
sql --file="$everything" >/dev/null
echo "copied: $(sql --command "SELECT count(*) FROM rentals") rentals," \
    "$(sql --command "SELECT count(*) FROM deliveries") deliveries"
