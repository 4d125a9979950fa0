# tonelake: `make help` says what there is.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo-data

.PHONY: help demo test lint bench clean

help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tonelake needs Python 3.11 or later: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

demo: .venv/ready ## build a small catalogue, index it, search it
	$(BIN)/python -m flows.demo $(DEMO)

test: .venv/ready ## every test
	$(BIN)/python -m pytest

lint: .venv/ready ## ruff, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

bench: .venv/ready ## tonelake beside a plain loop and the ideal
	$(BIN)/python -m tests.benchmarks.throughput
	$(BIN)/python -m tests.benchmarks.one_decode
	$(BIN)/python -m tests.benchmarks.encoders
	$(BIN)/python -m tests.benchmarks.refresh

clean: ## remove what make made
	rm -rf .venv $(DEMO)
