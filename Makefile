# The one front door. Every target sets itself up first; CI runs the same targets (.ci/run).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup servers demo test test-real lint format bench peers chaos docs dashboards sbom third-party audit lock clean

PACKAGES := alarms andon dashboards detectors flows operators service simulators sinks sources
PYTEST := .venv/bin/python -m pytest
# Two workers: the suites wait on disks and processes more than they compute. A file stays with one worker, so what it
# sets up is set up once. The kernels are compiled beforehand.
WORKERS ?= 2
KILLS ?= 1000
SEED ?= 1
SHAPE ?= embedded
export PYTHON
ARGS ?=

help: ## this list
	@printf 'make TARGET, with ARGS="..." handed on where it says so\n\n'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: ## .venv from the lock file with hashes, this tree in it, kernels compiled
	@scripts/setup.sh

servers: setup ## Kafka, InfluxDB, Tryton and what else tests and `demo --on plant` start, outside the tree (first time 5 min)
	@status=0; \
	scripts/servers/fetch.sh || status=1; \
	.venv/bin/python -m service.servers || status=1; \
	exit $$status

demo: setup ## the whole of Andon on simulated machines; then open the address it prints (ARGS)
	@.venv/bin/andon demo $(ARGS)

test: setup ## everything that needs Python packages only, and Chromium where there is one (ARGS)
	@mkdir -p build
	@$(PYTEST) -n $(WORKERS) --dist loadfile -m "not real and not crash" --junitxml build/test.xml $(ARGS)

test-real: setup ## the kill -9 suites and those that need real servers; what is missing is skipped, but not in CI (ARGS)
	@mkdir -p build
	@$(MAKE) --no-print-directory servers || echo "test-real: without the servers that are missing"
	@$(PYTEST) -n $(WORKERS) --dist loadfile -m "real or crash" tests --junitxml build/test-real.xml $(ARGS)

lint: setup ## ruff, its formatter, mypy --strict
	@status=0; \
	.venv/bin/ruff check . || status=1; \
	.venv/bin/ruff format --check . || status=1; \
	.venv/bin/mypy || status=1; \
	exit $$status

format: setup ## writes what ruff can mend by itself
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

bench: setup ## CPU time beside plain clients, Bytewax, Quix, Pathway and Flink; run lengths of charts; whole: 20 min, ARGS=--quick: two (ARGS)
	@status=0; \
	.venv/bin/python benchmarks/run_lengths.py $(ARGS) || status=1; \
	.venv/bin/python -m benchmarks.faults $(ARGS) || status=1; \
	.venv/bin/python benchmarks/throughput.py $(ARGS) || status=1; \
	exit $$status

peers: setup ## Quix Streams, Pathway and Flink for `make bench`, kept outside the tree; it works without them (ARGS)
	@scripts/bench/peers.sh $(ARGS)

chaos: setup ## KILLS=1000 kill -9 at random instants, SHAPE=embedded, plant, outages, erp; goes on where it was interrupted (ARGS)
	@.venv/bin/python -m tests.chaos.run --shape $(SHAPE) --kills $(KILLS) --seed $(SEED) $(ARGS)

docs: setup third-party ## writes the generated pages: configuration reference, third-party list
	@.venv/bin/python -m andon.config.reference docs

dashboards: setup ## writes Grafana's dashboards and provisioning files from dashboards/grafana
	@.venv/bin/python -m dashboards.grafana

third-party: setup ## THIRD_PARTY.md from the licences of the run-time packages
	@.venv/bin/python scripts/third_party.py --write

sbom: setup ## dist/sbom.json, CycloneDX, of the run-time packages
	@.venv/bin/python scripts/sbom.py

audit: setup ## asks the advisory service about every package of the lock file
	@.venv/bin/python scripts/audit.py

lock: setup ## both lock files from pyproject.toml (UPGRADE=1 for newer versions)
	@scripts/lock.sh

clean: ## removes what the targets made, but no data
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
