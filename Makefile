# Two commands set everything up: `make demo` and `make test`. Both need only Python >= 3.11 and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv (once, about a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.PHONY: help setup demo check test fast-test cover lint types layers conformance clients bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## install into .venv

demo: $(STAMP) ## see the main job on real data: ingest, describe, ask, travel in time
	@$(BIN)/servicetsunami demo

check: $(STAMP) lint types layers fast-test ## what every commit passes (under 3 minutes)

lint: $(STAMP)
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

types: $(STAMP)
	@$(BIN)/ty check --quiet

layers: $(STAMP)
	@$(BIN)/lint-imports --no-logo > .venv/layers.txt || { cat .venv/layers.txt; exit 1; }

fast-test: $(STAMP)
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"

test: $(STAMP) ## everything: all tests on SQLite and PostgreSQL, crashes, coverage gates
	@rm -f .venv/.coverage*
	@$(BIN)/python -m coverage run -m pytest -q -n 2 --dist worksteal
	@$(MAKE) --no-print-directory cover

cover: $(STAMP)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python tests/coverage_gate.py

conformance: $(STAMP) ## the official MCP conformance suite (installs Node 22 from npm)
	@$(BIN)/python tests/conformance/run.py

clients: $(STAMP) ## clients that others wrote: MCP Inspector, TypeScript SDK
	@$(BIN)/python tests/clients/run.py

bench: $(STAMP) ## measure, and write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

lock: ## renew requirements.lock (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate \
		--no-header --extra demo --group pyproject.toml:dev pyproject.toml -o requirements.lock

clean: ## remove what can be made again
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
