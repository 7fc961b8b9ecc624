# Two commands matter: `make studio` and `make test`. Both work from a clean clone; everything lives in .venv and in the
# user's cache. Another Python is chosen with `make PYTHON=/path/to/python studio`.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14 python,\
            $(shell $(name) -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

# Where it is set, every program that a test starts would compile all of our modules again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help studio test check coverage nemesis bench clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ] || ! "$(PYTHON)" -c '$(NEW_ENOUGH)'; then \
	  echo "Run Studio needs Python 3.11 or newer$(if $(PYTHON),; $(PYTHON) is older or cannot be run,; none is on the PATH)." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(or $(MAKECMDGOALS),studio)" >&2; \
	  exit 1; \
	fi
	@echo "installing into $(VENV)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH_STAMP): $(STAMP) requirements-bench.lock
	@$(PIP) -r requirements-bench.lock --constraint requirements.lock
	@touch $@

studio: $(STAMP) ## start everything on this machine and open Run Studio
	@$(BIN)/runstudio dev studio

test: $(STAMP) ## run the tests (make test ARGS="tests/engine -k replay")
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMP) ## lint, format, types, and the rules about who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

coverage: $(STAMP) ## run the tests, and print the files they cover least (ARGS as for make test)
	@$(BIN)/python -m tests.prepare
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS); tests=$$?; \
	  $(BIN)/coverage combine --quiet && $(BIN)/coverage report | awk 'NR <= 32 || /^TOTAL/'; exit $$tests

nemesis: $(STAMP) ## kill and stall everything at random (make nemesis MINUTES=20 ARGS="--seed 7 --rounds 1")
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m tests.faults.nemesis --minutes $(or $(MINUTES),20) $(ARGS)

bench: $(BENCH_STAMP) ## measure, and write docs/benchmarks.md
	@$(BIN)/python -m tests.prepare
	@$(BIN)/python -m tests.bench.newest
	@$(BIN)/python -m tests.bench

clean: ## remove what was installed and cached here; data and the user's cache stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
