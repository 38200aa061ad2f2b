"""Puts bundle/ on sys.path and keeps tests single-threaded and off the network."""

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

pytest_plugins = ["helpers.subjects", "helpers.studies"]


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory):
    """Ten small-phase phantom subjects with splits, layout 1 plus dataset.json; read-only for tests."""
    from scripts.phantom.cohort.cohort import PhantomCohort
    from scripts.phantom.cohort.plans import CohortPlan
    from scripts.phantom.parameters import PhantomParameters

    folder = tmp_path_factory.mktemp("phantom") / "cohort"
    PhantomCohort(folder, CohortPlan(10, seed=3, parameters=PhantomParameters(phases=4)), num_workers=1).run()
    return folder
