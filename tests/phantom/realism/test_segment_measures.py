"""Segments and sectors: what is measured of a subject, and the statistics of a cohort built by hand."""

import numpy as np
import pytest
from scripts.conventions import NotMeasurable
from scripts.phantom.realism import segment_statistics as statistics
from scripts.phantom.realism.segment_measures import segment_motion, stir_sectors
from scripts.phantom.realism.subject_measures import GLOBAL_STRAIN, Measures

SIZE = 96


def disc(label_of_wall):
    """A ring of wall around blood, (X, Y, 1); ``label_of_wall``: code by angle in degrees."""
    x, y = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    radius, angle = np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360
    label = np.where(radius < 18, 1, np.where(radius < 28, label_of_wall(angle), 0))
    return label[..., None].astype(np.uint8)


def test_sectors_hold_ratio_and_shares():
    label = disc(lambda angle: np.where(angle < 60, 3, np.where(angle < 120, 5, 2)))
    image = np.where(label == 3, 150.0, np.where(label == 5, 130.0, 100.0))
    found = stir_sectors(image, label)
    assert found.shape == (12, 3)
    infarct, oedema, remote = found[found[:, 1] > 0.9], found[(found[:, 2] > 0.9) & (found[:, 1] < 0.1)], found[6:10]
    assert infarct.shape[0] == 2 and oedema.shape[0] == 2
    assert infarct[:, 0].mean() > oedema[:, 0].mean() > remote[:, 0].mean() and remote[:, 0].mean() < 1.1


def test_a_slice_without_remote_wall_tells_nothing():
    with pytest.raises(NotMeasurable):
        stir_sectors(np.ones((SIZE, SIZE, 1)), disc(lambda angle: np.full_like(angle, 3)))


def test_motion_of_segments_is_read_from_meta_and_missing_is_said():
    one = {"radial_thickening_percent": 40, "circumferential_strain_percent": -18, "infarct_percent": 3}
    assert segment_motion({"truth": {"segments": {"1": one}}}).tolist() == [[40.0, -18.0, 3.0]]
    with pytest.raises(NotMeasurable):
        segment_motion({"truth": {}})


def cohort(thickening_of_infarct):
    """Ten subjects of 16 segments, four of them infarct."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(10):
        infarct = np.r_[np.full(4, 60.0), np.zeros(12)]
        thick = np.where(infarct > 0, thickening_of_infarct, 50.0) + rng.normal(0, 8, 16)
        one = Measures(f"s{number}", {}, {"infarct": 15.0 + number, GLOBAL_STRAIN: -20.0 + number})
        one.motion = np.column_stack([thick, -thick / 3, infarct])
        found.append(one)
    return found


def test_motion_that_gives_the_infarct_away_has_an_auc_of_one_and_equal_motion_of_a_half():
    assert statistics.thickening_auc(cohort(0.0)).value > 0.99
    assert statistics.thickening_auc(cohort(50.0)).value == pytest.approx(0.5, abs=0.12)
    assert statistics.thickening_sensitivity(cohort(0.0)).value > 95
    assert statistics.thickening_sensitivity(cohort(50.0)).value < 45


def test_shortening_that_falls_with_size_is_a_negative_rho():
    assert statistics.strain_against_size(cohort(0.0)).value == pytest.approx(-1.0)


def test_too_few_subjects_are_said():
    for measure in (statistics.thickening_auc, statistics.strain_against_size, statistics.lesion_visible,
                    statistics.infarct_in_lesion_visible, statistics.thickening_heterogeneity):  # fmt: skip
        with pytest.raises(NotMeasurable):
            measure([])


def test_sectors_of_a_bright_lesion_are_told_apart():
    subjects = cohort(0.0)
    for one in subjects:
        one.sectors = np.array([[1.4, 0.8, 0.9]] * 5 + [[1.3, 0.0, 0.9]] * 5 + [[1.0, 0.0, 0.0]] * 5)
    assert statistics.lesion_visible(subjects).value == 1.0
    assert statistics.infarct_in_lesion_visible(subjects).value == 1.0
