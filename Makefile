# Everything a person or CI runs; only python3 (3.11 to 3.13) and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
WORKERS ?= 2
export PORT

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test lint types bench lock migration clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Larder needs Python 3.11 to 3.13: set PYTHON=/path/to/it"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/runtime: $(VENV)/made requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/tools: $(VENV)/made requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/runtime

setup: $(VENV)/runtime ## make .venv with the locked requirements

setup-dev: $(VENV)/tools ## make .venv with the tools for tests as well

run: setup ## serve on PORT (8000)
	@$(BIN)/flask --app wsgi db upgrade
	@$(BIN)/gunicorn --config gunicorn.conf.py

test: setup-dev ## everything that CI runs
	@$(MAKE) --no-print-directory -j 2 lint types
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

lint: setup-dev ## style, layers, spelling, docstrings
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@$(BIN)/interrogate --quiet

types: setup-dev ## static types
	@$(BIN)/mypy .

bench: setup-dev ## what reads and writes cost, beside what others do (some minutes)
	@for each in endpoints hits memory stampede breaker writes; do \
	  echo; echo "== benchmarks.$$each"; $(BIN)/python -m benchmarks.$$each || exit 1; done

migration: setup-dev ## a new migration from the tables: make migration NAME="what changed"
	@$(BIN)/flask --app wsgi db migrate -m "$(NAME)"

lock: $(VENV)/made ## compile requirements*.in into the locked files
	@$(BIN)/python -m pip install --quiet uv
	@for each in requirements requirements-dev; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	    --no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $$each.in -o $$each.txt; done

clean: ## remove .venv and caches
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
