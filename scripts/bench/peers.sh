#!/usr/bin/env bash
# Gets the systems that `make bench` sets beside Andon: Quix Streams and Pathway (each in a virtual environment of its
# own, every package pinned) and Apache Flink (Maven Central, pinned by flink/pom.xml). Kept outside the tree, each under
# the hash of its pins. `make bench` works without them: what is absent is null in its result, with the reason.
#
#   scripts/bench/peers.sh                   all of them
#   scripts/bench/peers.sh quix flink        these
#   scripts/bench/peers.sh --where flink     prints where it is, or would be
#
# Needs for quix, pathway: `make setup` (uv). flink: Maven, JDK 17.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ANDON_BENCH:-${XDG_CACHE_HOME:-$HOME/.cache}/andon/bench}

say() { printf 'peers: %s\n' "$*"; }
twice() { "$@" || { sleep 5; "$@"; }; } # a registry that does not answer once
pins() { case $1 in flink) cat "$here/flink/pom.xml" "$root"/benchmarks/peers/flink/*.java ;; *) cat "$here/$1.txt" ;; esac; }
place() { printf '%s/%s-%s\n' "$cache" "$1" "$(pins "$1" | sha256sum | cut -c1-12)"; }

get_python() { # get_python NAME FOLDER
  local uv=$root/.venv/bin/uv
  [ -x "$uv" ] || { say "$1 needs $uv: make setup"; return 1; }
  "$uv" venv -q --python 3.11 "$2" || return 1
  twice "$uv" pip install -q --no-deps --python "$2/bin/python" -r "$here/$1.txt"
}

get_flink() {
  command -v mvn >/dev/null && command -v javac >/dev/null || { say "flink needs Maven and JDK 17"; return 1; }
  twice mvn -q -B -Dstyle.color=never -f "$here/flink/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    "-DoutputDirectory=$2/lib" -DincludeScope=runtime || return 1
  javac -parameters -nowarn -cp "$2/lib/*" -d "$2/classes" "$root"/benchmarks/peers/flink/*.java
}

get() { # get NAME: one without .whole is half made and is made anew
  local place
  place=$(place "$1")
  [ -e "$place/.whole" ] && { say "$1 is in $place"; return 0; }
  rm -rf "$place"
  mkdir -p "$cache"
  case $1 in
    flink) get_flink "$1" "$place" || return 1 ;;
    quix | pathway) get_python "$1" "$place" || return 1 ;;
    *) say "no peer is called $1"; return 1 ;;
  esac
  touch "$place/.whole"
  say "$1 is in $place"
}

if [ "${1:-}" = --where ]; then
  place "$2"
  exit 0
fi
[ $# -gt 0 ] || set -- quix pathway flink
status=0
for name in "$@"; do get "$name" || { say "$name: not there"; status=1; }; done
exit $status
