# One command each. Everything lands in .venv/ beside this file; the system's Python stays as it is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-deploy bench wheel clean

# PYTHON: which interpreter .venv/ is made of; without it the one it has, or python3
PYTHON ?=
VENV ?= .venv
# WITH=dev: the test tools too; `make test` sees to it
WITH ?=
ARGS ?=
RUN = $(VENV)/bin/python -m

help:  ## Say what there is
	@echo 'make TARGET [PYTHON=python3.6] [VENV=.venv] [ARGS="..."]'; echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

setup:  ## Install what is missing: system packages (apt), .venv/, edge-app in it; a second time it changes nothing
	@VENV='$(VENV)' WITH='$(WITH)' deploy/setup.sh $(if $(PYTHON),'$(PYTHON)')

demo: setup  ## Show the whole appliance on simulated cameras (ARGS: what `edge-app demo --help` lists)
	@$(RUN) edge_app demo $(ARGS)

test: WITH = dev
test: setup  ## Run all tests (ARGS: any of pytest's); those against the reference data need EDGE_APP_REFERENCE_DATA
	@$(RUN) pytest $(ARGS)

test-deploy:  ## Install for real into a Debian 12 of its own and start it there (root, debootstrap; 5 minutes)
	@tests/deploy/debian_12.sh $(ARGS)

bench: setup  ## Measure this machine (ARGS: what `edge-app bench --help` lists)
	@$(RUN) edge_app bench $(ARGS)

wheel: setup  ## Build dist/edge_app-*.whl, models included
	@rm -rf build; $(RUN) pip --quiet wheel --use-pep517 --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean:  ## Remove .venv/ and everything built
	rm -rf $(VENV) build dist edge_app.egg-info .pytest_cache
	find edge_app tests -name __pycache__ -prune -exec rm -rf {} +
