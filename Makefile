# Everything anyone does here, as a table: `make`. Needs Python 3.11 or newer and make; the rest sets itself up in .venv.

BIN := .venv/bin
RUN := $(BIN)/python
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11
# Those that wait for much come first, lest at the end one of them is waited for alone.
TESTS ?= tests/e2e tests/integration tests/contract tests/unit tests/simulation tests/chaos
BENCH ?=

# Without bytecode every service would spend seconds of its start compiling what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down format test chaos bench quality check lint types architecture protos-lint protos-breaking \
	protos-drift migrations manifests protos lock clean

##@ Run it
demo: setup ## collect a shop's history, show who its customers are, leave nothing behind
	@$(RUN) -m examples.grocery.demo
up: setup ## start PostgreSQL, NATS and every service, and keep them running
	@$(BIN)/portrait up
down: setup ## stop what `up` started
	@$(BIN)/portrait down

##@ Work on it
setup: .venv/.linked ## make .venv from the lock (done by itself where needed)
format: setup ## let ruff and buf lay the code out
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format . && $(RUN) protos/generate.py format
protos: setup ## generate protos/gen from protos/portrait
	@$(RUN) protos/generate.py
test: setup ## every test; TESTS=tests/unit for some
	@$(RUN) -m tests $(TESTS)
chaos: export ROUNDS ?= 200
chaos: setup ## kill, stop, wipe and restart things under load; SEED=17 ROUNDS=1 for one round again
	@$(RUN) -m pytest tests/chaos --capture=no
bench: setup ## measure, a JSON object a line; BENCH=append for one
	@$(RUN) -m tests.bench $(BENCH)
quality: .venv-quality/.locked ## measure identities where the truth is known; installs libraries and data of its own
	@PYTHONPATH=.:protos/gen .venv-quality/bin/python -m tests.quality

##@ Check it
check: lint types architecture protos-lint protos-breaking protos-drift migrations manifests ## all of these
lint: setup ## ruff: rules and layout
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
types: setup ## mypy, strict
	@$(RUN) -m mypy && $(RUN) -m mypy protos/generate.py
architecture: setup ## who may import whom
	@$(BIN)/lint-imports
protos-lint: setup ## buf: names, comments, layout
	@$(RUN) protos/generate.py lint
protos-breaking: setup ## buf: old clients are still understood
	@$(RUN) protos/generate.py breaking
protos-drift: setup ## protos/gen is what the protos say
	@$(RUN) protos/generate.py drift
migrations: setup ## the tables are what the migrations make
	@for folder in services/*/migrations; do \
		[ ! -d "$$folder" ] || $(RUN) -m "$$(echo $$folder | tr / .)" check || exit; \
	done
manifests: setup ## k8s: strict schemas and what they miss
	@$(RUN) -m pytest tests/unit/house/test_manifests.py

##@ Keep it
lock: ## pin the dependencies of pyproject.toml anew (needs uv)
	@$(COMPILE) --extra charts --extra demo --extra bench --extra dev pyproject.toml --output-file requirements.lock
	@$(COMPILE) --extra linking --extra quality pyproject.toml --output-file tests/quality/requirements.lock
	@$(COMPILE) --constraint requirements.lock --extra linking pyproject.toml --output-file k8s/requirements.lock
clean: ## remove what was made here: data, caches, .venv
	@[ ! -x $(BIN)/portrait ] || $(BIN)/portrait down
	@rm -rf .data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .venv .venv-quality
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
help: ## this table
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- setting up -------------------------------------------------------------------------------------------------------

# Twice quiet: only errors. A home that cannot be written to is worth no warning.
PIP := $(RUN) -m pip --quiet --quiet --no-input --disable-pip-version-check
# Two makes at once would write the same .venv; where flock is missing they may.
ALONE := $(if $(shell command -v flock),flock Makefile)

.venv/.locked: requirements.lock
	@$(ALONE) sh -c '$(FIND_PYTHON); $(RUN) -c "" 2>/dev/null || { echo "making .venv with $$python"; $$python -m venv --clear .venv; }'
	@echo "installing what requirements.lock pins (a few minutes, once)"
	@$(ALONE) $(PIP) install --root-user-action=ignore --no-deps --require-hashes -r requirements.lock
	@touch $@

.venv-quality/.locked: tests/quality/requirements.lock
	@$(ALONE) sh -c '$(FIND_PYTHON); echo "making .venv-quality with $$python (a few minutes, once)"; $$python -m venv --clear .venv-quality'
	@$(ALONE) .venv-quality/bin/python -m pip --quiet --quiet --no-input --disable-pip-version-check install \
		--root-user-action=ignore --require-hashes -r tests/quality/requirements.lock
	@touch $@

.venv/.linked: .venv/.locked pyproject.toml
	@$(ALONE) $(PIP) install --root-user-action=ignore --no-deps --no-build-isolation --no-index -e .
	@touch $@

# A candidate must start, be new enough and be able to make an environment: a shim or a split distribution may not.
define FIND_PYTHON
for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	$$python -c "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && break; python=; \
done; \
[ -n "$$python" ] || { echo "make: found no Python 3.11 or newer with venv; name one with PYTHON=/path/to/python" >&2; exit 1; }
endef
