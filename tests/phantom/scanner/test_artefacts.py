"""Maps of artefacts: where they act and where not, how often, and how large."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.scanner import artefacts


def test_shifts_are_zero_on_clean_and_grow_with_the_level():
    spreads = []
    for level in (0.0, 0.5, 1.0, 1.5):
        shifts = artefacts.breath_hold_shifts(4000, level, True, np.random.default_rng(1))
        assert set(shifts) == {"cine", "t2_stir", "lge"}
        spreads.append(np.concatenate(list(shifts.values())).std())
    assert spreads[0] == 0.0 and spreads[2] == pytest.approx(2 * spreads[1], rel=0.03) and spreads[3] > spreads[2]


def test_shifts_without_registration_are_those_of_breath_holds_and_a_residual_after_it():
    raw, aligned = (artefacts.breath_hold_shifts(4000, 1.0, one, np.random.default_rng(1)) for one in (False, True))
    for key in raw:
        in_plane, through = raw[key][:, :2].std(), raw[key][:, 2].std()
        assert 1.0 < in_plane < 4.0 and 2.0 < through < 5.0 and np.abs(raw[key]).max() <= 10.0
        assert aligned[key][:, :2].std() < 0.6 * in_plane and aligned[key][:, 2].std() < 0.6 * through
        assert np.abs(raw[key].mean(axis=0)).max() < 0.2
    # Every breath-hold is its own: sequences and slices do not move together.
    assert abs(np.corrcoef(raw["cine"][:, 0], raw["lge"][:, 0])[0, 1]) < 0.06


def ring_value(body, picture, degrees):
    """Mean of an image (X, Y) over the wall's outer rim of the round heart within 20 degrees of a direction."""
    x, y = np.meshgrid(*(body.pixel_positions_mm(side) for side in (0, 1)), indexing="ij")
    apart = np.abs((np.rad2deg(np.arctan2(y, x)) - degrees + 180) % 360 - 180)
    return picture[(apart < 20) & (np.abs(np.hypot(x, y) - 44) < 8)].mean()


# The round heart's septum lies at 180 degrees, so inferolateral is between 0 (lateral) and 90 (inferior, downwards).
def test_field_is_largest_beside_the_inferolateral_wall(round_heart):
    body, protocol = round_heart.anatomy, round_heart.protocol(3.0, cine={"off_resonance_hz": 100.0})
    fields = [artefacts.off_resonance_hz(body, protocol, np.random.default_rng(seed)) for seed in range(60)]
    assert fields[0].shape == body.matrix and np.abs(fields).max() <= 300.0 + 1e-3
    strength = np.abs(fields).mean(axis=0)
    inferolateral, anterolateral, septal = (ring_value(body, strength, degrees) for degrees in (30, -30, 180))
    assert inferolateral > 1.15 * septal
    assert inferolateral > 1.05 * anterolateral
    still = round_heart.protocol(3.0)
    assert not artefacts.off_resonance_hz(body, still, np.random.default_rng(0)).any()


def test_posterior_loss_darkens_one_side_of_the_heart_and_nothing_far_from_it(round_heart):
    body = round_heart.anatomy
    x, y = np.meshgrid(*(body.pixel_positions_mm(side) for side in (0, 1)), indexing="ij")
    for seed in range(20):
        factor = artefacts.posterior_loss(body, 0.5, np.random.default_rng(seed))
        assert factor.shape == (body.slices, *body.matrix) and factor.min() >= 0.15 and factor.max() <= 1.0
        at = np.unravel_index(factor.min(axis=0).argmin(), body.matrix)
        assert np.hypot(x[at], y[at]) == pytest.approx(44.0, abs=3.0)  # on the epicardium
        assert factor[:, np.hypot(x - x[at], y - y[at]) > 95.0].min() > 0.99
    assert (artefacts.posterior_loss(body, 0.0, np.random.default_rng(0)) == 1.0).all()


def test_posterior_loss_is_deepest_in_the_inferolateral_wall(round_heart):
    body = round_heart.anatomy
    factor = np.mean([artefacts.posterior_loss(body, 0.5, np.random.default_rng(s))[1] for s in range(40)], axis=0)
    inferolateral, anterolateral, septal = (ring_value(body, factor, degrees) for degrees in (30, -30, 180))
    assert inferolateral < anterolateral - 0.05 < septal - 0.1


def test_a_haemorrhage_darkens_the_middle_of_a_thick_infarct_and_nothing_of_a_thin_one():
    x, y = np.meshgrid(np.arange(100.0) - 50.0, np.arange(100.0) - 50.0, indexing="ij")
    radius, sector = np.hypot(x, y), np.abs(np.arctan2(y, x)) < 1.0
    thick, thin = ((radius > 24) & (radius < outer) & sector for outer in (33.0, 26.5))
    factor = artefacts.haemorrhage_loss(np.stack([thick, thin]).astype(float), 1.0, 0.6)
    assert factor.shape == (2, 100, 100) and factor[1].min() > 0.97
    middle, edge = (np.abs(radius - 28.5) < 1) & (np.abs(y) < 10) & (x > 0), thick & ((radius < 25) | (radius > 32))
    assert factor[0][middle].max() < 0.45 and factor[0][edge].mean() > 0.75
    assert (factor[0][~thick] == 1.0).all()
    assert (artefacts.haemorrhage_loss(thick[None].astype(float), 1.0, 0.0) == 1.0).all()


def test_slow_flow_is_in_a_sixth_of_slices_most_often_apical(round_heart):
    depth = np.tile([15.0, 45.0, 75.0], 3000)
    body = replace(round_heart.anatomy, depth_mm=depth)
    chosen = artefacts.slow_flow_slices(body, 0.16, np.random.default_rng(3)).reshape(-1, 3)
    assert chosen.mean() == pytest.approx(0.16, abs=0.02)
    basal, mid, apical = chosen.mean(axis=0)
    assert basal < mid < apical and apical > 3 * basal
    assert not artefacts.slow_flow_slices(body, 0.0, np.random.default_rng(3)).any()


def test_jets_are_basal_in_the_cavity_and_fade_towards_the_apex(round_heart):
    body = round_heart.anatomy
    box = body.heart_box()
    jet = artefacts.jet_map(body, box, np.random.default_rng(1))
    axes = (body.pixel_positions_mm(side)[part] for side, part in zip((0, 1), box, strict=True))
    x, y = np.meshgrid(*axes, indexing="ij")
    assert jet.min() >= 0 and jet.max() <= 1 and jet[0].max() > jet[1].max() > 0 and not jet[body.depth_mm > 50].any()
    peak = np.unravel_index(jet[0].argmax(), jet[0].shape)
    assert np.hypot(x[peak], y[peak]) < 20.0 and x[peak] < 0  # towards the septum: the outflow tract


def test_jets_act_in_ejection_and_early_filling_only():
    assert artefacts.jet_at(0.18) > 0.95 and artefacts.jet_at(0.50) > 0.6
    assert artefacts.jet_at(0.0) < 0.05 and artefacts.jet_at(0.75) < 0.01 and artefacts.jet_at(0.36) < 0.1
