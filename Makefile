# `make demo` and `make test` work on a bare clone: everything they need goes into $(VENV), nothing outside it.
#
# PYTHON  the interpreter that the environment is made with (3.11 or newer)
# VENV    where the environment lives
# PYTEST  further arguments, e.g. `make test PYTEST="-k consent -n0"`

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV   ?= .venv
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN    := $(VENV)/bin
PYTEST ?=
# One process for each core, two at most: several tests start a broker or a store of their own.
WORKERS ?= 2

.PHONY: help demo up test test-quick lint format bench schemas reference install install-dev clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.run ## a day of a platform through the whole pipeline, then it ends
	@$(BIN)/flowtrack demo

up: $(VENV)/.run ## broker, checker and store on this machine, until Ctrl-C
	@$(BIN)/flowtrack up

test: $(VENV)/.dev ## all tests that this machine can run; the summary says what was left out and why
	@$(BIN)/python -m pytest -n$(WORKERS) $(PYTEST)

test-quick: $(VENV)/.dev ## the tests without servers and without the slow ones
	@$(BIN)/python -m pytest -n$(WORKERS) -m 'not slow and not real_kafka and not docker and not browser' $(PYTEST)

lint: $(VENV)/.dev ## ruff (rules and format), mypy, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir .cache/import-linter

format: $(VENV)/.dev ## what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## every benchmark once, with its peers (minutes)
	@for f in benchmarks/[a-z]*.py; do n=$$(basename $$f .py); echo "== $$n"; $(BIN)/python -m benchmarks.$$n; done

schemas: $(VENV)/.run ## write schemas/ anew from the models
	@$(BIN)/python -m flowtrack.wire.schemas schemas
	@$(BIN)/python -m flowtrack.apps.api_document schemas/openapi.json

reference: $(VENV)/.run ## write docs/reference/questions.md anew from the questions
	@$(BIN)/python -m flowtrack.apps.ask_reference

install: $(VENV)/.run ## the environment to run in

install-dev: $(VENV)/.dev ## the environment to develop in

clean: ## remove the environment, caches and what runs left behind
	rm -rf $(VENV) .cache .flowtrack .hypothesis build dist src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no python 3.11 or newer found: install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian: python3-venv)" >&2; exit 1; }

# The stamps hold the moment of the last installation: it is repeated only when a file that decides it has changed.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing Flowtrack into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing Flowtrack and its development tools into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.run $@
