# The daily verbs. `make` without one lists them.
#
# Python 3.11 and make do the whole set-up; nothing is installed outside this folder. A stamp inside each virtual
# environment is newer than its lock file when what is installed is what is locked.

STACK ?= dev
RELEASE ?= ops/flight-delay.yaml
PYTHON ?= python3.11

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
HOME_FOLDER := $(or $(SANDBOX_HOME),.sandbox)
CONFIG := $(HOME_FOLDER)/config/Pulumi.$(STACK).yaml
OUTPUTS := $(HOME_FOLDER)/outputs/$(STACK).json
SANDBOX_UP := $(PY) -m sandbox up --stack $(STACK) --config-file $(CONFIG) --outputs $(OUTPUTS)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Some container images set it; every command would then compile what it imports, again and again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up preview down purge status doctor test check docs bench lock data install

help:
	@echo 'make up        bring the stack up on this machine, train and release what changed (STACK=dev)'
	@echo 'make preview   show what would change; needs neither the sandbox nor credentials (STACK=dev)'
	@echo 'make status    what came up, at which depth'
	@echo 'make doctor    judge this machine and the state, and say how to repair each trouble'
	@echo 'make down      stop everything and keep the data'
	@echo 'make purge     stop everything and remove the data'
	@echo 'make test      all tests, the whole way from `make up` to an answer included'
	@echo 'make check     format, lint, types, secrets, docs'
	@echo 'make docs      write the reference pages, with the evidence of a test run'
	@echo 'make bench     measure this machine'
	@echo 'make lock      pin all dependencies again, with hashes'

up: install data
	@mkdir -p $(HOME_FOLDER)/config $(HOME_FOLDER)/outputs
	@$(PY) -m ops.stack_file --base Pulumi.$(STACK).yaml --config-file $(CONFIG)
	@$(SANDBOX_UP)
	@environment="$$($(PY) -m sandbox env)"; eval "$$environment"; \
	$(PY) -m ops.release --outputs $(OUTPUTS) --config-file $(CONFIG) --release-file $(RELEASE) \
		--apply '$(SANDBOX_UP)'
	@echo
	@$(PY) -m sandbox status --stack $(STACK)
	@echo
	@echo 'To use it from this shell, curl included:  eval "$$($(PY) -m sandbox env)"'
	@echo 'To see what production would get:          make preview STACK=prod'
	@echo 'To take it to Azure:                       docs/how-to/azure.md'
	@echo 'To stop, and keep the data:                make down'

preview: install data
	@$(PY) -m sandbox preview --stack $(STACK)

status: install
	@$(PY) -m sandbox status --stack $(STACK)

doctor: install
	@$(PY) -m sandbox doctor

down: install
	@$(PY) -m sandbox down

purge: install
	@$(PY) -m sandbox purge

test: install .venv/.dev data
	@$(PY) -m pytest -q -n 2 --dist loadfile

check: install .venv/.dev
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy --strict .
	@$(PY) -m pytest -q tests/test_secrets.py tests/test_docs.py tests/test_rooms.py

docs: install .venv/.dev data
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/sandbox --ignore tests/sandbox/test_evidence.py --evidence docs/reference/evidence.json
	@$(PY) docs/generate.py

bench: install .venv/.dev data
	@$(PY) -m bench

data: install
	@$(PY) -m ml_jobs.snapshot >/dev/null; [ $$SECONDS -eq 0 ] || $(call took,data,.data/flights)

# Both at once: the second hides behind the first.
install:
	@$(MAKE) -s -j2 .venv/.core .venv-serving/.serving

.venv/.core: requirements.lock
	$(call venv,requirements.lock)

.venv-serving/.serving: requirements-serving.lock
	$(call venv,requirements-serving.lock)

.venv/.dev: requirements-dev.lock .venv/.core
	$(call pip,requirements-dev.lock)

define venv
	@command -v $(PYTHON) >/dev/null || { \
		echo 'error: $(PYTHON) is not installed' >&2; \
		echo '  why: the locked dependencies are for Python 3.11' >&2; \
		echo '  do: install it (for example: apt install python3.11 python3.11-venv), or say where it is: make PYTHON=/path/to/python3.11' >&2; \
		exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1)" >&2; \
		echo '  do: say where a Python 3.11 is: make PYTHON=/path/to/python3.11' >&2; \
		exit 2; }
	@echo '  … install    $(1) (once; a minute or two)'
	@$(PYTHON) -m venv --clear $(@D)
	$(call pip,$(1))
endef

# pip checks each file against the lock. Compiling would take longer than everything that is ever imported.
define pip
	@$(@D)/bin/python -m pip install --quiet --require-hashes --no-deps --no-compile -r $(1); $(call took,install,$(1))
	@touch $@
endef

# Ends a recipe line: what it did and for how long.
took = printf '  ✓ %-10s %-62s %7.1f s\n' '$(1)' '$(2)' $$SECONDS

# uv resolves for every platform and writes the hashes; it is needed here and nowhere else.
lock: .venv-lock/.uv
	@for name in requirements requirements-dev requirements-serving; do \
		.venv-lock/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes --python-version 3.11 \
			--output-file $$name.lock $$name.in; \
	done

.venv-lock/.uv:
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet uv==0.13.8
	@touch $@
