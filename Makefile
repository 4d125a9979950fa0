# tonelake: `make help` says what there is.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo-data

HEAD ?= default-head

CLUSTER ?= cluster-data

.PHONY: help demo cluster test lint bench train-default clean

help: ## what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tonelake needs Python 3.11 or later: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt hnswlib || echo "hnswlib needs a C++ compiler: its test is skipped"
	touch $@

demo: .venv/ready ## build a small catalogue, index it, search it
	$(BIN)/python -m flows.demo $(DEMO)

cluster: .venv/ready ## a store, Prefect and two Ray nodes as processes: index, refresh, evaluate; KEEP=1 to play on
	$(BIN)/python -m tests.infra.cluster $(CLUSTER) $(if $(KEEP),--keep)

test: .venv/ready ## every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/ready ## ruff, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: .venv/ready ## tonelake beside a plain loop and the ideal
	$(BIN)/python -m tests.benchmarks.throughput
	$(BIN)/python -m tests.benchmarks.one_decode
	$(BIN)/python -m tests.benchmarks.encoders
	$(BIN)/python -m tests.benchmarks.refresh
	$(BIN)/python -m tests.benchmarks.similar
	$(BIN)/python -m tests.benchmarks.export
	$(BIN)/python -m tests.benchmarks.committer
	$(BIN)/python -m tests.benchmarks.committer --s3
	$(BIN)/python -m tests.benchmarks.recommend
	$(BIN)/python -m tests.benchmarks.duplicates 6

train-default: .venv/ready ## compose the corpus, train the default encoder's head again, judge it
	$(BIN)/tonelake corpus build --out $(HEAD)/corpus --clips 6000
	$(BIN)/tonelake --lake $(HEAD)/lake train --data $(HEAD)/corpus/manifest.jsonl --encoder musicnn-conse \
		--text-projection none --synonyms --share 0.3 --epochs 40 --out $(HEAD)/model
	TONELAKE_LAKE=$(HEAD)/lake $(BIN)/python -m tests.benchmarks.default_head $(HEAD)/model \
		--corpus $(HEAD)/corpus/manifest.jsonl --work $(HEAD)

clean: ## remove what make made
	rm -rf .venv $(DEMO) $(CLUSTER)
