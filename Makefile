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

.DEFAULT_GOAL := help
.PHONY: help setup run demo test check fix scale upgrade bench docs lock clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F '\t' '{ printf "  make %-8s %s\n", $$1, $$2 }'

setup: $(READY) ## Bring up .venv with the locked packages; done once, and again when the lock changes

$(READY): pyproject.toml requirements.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "Keyturn needs Python 3.11 or newer with venv. Install it, or name one: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi
	@$(BIN)/python -c 'import pip' 2>/dev/null || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing the locked packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## Start Keyturn with ./keyturn.toml
	@$(BIN)/keyturn serve

demo: setup ## Play the whole story on simulated services
	@$(BIN)/keyturn demo

test: check ## Run the checks, then all tests; the decisions need full branch coverage
	@$(BIN)/pytest --quiet --numprocesses 4 --ignore tests/core
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
	@KEYTURN_SCALE_EVENTS=1000 $(BIN)/pytest --quiet tests/scale/test_processes.py

upgrade: setup ## Let an older version (FROM=revision) and this one work side by side, and show the figures
	@KEYTURN_UPGRADE_FROM=$(FROM) KEYTURN_SCALE_EVENTS= $(BIN)/pytest --quiet tests/scale/test_upgrade.py

bench: setup ## Measure ratios side by side; see what each one compares in bench/run.py
	@$(BIN)/python bench/run.py

docs: setup ## Write the pages that come from the program itself
	@$(BIN)/python -m keyturn.settings.reference > docs/settings.md
	@$(BIN)/python -m keyturn.cli.reference > docs/cli.md
	@$(BIN)/python -m keyturn.storeganise.webtask > deploy/storeganise/addon-installed.js

lock: setup ## Choose the newest packages that fit and write requirements.lock
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --extra telemetry --group dev pyproject.toml \
		--output-file requirements.lock

clean: ## Remove what these targets made; never keyturn-data or keyturn.toml
	@rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find $(PATHS) -name __pycache__ -type d -prune -exec rm -rf {} +
