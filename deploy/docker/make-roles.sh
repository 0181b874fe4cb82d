#!/bin/sh
# Run once by the image of PostgreSQL, when it has made its folder: the login that migrates, and by it all others.
set -eu
psql -v ON_ERROR_STOP=1 -qX -d postgres <<'SQL'
\set password `cat /run/secrets/migrator`
create role invoice_pipelines_migrator login createrole createdb password :'password';
SQL
APP_PASSWORD="$(cat /run/secrets/app)" WEB_PASSWORD="$(cat /run/secrets/web)" \
  DAGSTER_PASSWORD="$(cat /run/secrets/dagster)" \
  psql -qX -U invoice_pipelines_migrator -d postgres -f /etc/invoice-pipelines/roles.sql
