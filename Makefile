# make study   a study from nothing: environment, data, trials, report     make test   the whole test suite
# make lint    ruff and mypy                                               make docs   the documentation, into site/
# make clean   remove the environment
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: study test lint docs clean

study: $(VENV)/installed
	$(BIN)/python -m study.run $(ARGS)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile $(if $(FAST),-m "not slow") $(ARGS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# torch first and by itself: resolved together with the rest, pip may prefer a newer and larger build.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
