# Everything from a clean clone: Python 3.11 or newer and make; apt as root for `make test`.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
VENV := .venv
RUN := $(VENV)/bin/python
# The requirements are complete and hashed, so there is nothing to resolve.
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
# Universal: the same versions on every platform. No index is written down.
PIN := build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

# `make test ARGS="tests/odr -x"` runs some of the tests.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench long docs migration requirements packages

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 16

demo: $(VENV)/for-running ## the service on http://127.0.0.1:8000; ARGS=--check runs the main job to its end
	@$(RUN) -m infra demo $(ARGS)

test: $(VENV)/for-building packages ## all tests but the long ones, on real servers that it starts and stops
	$(RUN) -m pytest -m "not long and not browser" -n auto --maxprocesses 4 --dist worksteal $(ARGS)
	@# A browser driven in the same process would break the event loop of later tests.
	$(RUN) -m pytest -m "browser and not long" $(ARGS) || [ $$? -eq 5 ]

check: $(VENV)/for-building ## format, lint, types, import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/for-building packages ## speed, each figure beside its limit; written to build/bench.json
	@$(RUN) -m infra.bench $(ARGS)

long: $(VENV)/for-building packages ## the thousands of scenarios
	$(RUN) -m pytest -m long $(ARGS) || [ $$? -eq 5 ]

docs: $(VENV)/for-building ## renew what is generated: tables in the README files, the SDL, the catalogues
	@$(RUN) -m infra.settings
	@$(RUN) -m odr.procedure.docs
	@$(RUN) -m schema.sdl
	@$(RUN) -m schema.access
	@$(RUN) -m web.translations

migration: $(VENV)/for-building ## render the first revision from the models
	@$(RUN) -m infra.migrations.foundation

requirements: ## pin, with hashes, what pyproject.toml and requirements-dev.in ask for; ARGS=--upgrade
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install --quiet --disable-pip-version-check uv
	$(PIN) pyproject.toml --output-file requirements.txt $(ARGS)
	$(PIN) --constraint requirements.txt pyproject.toml requirements-dev.in \
		--output-file requirements-dev.txt $(ARGS)

packages:
	@sh tests/servers/packages.sh

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; say PYTHON=/path/to/it"; exit 1; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "On Debian: apt-get install python3-venv"; exit 1; }

# Stamps: installed again only when the requirements change.
$(VENV)/for-running: requirements.txt | $(VENV)/bin/python
	@echo "installing what the service needs"
	@$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/for-building: requirements-dev.txt $(VENV)/for-running
	@echo "installing what its tests and checks need"
	@$(INSTALL) -r requirements-dev.txt
	@touch $@
