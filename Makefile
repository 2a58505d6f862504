# Every target runs on a fresh clone: what it needs is made first, and is kept for the next time.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Any system Python from 3.11 on: it only starts things, the code itself runs in .venv.
ifndef PYTHON
PYTHON := $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
    $(python) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))))
endif
BIN := .venv/bin
PYTEST := $(BIN)/pytest
STARTED := $(shell date +%s)
# The exit status of what needs a cluster, on a machine that cannot run one: its tests are skipped and say why.
test integration e2e: export ACCEPTED_STATUS := 69

##@ The two commands
.PHONY: demo demo-local test
demo: python ## From this machine as it is to a trained model on a real cluster
	@$(PYTHON) -m tests.venv demo
	@$(BIN)/python -m tests.demo

demo-local: venv ## The same model without a cluster, in three minutes
	@$(BIN)/python -m tests.demo.local

test: python ## Everything: lint, types, unit, golden, integration, end to end
	@$(MAKE) --no-print-directory --jobs=4 checks processes whole
	@echo "make test took $$(($$(date +%s) - $(STARTED))) s, setup and images included"

##@ Parts of `make test`
.PHONY: checks processes whole lint types unit golden integration e2e chaos bench-trainer bench-live bench-operator audit
# The output of each part comes in one piece, for `make test` does other things meanwhile.
IN_ONE_PIECE = output=$$($(1) 2>&1); status=$$?; echo "$$output"; test $$status = 0

checks: venv ## What needs no cluster: lint, types, unit, golden
	@for part in lint types unit golden; do \
	    $(call IN_ONE_PIECE,$(MAKE) --no-print-directory $$part) || exit 1; \
	done

# After `checks` and beside `whole`, whose tests wait for others more than they work.
processes: checks
	@$(call IN_ONE_PIECE,$(PYTEST) -m "not cluster" --durations=20 tests/integration tests/e2e)

# Beside `checks`, which leave a core and end before the tests begin that measure time.
whole: venv loaded
	$(PYTEST) -m cluster --durations=40 tests/integration tests/e2e

lint: venv ## Style, formatting and the layers of the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: venv ## mypy --strict
	$(BIN)/mypy

unit: venv ## Pure code, in seconds
	$(PYTEST) tests/unit

golden: venv ## Generated documents against the ones that were reviewed
	$(PYTEST) tests/golden

integration: setup ## Each part against the real API server, and the trainer as a process
	$(PYTEST) tests/integration

e2e: setup ## The installed system on the test cluster
	$(PYTEST) tests/e2e

chaos: setup ## Every fault at every moment on every kind of rank, with a table; takes an hour and a half
	$(BIN)/python -m tests.chaos

bench-trainer: venv ## Speed and memory of the trainer beside a bare PyTorch loop; wants two idle cores
	$(BIN)/python -m tests.benchmarks.trainer_speed

bench-operator: setup ## What 100 and 1000 runs cost beside plain Jobs, on nodes of kwok; wants the test cluster for itself
	$(BIN)/python -m tests.benchmarks.operator_scale

bench-live: setup ## What the operator costs while 500 runs train; wants the test cluster for itself
	$(BIN)/python -m tests.benchmarks.live_runs

audit: venv ## Known vulnerabilities, good practice of the chart and the images, and an SBOM of each image
	$(BIN)/python -m tests.audit

##@ Environment
.PHONY: python setup venv lock cluster-up cluster-down cluster-status images loaded
python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3" >&2; exit 1; }

setup: python ## The virtual environment and the test cluster with all images, side by side
	@$(MAKE) --no-print-directory --jobs=3 venv loaded

venv: python ## .venv with the locked packages
	@$(PYTHON) -m tests.venv

lock: python ## Resolve requirements/*.txt from pyproject.toml anew
	@$(PYTHON) -m tests.venv lock

cluster-up: python ## Start the test cluster, or find it healthy; kubeconfig in .cluster/
	@$(PYTHON) -m tests.cluster up || test $$? = "$(ACCEPTED_STATUS)"

cluster-down: python ## Stop the test cluster and leave nothing of it
	@$(PYTHON) -m tests.cluster down

cluster-status: python ## Health of the test cluster
	@$(PYTHON) -m tests.cluster status

images: python ## Build the images of trainer, operator and console
	@$(PYTHON) -m tests.cluster.images build trainer operator console || test $$? = "$(ACCEPTED_STATUS)"

loaded: cluster-up images ## Give the images to the nodes of the test cluster
	@$(PYTHON) -m tests.cluster.images load base trainer operator console || test $$? = "$(ACCEPTED_STATUS)"

##@ Development
.PHONY: crds monitoring chart-readme reference docs docs-serve dashboards-preview format hooks clean help
crds: venv ## Generate the CustomResourceDefinition from the models
	$(BIN)/trainingrun-crd

monitoring: venv ## Generate tables of docs/metrics.md, dashboards and rules from the metrics' definitions
	$(BIN)/python -m trainingrun_monitoring

chart-readme: venv ## Generate the chart's README from its template and the comments in values.yaml
	$(BIN)/python -m tests.helpers.chart_readme

reference: venv ## Generate docs/reference from the models, the command line and the Python client
	$(BIN)/python -m tests.docs_site

docs docs-serve: export NO_MKDOCS_2_WARNING := 1
docs: venv ## The documentation as a site, in build/site
	@$(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

docs-serve: venv ## The same on http://localhost:8000 while you write
	$(BIN)/mkdocs serve --strict

dashboards-preview: venv ## Draw each dashboard into build/dashboards: of made-up runs, or of PROMETHEUS=URL
	$(BIN)/python -m tests.preview $(if $(PROMETHEUS),--prometheus=$(PROMETHEUS))

format: venv ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

hooks: venv ## Run the checks before every commit
	$(BIN)/pre-commit install

clean: ## Remove what the tools left in the checkout; caches outside it and the cluster stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	find . -name __pycache__ -o -name '*.egg-info' | xargs rm -rf

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	    /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
