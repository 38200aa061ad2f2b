# make demo: a phantom folder, batch inference with the shipped weights, a table and a page.  make test: the whole suite.
# make mlflow-test: training tracked by a real MLflow server on loopback (docs/TRACKING.md).
# make bundle: dist/ssdiff_virtual_lge_v<version>.zip in the Model Zoo's layout (docs/ZOO.md).
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
DEMO := $(CURDIR)/demo
RUN := $(BIN)/python -W ignore -m monai.bundle run

.PHONY: demo test lint mlflow-test bench bundle clean

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
	$(BIN)/ruff check bundle tests tools
	$(BIN)/ruff format --check bundle tests tools

test: $(VENV)/.development lint
	$(BIN)/python -m pytest

mlflow-test: $(VENV)/.development
	$(BIN)/python -m pytest tests/test_tracking_server.py tests/test_tracking_privacy.py

bundle:
	$(PYTHON) tools/make_bundle.py

bench: $(VENV)/.development
	$(BIN)/python -W ignore tests/benchmark.py

clean:
	rm -rf $(DEMO) $(VENV)
