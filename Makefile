# make demo    the main job, from nothing: environment, installation, five minutes of ECG through everything
# make test    all that CI runs
# Long things, by hand: make bench · make accuracy · make train

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint bench accuracy train schemas constraints clean

demo: $(VENV)/.demo
	$(BIN)/ecg-edge demo

test: lint
	$(BIN)/pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.rpeaks
	$(BIN)/python -m benchmarks.pipeline

accuracy: $(VENV)/.test
	$(BIN)/python -m benchmarks.accuracy

train: $(VENV)/.test
	$(BIN)/ecg-train release cnn
	$(BIN)/ecg-train release lstm

schemas: $(VENV)/.demo
	$(BIN)/python -m edge.sinks.payloads docs/schemas

# What the two commands install; needs uv.
constraints:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header --no-annotate -o constraints.txt

# The installation is editable; a stamp says which extras it has.
$(VENV)/.demo: pyproject.toml constraints.txt
	.ci/venv $(VENV) $(PYTHON)
	$(INSTALL) -e '.[demo]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	.ci/venv $(VENV) $(PYTHON)
	$(INSTALL) -e '.[test,training]'
	touch $@

$(VENV)/.bench: $(VENV)/.test
	$(INSTALL) -e '.[test,training,bench]'
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
