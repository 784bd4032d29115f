# make demo    the main job, from nothing: environment, installation, five minutes of ECG through everything
# make test    all that CI runs; the runtime's tests on every other Python from 3.11 to 3.13 that is here, too
# Long things, by hand: make bench · make train · make durability · make soak · make first-word · make smoke-arm64
# How good the models are, and why: make accuracy · make ec57 · make rhythms · make ablation · make seeds · make mistakes · make same-labels
# What is known to be unsafe in what is installed: make audit

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
export OMP_NUM_THREADS ?= 1
# Tests that wait for brokers, boards and clocks share one of the workers.
WORKERS ?= 2
# What hangs on the clock of a busy machine is tried again; the summary counts it as rerun.
PYTEST = --numprocesses=$(WORKERS) --dist=loadgroup --reruns=2

.PHONY: demo test lint bench first-word paper accuracy ec57 rhythms ablation seeds mistakes same-labels train durability fleet fleet-brokers soak audit smoke-arm64 schemas constraints clean

demo: $(VENV)/.demo
	$(BIN)/ecg-edge demo

test: lint
	$(BIN)/pytest $(PYTEST)
	.ci/others $(BIN)/python $(PYTEST)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.rpeaks
	$(BIN)/python -m benchmarks.beat_cost
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.serial
	$(BIN)/python -m benchmarks.live
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.web

# What is read of rendered paper, ours and another's, and of real pages; an hour. Or: python -m benchmarks.paper --quick
paper: $(VENV)/.bench
	$(BIN)/python -m benchmarks.paper

accuracy: $(VENV)/.test
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.conduction
	$(BIN)/python -m benchmarks.accuracy --generality

# All that EC57 has disclosed, of the MIT-BIH Arrhythmia Database; and records in muscle noise, 24 to -6 dB.
DATA ?= $(or $(ECG_EDGE_DATA),../shared/data)
ec57: $(VENV)/.test
	$(BIN)/ecg-train evaluate $(DATA)/mitdb --records all > benchmarks/results/ec57.md
	$(BIN)/ecg-train noise $(addprefix $(DATA)/mitdb/,118 119) --noise $(DATA)/nstdb/ma > benchmarks/results/noise_ma.md
	$(BIN)/ecg-train noise $(addprefix $(DATA)/mitdb/,118 119) --noise $(DATA)/nstdb/em > benchmarks/results/noise_em.md

# Learns atrial and ventricular fibrillation and says how well they are told, patient by patient; ten minutes.
# The figures are in benchmarks/results/rhythms.md; the models go to build/rhythms, those that ship are in models/.
rhythms: $(VENV)/.test
	$(BIN)/ecg-train rhythm --data $(DATA) --models build/rhythms

# Trains each network three times, with another seed each, and scores them; half an hour. SEEDS="1 2 3"
SEEDS ?= 1 2 3
seeds: $(VENV)/.test
	$(BIN)/python -m benchmarks.seeds --train --seeds $(SEEDS)

# Where the models go wrong, with pictures: docs/mistakes/.
mistakes: $(VENV)/.test
	$(BIN)/python -m benchmarks.mistakes

# Training's beats, a replay and a live board must all lead to the same labels.
same-labels: $(VENV)/.test
	$(BIN)/python -m benchmarks.same_labels

# What is told, and how soon, for every way in which a signal can end or change; two minutes. It fails where that is not as it should be.
first-word: $(VENV)/.test
	$(BIN)/python -m benchmarks.first_word

# Kills the broker 50 times and the device 200 times, of replay and of run, and lets brokers misbehave; half an hour.
durability: $(VENV)/.test
	$(BIN)/python -m benchmarks.durability

# Bulk re-analysis on two processes and of 100,000 short records; 10,000 devices into PostgreSQL; 150 kills. An hour.
fleet: $(VENV)/.test
	$(BIN)/python -m benchmarks.fleet

# Kills a node of each cluster of docs/broker/clusters.md fifty times, amid alerts; half an hour.
fleet-brokers: $(VENV)/.test
	ECG_EDGE_KILLS=50 $(BIN)/pytest tests/fleet/test_brokers.py -k dies -s --timeout 3000

# Three days of ECG through everything; three quarters of an hour and more.
soak: $(VENV)/.test
	$(BIN)/python -m benchmarks.soak

# Fails if anything pinned has a known vulnerability; where PyPI cannot be asked, one line says so.
audit: $(VENV)/.audit
	$(VENV)/audit/bin/python .ci/audit.py constraints.txt

# As root: a Bookworm arm64 under qemu-user, the wheel in it; ROOT=DIR keeps that elsewhere than in /var/tmp.
smoke-arm64: $(VENV)/.test
	PYTHON=$(BIN)/python benchmarks/smoke_arm64.sh

# What each feature and each kind of synthetic patient is worth; half an hour.
ablation: $(VENV)/.test
	$(BIN)/python -m benchmarks.ablation

train: $(VENV)/.test
	$(BIN)/ecg-train release cnn lstm s

schemas: $(VENV)/.demo
	$(BIN)/python -m edge.contract.schemas docs/schemas
	$(BIN)/python -m edge.contract.examples docs/mqtt.md
	$(BIN)/python -m edge.findings.schema docs/schemas
	$(BIN)/python -m edge.triage.schema docs/schemas

# What is installed, on every Python and processor that is supported; needs uv.
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

# In an environment of its own, for it needs other versions of what it looks at.
$(VENV)/.audit: $(VENV)/.demo
	.ci/venv $(VENV)/audit $(PYTHON)
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	touch $@

clean:
	rm -rf $(VENV) .venv-3.* .venv-uv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
