#!/usr/bin/env bash
# Gets the servers that the tests and `andon demo --on plant` start: Apache Kafka (Maven Central), InfluxDB and toxiproxy
# (built from Go modules), the compose command that checks deploy/compose.yaml, and Tryton (PyPI) with a database that
# deploy/tryton has prepared. Pinned by pom.xml, go.mod, go.sum and requirements.txt; kept outside the tree, each under
# the hash of its pins.
#
#   scripts/servers/fetch.sh                     all of them
#   scripts/servers/fetch.sh kafka influxd       these
#   scripts/servers/fetch.sh --where kafka       prints where it is, or would be
#
# Needs for kafka: Maven, JDK 17. influxd: Go 1.26, cargo (builds for 5 to 15 minutes, once). toxiproxy, compose: Go.
# tryton: Python 3.11 with venv (1 minute).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
module=$here/../../deploy/tryton # the key module of Tryton: part of that server, and of its pins
cache=${ANDON_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/andon-servers}

say() { printf 'servers: %s\n' "$*"; }
declare -A from=([mvn]="Debian: maven" [java]="Debian: openjdk-17-jdk-headless" [go]="1.26 or newer, https://go.dev/dl"
  [cargo]="https://rustup.rs" [pkg-config]="Debian: pkg-config" [python3.11]="Debian: python3.11-venv")
need() { # need TOOL WHAT-FOR
  command -v "$1" >/dev/null ||
    { printf 'servers: %s needs %s, which is not on PATH (%s)\n' "$2" "$1" "${from[$1]}" >&2; return 1; }
}
twice() { "$@" || { sleep 5; "$@"; }; } # a registry that does not answer once; what was fetched and built is kept
recipe=1 # grows when something is built in another way, so that what was built before is not taken for it
pins() { # pins NAME: all that decides what is built
  echo "$recipe" && cat "$here/$1"/* || return 1
  [ "$1" != tryton ] || cat "$module"/*.{py,cfg,toml,xml} "$module"/view/* "$module"/locale/*
}
place() { # place NAME: the folder of this version, named by its pins and by how it is built
  printf '%s/%s-%s\n' "$cache" "$1" "$(pins "$1" | sha256sum | cut -c1-12)"
}

# The get_ functions run where bash does not stop at errors: each command that may fail says so itself.

get_kafka() { # the broker's jars, compared with the list of their checksums
  need mvn kafka && need java kafka || return 1
  twice mvn -q -B -f "$here/kafka/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    "-DoutputDirectory=$1/lib" -DincludeScope=runtime || return 1
  (cd "$1/lib" && sha256sum --quiet --strict -c "$here/kafka/jars.sha256")
}

get_toxiproxy() {
  need go toxiproxy || return 1
  (cd "$here/toxiproxy" && CGO_ENABLED=0 twice go build -mod=readonly -trimpath -ldflags '-s -w' \
    -o "$1/toxiproxy-server" github.com/Shopify/toxiproxy/v2/cmd/server)
}

get_influxd() {
  need go influxd && need cargo influxd && need pkg-config influxd || return 1
  local work
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # when the subshell that `get` runs in ends, $work is no more
  trap "rm -rf '$work'" EXIT
  # Flux asks for a Rust of its own, and refuses the warnings of newer ones.
  printf '#!/bin/sh\nexec "$@" --cap-lints warn\n' >"$work/rustc-warn"
  chmod +x "$work/rustc-warn"
  (
    cd "$here/influxd" &&
    twice go build -mod=readonly -o "$work/bin/pkg-config" github.com/influxdata/pkg-config &&
    PATH="$work/bin:$PATH" PKG_CONFIG="$work/bin/pkg-config" \
      RUSTUP_TOOLCHAIN="${RUSTUP_TOOLCHAIN:-stable}" RUSTC_WRAPPER="$work/rustc-warn" \
      twice go build -mod=readonly -trimpath -tags 'sqlite_foreign_keys,sqlite_json' \
      -ldflags '-s -w -X main.version=v2.7.12' -o "$1/influxd" github.com/influxdata/influxdb/v2/cmd/influxd
  ) >"$work/log" 2>&1 || { tail -40 "$work/log" >&2; return 1; }
}

get_compose() { # docker compose without Docker: its config command needs no daemon
  need go compose || return 1
  (cd "$here/compose" && CGO_ENABLED=0 twice go build -mod=readonly -trimpath \
    -ldflags '-s -w -X github.com/docker/compose/v5/internal.Version=v5.6.0' \
    -o "$1/docker-compose" github.com/docker/compose/v5/cmd)
}

get_tryton() { # trytond in a venv of its own, and one database with the key module, a company and a REST key
  need "${PYTHON:-python3.11}" tryton || return 1
  local python=$1/venv/bin/python log=$1/log
  printf '[database]\nuri = sqlite://\npath = %s/template\n' "$1" >"$1/trytond.conf"
  (
    "${PYTHON:-python3.11}" -m venv "$1/venv" &&
    twice "$python" -m pip install -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
      -r "$here/tryton/requirements.txt" &&
    mkdir "$1/module" "$1/template" && # a build leaves its files beside the source
    cp -r "$module"/*.* "$module"/LICENSE "$module"/view "$module"/locale "$1/module" &&
    "$python" -m pip install -q --disable-pip-version-check --no-deps --no-index --no-build-isolation "$1/module" &&
    touch "$1/template/erp.sqlite" && # Tryton asks for the file
    (umask 077 && head -c 18 /dev/urandom | base64 >"$1/template/password") &&
    TRYTONPASSFILE=$1/template/password "$python" "$1/venv/bin/trytond-admin" -c "$1/trytond.conf" -d erp --all \
      --email admin@example.com --activate-dependencies -u andon &&
    "$python" "$module/prepare.py" -c "$1/trytond.conf" -d erp --demo --key-file "$1/template/key" &&
    rm -r "$1/module" "$1/trytond.conf"
  ) >"$log" 2>&1 || { tail -40 "$log" >&2; return 1; }
}

get() { # get NAME: whole or not at all, one at a time
  local name=$1 folder began=$SECONDS
  folder=$(place "$name")
  mkdir -p "$cache"
  exec 9>"$cache/$name.lock"
  flock 9
  if [ ! -e "$folder/ready" ]; then
    say "getting $name"
    rm -rf "$folder.part"
    mkdir -p "$folder.part"
    if ! "get_$name" "$folder.part"; then
      printf 'servers: %s could not be had\n' "$name" >&2
      rm -rf "$folder.part"
      return 1
    fi
    touch "$folder.part/ready"
    rm -rf "$folder"
    mv "$folder.part" "$folder"
    say "$name took $((SECONDS - began)) s"
  fi
  say "$name is in $folder"
}

known=(kafka toxiproxy compose influxd tryton)
is_known() {
  [[ " ${known[*]} " == *" $1 "* ]] ||
    { printf 'servers: %s is not known; there are: %s\n' "$1" "${known[*]}" >&2; exit 2; }
}
if [ "${1:-}" = --where ]; then
  is_known "${2:-}"
  place "$2"
  exit
fi
wanted=("$@")
[ "${#wanted[@]}" -gt 0 ] || wanted=("${known[@]}")
failed=0
for name in "${wanted[@]}"; do
  is_known "$name"
  (get "$name") || failed=1
done
exit "$failed"
