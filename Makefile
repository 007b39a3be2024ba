# `make` shows every verb. Everything lives in .venv; only Python 3.11+, git and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): requirements/dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(READY) ## run the polymer, take its machine away, resume, compare, write the report
	$(BIN)/python examples/demo.py

test: $(READY) ## run all tests
	$(BIN)/python -m pytest -n 2

bench: $(READY) ## measure against bare lmp (about 20 minutes)
	$(BIN)/python benchmarks/against_lmp.py

lint: $(READY) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY) ## pin all dependencies anew
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
	  --extra local --extra analysis --extra dev --output-file requirements/dev.lock pyproject.toml

clean: ## remove what make made
	rm -rf $(VENV) demo-out .mypy_cache .ruff_cache .pytest_cache
