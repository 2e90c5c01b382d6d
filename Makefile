# Everything a person does with this project, each by one word. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
# Written last: where it is missing, an installation was interrupted and is done again.
STAMP := $(VENV)/.installed
PYTHON ?=
ARGS ?=
NAME ?=

.PHONY: help run stop test test-unit test-faults lint format bench lock install clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(STAMP) ## Start the whole stack and run the pipeline once (ARGS="--movielens DIR --users N --once --force-train")
	@$(BIN)/python -m movie_recommender.local run $(ARGS)

stop: ## Stop what `make run` left running
	@if [ -d var ] && [ -e $(STAMP) ]; then $(BIN)/python -m movie_recommender.local stop; \
	elif compgen -G "var/*.pid" >/dev/null; then \
		echo "make stop: servers may run, and $(VENV) is gone: make install, then again" >&2; exit 1; \
	else echo "nothing to stop: nothing was started here"; fi

# Servers are waited for a lot: three processes keep two cores busy. By name, the files with servers
# come first, and those that are done quickly fill the end; by size it would be the other way round.
test: $(STAMP) ## Run every test, with real servers
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-unit: $(STAMP) ## Run the unit tests alone (four minutes)
	@$(BIN)/python -m pytest tests/unit -m "not integration" -n 2 --dist worksteal $(ARGS)

test-faults: $(STAMP) ## Kill extraction 200 times, its broker 20 times; 100 random orders of steps; floods; half an hour
	@FAULT_KILLS=200,20 FAULT_EXAMPLES=100 FAULT_SECONDS=30 $(BIN)/python -m pytest tests/faults -s $(ARGS)

lint: $(STAMP) ## Check style, types and the one-way imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Run benchmarks/NAME.py, or all of them without NAME
	@found=0; \
	for file in benchmarks/$(or $(NAME),*).py; do \
		[ -f "$$file" ] || continue; \
		found=1; echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; \
	done; \
	if [ $$found = 0 ] && [ -n "$(NAME)" ]; then \
		echo "make bench: there is no benchmarks/$(NAME).py" >&2; exit 2; \
	elif [ $$found = 0 ]; then echo "no benchmarks yet: put one into benchmarks/"; fi

lock: ## Compile requirements.in into requirements.txt (needs uv)
	uv pip compile --python-version 3.11 --generate-hashes --extra dev --no-emit-index-url \
		--no-header pyproject.toml -o requirements.txt
	deploy/requirements/lock

install: $(STAMP) ## Install everything into .venv (run, test and lint do it themselves)

# make stops at the first line that fails, so a stamp means that every step before it went well.
$(STAMP): requirements.txt requirements.in pyproject.toml
	@rm -f $(STAMP)
	@.ci/install $(VENV) "$(PYTHON)"
	@touch $(STAMP)

clean: stop ## Stop everything and delete var/ and .venv
	rm -rf var $(VENV)
