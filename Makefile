# Everything a person or CI runs. `make help` lists it (made from the comments behind the targets).
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
A      ?= a1_operators
OUT    ?= out
READY  := $(VENV)/.ready

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# PyPI's torch for Linux comes with gigabytes of CUDA. Where a machine can reach PyTorch's own
# CPU index, TORCH_INDEX points pip at it; it is empty where the CPU wheel is at hand already.
TORCH_INDEX ?=
PIP_INSTALL  = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
               $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (once; torch is about 200 MB to fetch) …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@

setup: $(READY) ## Make the virtual environment and install everything into it

demo: $(READY) ## Regrade the example cohort: grades, report, diff (A=… for another assignment)
	@AUTOGRADER=$(BIN)/autograder tools/demo.sh $(A) $(OUT)/demo/$(A)

test: $(READY) ## Run the tests
	@$(BIN)/python -m pytest

lint: $(READY) ## Check style (ruff)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY) ## Check types (mypy, strict)
	@$(BIN)/mypy

validate: $(READY) ## Let every suite audit itself
	@$(BIN)/autograder validate --all

handout: $(READY) ## Generate assignments/ from solutions/
	@$(BIN)/autograder handout --all

bench: $(READY) ## Measure the figures that we claim
	@$(BIN)/python -m benchmarks

mutation: $(READY) ## Mutate a solution (A=…) and count the mutants that its suite kills
	@$(BIN)/python tools/mutate.py $(A)

coverage: $(READY) ## Run the tests with coverage
	@$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

format: $(READY) ## Rewrite the code in the project's format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean: ## Remove what was generated (not the environment)
	@rm -rf $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: help setup demo test lint types validate handout bench mutation coverage format clean

# --- The grading image (docs/image.md). Docker if it runs here, else podman, as root. -------------
BASE_IMAGE ?=
IMAGE      ?= dl-autograder:$(A)
IMAGE_TOOL  = $(BIN)/python image
IMAGE_WHAT  = --assignment $(A) $(if $(BASE_IMAGE),--base $(BASE_IMAGE))

image: $(READY) ## Build the grading image (A=a1_operators, or A=all; BASE_IMAGE=…)
	@$(IMAGE_TOOL) build $(IMAGE_WHAT) --image $(IMAGE)

image-test: $(READY) ## Build the image and try it out in containers (ALL=1 for everything)
	@$(IMAGE_TOOL) test $(IMAGE_WHAT) $(if $(ALL),--all) $(if $(IF_POSSIBLE),--if-possible)

image-push: $(READY) ## Say what goes where, and with YES=1 push the image (TO=registry/name:tag)
	@test -n "$(TO)" || { echo "say where to: make image-push TO=registry/name:tag" >&2; exit 1; }
	@$(IMAGE_TOOL) push $(IMAGE_WHAT) --image $(IMAGE) --to $(TO) $(if $(YES),--yes)

.PHONY: image image-test image-push

# --- A machine with a GPU (docs/gpu.md). GPU_PYTHON: one whose torch is built for CUDA. ------------
GPU_PYTHON ?= $(BIN)/python

gpu: ## Check and time a8_kernels on this machine's GPU; writes docs/gpu.md (GPU_PYTHON=… DRY=1)
	@$(GPU_PYTHON) tools/gpu.py $(if $(DRY),--dry-run)

.PHONY: gpu
