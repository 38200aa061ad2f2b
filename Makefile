# make help lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
LABEL_VENV := .venv-label
DEMO := $(CURDIR)/demo
RUN := $(BIN)/python -W ignore -m monai.bundle run
# Threads that wait for each other sleep: beside other work on the same cores, spinning ones make a run eight times slower.
export OMP_WAIT_POLICY ?= passive

.PHONY: help demo test test-fast lint mlflow-test bench bundle results results-archive label-venv label-test clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /\1 /p' $(MAKEFILE_LIST) | sort | while read -r target text; do \
		printf 'make %-16s %s\n' "$$target" "$$text"; done

$(VENV)/.runtime: requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	touch $@

demo: $(VENV)/.runtime ## a small phantom folder, inference with the shipped weights, a table and a page
	cd bundle && $(RUN) --config_file configs/make_phantom.json --output_dir $(DEMO)/phantom --subjects 5 --seed 2026
	cd bundle && $(RUN) --config_file configs/inference.json --dataset_dir $(DEMO)/phantom --output_dir $(DEMO)/results --overwrite true
	@echo "Open $(DEMO)/results/index.html in a browser. Synthetic images, research use only."

lint: $(VENV)/.development ## style, types, spelling
	$(BIN)/ruff check bundle tests benchmarks tools
	$(BIN)/ruff format --check bundle tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/codespell

# two processes: a test's own work runs on one core (tests/conftest.py), files stay whole for their shared fixtures
test: $(VENV)/.development lint ## lint, the whole suite, coverage of bundle/scripts
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report=
	@$(BIN)/coverage report --sort=cover --skip-covered | (sed -u 10q; tail -n 3)

# what a change is tried with first: everything that is not marked slow, at most 90 s on two idle cores
test-fast: $(VENV)/.development ## the tests that take no more than a few seconds each
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m fast

mlflow-test: $(VENV)/.development ## training tracked by a real MLflow server on loopback (docs/TRACKING.md)
	$(BIN)/python -m pytest tests/test_tracking_server.py tests/test_tracking_privacy.py

# LABEL_INDEX: further options of pip, such as the address of an index that has CPU builds of torch.
$(LABEL_VENV)/.label: requirements-label.txt
	test -x $(LABEL_VENV)/bin/python || $(PYTHON) -m venv $(LABEL_VENV)
	$(LABEL_VENV)/bin/pip install --quiet --disable-pip-version-check $(LABEL_INDEX) -r requirements-label.txt
	$(LABEL_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps monailabel==0.8.5
	touch $@

label-venv: $(LABEL_VENV)/.label ## MONAI Label in a venv of its own, 8 GB (docs/MONAI_LABEL.md)

label-test: label-venv $(VENV)/.development ## its real server tried on loopback
	$(BIN)/python -m pytest tests/test_monai_label.py

bundle: ## dist/ssdiff_virtual_lge_v<version>.zip in the Model Zoo's layout (docs/ZOO.md)
	$(PYTHON) tools/make_bundle.py

results-archive: ## RUNS=FOLDER: per-case files of an evaluation as one file in dist/
	$(PYTHON) tools/pack_results.py --runs "$(RUNS)"

results: $(VENV)/.runtime ## RUNS=FOLDER: tables, pages and plots of bundle/docs/results from them
	$(BIN)/python tools/result_tables.py --runs "$(RUNS)"
	$(BIN)/python tools/draw_results.py

bench: $(VENV)/.development ## seconds and memory of inference on this machine
	$(BIN)/python -W ignore benchmarks/inference.py

clean: ## removes .venv and the demo's folder
	rm -rf $(DEMO) $(VENV)
