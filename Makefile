# Two commands do everything: `make bench` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= results/bench

.PHONY: bench test lint types unit setup clean help

help:
	@echo "make bench   set up, solve the benchmark set with every method, write the report"
	@echo "make test    set up, then style, types and tests"
	@echo "make clean   remove the environment and results"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "splitopt needs Python 3.11 or newer; say which: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable ".[dev,learn,cluster,parquet]"
	@touch $@

bench: setup
	$(BIN)/splitopt run quick --methods all --time-limit 3 --jobs 2 --out $(OUT)
	$(BIN)/splitopt report $(OUT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -n 2

test: lint types unit

clean:
	rm -rf $(VENV) results
