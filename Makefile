# `make help` lists the targets. They need Python 3.11 to 3.13 and make; all else is installed into
# .venv at the versions of requirements.lock, once.

PYTHON ?= python3
STUDY ?=
ARGS ?=
WORKERS ?= 3
KILLS ?= 200
FILES ?= 10000
SEED ?= 1
KEEP ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# Dependency groups need pip 25.1; Python 3.11 and 3.12 bring an older one.
PIP := pip==25.3
# -qq leaves pip's errors and nothing else. pip would compile modules on one core.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib
# One thread a worker, since the workers share the cores; in the order of tests/conftest.py. Tests
# start a hundred processes, which would compile this repository's modules each anew if the
# environment kept Python from storing them.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) \
	--dist loadgroup --no-loadscope-reorder

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install sweep report ui quick test coverage test-long chaos fuzz check format docs settings bench build lock \
	supply pin clean

# Times are of two cores, after the installation.
help:
	@echo "make install                    install what studies need; every other target does it by itself"
	@echo "make sweep [STUDY=file.yaml]    run a study: search, confirmation, report (default: the demo, 3 to 7 min)"
	@echo "make report [STUDY=name]        write a study's report again (30 s)"
	@echo "make ui                         show the studies of this folder in MLflow's browser interface"
	@echo "make quick                      ruff, import contracts, unit tests of the library (about 2 min)"
	@echo "make check                      ruff, ruff format, mypy --strict, import-linter (2 min, then 20 s)"
	@echo "make test [ARGS=...]            tests; ARGS go to pytest, such as tests/tune (4 to 8 min)"
	@echo "make coverage                   the same tests with coverage of hybridir/, 95 % or more (6 to 11 min)"
	@echo "make test-long                  tests that take more than 10 to 20 s each (40 to 110 min)"
	@echo "make format                     mend what ruff can mend"
	@echo "make chaos [KILLS=200 SEED=1]   kill what studies run on, and compare what they end with (30 to 60 min)"
	@echo "make fuzz [FILES=10000 SEED=1]  load damaged files of every kind, and look at what is left (1 min)"
	@echo "make bench                      speed against peers (30 min)"
	@echo "make docs                       build the documentation into build/docs"
	@echo "make settings                   write the reference of all settings: docs/settings.md, docs/schema/"
	@echo "make build                      build the wheel into dist/"
	@echo "make lock [KEEP=1]              resolve the newest versions (or the same again): requirements.lock, locks/"
	@echo "make supply                     known vulnerabilities, licences and bill of materials of what is locked"
	@echo "make pin                        pin base images and GitHub actions by digest (needs the network)"
	@echo "make clean                      remove .venv and caches; results and mlflow.db stay"
	@echo "HASHES=cuda                     install nothing but files whose hash stands in locks/, torch for CUDA included"
	@echo "PYTHON=/path/to/python3.12      choose the Python that .venv is made with (default: python3)"

# ---- studies

install: $(STAMP)-study
	@echo "Ready: source $(BIN)/activate"

sweep: $(STAMP)-study
	@$(BIN)/python tune/run_sweep.py $(if $(STUDY),"$(STUDY)")

report: $(STAMP)-study
	@$(BIN)/python analysis/report.py $(STUDY)

ui: $(STAMP)-study
	@$(BIN)/python -m mlflow ui --host 127.0.0.1 --backend-store-uri sqlite:///mlflow.db

# ---- development

quick: $(STAMP)-test
	@$(BIN)/python -m ruff check --quiet .
	@report=$$($(BIN)/lint-imports --no-cache 2>&1) || { echo "$$report"; exit 1; }
	@$(PYTEST) -q -m "not slow and not long" tests/hybridir hybridir $(ARGS)

test: $(STAMP)-test
	@$(PYTEST) -m "not long" $(ARGS)

# Apart from `test`, since tracing takes as much time as half of the tests.
coverage: $(STAMP)-test
	@$(PYTEST) -m "not long" $(ARGS) --cov

test-long: $(STAMP)-test
	@$(PYTEST) -m long $(ARGS)

chaos: $(STAMP)-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED)

fuzz: $(STAMP)-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --files $(FILES) --seed $(SEED)

check: $(STAMP)-check
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP)-check
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: $(STAMP)-bench
	@for script in evaluation evaluator training memory growth sweep_overhead start_up; do $(BIN)/python benchmarks/$$script.py || exit; done

docs: $(STAMP)-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

settings: $(STAMP)-study
	@$(BIN)/python .ci/settings.py

build: $(STAMP)-python
	@$(BIN)/python -m pip wheel -qq --no-deps --wheel-dir dist .
	@ls dist

clean:
	rm -rf $(VENV) build dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis

# ---- installation
#
# A stamp is written when its installation is complete, so one that broke off is repeated by the
# next call. The first stamp holds the folder: an environment that was moved, or whose Python has
# gone, is installed again.

ifneq ($(shell $(BIN)/python -c '' 2>/dev/null && cat $(STAMP)-python 2>/dev/null),$(CURDIR))
$(shell rm -f $(STAMP)-*)
endif

$(STAMP)-python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
		echo "PYTHON=$(PYTHON): this is $$($(PYTHON) --version 2>&1 | head -n 1); hybridir needs Python 3.11, 3.12 or 3.13;" \
			"name one with PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check "$(PIP)"
	@echo "$(CURDIR)" > $@

# $* is a dependency group of pyproject.toml, or several for one call of pip, such as check+test.
# Some groups hold that of studies.
groups = $(subst +, ,$*)
$(STAMP)-%: $(STAMP)-python pyproject.toml requirements.lock
	@echo "Installing hybridir and its dependency group '$*' into $(VENV): a few minutes, this once."
ifdef HASHES
	@$(INSTALL) --require-hashes --no-deps \
		$(groups:%=--requirement locks/%.txt) --requirement locks/$(HASHES).txt
	@$(INSTALL) --constraint requirements.lock --no-deps --editable .
else
	@$(INSTALL) --constraint requirements.lock --editable . $(groups:%=--group %)
endif
# Files that are no Python, such as templates, make it end with 1.
	@$(COMPILE) || true
	@touch $@ $(groups:%=$(STAMP)-%) $(if $(filter cluster test check bench,$(groups)),$(STAMP)-study)

# ---- the lock

lock: $(STAMP)-supply
	@$(BIN)/python .ci/lock.py $(if $(KEEP),--keep)

# What the release publishes beside the wheel, and what stops it.
supply: $(STAMP)-cluster $(STAMP)-supply
	@mkdir -p dist
	@$(BIN)/python -m pip_audit --progress-spinner off --disable-pip --require-hashes \
		--requirement locks/cluster.txt --requirement locks/cuda.txt
	@$(BIN)/python -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
		--no-validate --output-file dist/sbom.cdx.json locks/cluster.txt
	@$(BIN)/python -m piplicenses --format markdown --with-urls --output-file dist/licences.md
	@echo "dist/sbom.cdx.json and dist/licences.md"

pin: $(STAMP)-python
	@$(BIN)/python .ci/pin.py
