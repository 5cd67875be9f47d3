PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo web test lint types layers unit pythons bench peers picture page pages words docs wheel wheel-check lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/run.stamp  ## plan the OpenAI-SK build-out, then open its page; without a terminal it says how to
	$(BIN)/stackyard plan examples/openai-sk -o out
	@if [ -t 0 ] && [ -t 1 ] && [ -z "$$CI" ]; then exec $(BIN)/stackyard web examples/openai-sk --browser; \
	 else echo "The alliance's page, for this machine only: make web, then http://127.0.0.1:8321/"; fi

web: $(VENV)/run.stamp  ## the alliance's page on the example, for this machine only
	$(BIN)/stackyard web examples/openai-sk --browser

test: lint types layers unit  ## everything that CI runs

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

layers: $(VENV)/dev.stamp
	$(BIN)/lint-imports

unit: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

pythons:  ## the tests with every other supported Python that this machine has, each in an environment of its own
	@for python in python3.11 python3.12 python3.13; do \
	  command -v $$python >/dev/null || { echo "no $$python here"; continue; }; \
	  $(MAKE) --no-print-directory unit PYTHON=$$python VENV=.venv/$$python || exit 1; \
	done

PEERS := aiconfigurator genz-llm llm-analysis

bench: $(VENV)/dev.stamp $(PEERS:%=bench/peers/.venvs/%/stamp)  ## every bench and the peers, into docs/benchmarks.md
	$(BIN)/python bench/run.py

peers: $(VENV)/dev.stamp $(PEERS:%=bench/peers/.venvs/%/stamp)  ## the peers alone; see bench/peers/README.md
	$(BIN)/python bench/run.py peers

bench/peers/.venvs/%/stamp: bench/peers/%.txt
	$(PYTHON) -m venv bench/peers/.venvs/$*
	bench/peers/.venvs/$*/bin/python -m pip install --quiet -r $<
	touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Stackyard needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

$(VENV)/docs.stamp: requirements/docs.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/docs.txt
	touch $@

picture: demo $(VENV)/dev.stamp  ## the README's picture, from a fresh report; needs Chromium
	$(BIN)/python design/picture.py out/report.html docs/report.png

page: $(VENV)/run.stamp  ## docs/scenario.md and the JSON Schema, from the types that read a scenario
	$(BIN)/python design/scenario_page.py docs/scenario.md

pages: $(VENV)/dev.stamp  ## what the commands and examples of docs/ and the README print, written anew
	$(BIN)/python docs/pages.py

docs: $(VENV)/docs.stamp  ## the site, into site/; any warning fails
	$(BIN)/python docs/make_site.py

wheel: $(VENV)/run.stamp  ## wheel and source archive, into dist/
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --no-isolation --outdir dist .

wheel-check: wheel  ## the wheel in an environment of its own plans the example and serves its page; PYTHON=... names one
	PYTHON=$(PYTHON) sh tests/wheel.sh dist/stackyard-*.whl

words: $(VENV)/run.stamp  ## the catalogues of translations brought up to date with the source; tells what is missing
	$(BIN)/python -m stackyard.words.messages

lock: $(VENV)/run.stamp  ## resolve the pins again, for every supported Python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml requirements/build.in $(LOCK) -o requirements/run.txt
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra dev -c requirements/run.txt $(LOCK) -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra docs -c requirements/run.txt $(LOCK) -o requirements/docs.txt

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade

clean:
	rm -rf $(VENV) out build dist site *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
