# One command each. Everything lands in .venv/ beside this file; the system's Python stays as it is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint docs fuzz test-deploy bench chaos bundle image compose wheel clean

# PYTHON: which interpreter .venv/ is made of; without it the one it has, or python3
PYTHON ?=
VENV ?= .venv
# WITH=dev: the test tools too; `make test` sees to it
WITH ?=
ARGS ?=
RUN = $(VENV)/bin/python -m
SOURCES = edge_app tests models docker setup.py

help:  ## Say what there is
	@echo 'make TARGET [PYTHON=python3.6] [VENV=.venv] [ARGS="..."]'; echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

setup:  ## Install what is missing: system packages (apt), .venv/, edge-app in it; a second time it changes nothing
	@VENV='$(VENV)' WITH='$(WITH)' deploy/setup.sh $(if $(PYTHON),'$(PYTHON)')

demo: setup  ## Show the whole appliance on simulated cameras (ARGS: what `edge-app demo --help` lists)
	@$(RUN) edge_app demo $(ARGS)

# AT_ONCE: test files that run at a time; most of them wait, so more than there are cores. Every worker of pytest, and every child of
# a test, imports the same modules: their bytecode is kept, whatever this shell says.
AT_ONCE ?= 4
test: WITH = dev
test: setup  ## Run all tests (ARGS: any of pytest's); those against the reference data need EDGE_APP_REFERENCE_DATA
	@PYTHONDONTWRITEBYTECODE= $(RUN) pytest -n $(AT_ONCE) --dist loadfile $(ARGS)

# First what the package itself does not use, so that nothing is left that only tests need; then what nothing uses.
UNUSED = $(RUN) vulture --min-confidence 60 --exclude tests/standins \
    --ignore-decorators '@*.command,@fault,@pytest.fixture' --ignore-names 'pytest*,do_*,log_message'
lint: WITH = dev
lint: setup  ## Check style: flake8, isort, and vulture for unused code (settings in setup.cfg, exceptions in tests/unused.py)
	@$(RUN) flake8 $(SOURCES)
	@$(RUN) isort --check-only --diff --quiet $(SOURCES)
	@$(UNUSED) edge_app setup.py tests/unused.py
	@$(UNUSED) $(SOURCES)

docs: setup  ## Write the pages that are generated from the code
	@$(RUN) edge_app config --reference > edge_app/docs/configuration.md
	@$(RUN) tests.support.reference_page
	@$(RUN) tests.support.situations

fuzz: WITH = dev
fuzz: setup  ## Feed every parser of what comes from outside 10,000 inputs, other ones each time
	@EDGE_APP_FUZZ=10000 $(RUN) pytest tests/fuzz tests/unit/test_simulator_fuzz.py $(ARGS)

# WHAT: which scripts of tests/deploy; without it all of them
WHAT ?= debian_12 container board_image fresh_machine oldest_python arm64
test-deploy:  ## Install, update, flash, containers, floors and arm64 in systems of their own (root; an hour; WHAT="debian_12 container")
	@set -e; for script in $(WHAT); do echo "== $$script"; tests/deploy/$$script.sh $(ARGS); done

bench: setup  ## Measure this machine and write bench/report.html (ARGS: what `python -m tests.bench --help` lists)
	@$(RUN) tests.bench $(ARGS)

chaos: setup  ## Run the fault-injection tests and write bench/chaos.json (ARGS: what `edge-app chaos --help` lists; 2 hours)
	@mkdir -p bench; $(RUN) edge_app chaos --long --json bench/chaos.json $(ARGS)

# FOR: tx2 or pc; CONFIG: the site's configuration; IMAGE: a container image, as `make image` writes it
FOR ?=
CONFIG ?=
IMAGE ?=
bundle:  ## Everything for machines without a network, in one file (FOR=tx2|pc CONFIG=site.yaml IMAGE=file KEY=file PYTHON=...)
	@deploy/bundle.sh $(if $(FOR),--for $(FOR)) $(if $(PYTHON),--python '$(PYTHON)') $(if $(CONFIG),--config '$(CONFIG)') $(if $(IMAGE),--image '$(IMAGE)') $(if $(KEY),--key '$(KEY)')

image:  ## Build the container image for this machine (FOR=tx2 on a Jetson) with docker, podman or buildah
	@docker/image.sh $(if $(FOR),--for $(FOR)) $(ARGS)

compose: setup  ## Write docker/compose.site.yaml for CONFIG=site.yaml and this machine (FOR=tx2|pc JTOP=no)
	@$(VENV)/bin/python docker/compose.py $(if $(FOR),--for $(FOR)) $(if $(JTOP),--jtop $(JTOP)) $(ARGS) "$(CONFIG)"

wheel: setup  ## Build dist/edge_app-*.whl, models included
	@rm -rf build; $(RUN) pip --quiet wheel --use-pep517 --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean:  ## Remove .venv/ and everything built
	rm -rf $(VENV) build dist edge_app.egg-info .pytest_cache
	find edge_app tests -name __pycache__ -prune -exec rm -rf {} +
