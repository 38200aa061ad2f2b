"""Shared set-up: bundle/ on sys.path, one thread, no network, a small phantom folder."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
sys.path.insert(0, str(BUNDLE))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import pytest

pytest.register_assert_rewrite("helpers")

from helpers.made_once import RUN, made_once

pytest_plugins = ["helpers.programs", "helpers.studies", "helpers.subjects"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What is not slow is fast."""
    for item in items:
        if not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.fast)


@pytest.fixture(scope="session", autouse=True)
def folder_of_the_run(tmp_path_factory):
    """Where files lie that the processes of one run share; with pytest-xdist each has a folder of its own in it."""
    own = tmp_path_factory.getbasetemp()
    RUN[:] = [own.parent if "PYTEST_XDIST_WORKER" in os.environ else own]


@pytest.fixture(scope="session")
def phantom_folder():
    """Ten small-phase phantom subjects with splits, layout 1 plus dataset.json; read-only for tests."""
    return made_once("phantom_cohort", _write_cohort)


def _write_cohort(folder):
    from scripts.phantom.cohort.cohort import PhantomCohort
    from scripts.phantom.cohort.plans import CohortPlan
    from scripts.phantom.parameters import PhantomParameters

    PhantomCohort(folder, CohortPlan(10, seed=3, parameters=PhantomParameters(phases=4)), num_workers=1).run()
