# One command each. The first call makes the environment, .venv; later calls find it ready.
.DEFAULT_GOAL := help
.PHONY: help train test test-all lint format lock schema claims course bench board docs docs-build notebooks setup clean

BIN := .venv/bin
READY := .venv/.ready
# Material tells of its successor at every build.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs
SITE := --config-file scripts/website/mkdocs.yml
# What to run, as in: make train ARGS="model=cnn"; make test ARGS="-k split"
ARGS ?=

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

train: $(READY)  ## Train the default run: make train ARGS="model=mlp optim=adam"
	@$(BIN)/python train.py $(ARGS)

test: $(READY)  ## Run the tests: every promise, in minutes
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-all: $(READY)  ## Run all tests, the exhaustive ones as well: all kills, all pairs
	@$(BIN)/python -m pytest $(ARGS)

lint: $(READY)  ## Check format, style and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(READY)  ## Format the code and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

claims: $(READY)  ## Derive published figures again: make claims ARGS="softmax_toy_learns"
	@$(BIN)/python scripts/claims.py $(ARGS)

course: $(READY)  ## Run all commands of docs/course.md, which draw its pictures anew
	@sed -n '/^```bash/,/^```/p' docs/course.md | grep -v '^```' | PATH="$(CURDIR)/$(BIN):$$PATH" bash -ex

bench: $(READY)  ## Measure speed against a loop written by hand: make bench ARGS="--json FILE"
	@$(BIN)/python scripts/benchmark.py $(ARGS)

board: $(READY)  ## Open TensorBoard on runs/
	@$(BIN)/tensorboard --logdir runs

docs: $(READY)  ## Build the site of the documentation and serve it: make docs ARGS="--open"
	@$(MKDOCS) serve --strict $(SITE) $(ARGS)

docs-build: $(READY)  ## Build the site into build/docs, whose index.html opens without a server
	@$(MKDOCS) build --strict $(SITE)

notebooks: $(READY)  ## Execute docs/notebooks and keep the outputs in them
	@PYTHONPATH=scripts $(BIN)/python -m website.notebooks

setup: $(READY)  ## Make .venv from requirements.lock

schema: $(READY)  ## Renew the JSON schemas of the configs in .vscode/schemas
	@$(BIN)/python scripts/schema.py

lock: $(READY)  ## Renew requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --extra dev --custom-compile-command "make lock" -o requirements.lock pyproject.toml

clean:  ## Remove what was built: .venv and caches (never runs/ or data/)
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -not -path './runs/*' -prune -exec rm -rf {} +

# The same steps stand in the README, without make.
$(READY): requirements.lock pyproject.toml
	@python=$$(for p in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done); \
	  if [ -z "$$python" ]; then \
	    echo "Encore needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	    exit 1; \
	  fi; \
	  echo "Setting up .venv (once; PyTorch is large)"; \
	  $(BIN)/python -c '' 2>/dev/null || "$$python" -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q src train.py scripts
	@touch $@
