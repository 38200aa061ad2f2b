"""A left ventricle by hand: round rings of known radii, septum to the left, lesions by angle and depth."""

import numpy as np
import pytest
from scripts.phantom.realism.subject_measures import Measures

PIXELS, INNER, OUTER, SLICES = 96, 20.0, 28.0, 9


def polar():
    x, y = np.meshgrid(np.arange(PIXELS) - 48.0, np.arange(PIXELS) - 48.0, indexing="ij")
    return np.hypot(x, y), np.rad2deg(np.arctan2(y, x)) % 360


def ring(code=3, depth=0.0, angles=(0, 0), inner=INNER, outer=OUTER):
    """One slice: blood, wall, RV on the left; ``code`` in the inner ``depth`` (0..1) of the wall of ``angles``."""
    radius, angle = polar()
    plane = np.where(radius < inner, 1, np.where(radius < outer, 2, 0)).astype(np.uint8)
    plane[(np.hypot(*(np.indices(plane.shape) - np.array([10, 48])[:, None, None]))) < 7] = 6
    ill = (angle >= angles[0]) & (angle < angles[1]) & (plane == 2) & (radius < inner + depth * (outer - inner))
    plane[ill] = code
    return plane


def stack(slices=SLICES, **lesion):
    return np.stack([ring(**lesion)] * slices, axis=-1)


@pytest.fixture
def heart():
    """``heart(code=, depth=, angles=)``: (96, 96, 9) label."""
    return stack


@pytest.fixture
def slice_of():
    return ring


@pytest.fixture
def cohort_of():
    """Subjects with given values: ``cohort_of([{...}, ...], vendor=...)``."""

    def make(values, **facts):
        return [Measures(f"s{k:02d}", dict(facts), dict(one)) for k, one in enumerate(values)]

    return make
