#!/usr/bin/env bash
# Writes requirements.lock (everything, for development), requirements-runtime.lock (what runs a site, Linux) and
# requirements-build.lock (what builds the wheel), all with the same versions and the hash of every file.
# UPGRADE=1 takes the newest versions that pyproject.toml allows; without it only what changed there moves.
set -euo pipefail
cd "$(dirname "$0")/.."
flags=(--quiet --python-version 3.11 --generate-hashes --no-header)
[ -n "${UPGRADE:-}" ] && flags+=(--upgrade)
.venv/bin/uv pip compile pyproject.toml --group dev --universal "${flags[@]}" --output-file requirements.lock
.venv/bin/uv pip compile pyproject.toml --python-platform x86_64-manylinux_2_36 "${flags[@]}" --no-annotate \
  --constraints requirements.lock --output-file requirements-runtime.lock
.venv/bin/uv pip compile --group build "${flags[@]}" --no-annotate --constraints requirements.lock \
  --output-file requirements-build.lock
