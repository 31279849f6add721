# `make demo` and `make test` are all a newcomer types; both make .venv first.
PYTHON ?= python3
# Elsewhere PyPI's torch is the CUDA build; the CPU wheels have an index of their own:
#   make venv TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NEEDS := $(PYTHON) g++ make perl

.PHONY: help venv demo test test-full check bench clean tools

help:
	@echo "make venv       install everything into $(VENV)"
	@echo "make demo       train, build, verify and cost a small network, end to end"
	@echo "make test       the test suite (under 15 minutes on two cores)"
	@echo "make test-full  the heavy sweeps too"
	@echo "make check      ruff and pyright"
	@echo "make bench      every figure of docs/benchmarks.md"

tools:
	@for tool in $(NEEDS); do command -v $$tool >/dev/null 2>&1 || { \
	  echo "gatewright needs $$tool, which is not on PATH: install it with 'apt-get install python3 python3-venv g++ make perl' (or your system's equivalent)"; exit 2; }; done
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gatewright needs Python 3.11 or newer, and $(PYTHON) is older: run 'make PYTHON=/path/to/python3.11'"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "gatewright needs Python's venv module: install it with 'apt-get install python3-venv'"; exit 2; }

$(STAMP): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory tools
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable '.[train,pnr,formal,dev]'
	mkdir -p $(VENV)/typing
	ln -sfn ../.. $(VENV)/typing/gatewright
	touch $@

venv: tools $(STAMP)

demo: venv
	$(BIN)/gatewright demo

test: venv
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not full'

test-full: venv
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: venv
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: venv
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
