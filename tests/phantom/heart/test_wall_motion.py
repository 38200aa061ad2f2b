"""Regional strength: what each condition leaves of the motion, and that it is a clue and no label map."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.phantom.heart.lesion_sizes import Lesion
from scripts.phantom.heart.motion import Motion
from scripts.phantom.heart.shape import ANGLES, DEPTHS, draw_shape
from scripts.phantom.heart.wall_motion import normal_strength, regional_strength, septal_flash

ACUTE = Lesion("acute_mi", "LAD", 0.2, 0.36, 0.0, False, "wide", 1.0, 3.0, 48.0)
NOTHING = np.zeros((DEPTHS, ANGLES))
SEEDS = range(40)


@pytest.fixture(scope="module")
def shape():
    return draw_shape("male", 1.0, 1.0, np.random.default_rng(1))


@pytest.fixture(scope="module")
def sector():
    """A quarter of the wall, far from the septum."""
    found = NOTHING.copy()
    found[15:55, 320:] = found[15:55, :50] = 1.0
    return found


def strengths(shape, at_risk, necrotic, **changes):
    lesion = replace(ACUTE, **changes)
    return [regional_strength(shape, lesion, at_risk, necrotic, np.random.default_rng(seed)) for seed in SEEDS]


def septum_of(shape):
    turn = np.arange(ANGLES) - np.rint(np.degrees(shape.septum_angle))
    return np.abs((turn + 180) % 360 - 180) < 30


def between_segments(field):
    """SD of the basal and mid segments' means: sources give it per segment, 0.15-0.20; cells scatter more."""
    rings = field[: 2 * DEPTHS // 3].reshape(2, DEPTHS // 3, 6, ANGLES // 6)
    return rings.mean(axis=(1, 3)).std()


def test_a_healthy_wall_is_uneven_and_the_basal_septum_works_least(shape):
    fields = [normal_strength(shape, np.random.default_rng(seed)) for seed in SEEDS]
    assert np.mean([field.mean() for field in fields]) == pytest.approx(1.0, abs=0.02)
    healthy = strengths(shape, NOTHING, NOTHING, condition="healthy")  # neighbours pull at each other in it
    assert 0.14 < np.mean([between_segments(field) for field in healthy]) < 0.22
    septum = septum_of(shape)
    mean = np.mean(fields, axis=0)[: DEPTHS // 4]
    assert mean[:, septum].mean() < mean[:, ~septum].mean() - 0.05


def test_infarct_works_less_than_stunned_wall_and_that_less_than_the_rest(shape, sector):
    dead, stunned = strengths(shape, sector, sector), strengths(shape, sector, NOTHING)
    inside = sector > 0
    far = np.roll(inside, ANGLES // 2, axis=1)
    of_dead, of_stunned = (np.mean([field[inside].mean() for field in fields]) for fields in (dead, stunned))
    assert of_dead < of_stunned - 0.1 and of_stunned < np.mean([field[far].mean() for field in stunned]) - 0.1


def test_motion_of_transmural_infarcts_differs_so_much_that_some_hardly_show(shape, sector):
    inside = sector > 0
    levels = np.array([field[inside].mean() for field in strengths(shape, sector, sector)])
    assert levels.std() > 0.08 and levels.min() < 0.25 and levels.max() > 0.45


def test_an_infarct_of_part_of_the_wall_keeps_the_motion_of_its_viable_rim(shape, sector):
    inside = sector > 0
    whole, third = (np.mean([f[inside].mean() for f in strengths(shape, sector, sector * t)]) for t in (1.0, 0.33))
    assert third > whole + 0.08


def test_stunning_reaches_beyond_the_bed_and_recovers_with_days(shape, sector):
    beyond = np.roll(sector, 25, axis=1) * (1 - sector) > 0
    early, late = (strengths(shape, sector, NOTHING, days=days) for days in (0.5, 7.0))
    far = np.roll(sector > 0, ANGLES // 2, axis=1)
    assert np.mean([f[beyond].mean() for f in early]) < np.mean([f[far].mean() for f in early]) - 0.05
    assert np.mean([f[sector > 0].mean() for f in late]) > np.mean([f[sector > 0].mean() for f in early])


def test_borders_of_poor_motion_are_ten_to_twenty_millimetres_wide(shape, sector):
    falls = np.mean([f[30] for f in strengths(shape, sector, sector)], axis=0)
    assert np.abs(np.diff(falls)).max() < 0.05  # per degree, of about half a millimetre of wall


@pytest.mark.parametrize("condition", ["bundle_branch_block", "rv_overload"])
def test_the_septum_moves_badly_without_any_infarct(shape, condition):
    septum = septum_of(shape)
    fields = strengths(shape, NOTHING, NOTHING, condition=condition, territory="none", area_at_risk=0.0)
    basal = [field[5:40] for field in fields]
    assert np.mean([b[:, septum].mean() for b in basal]) < np.mean([b[:, ~septum].mean() for b in basal]) - 0.25


def test_bundle_branch_block_moves_the_septum_in_and_out_again_before_end_systole(shape):
    lesion = replace(ACUTE, condition="bundle_branch_block")
    flash = septal_flash(shape, lesion, np.random.default_rng(3))
    assert not septal_flash(shape, ACUTE, np.random.default_rng(3)).any()
    motion = Motion(NOTHING, 0.4, 0.0, 0.2, flash)
    septal = [motion.surfaces_mm(shape, moment)[0][10, septum_of(shape)].mean() for moment in (0.0, 0.5, 1.0)]
    assert septal[1] < septal[0] - 1.0 and septal[2] == pytest.approx(septal[0])


def test_hibernating_wall_is_weak_where_nothing_is_infarcted_or_oedematous(shape, sector):
    fields = strengths(shape, sector, NOTHING, condition="hibernating")
    inside = sector > 0
    assert np.mean([f[inside].mean() for f in fields]) < np.mean([f[~inside].mean() for f in fields]) - 0.3


def test_strength_stays_in_a_range_that_a_wall_can_have(shape, sector):
    for fields in (strengths(shape, sector, sector), strengths(shape, NOTHING, NOTHING, condition="dilated")):
        assert min(f.min() for f in fields) > -0.6 and max(f.max() for f in fields) < 2.0
