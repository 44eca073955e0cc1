# Set-up, checks and the shipped models. `make serve` and `make test` need nothing before them.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: setup serve test check train openapi docs lock system-packages

setup: .venv/dev.done

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/service.done: requirements/service.lock | .venv/bin/python
	$(PIP) -r requirements/service.lock
	@touch $@

.venv/dev.done: requirements/dev.lock | .venv/bin/python
	$(PIP) -r requirements/dev.lock
	@touch $@ .venv/service.done

serve: .venv/service.done
	$(BIN)/python -m service serve

# Lint, types, import rules and quick tests; under two minutes.
check: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -q -m "not slow"

test: .venv/dev.done system-packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest

train: .venv/dev.done
	$(BIN)/python -m training fit training/cohorts/hsct2_synthetic.csv --out model/artifacts

openapi: .venv/dev.done
	$(BIN)/python -m service openapi --out openapi.yaml

docs: .venv/dev.done
	$(BIN)/python -m docs.readme

# R with its survival package, and curl: what the tests compare with and call by.
system-packages:
	@command -v Rscript >/dev/null && command -v curl >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	    --no-install-recommends r-base-core r-cran-survival curl >/dev/null; \
	else \
	  echo "R's survival package or curl is missing and cannot be installed without root:"; \
	  echo "the tests that need them will say so."; \
	fi

LOCK := cd requirements && ../$(BIN)/uv pip compile ../pyproject.toml --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet

# One resolution: the smaller locks are parts of dev.lock.
lock: .venv/dev.done
	$(LOCK) --all-extras -o dev.lock
	$(LOCK) -c dev.lock -o service.lock
	$(LOCK) -c dev.lock --extra training -o training.lock
