#!/bin/sh
# Makes the secrets of compose.yaml: a file for each, in the folder `secrets` beside it. What is there stays as it is.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

random() { openssl rand -hex 24; }
# A container reads it as another user; on this machine nobody else comes into the folder.
make() { [ -e "$1" ] || { cat > "$1.new" && chmod 444 "$1.new" && mv "$1.new" "$1"; }; }

for name in postgres migrator app web dagster redis AWS_SECRET_ACCESS_KEY; do
  random | tr -d '\n' | make "$name"
done
printf invoices | make AWS_ACCESS_KEY_ID
openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n' | make INVOICE_PIPELINES_ENCRYPTION_KEYS
printf 'requirepass %s\n' "$(cat redis)" | make redis.conf
printf 'redis://:%s@redis:6379/0' "$(cat redis)" | make INVOICE_PIPELINES_BROKER_URL
printf 'postgresql://invoice_pipelines_app:%s@pgbouncer:5432/invoice_pipelines' "$(cat app)" |
  make INVOICE_PIPELINES_DATABASE_URL
printf 'postgresql://invoice_pipelines_web:%s@pgbouncer:5432/invoice_pipelines' "$(cat web)" |
  make INVOICE_PIPELINES_WEB_DATABASE_URL
# Migrations and Dagster go to the server itself.
printf 'postgresql://invoice_pipelines_migrator:%s@postgresql:5432/invoice_pipelines' "$(cat migrator)" |
  make INVOICE_PIPELINES_DATABASE_OWNER_URL
printf 'postgresql://invoice_pipelines_dagster:%s@postgresql:5432/invoice_pipelines_dagster' "$(cat dagster)" |
  make INVOICE_PIPELINES_DAGSTER_DATABASE_URL
printf '"invoice_pipelines_app" "%s"\n"invoice_pipelines_web" "%s"\n' "$(cat app)" "$(cat web)" | make pgbouncer-users.txt
echo "Secrets are in $PWD. Keep a copy of INVOICE_PIPELINES_ENCRYPTION_KEYS apart from the backups of the database."
