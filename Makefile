# Keyturn's table of contents. `make` alone lists the targets.
# Everything happens in .venv, which `make setup` brings up from any Python 3.11 or newer.

UV_VERSION := 0.13.9
ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
endif

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.keyturn-ready
PATHS := src tests bench

# Compiled modules are kept: else each of the many programs that the tests start compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run demo test check fix scale faults crash simulate-seeds upgrade bench soak docs lock clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

setup: $(READY) ## Bring up .venv with the locked packages; done once, and again when the lock changes

$(READY): pyproject.toml requirements.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "Keyturn needs Python 3.11 or newer with venv. Install it, or name one: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	@$(BIN)/python -c 'import pip' 2>/dev/null || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing the locked packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## Start Keyturn with ./keyturn.toml
	@$(BIN)/keyturn serve

demo: setup ## Play the whole story on simulated services
	@$(BIN)/keyturn demo

# The tests' folders are in memory where a gigabyte is free: no test cuts the power, so none has to wait for a disk.
test: export PYTEST_DEBUG_TEMPROOT ?= $(shell df -Pk /dev/shm 2>/dev/null | awk '$$4 > 1048576 && NR > 1 { print "/dev/shm" }')
test: check ## Run the checks, then all tests; the decisions need full branch coverage
	@$(BIN)/pytest --quiet --numprocesses 4 --dist worksteal --ignore tests/core
	@$(BIN)/pytest --quiet --numprocesses 2 tests/core --cov keyturn.core --cov-branch --cov-fail-under 100

check: setup ## Check style, types, layers and spelling
	@$(BIN)/ruff check --quiet $(PATHS)
	@$(BIN)/ruff format --quiet --check $(PATHS)
	@$(BIN)/mypy --no-error-summary
	@found=$$($(BIN)/lint-imports 2>&1) || { echo "$$found"; exit 1; }
	@$(BIN)/codespell $(PATHS) docs *.md

fix: setup ## Mend what can be mended by itself
	@$(BIN)/ruff check --quiet --fix-only $(PATHS)
	@$(BIN)/ruff format --quiet $(PATHS)

scale: setup ## Let 1,000 events go through two webs and two workers on PostgreSQL, and show the figures
	@KEYTURN_SCALE_EVENTS=1000 $(BIN)/pytest --quiet tests/scale/test_processes.py tests/scale/test_noise.py

simulate-seeds: setup ## Play 1,000 histories (SEEDS=, FROM=, JOBS=) in virtual time and try every door; or tell one (SEED=17)
	@PYTHONPATH=tests $(BIN)/python -m histories.run $(if $(SEED),--seed $(SEED)) \
		--seeds $(or $(SEEDS),1000) --from $(or $(FROM),1) --jobs $(or $(JOBS),2)

faults: setup ## Let every kind of call go wrong in every way, and show what became of it and what proves the rest
	@PYTHONPATH=tests $(BIN)/python -m faults.page

crash: export KEYTURN_CRASH_POINTS ?= 1000
crash: export KEYTURN_CRASH_KILLS ?= 200
crash: setup ## Kill Keyturn at 1,000 system calls and 200 other moments, spoil what it stands on, and show the figures
	@$(BIN)/pytest --quiet --ignore tests/crash/test_kills.py tests/crash
	@$(BIN)/pytest --quiet --numprocesses 2 --dist worksteal tests/crash/test_kills.py

upgrade: setup ## Let an older version (FROM=revision) and this one work side by side, and show the figures
	@KEYTURN_UPGRADE_FROM=$(FROM) KEYTURN_SCALE_EVENTS= $(BIN)/pytest --quiet tests/scale/test_upgrade.py

bench: setup ## Measure, and write the figures of docs/performance.md; PEER=handler.mjs is measured beside Keyturn
	@$(BIN)/python -m bench.run $(PARTS) $(if $(PEER),--peer $(PEER)) $(if $(QUICK),--quick)

soak: setup ## Send a million webhooks (EVENTS=...) to one Keyturn, and write what became of its memory
	@$(BIN)/python -m bench.run soak --events $(or $(EVENTS),1000000)

docs: setup ## Write the pages that come from the program itself
	@$(BIN)/python -m keyturn.settings.reference > docs/settings.md
	@$(BIN)/python -m keyturn.cli.reference > docs/cli.md
	@$(BIN)/python -m keyturn.storeganise.webtask > deploy/storeganise/addon-installed.js
	@PYTHONPATH=tests $(BIN)/python -m faults.page --write

lock: setup ## Choose the newest packages that fit and write requirements.lock
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --extra telemetry --group dev pyproject.toml \
		--output-file requirements.lock

clean: ## Remove what these targets made; never keyturn-data or keyturn.toml
	@rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find $(PATHS) -name __pycache__ -type d -prune -exec rm -rf {} +
