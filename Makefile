# The only way in. `make demo` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo up test test-unit test-browser picture bars soak bench lint docs lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /	/' | expand -t 16

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "clientsync needs Python 3.11 or newer")'
	@echo "Installing the pinned packages into $(VENV) (about two minutes, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP) ## 25 simulated clients, ALL modules, under Prefect; ends by itself
	@$(BIN)/python -m deployments.demo

up: $(STAMP) ## server, worker and simulators for a look around; ctrl-c ends them
	@$(BIN)/python -m deployments.up

test: $(STAMP) ## everything that needs no browser
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not browser and not bars"

test-unit: $(STAMP) ## the quick part: no server, no sockets
	@$(BIN)/python -m pytest tests/unit tests/contract

test-browser: $(STAMP) ## the dashboard in headless Chromium (Debian's chromium must be there)
	@$(BIN)/python -m pytest tests/browser -m browser

picture: test-browser ## the README's picture, as the browser test has just seen it
	@mkdir -p docs/images
	@cp .clientsync/browser/dashboard.png docs/images/dashboard.png

bars: $(STAMP) ## the long reliability bars
	@$(BIN)/python -m pytest tests -m bars

soak: $(STAMP) ## random faults over many nights
	@$(BIN)/python -m benchmarks.soak

bench: $(STAMP) ## a line per figure: name, value, limit, pass or FAIL, seed
	@$(BIN)/python -m benchmarks

lint: $(STAMP) ## style, types, import contracts, documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/docs

docs: $(STAMP) ## regenerate the generated references
	@$(BIN)/python -m docs.generate

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --upgrade -o requirements.lock

clean: ## remove what the demo and the tests leave
	rm -rf .clientsync .pytest_cache .hypothesis .mypy_cache .ruff_cache
