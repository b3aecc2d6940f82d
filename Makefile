# Two commands do everything: `make bench` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= results/bench
BENCHMARKS ?= results/benchmarks
BENCHMARK ?=
OLDEST := .venv-oldest

.PHONY: bench benchmark campaign oldest test lessons docs lint types unit random setup clean help

help:
	@echo "make bench   set up, solve the benchmark set with every method, write the report"
	@echo "make benchmark   time building, loading, solving, kernels, start-up; compare with the last"
	@echo "make test    set up, then style, types and tests"
	@echo "make random  the tests once more, property tests with examples drawn anew"
	@echo "make oldest  tests of models and methods with the oldest solvers that are allowed"
	@echo "make lessons run the lessons and write their pages; make docs builds the site"
	@echo "make campaign  run every exact method on standard-v1 (hours; resumes)"
	@echo "make clean   remove the environment and results"

setup: $(VENV)/.ready

# The type checker does not see what the editable install maps: links show it the same tree.
$(VENV)/.ready: pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "splitopt needs Python 3.11 or newer; say which: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable ".[dev,learn,agents,cluster,parquet,onnx,lessons,docs]"
	@mkdir -p .typing/splitopt
	@cd .typing/splitopt && ln -sfn ../../bench ../../formulations ../../heuristics ../../instances \
	  ../../bench/face/__init__.py ../../bench/face/__main__.py .
	@touch $@

bench: setup
	$(BIN)/splitopt run quick --methods all --time-limit 3 --jobs 2 --out $(OUT)
	$(BIN)/splitopt report $(OUT)

# Every exact method on standard-v1, resumed where it stopped; hours. docs/campaign.md says what.
campaign: setup
	$(BIN)/python -m splitopt.bench.studies campaign --out results/campaign

# Times of this code against those saved before; BENCHMARK="-k labels" for a part of it.
benchmark: setup
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only $(BENCHMARK) \
	  --benchmark-storage=file://$(BENCHMARKS) --benchmark-autosave --benchmark-save-data
	$(BIN)/python tests/benchmarks/compare.py $(BENCHMARKS)

lessons: setup
	$(BIN)/python -m splitopt.bench.teach

docs: lessons
	$(BIN)/python -m splitopt.bench.site
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site
	@echo "build/site/index.html"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=.typing $(BIN)/lint-imports --no-cache --no-logo

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -n 2

# Property tests with examples drawn anew; what fails is printed with how to do it again.
random: setup
	SPLITOPT_RANDOM_TESTS=1 $(BIN)/python -m pytest -n 2 tests

# The other end of each solver's range; constraints.txt has the newest.
oldest:
	rm -rf $(OLDEST)
	$(PYTHON) -m venv $(OLDEST)
	grep -viE '^(highspy|ortools|pyomo|pyscipopt|protobuf)==' constraints.txt \
	  | cat - constraints-oldest.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint $(OLDEST)/constraints.txt --editable ".[dev,learn]"
	$(OLDEST)/bin/python -m pytest -n 2 tests/formulations tests/bench/methods/test_conformance.py

test: lint types unit

clean:
	rm -rf $(VENV) .typing results
