# Two commands set everything up: `make demo` and `make test`. Both need only Python >= 3.11 and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
RUN := .venv/.installed
DEV := .venv/.installed-dev
# Where nothing compiled may be kept, each of some thousand processes would compile our sources anew.
unexport PYTHONDONTWRITEBYTECODE

$(RUN): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv (once, about a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --editable .
	@$(BIN)/python -m compileall -q -j 0 .venv/lib > .venv/compiled.txt 2>&1 || true # all processors; pip uses one
	@touch $@

$(DEV): $(RUN) requirements-dev.lock
	@echo "Adding what the tests need (once) ..."
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: help setup demo demo-databricks dev-workspace check test fast-test cover lint types layers conformance clients bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(DEV) ## install into .venv

demo: $(RUN) ## see the main job on real data: ingest, describe, ask, travel in time
	@$(BIN)/servicetsunami demo

demo-databricks: $(DEV) ## see the Databricks half without an account: sync, outage, recovery
	@$(BIN)/python -m tests.fakes.databricks.demo

dev-workspace: $(DEV) ## a fake Databricks workspace on this machine, to connect a server to
	@$(BIN)/python -m tests.fakes.databricks

check: $(DEV) lint types layers fast-test ## what every commit passes (under 3 minutes)

lint: $(DEV)
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

types: $(DEV)
	@$(BIN)/ty check --quiet

layers: $(DEV)
	@$(BIN)/lint-imports --no-logo > .venv/layers.txt || { cat .venv/layers.txt; exit 1; }

fast-test: $(DEV)
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"

test: $(DEV) ## everything: all tests on SQLite and PostgreSQL, crashes, coverage gates
	@rm -f .venv/.coverage*
	@$(BIN)/python -m coverage run -m pytest -q -n 4 --dist worksteal
	@$(MAKE) --no-print-directory cover

cover: $(DEV)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python tests/coverage_gate.py

conformance: $(DEV) ## the official MCP conformance suite (installs Node 22 from npm)
	@$(BIN)/python tests/conformance/run.py

clients: $(DEV) ## clients that others wrote: Inspector, TypeScript SDK, five agent frameworks (about 5 minutes)
	@$(BIN)/python tests/clients/run.py

bench: $(DEV) ## measure, and write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

LOCK := uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --no-header --extra demo
lock: ## renew both lock files (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --group pyproject.toml:dev -c requirements.lock -o requirements-dev.lock

clean: ## remove what can be made again
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
