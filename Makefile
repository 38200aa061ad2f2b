# make demo: a phantom folder, batch inference with the shipped weights, a table and a page.  make test: the whole suite.
# make test-fast: the tests that take no more than a few seconds each.
# make mlflow-test: training tracked by a real MLflow server on loopback (docs/TRACKING.md).
# make label-venv, label-test: MONAI Label in a venv of its own, and its real server tried on loopback (docs/MONAI_LABEL.md).
# make bundle: dist/ssdiff_virtual_lge_v<version>.zip in the Model Zoo's layout (docs/ZOO.md).
# make results-archive RUNS=FOLDER: per-case files of an evaluation as one file in dist/.
# make results RUNS=FOLDER: tables, pages and plots of bundle/docs/results from them.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
LABEL_VENV := .venv-label
DEMO := $(CURDIR)/demo
RUN := $(BIN)/python -W ignore -m monai.bundle run
# Threads that wait for each other sleep: beside other work on the same cores, spinning ones make a run eight times slower.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test test-fast lint mlflow-test bench bundle results results-archive label-venv label-test clean

$(VENV)/.runtime: requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	touch $@

demo: $(VENV)/.runtime
	cd bundle && $(RUN) --config_file configs/make_phantom.json --output_dir $(DEMO)/phantom --subjects 5 --seed 2026
	cd bundle && $(RUN) --config_file configs/inference.json --dataset_dir $(DEMO)/phantom --output_dir $(DEMO)/results --overwrite true
	@echo "Open $(DEMO)/results/index.html in a browser. Synthetic images, research use only."

lint: $(VENV)/.development
	$(BIN)/ruff check bundle tests benchmarks tools
	$(BIN)/ruff format --check bundle tests benchmarks tools

# two processes: a test's own work runs on one core (tests/conftest.py), files stay whole for their shared fixtures
test: $(VENV)/.development lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# what a change is tried with first: everything that is not marked slow, at most 90 s on two idle cores
test-fast: $(VENV)/.development
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m fast

mlflow-test: $(VENV)/.development
	$(BIN)/python -m pytest tests/test_tracking_server.py tests/test_tracking_privacy.py

# LABEL_INDEX: further options of pip, such as the address of an index that has CPU builds of torch.
$(LABEL_VENV)/.label: requirements-label.txt
	test -x $(LABEL_VENV)/bin/python || $(PYTHON) -m venv $(LABEL_VENV)
	$(LABEL_VENV)/bin/pip install --quiet --disable-pip-version-check $(LABEL_INDEX) -r requirements-label.txt
	$(LABEL_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps monailabel==0.8.5
	touch $@

label-venv: $(LABEL_VENV)/.label

label-test: label-venv $(VENV)/.development
	$(BIN)/python -m pytest tests/test_monai_label.py

bundle:
	$(PYTHON) tools/make_bundle.py

results-archive:
	$(PYTHON) tools/pack_results.py --runs "$(RUNS)"

results: $(VENV)/.runtime
	$(BIN)/python tools/result_tables.py --runs "$(RUNS)"
	$(BIN)/python tools/draw_results.py

bench: $(VENV)/.development
	$(BIN)/python -W ignore benchmarks/inference.py

clean:
	rm -rf $(DEMO) $(VENV)
