"""Lesions on the heart: nesting cell by cell, size asked and reached, wavefront, hard negatives, motion they leave."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scripts.phantom.heart.lesion_sizes import Lesion
from scripts.phantom.heart.pathology import make_pathology, wall_share
from scripts.phantom.heart.shape import ANGLES, DEPTHS, draw_shape

ACUTE = Lesion("acute_mi", "LAD", 0.20, 0.36, 0.02, True, "wide", 1.0, 3.0, 48.0)


@pytest.fixture(scope="module")
def shape():
    return draw_shape("male", 1.05, 1.1, np.random.default_rng(5))


@pytest.fixture(scope="module")
def make(shape):
    def ill(seed=1, **changes):
        return make_pathology(shape, replace(ACUTE, **changes), shape.wall_volume, np.random.default_rng(seed))

    return ill


@pytest.fixture(scope="module")
def acute(make):
    """A small, a middling and a large infarct in each territory."""
    sizes = ((0.05, 0.16, 0.01), (0.18, 0.30, 0.02), (0.36, 0.40, 0.06))
    return [make(seed, territory=name, infarct=infarct, area_at_risk=area, no_reflow=core)
            for seed, name in enumerate(("LAD", "RCA", "LCX")) for infarct, area, core in sizes]  # fmt: skip


def test_no_reflow_lies_in_the_infarct_and_the_infarct_in_the_wall_cell_by_cell(acute):
    for ill in acute:
        (inner, outer), (core_in, core_out) = ill.infarct, ill.no_reflow
        assert (inner >= 0).all() and (outer <= 1).all() and (inner <= outer).all() and (core_in <= core_out).all()
        open_core = core_out > core_in
        assert open_core.any()
        assert (core_in >= inner - 1e-12)[open_core].all() and (core_out <= outer + 1e-12)[open_core].all()


def test_infarct_lies_in_the_area_at_risk_which_is_larger(shape, acute):
    for ill in acute:
        assert (ill.at_risk[ill.infarcted > 0] >= 0.5).all() and (ill.at_risk[ill.infarcted > 0.2] > 0.95).all()
        at_risk = (shape.wall_volume * ill.at_risk).sum()
        infarct = (shape.wall_volume * ill.infarcted).sum()
        assert at_risk > 1.02 * infarct and ill.at_risk.min() >= 0 and ill.at_risk.max() <= 1


@pytest.mark.parametrize("territory", ["LAD", "RCA", "LCX"])
@pytest.mark.parametrize(("infarct", "area"), [(0.03, 0.15), (0.12, 0.3), (0.25, 0.38), (0.45, 0.5), (0.60, 0.66)])
def test_infarct_has_the_asked_share_of_the_wall(shape, make, territory, infarct, area):
    ill = make(territory=territory, infarct=infarct, area_at_risk=area, no_reflow=0.0)
    weight = shape.wall_volume
    found = wall_share(shape, ill.infarct[1], weight) - wall_share(shape, ill.infarct[0], weight)
    # A spared layer under the endocardium is taken off afterwards; subject.py asks again for what is missing.
    assert 0.86 * infarct < found < 1.03 * infarct


def test_area_at_risk_has_the_asked_share_of_the_wall(shape, make):
    ill = make(territory="RCA", infarct=0.10, area_at_risk=0.30)
    assert (shape.wall_volume * ill.at_risk).sum() / shape.wall_volume.sum() == pytest.approx(0.30, abs=0.03)


@pytest.mark.parametrize("wanted", [0.01, 0.03, 0.08])
def test_no_reflow_has_about_the_asked_share(shape, make, wanted):
    ill = make(infarct=0.3, area_at_risk=0.42, no_reflow=wanted)
    thick = np.maximum(ill.no_reflow[1] - ill.no_reflow[0], 0.0)
    assert (shape.wall_volume * thick).sum() / shape.wall_volume.sum() == pytest.approx(wanted, rel=0.35)


def test_infarct_grows_from_the_endocardium_and_its_edges_stay_in_the_bed(make):
    thin, deep = (make(infarct=size, area_at_risk=0.36, no_reflow=0.0) for size in (0.18, 0.32))
    for ill in (thin, deep):
        ischaemic = ill.infarcted > 0.05
        assert np.median(ill.infarct[0][ischaemic]) < 0.12
        assert (ill.infarct[0] <= 0.31 * ill.infarct[1])[ischaemic].all()
    mean_depth = [ill.infarct[1][ill.infarcted > 0.05].mean() for ill in (thin, deep)]
    assert mean_depth[1] > mean_depth[0] + 0.15
    # Most of the growth goes through the wall; the bed, of the same size, bounds both sideways.
    widths = [(ill.infarcted > 0.05).sum() for ill in (thin, deep)]
    assert widths[1] / widths[0] < mean_depth[1] / mean_depth[0]
    for ill in (thin, deep):
        assert not ill.infarcted[ill.at_risk == 0].any()


def test_small_infarct_keeps_a_visible_depth_and_covers_less_of_the_bed(make):
    for seed in range(6):
        ill = make(seed, infarct=0.04, area_at_risk=0.30, no_reflow=0.0)
        assert ill.infarct[1].max() > 0.35


def test_wall_share_counts_the_curved_inner_half_less(shape):
    flat = np.ones((DEPTHS, ANGLES))
    weight = shape.wall_volume
    assert wall_share(shape, flat, weight) == pytest.approx(1.0, abs=1e-6)
    assert wall_share(shape, 0 * flat, weight) == 0.0
    # Circle of 20 and 30 mm: inner half holds (25^2 - 20^2) / (30^2 - 20^2).
    tube = replace(shape, endo_mm=20.0 * flat, epi_mm=30.0 * flat)
    assert wall_share(tube, 0.5 * flat, flat) == pytest.approx(225 / 500)


def test_old_scar_has_no_oedema_and_a_thinned_wall(make):
    scar = make(condition="old_scar", no_reflow=0.0, oedema_regime="none", acute_severity=0.0)
    assert scar.infarcted.max() > 0.4 and not scar.at_risk.any()
    assert scar.swelling.min() < 0.95 and scar.swelling.max() <= 1.0 + 1e-9
    assert not (scar.no_reflow[1] > scar.no_reflow[0]).any()


def test_acute_infarct_swells_by_a_tenth_to_a_quarter_and_remote_wall_keeps_its_thickness(acute):
    for ill in acute[2::3]:
        assert 1.10 < ill.swelling[ill.infarcted > 0.7].mean() < 1.32
        assert ill.swelling.min() >= 1.0 - 1e-9
        far = ill.at_risk == 0
        assert ill.swelling[far].mean() < 1.02


def test_takotsubo_is_oedema_of_the_whole_apex_without_infarct(make):
    ill = make(condition="takotsubo", territory="none", infarct=0.0, area_at_risk=0.45, no_reflow=0.0)
    assert not ill.infarcted.any() and (ill.no_reflow[1] <= ill.no_reflow[0]).all()
    by_depth = ill.at_risk.mean(axis=1)
    assert by_depth[: DEPTHS // 5].max() < 0.1 and by_depth[int(0.85 * DEPTHS) :].min() > 0.9
    assert ill.strength[int(0.85 * DEPTHS)].mean() < ill.strength[5].mean() - 0.4


def test_stunning_weakens_a_bed_without_oedema_or_infarct_and_health_weakens_nothing(make):
    stunned = make(condition="stunning", infarct=0.0, no_reflow=0.0, area_at_risk=0.3)
    healthy = make(condition="healthy", territory="none", infarct=0.0, area_at_risk=0.0, no_reflow=0.0)
    for ill in (stunned, healthy):
        assert not ill.infarcted.any() and not ill.at_risk.any() and (ill.swelling == 1).all()
    assert stunned.strength.min() < healthy.strength.min() - 0.1 and healthy.strength.min() > 0.3
    assert np.abs(healthy.strength.mean() - 1.0) < 0.05


def far_from(region, reach_mm=20.0, cell_mm=(1.25, 0.49)):
    """Cells further away than stunning reaches beyond the bed, 2-20 mm (docs/SOURCES.md, Regional wall motion)."""
    all_round = np.tile(region == 0, (1, 3))
    return distance_transform_edt(all_round, sampling=cell_mm)[:, ANGLES : 2 * ANGLES] > reach_mm


def test_infarct_hardly_moves_area_at_risk_is_stunned_and_remote_wall_is_normal(acute):
    for ill in acute[2::3]:
        dead = ill.infarcted > 0.8
        assert dead.any() and np.median(ill.strength[dead]) < 0.45
        assert np.median(ill.strength[far_from(ill.at_risk)]) > 0.8
    assert np.mean([np.median(ill.strength[ill.infarcted > 0.8]) for ill in acute[2::3]]) < 0.3
    salvaged = [np.median(ill.strength[(ill.at_risk == 1) & (ill.infarcted == 0)]) for ill in acute[::3]]
    assert max(salvaged) < 0.85


def test_blood_stands_still_along_the_wall_that_does_not_move(acute):
    for ill in acute[2::3]:
        assert ill.stagnant.min() >= 0 and ill.stagnant.max() < 1 + 1e-9
        assert ill.stagnant[ill.infarcted > 0.8].mean() > 0.6 and ill.stagnant[ill.at_risk == 0].mean() < 0.25


def test_same_generator_gives_the_same_lesion(make):
    np.testing.assert_array_equal(make(3).infarct, make(3).infarct)
    assert (make(3).infarct != make(4).infarct).any()
