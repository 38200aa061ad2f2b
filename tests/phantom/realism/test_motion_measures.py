"""Ejection fraction and cavity of discs whose radius is known in every phase."""

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.phantom.realism.motion_measures import cavity_diameters_mm, measure_cavity

RADII = (22.0, 19.0, 16.0, 20.0)  # end-diastole first; the label is drawn on phase 3


def cine_of(slice_of, rng, papillary=False, blood=300.0):
    frames = []
    for radius in RADII:
        plane = slice_of(inner=radius)
        picture = np.where(np.isin(plane, (1, 6)), blood, np.where(plane == 2, 90.0, 30.0))
        if papillary:
            picture[48 + int(radius) - 7 : 48 + int(radius) - 3, 46:50] = 90.0
        frames.append(picture + rng.normal(0, 5, picture.shape))
    return np.stack([np.stack(frames, axis=-1)] * 6, axis=2).astype(np.float32)


@pytest.mark.parametrize("papillary", [False, True])
def test_ejection_fraction_of_discs_with_papillary_muscle_in_the_cavity(slice_of, heart, papillary):
    cavity = measure_cavity(cine_of(slice_of, np.random.default_rng(0), papillary), heart(slices=6), 3)
    assert cavity.phases == (0, 2)
    assert cavity.ejection_fraction_percent == pytest.approx(100 * (1 - (16 / 22) ** 2), abs=1.0)


def test_cavity_diameters(slice_of, heart):
    label = heart(slices=6)
    found = cavity_diameters_mm(measure_cavity(cine_of(slice_of, np.random.default_rng(0)), label, 3), label, 1.4)
    assert found["ed_cavity_mid"] == pytest.approx(2 * 22 * 1.4, rel=0.02)
    assert found["es_cavity_apical"] == pytest.approx(2 * 16 * 1.4, rel=0.02)


def test_one_phase_is_not_measurable(slice_of, heart):
    with pytest.raises(NotMeasurable, match="one phase"):
        measure_cavity(cine_of(slice_of, np.random.default_rng(0))[..., :1], heart(slices=6), 0)


def test_blood_darker_than_the_wall_is_not_measurable(slice_of, heart):
    with pytest.raises(NotMeasurable, match="brighter than the wall"):
        measure_cavity(cine_of(slice_of, np.random.default_rng(0), blood=50.0), heart(slices=6), 3)
