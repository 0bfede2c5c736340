# `make demo` and `make test` set everything up by themselves, in .venv.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
SOURCES ?=

.PHONY: demo test lint format bench clean

demo: $(VENV)/.installed
	$(BIN)/python scripts/demo.py $(SOURCES)

test: $(VENV)/.installed .tools/.installed
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

$(VENV)/.installed: pyproject.toml scripts/install
	scripts/install "$(VENV)" "$(PYTHON)"
	touch $@

.tools/.installed: scripts/install-test-tools tests/clients/package-lock.json $(VENV)/.installed
	scripts/install-test-tools "$(VENV)"
	touch $@

clean:
	rm -rf $(VENV) .tools runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache
