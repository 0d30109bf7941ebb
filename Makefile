# Every target sets itself up first; with the pins unchanged that takes no time.
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-stream demo-serve stack stack-down test test-all check bench bench-serve weights dist pins clean

RUN := .venv/bin/python
PYTEST := $(RUN) -m pytest -rs --durations=15 --numprocesses 2 --dist loadgroup
QUIETLY := flock --close "$${TMPDIR:-/tmp}/vitrine-bench.lock"
SPEAK = @printf 'make %s: %s\n' '$@'

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from the pins (about 2 minutes and 6.6 GB the first time, nothing after that)
	@./deploy/setup.sh

demo: setup ## draw a shop of 600 products, index it, search it (about 2 minutes)
	$(SPEAK) 'a drawn shop of 600 products, indexed and searched (about 2 minutes)'
	@$(RUN) -m deploy.demo

demo-stream: setup ## start the servers, index the drawn shop, publish 100 uploads, see when each is found (about 4 minutes)
	$(SPEAK) 'a drawn shop, 100 uploads through Kafka into Milvus (about 4 minutes; the servers stay up: make stack-down)'
	@$(RUN) -m deploy.demo_stream

demo-serve: setup ## index the drawn shop and its clickstream, open the page; SHOT=page.png: take its picture and end (about 3 minutes)
	$(SPEAK) 'a drawn shop with its clickstream, served with a page (about 3 minutes, then until Ctrl-C)'
	@$(RUN) -m deploy.demo_serve $(if $(SHOT),--shot $(SHOT))

stack: setup ## start a real Milvus 2.3.5 and Kafka 4.1 here, which deploy/local.toml names (seconds; they stay up)
	$(SPEAK) 'a real Milvus 2.3.5 and Kafka 4.1 on this machine (seconds; the first time Kafka is fetched, a minute)'
	@$(RUN) -m deploy.local up

stack-down: setup ## end exactly what `make stack` started; its data stays in .vitrine/stack (a second)
	@$(RUN) -m deploy.local down

check: setup ## format, lint, types and import contracts (about half a minute)
	$(SPEAK) 'format, lint, types, import contracts (about half a minute)'
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

test: check ## check, then all tests but the slow ones (at most 20 minutes on two cores)
	$(SPEAK) 'all tests but the slow ones (at most 20 minutes on two cores)'
	@$(PYTEST) -m 'not slow and not gpu'

test-all: check ## check, then every test this machine can run (up to an hour)
	$(SPEAK) 'every test that this machine can run (up to an hour)'
	@$(PYTEST)

bench: setup ## measure pictures, rows, clickstream, training and listing events per second, saved in bench-results/ (about 55 minutes)
	$(SPEAK) 'pictures by stage, rows into Milvus, co-occurrence, training, the stream (about 55 minutes)'
	@$(QUIETLY) $(RUN) tests/bench/run.py
	@$(QUIETLY) $(RUN) tests/bench/load.py
	@$(QUIETLY) $(RUN) tests/bench/cooccurrence.py
	@$(QUIETLY) $(RUN) tests/bench/train.py
	@$(QUIETLY) $(RUN) tests/bench/stream.py

bench-serve: setup ## measure the service: answers per second and their times, saved in bench-results/ (about 30 minutes)
	$(SPEAK) 'the service under 1, 8 and 32 callers (about 30 minutes)'
	@$(QUIETLY) $(RUN) tests/bench/serve.py

weights: setup ## repeat the second and third stage of the bundled weights, politely (about 4 hours; goes on where it was stopped)
	$(SPEAK) 'the second and the third stage of the bundled weights, and their mean (about 4 hours on two cores)'
	@$(RUN) -m deploy.train.draw .vitrine/drawn
	@$(RUN) jobs/train.py --config deploy/train/second.toml --run second
	@$(RUN) jobs/train.py --config deploy/train/third.toml --run third
	@$(RUN) -m deploy.train.mix .vitrine/training/resnet18_vitrine.safetensors 0.6=.vitrine/training/third/report/weights.safetensors \
	    0.2=.vitrine/training/second/report/weights.safetensors 0.2=../shared/weights/resnet18_vitrine.safetensors

dist: setup ## build the wheel, and the zip of it for spark-submit --py-files, into dist/ (seconds)
	$(SPEAK) 'the wheel, and its zip for spark-submit --py-files (seconds)'
	@rm -rf dist
	@.venv/bin/hatchling build -t wheel
	@cp dist/vitrine-*.whl dist/vitrine-pyfiles.zip
	@ls -l dist

pins: setup ## resolve the pins in requirements.txt anew from pyproject.toml (seconds)
	$(SPEAK) 'resolving requirements.txt anew (seconds); `make setup` installs it'
	@sed '/^[^#]/,$$d' requirements.txt >.setup/pins
	@.venv/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 \
	    --extra spark --extra torch --extra milvus --extra train --extra recommend --extra kafka --extra serve --extra local --extra dev pyproject.toml >>.setup/pins
	@mv .setup/pins requirements.txt

clean: ## remove what was built, and caches; .venv stays
	@rm -rf dist build bench-results .setup .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -rf spark-warehouse metastore_db derby.log
	@find deploy jobs lib streaming tests -name __pycache__ -prune -exec rm -rf {} +
