# The commands of the project. CI calls these and nothing else.

# Servers are started by the dozen in a test run: what Python compiled once is kept, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PORT ?= 8080
# Empty: what PROGIMAGE_DATA says.
DATA ?=
PYTHON ?= python3
UV_VERSION := 0.13.8

BIN := .venv/bin
# --inexact keeps uv itself, which pip put there, and the tools of `make test` when `make run` syncs.
SYNC := UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --frozen --inexact --python $(BIN)/python

.PHONY: help run test check soak bench docs gallery format clean system-packages

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.synced  ## install what is needed and serve on http://127.0.0.1:$(PORT), data in $(DATA), else PROGIMAGE_DATA, else ./data
	exec $(BIN)/progimage serve --port "$(PORT)" $(if $(DATA),--data "$(DATA)")

test: .venv/.synced-dev system-packages  ## run the whole suite; installs missing apt packages when it may
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: .venv/.synced-dev  ## lint, types, layers, dead links, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/check_links.py
	$(BIN)/python scripts/docs.py --check

soak: .venv/.synced-dev system-packages  ## what takes too long for the suite, and the figures of overload, kills, restarts and memory
	scripts/system-packages libjemalloc2
	$(BIN)/python -m bench.soak $(ARGS)

bench: .venv/.synced-dev  ## print throughput beside what libvips, Starlette and nginx alone reach here
	scripts/system-packages nginx wrk curl
	$(BIN)/python -m bench.run $(ARGS)

docs: .venv/.synced-dev  ## write the generated pages anew
	$(BIN)/python scripts/docs.py
	$(BIN)/python -m bench.pictures

gallery: .venv/.synced-dev system-packages  ## draw every operation on every kind of picture, in build/gallery
	$(BIN)/python -m bench.gallery

format: .venv/.synced-dev  ## put the code into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what can be made again; data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system-packages:
	scripts/system-packages redis-server nginx chromium postgres curl ip unshare fonts-dejavu-core

# The stamps stand for "installed as the lock says"; they are older than the lock only when there is something to do.
.venv/.uv-$(UV_VERSION):
	$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("ProgImage needs Python 3.11 to 3.13")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	touch $@

.venv/.synced: uv.lock pyproject.toml .venv/.uv-$(UV_VERSION)
	$(SYNC) --no-default-groups
	touch $@

.venv/.synced-dev: uv.lock pyproject.toml .venv/.uv-$(UV_VERSION)
	$(SYNC)
	touch .venv/.synced $@
