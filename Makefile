# make, make test, make lint, make report: everything a person needs; `make help` lists it.
#
# The environment is `.venv`, made from requirements/requirements.lock (every package pinned by
# hash) and made again only when the lock changes. Another active environment does not matter.

PYTHON ?= python3.11
CORES ?= all
# Processes of the test runner.
WORKERS ?= 2
# More options, such as: make SNAKEMAKE_ARGS=-n, make test PYTEST_ARGS="-k atomic",
# make bench BENCH_ARGS="--rows align cube".
SNAKEMAKE_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

# What an active conda or virtual environment would mix into ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX PIP_TARGET PIP_PREFIX PIP_USER
export PYTHONNOUSERSITE := 1
# Without compiled modules each of some hundred commands would compile what it imports, for seconds.
unexport PYTHONDONTWRITEBYTECODE
# Threads that spin while they wait slow each other down when tests run side by side.
export OMP_WAIT_POLICY ?= PASSIVE
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Wheels of some hundred megabytes come over slow lines, too.
export UV_HTTP_TIMEOUT ?= 300
# A mirror that pip is told to use is used by uv as well.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

ENVIRONMENT := .venv/.installed
LOCKED := .venv/.locked
PLUGINS := .venv/plugins/.installed
CLOUDS := .venv/clouds/.installed
PEERS := .venv/peers/.installed
LOCKS := requirements/requirements.lock requirements/uv.lock
SMK := Snakefile workflow/Snakefile $(wildcard rules/*.smk)

.PHONY: all environment run report results plugins test test-all bench bench-gpu peers lint format lock schema hooks clean help

all: run report results ## run the default configuration, then say where the results are

environment: $(ENVIRONMENT) ## create .venv from the lock, if it is not up to date

$(ENVIRONMENT): $(LOCKED) pyproject.toml
	.venv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

# A copy of the locks is the mark of a complete environment: another date alone rebuilds nothing.
$(LOCKED): $(LOCKS)
	@if cat $(LOCKS) | cmp -s - $@; then touch $@; exit; fi; rm -rf .venv; \
	command -v "$(PYTHON)" >/dev/null || { \
	  echo "There is no $(PYTHON) here. Install Python 3.11, or name one: make PYTHON=/path/to/python3"; exit 1; }; \
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is too old: nadir needs Python 3.11 or newer."; exit 1; }; \
	set -x; \
	"$(PYTHON)" -m venv .venv; \
	.venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.lock; \
	.venv/bin/uv pip install --python .venv/bin/python --require-hashes -r requirements/requirements.lock; \
	cat $(LOCKS) >$@

run: $(ENVIRONMENT) ## run the workflow on config.yaml
	snakemake --cores $(CORES) $(SNAKEMAKE_ARGS)

report: run ## results/report.html: figures and tables of everything that was made
	snakemake --cores 1 results/cost.html
	snakemake --report results/report.html all results/cost.html

results: ## say where the map, the comparison and the report are
	@echo; echo "Results:"
	@for file in results/*/*/*/scenes/*/map.tif results/*/comparison.html results/*/*/comparison.html \
	  results/report.html; do \
	  if [ -e "$$file" ]; then echo "  $$file"; fi; done

# Snakemake's executors and storage, for their tests alone: every start would import them, were they in
# .venv. Those for clouds take longest, and lie apart from SLURM's, whose jobs each start Snakemake twice.
plugins: $(PLUGINS) $(CLOUDS) ## what the tests of clusters need beside SLURM itself

$(PLUGINS): requirements/clusters.lock | $(ENVIRONMENT)
	awk '/^snakemake-executor-plugin-slurm/, !/\\$$/' $< | .venv/bin/uv pip install --quiet \
	  --python .venv/bin/python --target $(@D) --no-deps --require-hashes -r -
	@touch $@

# What the lock of the environment has as well is there already.
$(CLOUDS): requirements/clusters.lock requirements/requirements.lock | $(ENVIRONMENT)
	awk 'NR == FNR { if (/^[a-z]/) here[$$1]; next } /^[a-z]/ { skip = ($$1 in here) || /slurm/ } !skip' \
	  requirements/requirements.lock $< | .venv/bin/uv pip install --quiet \
	  --python .venv/bin/python --target $(@D) --no-deps --require-hashes -r -
	@touch $@

test: $(ENVIRONMENT) $(PLUGINS) $(CLOUDS) ## run the tests
	python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" $(PYTEST_ARGS)

test-all: $(ENVIRONMENT) $(PLUGINS) $(CLOUDS) ## run the tests, the slow ones included
	python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

bench: $(ENVIRONMENT) ## speed side by side with what people would use instead, 20 minutes on 2 cores
	python benchmarks/bench.py $(BENCH_ARGS)

bench-gpu: $(ENVIRONMENT) ## the part of it that uses a GPU
	python benchmarks/bench.py --device cuda $(BENCH_ARGS)

# Some of the peers want older packages than the lock has: an environment of their own.
peers: $(PEERS) ## the peers that `make bench` skips where they are not there

$(PEERS): requirements/bench.in | $(ENVIRONMENT)
	.venv/bin/uv venv --quiet --clear --python .venv/bin/python $(@D)
	.venv/bin/uv pip install --quiet --python $(@D)/bin/python -r $<
	@touch $@

lint: $(ENVIRONMENT) ## check style, types and the workflow
	ruff check .
	ruff format --check .
	snakefmt --check $(SMK)
	mypy
	snakemake --lint

format: $(ENVIRONMENT) ## bring code and rules into form
	ruff check --fix-only --quiet .
	ruff format .
	snakefmt $(SMK)

schema: $(ENVIRONMENT) ## write config/README.md and the JSON schema anew from the models
	python -m nadir schema

lock: $(ENVIRONMENT) ## bring the locks up to date with requirements/*.in (UPGRADE=1 for newer versions)
	cd requirements && for name in requirements uv runtime clusters; do \
	  case $$name in \
	    requirements) inputs="nadir.in dev.in";; \
	    runtime) inputs="nadir.in -c requirements.lock";; \
	    clusters) inputs="clusters.in -c requirements.lock";; \
	    *) inputs="$$name.in";; esac; \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header $(if $(UPGRADE),--upgrade) \
	    $$inputs -o $$name.lock; done

hooks: $(ENVIRONMENT) ## run the checks before every commit
	pre-commit install

clean: ## remove the environment and caches; results stay
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis build workflow/*.egg-info
	find workflow tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
