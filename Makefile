# The two commands of a newcomer: `make demo` and `make test`. Both set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
STAMP_SLOW := $(VENV)/.ready-slow
STAMP_AUDIT := $(VENV)/.ready-audit
# Unlike the options of pyproject.toml these leave nothing out, and remember what failed.
PYTEST_ALL := $(BIN)/pytest -q -o addopts='--strict-markers --strict-config' -o cache_dir=$(VENV)/.pytest_cache

.PHONY: demo test test-all check audit docs fmt bench pages screenshots clean

demo: $(STAMP)  ## the Tuesday story, end to end: no key, no network
	$(BIN)/taketwo demo

test: $(STAMP)  ## the fast tests
	$(BIN)/pytest -q -n 2

test-all: $(STAMP_SLOW)  ## every test: servers, browsers, other frameworks, load and kill -9 too
	$(PYTEST_ALL) -n 2 --dist loadfile || { test $$? = 1 \
	  && echo 'These failed beside other tests. Once more, alone; what passes now still deserves a look:' \
	  && $(PYTEST_ALL) --last-failed --last-failed-no-failures none; }

check: $(STAMP) $(STAMP_AUDIT)  ## formatter, linters, types, import contracts, docs, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy taketwo benchmarks
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_house.py tests/test_docs.py tests/test_dependencies.py
	$(BIN)/python .ci/audit.py --offline-is-fine --once-a-day

audit: $(STAMP) $(STAMP_AUDIT)  ## ask whether a vulnerability is known in what is installed; needs an index that knows any
	$(BIN)/python .ci/audit.py

docs: $(STAMP)  ## the pages that are made from the code
	$(BIN)/python docs/make_command_line.py

pages:  ## the libraries that pages load, from npm; without it pages work by full loads
	$(PYTHON) frontend/build.py

screenshots: $(STAMP_SLOW) pages  ## the pictures of docs/pages.md
	$(BIN)/python docs/make_screenshots.py

fmt: $(STAMP)  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## the figures of docs/performance.md, on this machine
	$(BIN)/python benchmarks/replay.py
	$(BIN)/python benchmarks/suite.py
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/read.py
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/flow.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache

$(STAMP): pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

$(STAMP_AUDIT): | $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'
	touch $(STAMP_AUDIT)

# Other people's frameworks, models and servers that only slow tests need.
$(STAMP_SLOW): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,dev-slow]'
	touch $(STAMP_SLOW)
