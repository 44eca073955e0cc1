# Set-up, checks and the shipped models. `make serve` and `make test` need nothing before them.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: setup serve page test check train bench soak openapi client docs site lock sbom image \
	system-packages

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
	@$(MAKE) --no-print-directory page || echo "The page could not be built: the API is served without it."
	$(BIN)/python -m service serve

# The clinician's page, with the machine's Node where that is 20 or newer, else with PyPI's.
page: service/static/index.html

PAGE := web/package-lock.json web/tsconfig.json web/build.mjs web/index.html web/icon.svg \
	$(wildcard web/src/*.ts web/strings/*.json web/styles/*.css) openapi.yaml

service/static/index.html: $(PAGE)
	@node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null && npm --version >/dev/null 2>&1 \
	  || $(MAKE) --no-print-directory .venv-node/done
	@export PATH="$(CURDIR)/.venv-node/bin:$$PATH" && cd web \
	  && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && node build.mjs

.venv-node/done: requirements/node.lock
	$(PYTHON) -m venv .venv-node
	.venv-node/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Lint, types, import rules and unit tests; the service is tested by make test.
check: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -q -m "not slow" tests/model tests/training

test: .venv/dev.done system-packages page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --junit-xml=build/tests.xml

train: .venv/dev.done
	$(BIN)/python -m training fit training/cohorts/hsct2_synthetic.csv --out model/artifacts

# Ratios against R and other services in one run; R's rms package is a large install.
bench: .venv/dev.done
	@{ Rscript -e 'library(rms)' && command -v wrk; } >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && apt-get -qq update \
	  && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
	    r-cran-rms wrk >/dev/null; } || { echo "R's rms package and wrk are needed"; exit 1; }
	$(BIN)/python -m benchmarks

# The fault tests with many kills, bodies and predictions; hours, not minutes.
soak: .venv/dev.done system-packages
	TEST_SCALE=soak $(BIN)/pytest tests/faults tests/contract --junit-xml=build/soak.xml

openapi: .venv/dev.done
	$(BIN)/python -m service openapi --out openapi.yaml

# A client of the API: make client LANG=python|typescript|java|r [OUT=folder]
# LANG counts where the command names it; from the environment it is a locale, as for the programs.
CLIENT := $(if $(findstring command,$(origin LANG)),$(LANG))
OUT = build/client/$(CLIENT)
GENERATE = LC_ALL=C.UTF-8 PATH="$(abspath $(BIN)):$$PATH" openapi-generator-cli generate \
	-i openapi.yaml -c clients/$(CLIENT).yaml -g $(CLIENT) -o "$(OUT)"

client: $(if $(filter python typescript java r,$(CLIENT)),client-$(CLIENT),client-unknown)

client-unknown:
	@echo "make client LANG=python|typescript|java|r [OUT=folder]" >&2; exit 2

client-python: .venv/dev.done
	PATH="$(abspath $(BIN)):$$PATH" LC_ALL=C.UTF-8 openapi-python-client generate --path=openapi.yaml \
	  --config=clients/python.yaml --meta=uv --overwrite --output-path="$(OUT)"

client-typescript: clients/node_modules/.package-lock.json
	node clients/typescript.mjs openapi.yaml "$(OUT)"

client-java: .venv/dev.done
	$(GENERATE) --library native

# R's generator has no class for any value, and refuses parameters that are left out unless null may
# stand for them.
client-r: .venv/dev.done
	$(GENERATE) --type-mappings AnyType=object --openapi-normalizer \
	  'SET_PRIMITIVE_TYPES_TO_NULLABLE=string|number|boolean,SET_CONTAINER_TO_NULLABLE=array'
	sed -E -i.bak -f clients/r.sed "$(OUT)"/R/*.R && rm "$(OUT)"/R/*.R.bak

clients/node_modules/.package-lock.json: clients/package-lock.json
	cd clients && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

docs: .venv/dev.done
	$(BIN)/python -m docs.readme
	$(BIN)/python -m docs.chart_codes
	$(BIN)/python -m docs.reference

# The documentation as pages, in build/site; a dead link or a warning is an error.
site: .venv/dev.done system-packages
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/site

# What the image installs, as CycloneDX: every pinned distribution with its digests.
sbom: .venv/dev.done
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  -o build/sbom.cdx.json requirements/service.lock

# By the first of docker, podman and buildah that is there; IMAGE names it.
IMAGE ?= hsct2-risk:$(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

image:
	@builder=$$(for b in docker podman buildah; do command -v $$b && break; done) \
	  || { echo "docker, podman or buildah is needed"; exit 1; }; \
	$$builder build --tag $(IMAGE) $$(case $$builder in *docker) ;; *) echo --format docker;; esac) .

# What the tests compare with, call by, look through, watch, draw and build with.
SYSTEM_PACKAGES := r-base-core r-cran-survival curl strace chromium graphviz \
	buildah podman runc debootstrap openjdk-17-jdk-headless libjsr305-java \
	libgeronimo-annotation-1.3-spec-java r-cran-httr r-cran-jsonlite r-cran-r6 r-cran-stringr \
	r-cran-base64enc r-cran-rlang

system-packages:
	@missing=$$(for package in $(SYSTEM_PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -z "$$missing" ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
	    --no-install-recommends $$missing >/dev/null; \
	else \
	  echo "Not installed, which only root can on Debian: $$(echo $$missing)."; \
	  echo "The tests that need one of them will say so."; \
	fi

LOCK := cd requirements && ../$(BIN)/uv pip compile ../pyproject.toml --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet

# One resolution: the smaller locks are parts of dev.lock.
lock: .venv/dev.done
	$(LOCK) --all-extras -o dev.lock
	$(LOCK) -c dev.lock -o service.lock
	$(LOCK) -c dev.lock --extra training -o training.lock
	cd requirements && ../$(BIN)/uv pip compile node.in --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o node.lock
