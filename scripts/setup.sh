#!/usr/bin/env bash
# Makes .venv from requirements.lock (every file checked by hash) and installs this tree into it, editable.
# Quick the second time: a stamp keeps the hash of what was installed. Needs Python 3.11 with venv, nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }
fail() { printf '\n%s\n' "$@" >&2; exit 1; }

find_python() { # the first Python 3.11 on PATH, however it is called there
  local name path
  for name in ${PYTHON:-python3.11 python3}; do
    for path in $(type -aP "$name"); do
      if "$path" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; then
        printf '%s\n' "$path"
        return
      fi
    done
  done
  fail "Python 3.11 was not found (looked for: ${PYTHON:-python3.11, python3})." \
    "On Debian 12:  sudo apt-get install python3.11 python3.11-venv" \
    "Elsewhere, name it:  make setup PYTHON=/path/to/python3.11"
}

digest() { cat "$@" | sha256sum | cut -c1-32; }

make_venv() {
  local python
  python=$(find_python)
  "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
    fail "$python cannot make virtual environments: its venv part is not installed." \
      "On Debian 12:  sudo apt-get install python3.11-venv"
  say "setup: creating .venv with $("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv
}

install_lock() {
  local stamp=.venv/andon-lock.stamp wanted
  wanted=$(digest requirements.lock)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  say "setup: installing the packages of requirements.lock (about 300 MB the first time)"
  rm -f "$stamp"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    -r requirements.lock ||
    fail "The packages could not be installed. Is the package index reachable from here?" \
      "pip reads PIP_INDEX_URL and pip.conf as usual; run again, finished downloads are kept."
  printf '%s\n' "$wanted" >"$stamp"
}

install_tree() {
  local stamp=.venv/andon-tree.stamp wanted
  wanted=$(digest pyproject.toml andon/__init__.py scripts/setup.sh)-$(pwd | sha256sum | cut -c1-8)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  # hatchling and editables come from the lock, so nothing is fetched and nothing unhashed runs.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
  printf '%s\n' "$wanted" >"$stamp"
}

warm_kernels() {
  [ -f service/warm.py ] || return 0
  local stamp=.venv/andon-warm.stamp wanted
  # numba keeps a kernel for its file's time and size, not for what is in it.
  wanted=$(grep -rlE '^(from|import) numba' --include='*.py' operators detectors sources andon service | sort |
    xargs stat -c '%n %Y %s' | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  say "setup: compiling the kernels once (kept in __pycache__)"
  .venv/bin/python -m service.warm
  printf '%s\n' "$wanted" >"$stamp"
}

# A folder that was moved or copied has scripts that point to the old place: make it anew.
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1 ||
  ! grep -qsF "$(pwd)/.venv" .venv/bin/activate; then
  make_venv
fi
install_lock
install_tree
warm_kernels
