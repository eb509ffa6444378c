# Everything a developer runs. `make` alone prints the targets.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: help
help: ## Print these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '  %-10s %s\n' "$$target" "$$text"; done

# --- Setting up -------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(STAMP) ## Make .venv with all that the other targets need (again only when a lock file changed)

# Python is the first of these that is new enough and can make virtual environments; PYTHON=... chooses another.
PYTHON ?=
CANDIDATES = $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python)
IS_NEW := import sys; sys.exit(sys.version_info < (3, 11))
HAS_VENV := import ensurepip, venv

$(STAMP): requirements-dev.txt pyproject.toml
	@chosen= old= bare=; \
	for candidate in $(CANDIDATES); do \
		version=$$("$$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue; \
		"$$candidate" -c '$(IS_NEW)' || { old="$$old $$candidate ($$version)"; continue; }; \
		"$$candidate" -c '$(HAS_VENV)' 2>/dev/null || { bare="$$bare $$candidate ($$version)"; continue; }; \
		chosen=$$candidate; break; \
	done; \
	if [ -z "$$chosen" ]; then \
		if [ -n "$$bare" ]; then \
			echo "make setup: Python is new enough but lacks the modules venv and ensurepip:$$bare." >&2; \
			echo "On Debian and Ubuntu the package python3-venv has them." >&2; \
		elif [ -n "$$old" ]; then \
			echo "make setup: Python 3.11 or newer is needed, and this is older:$$old." >&2; \
			echo "Install a newer one, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
		else \
			echo "make setup: Python 3.11 or newer is needed, and none was found among: $(CANDIDATES)." >&2; \
			echo "Install it, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
		fi; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$chosen ($$version); the first time this takes about a minute."; \
	"$$chosen" -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -qq --require-hashes --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -qq --no-deps --no-build-isolation --editable .
	@touch $@

# --- Running ----------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(STAMP) ## Run a bank with invented learners, on an embedded database
	@$(BIN)/creditbank demo

.PHONY: serve
serve: $(STAMP) ## Run the bank as .env and the environment configure it
	@$(BIN)/creditbank serve

.PHONY: migrate
migrate: $(STAMP) ## Bring the configured database up to date
	@$(BIN)/creditbank migrate

# --- Checking ---------------------------------------------------------------------------------------------------------

.PHONY: test
test: $(STAMP) ## Run all tests, on SQLite and on a PostgreSQL that the run starts itself
	@$(BIN)/python -m pytest

.PHONY: test-fast
test-fast: $(STAMP) ## Run the quick tests, on SQLite only
	@CREDITBANK_TEST_DATABASES=sqlite $(BIN)/python -m pytest -m "not slow"

.PHONY: check
check: $(STAMP) ## Check style, types, the layers of imports and the Dockerfile
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile

.PHONY: format
format: $(STAMP) ## Put the source into its one format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# --- Measuring --------------------------------------------------------------------------------------------------------

.PHONY: bench
bench: $(STAMP) ## Measure speed against what PostgreSQL itself can do
	@$(BIN)/python -m bench

.PHONY: soak
soak: $(STAMP) ## Run a bank under load for longer, with crashes, and verify its ledger
	@$(BIN)/python -m bench.soak
	@$(BIN)/python -m bench.kills
	@$(BIN)/python -m bench.books

# All mutants of the ledger and the rules are many thousands, and take days; SAMPLE and SEED draw some of them.
SAMPLE ?= 400
SEED ?= 1
ALL ?=

.PHONY: mutants
mutants: $(STAMP) ## Break ledger and rules in places drawn by lot and show what no test notices; ALL=1: in every place
	@$(if $(ALL),$(BIN)/mutmut run; $(BIN)/mutmut results,$(BIN)/python -m bench.mutants --sample $(SAMPLE) --seed $(SEED))

# --- Keeping ----------------------------------------------------------------------------------------------------------

# Versions already locked stay; LOCK_OPTIONS=--upgrade moves them all, "--upgrade-package NAME" moves one.
LOCK_OPTIONS ?=
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

.PHONY: lock
lock: ## Write the exact versions and hashes of all packages into the requirements files
	@$(or $(wildcard $(BIN)/uv),$(error make lock needs $(BIN)/uv: run make setup first)) --version
	@$(BIN)/$(LOCK) $(LOCK_OPTIONS) pyproject.toml --output-file requirements.txt
	@$(BIN)/$(LOCK) $(LOCK_OPTIONS) pyproject.toml --group dev --constraints requirements.txt \
		--output-file requirements-dev.txt
	@$(BIN)/$(LOCK) $(LOCK_OPTIONS) --group build --constraints requirements-dev.txt --output-file requirements-build.txt

.PHONY: openapi
openapi: $(STAMP) ## Write the API's description into openapi/openapi.json
	@mkdir -p openapi
	@$(BIN)/creditbank openapi > openapi/openapi.json.new
	@mv openapi/openapi.json.new openapi/openapi.json

.PHONY: clean
clean: ## Remove .venv and all that tools have made
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis mutants
	@find src tests migrations bench examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
