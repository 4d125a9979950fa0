# tonelake: `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo-data

HEAD ?= default-head

CLUSTER ?= cluster-data

DEVICE ?= cuda
BENCH_GPU ?= bench-gpu

SEEDS ?= 100
FROM ?= 0
MODE ?= once

.PHONY: help demo cluster test simulate lint bench bench-gpu train-default clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tonelake needs Python 3.11 or later: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt hnswlib || echo "hnswlib needs a C++ compiler: its test is skipped"
	touch $@

demo: .venv/ready ## render a small catalogue, index it, search it
	$(BIN)/python -m flows.demo $(DEMO)

cluster: .venv/ready ## start a store, Prefect and two Ray nodes as processes; index, refresh, evaluate; KEEP=1 keeps them running
	$(BIN)/python -m tests.infra.cluster $(CLUSTER) $(if $(KEEP),--keep)

test: .venv/ready ## run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

simulate: .venv/ready ## run random histories with faults: SEEDS=1000 FROM=0 MODE=once|twice|s3
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --from $(FROM) --mode $(MODE)

lint: .venv/ready ## check style, types, and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: .venv/ready ## measure tonelake against plain loops, peers and limits
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

bench-gpu: .venv/ready ## measure the encoders and the pipeline on one GPU, in eight minutes; DEVICE="cpu --small" rehearses
	$(BIN)/python -m tests.benchmarks.gpu --device $(DEVICE) --out $(BENCH_GPU)

train-default: .venv/ready ## compose the corpus, train the default encoder's head, evaluate it
	$(BIN)/tonelake corpus build --out $(HEAD)/corpus --clips 6000
	$(BIN)/tonelake --lake $(HEAD)/lake train --data $(HEAD)/corpus/manifest.jsonl --encoder musicnn-conse \
		--text-projection none --synonyms --conse-weight 0.3 --epochs 40 --out $(HEAD)/model
	TONELAKE_LAKE=$(HEAD)/lake $(BIN)/python -m tests.benchmarks.default_head $(HEAD)/model \
		--corpus $(HEAD)/corpus/manifest.jsonl --work $(HEAD)

clean: ## remove what make created
	rm -rf .venv $(DEMO) $(CLUSTER) $(BENCH_GPU)
