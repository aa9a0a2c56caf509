#!/usr/bin/env bash
# Makes the secrets that deploy/compose.yaml hands to its services, each a file of random characters. A file that is
# there is left alone, so this may run again. The folder is for its owner only; the files inside may be read by the
# containers' users, who get them one by one.
#
#   deploy/secrets.sh           into deploy/secrets
#   deploy/secrets.sh FOLDER    into another folder
set -euo pipefail
folder=${1:-$(cd "$(dirname "$0")" && pwd)/secrets}
install -d -m 0700 "$folder"
for name in influx_password influx_token grafana_password postgres_password; do
  [ -s "$folder/$name" ] && continue
  head -c 33 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"$folder/$name.new"
  chmod 0444 "$folder/$name.new"
  mv "$folder/$name.new" "$folder/$name"
  echo "made $folder/$name"
done
