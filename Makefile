# The daily verbs. `make` without one lists them.
#
# Python (3.11, 3.12 or 3.13: the newest that is found) and make do the whole set-up; nothing is installed outside this
# folder. A stamp inside each virtual environment says which Python made it and what is installed (install.py).

STACK ?= dev
# Where a stack with promoted models gets them from, and why.
FROM ?= dev
REASON ?=
export REASON
# Such as PYTHON=/path/to/python3.12; without it the newest that is found.
PYTHON ?=

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHONS := python3.13 python3.12 python3.11
PY := .venv/bin/python
HOME_FOLDER := $(or $(SANDBOX_HOME),.sandbox)
OUTPUTS := $(HOME_FOLDER)/outputs/$(STACK).json
LIVE := $(HOME_FOLDER)/live/$(STACK).yaml
OUTPUTS_FROM := $(HOME_FOLDER)/outputs/$(FROM).json
# The file is a copy: where it was lost, the state of a stack that is up has what it said.
KNOW = { [ -e $(HOME_FOLDER)/outputs/$(1).json ] || \
	$(PY) -m sandbox outputs --stack $(1) --file $(HOME_FOLDER)/outputs/$(1).json; }
SANDBOX_UP := $(PY) -m sandbox up --stack $(STACK) --outputs $(OUTPUTS)
# An operation on a stack that came up on this machine: what it needs to reach it, and which model it is about.
LOCAL = $(call KNOW,$(STACK)) && environment="$$($(PY) -m sandbox env)" && eval "$$environment" && $(PY) -m
PROMOTE = $(PY) -m ops.promote --outputs $(OUTPUTS_FROM) --to-outputs $(OUTPUTS) --to-stack $(STACK) \
	--reason "$${REASON:-make up on this machine}"
ABOUT = --outputs $(OUTPUTS) $(if $(MODEL),--model $(MODEL))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Some container images set it; every command would then compile what it imports, again and again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up preview down purge destroy status rollback abort retire versions lineage model doctor test check docs \
	bench lock install install-dev

help:
	@echo 'make up        bring the stack up on this machine, train and release what changed (STACK=dev MODEL= AGAIN=1)'
	@echo 'make preview   show what would change; needs neither the sandbox nor credentials (STACK=dev)'
	@echo 'make status    what serves whom, what runs, what differs from the program, and what came up (STACK=dev)'
	@echo 'make versions  versions of a model and where they are live (STACK=dev MODEL=)'
	@echo 'make lineage   from the endpoint back to commit and data (STACK=dev MODEL=), or DATA=NAME:VERSION onwards'
	@echo 'make rollback  give the traffic back at once, until LIFT=1 (STACK=dev MODEL= REASON= TO=)'
	@echo 'make abort     end a rollout that is under way (STACK=dev MODEL=)'
	@echo 'make retire    take away deployments that have cooled down (STACK=dev MODEL=)'
	@echo 'make model     write the folder of another model, trained and served like the first (NAME= STACK=dev)'
	@echo 'make doctor    judge this machine and the state, and say how to repair each trouble'
	@echo 'make destroy   delete what the stack declares, after saying what that is (STACK=dev)'
	@echo 'make down      stop everything and keep the data'
	@echo 'make purge     stop everything and remove the data'
	@echo 'make test      all tests, the whole way from `make up` to an answer included'
	@echo 'make check     format, lint, types, secrets, docs'
	@echo 'make docs      write the reference pages, with the evidence of a test run'
	@echo 'make bench     measure this machine'
	@echo 'make lock      pin all dependencies again, with hashes'

# The live file is written by releases only; where it was lost, it is written again before anything reads it.
up: install
	@umask 077 && mkdir -p $(HOME_FOLDER)/outputs
	@$(PY) -m ops.data --stack $(STACK)
	@$(call KNOW,$(STACK))
	@[ -e $(LIVE) ] || [ ! -e $(OUTPUTS) ] || $(PY) -m sandbox run -- $(PY) -m ops.live --outputs $(OUTPUTS) --restore
ifneq ($(STACK),$(FROM))
	@$(call KNOW,$(FROM))
# Whether its models may go on is known before the stack comes up; where nothing came up yet, nobody can be asked.
	@[ ! -e $(OUTPUTS_FROM) ] || inside='$(PY) -m sandbox run --'; $${inside:-} $(PROMOTE) --check
endif
	@$(SANDBOX_UP)
ifneq ($(STACK),$(FROM))
	@[ ! -e $(OUTPUTS_FROM) ] || $(PY) -m sandbox run -- $(PROMOTE)
endif
# How the endpoints are called is what a reader looks for: it comes last, after what came up.
	@closing="$$($(LOCAL) ops.release --outputs $(OUTPUTS) --apply '$(SANDBOX_UP)' $${REASON:+--reason "$$REASON"} \
		$(if $(MODEL),--model $(MODEL)) $(if $(AGAIN),--again) \
		$(if $(filter-out $(FROM),$(STACK)),$$([ ! -e $(OUTPUTS_FROM) ] || echo --from-outputs $(OUTPUTS_FROM))) \
		--before 'eval "$$($(PY) -m sandbox env)"')" && failed=0 || failed=$$?; \
	if [ $$failed = 0 ]; then echo; $(PY) -m sandbox status --stack $(STACK); fi; \
	printf '%s\n' "$$closing"; exit $$failed
	@echo
	@echo 'To use it from this shell, curl included:  eval "$$($(PY) -m sandbox env)"'
ifeq ($(STACK),$(FROM))
	@echo 'To see what production would get:          make preview STACK=prod'
endif
	@echo 'To take it to Azure:                       docs/how-to/azure.md'
	@echo 'To stop, and keep the data:                make down'

preview: install
	@$(PY) -m sandbox preview --stack $(STACK)

# Of a sandbox that is stopped, too, there is something to say.
status: install
	@$(call KNOW,$(STACK))
	@environment="$$($(PY) -m sandbox env)" || { offline=--offline; export MLOPS_LIVE=$(dir $(LIVE)); }; \
	eval "$$environment"; $(PY) -m ops.status $(ABOUT) $${offline:-}
	@echo; echo 'What the files say now, against the last update:'
	@$(PY) -m sandbox preview --stack $(STACK)
	@echo
	@$(PY) -m sandbox status --stack $(STACK)

versions: install
	@$(LOCAL) ops.versions $(ABOUT)

lineage: install
	@$(LOCAL) ops.lineage $(ABOUT) $(if $(DATA),--data $(DATA))

rollback: install
	@$(LOCAL) ops.rollback $(ABOUT) $(if $(LIFT),--lift) $(if $(TO),--to $(TO)) $${REASON:+--reason "$$REASON"}

abort: install
	@$(LOCAL) ops.abort $(ABOUT)

retire: install
	@$(LOCAL) ops.retire $(ABOUT) --apply '$(SANDBOX_UP)'

model: install
	@.venv-models/bin/python -m ml_jobs.scaffold --name '$(NAME)' --stack $(STACK)

# Judges a machine on which nothing is installed yet, too: any Python will do.
doctor:
	@for each in $(PY) python3 $(PYTHONS); do \
		if "$$each" -c '' 2>/dev/null; then exec "$$each" -m sandbox.doctor; fi; \
	done; $(no_python)

destroy: install
	@$(PY) -m sandbox destroy --stack $(STACK)

down: install
	@$(PY) -m sandbox down

purge: install
	@$(PY) -m sandbox purge

test: install-dev
	@$(PY) -m ops.data
	@$(PY) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

check: install-dev
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy --strict .
	@$(PY) -m pytest -q tests/test_secrets.py tests/test_docs.py tests/test_rooms.py

docs: install-dev
	@$(PY) -m ops.data
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/sandbox --ignore tests/sandbox/test_evidence.py --evidence docs/reference/evidence.json
	@$(PY) docs/generate.py

bench: install-dev
	@$(PY) -m ops.data
	@$(PY) -m bench

install:
	@$(find_python); "$$python" install.py .venv=requirements.lock .venv-models=requirements-models.lock

install-dev:
	@$(find_python); "$$python" install.py .venv=requirements.lock+requirements-dev.lock \
		.venv-models=requirements-models.lock

# Each is asked: a name on PATH may lead to nothing (pyenv), or to a Python without venv (Debian).
define find_python
python=''; \
for each in $(or $(PYTHON),$(PYTHONS)); do \
	if "$$each" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	then python="$$each"; break; fi; \
done; \
[ -n "$$python" ] || { $(no_python); }
endef

define no_python
{ if [ -z '$(PYTHON)' ]; then echo 'error: no Python 3.11, 3.12 or 3.13 with venv was found on PATH'; \
elif command -v '$(PYTHON)' >/dev/null; then echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1), or lacks venv"; \
else echo 'error: $(PYTHON) is not installed'; fi; \
echo '  why: the locked dependencies are for 3.11, 3.12 and 3.13, each with its venv module'; \
echo '  do: install one (for example: apt install python3 python3-venv), or say where one is: make PYTHON=/path/to/python3.12'; \
} >&2; exit 2
endef

# Ends a recipe line: what it did and for how long.
took = printf '  ✓ %-10s %-62s %7.1f s\n' '$(1)' '$(2)' $$SECONDS

# uv resolves for all of 3.11, 3.12 and 3.13 and every platform, and writes the hashes; it is needed here and nowhere
# else. What one lock has pinned is what the next takes where it can: versions differ only where something forces it.
lock: .venv-lock/.uv
	@cat requirements.lock requirements-models.lock requirements-dev.lock >.venv-lock/known
	@$(LOCK) requirements.lock requirements.in
	@cat requirements.lock .venv-lock/known >requirements-models.lock
	@$(LOCK) requirements-models.lock requirements-models.in
	@cat requirements.lock requirements-models.lock .venv-lock/known >requirements-dev.lock
	@$(LOCK) requirements-dev.lock requirements-dev.in
	@.venv-lock/bin/python ml_jobs/environments/generate.py .venv-lock/bin/uv

LOCK := .venv-lock/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes --universal \
	--fork-strategy fewest --python-version 3.11 --output-file

.venv-lock/.uv:
	@$(find_python); "$$python" -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet uv==0.13.8
	@touch $@
