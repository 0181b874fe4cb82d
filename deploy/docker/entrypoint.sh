#!/bin/sh
# Sets the variable NAME to what the file /run/secrets/NAME holds, for secrets that come as files, and becomes the program.
set -eu
for file in /run/secrets/*; do
  name="${file##*/}"
  case "$name" in
    INVOICE_PIPELINES_*[!A-Z0-9_]* | AWS_*[!A-Z0-9_]*) ;;
    INVOICE_PIPELINES_* | AWS_*) export "$name=$(cat "$file")" ;;
  esac
done
exec "$@"
