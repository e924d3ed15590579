# make demo | test | test-slow | test-served | lint | bench: each makes .venv first where it is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow test-served lint bench

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "curate needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv/installed
	$(BIN)/curate demo

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q -m "not served and not slow"

# Kills, whole jobs, training runs: minutes.
test-slow: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q -m "slow and not served"

# Starts a real vLLM server with the script that CURATE_VLLM names, in an environment of its own (.vllm-venv, or CURATE_VLLM_VENV).
test-served: .venv/installed
	$(BIN)/python -m pytest -q -m served

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python benchmarks/reweight.py
	$(BIN)/python benchmarks/recipes.py
	$(BIN)/python benchmarks/sample_local.py
	$(BIN)/python benchmarks/sample.py
	$(BIN)/python benchmarks/sample.py --memory
	$(BIN)/python benchmarks/train.py
