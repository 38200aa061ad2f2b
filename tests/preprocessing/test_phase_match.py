"""The cine phase that agrees with an image of another contrast."""

import numpy as np
import pytest
from scripts.preprocessing.cardiac_cycle import cavity_area
from scripts.preprocessing.phase_match import LEAST_CONFIDENCE, Partner, best_match, chosen, phase_scores

PHASES = 10
BEAT = np.interp(np.arange(PHASES) / PHASES, [0, 0.35, 0.6, 0.85, 1.0], [0, 1, 0.25, 0.2, 0])
CENTRE, SPACING = (48.0, 44.0), np.array([1.2, 1.2])


def heart(contraction, slices=4, levels=(200.0, 60.0, 100.0), shift_mm=(0.0, 0.0), seed=0):
    """(96, 88, slices): blood, wall and surroundings of a heart narrower towards the apex, with a little noise."""
    x, y = (np.arange(n) * 1.2 for n in (96, 88))
    u = x[:, None] - CENTRE[0] * 1.2 - shift_mm[0]
    v = y[None, :] - CENTRE[1] * 1.2 - shift_mm[1]
    # not round, so that a direction matters
    radius, rng = np.hypot(u, 1.1 * v + 0.1 * u), np.random.default_rng(seed)
    planes = []
    for s in range(slices):
        wide = 22 - 1.5 * s
        inner = wide * (1 - 0.45 * contraction)
        outer = np.sqrt(inner**2 + (wide + 9) ** 2 - wide**2)
        plane = np.where(radius < inner, levels[0], np.where(radius < outer, levels[1], levels[2]))
        planes.append(plane + 20 * np.sin(u / 19) + 6 * rng.normal(size=plane.shape))
    return np.stack(planes, axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def cine():
    return np.stack([heart(beat, seed=n) for n, beat in enumerate(BEAT)], axis=-1)


def partner(contraction, **changes):
    """A dark-blood image of the heart at one moment, on the cine's grid."""
    array = heart(contraction, levels=(15.0, 110.0, 70.0), seed=99, **changes)
    return Partner("t2_stir", array, np.tile(np.eye(3), (4, 1, 1)), np.arange(array.shape[2]))


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "shift_mm"), [(7, (0, 0)), (7, (6, -4)), (4, (0, 0)), (0, (-3, 5))])
def test_the_phase_is_found_through_another_contrast_and_a_shift_of_the_breath_hold(cine, phase, shift_mm):
    found = best_match(cine, partner(BEAT[phase], shift_mm=shift_mm), CENTRE, SPACING, cavity_area(cine), 7)
    assert abs(BEAT[found.phase] - BEAT[phase]) < 0.15
    assert found.confidence >= LEAST_CONFIDENCE


def test_an_image_without_heart_gives_no_confidence(cine):
    noise = partner(0.0)._replace(array=np.random.default_rng(3).normal(100, 20, (96, 88, 4)).astype(np.float32))
    assert best_match(cine, noise, CENTRE, SPACING, cavity_area(cine), 7).confidence < LEAST_CONFIDENCE


def test_only_slices_that_both_show_are_compared(cine):
    two = partner(0.2)._replace(slices=np.array([-1, 1, 2, -1]))
    assert phase_scores(cine, two, CENTRE, SPACING).shape == (2, PHASES)
    black = partner(0.2)._replace(array=np.zeros((96, 88, 4), np.float32))
    outside = partner(0.2)._replace(pixel_maps=np.tile([[1.0, 0, 500], [0, 1, 0], [0, 0, 1]], (4, 1, 1)))
    none = partner(0.2)._replace(slices=np.full(4, -1))
    for one in (black, outside, none):
        assert phase_scores(cine, one, CENTRE, SPACING).shape == (0, PHASES)
        assert best_match(cine, one, CENTRE, SPACING, cavity_area(cine), 7) is None


def test_of_two_moments_of_one_size_the_one_in_diastole_is_taken():
    area = np.array([1.0, 0.8, 0.4, 0.0, 0.3, 0.6, 0.78, 0.8, 0.82, 0.95])
    scores = np.tile(1 - np.abs(area - 0.8), (5, 1)) + np.random.default_rng(0).normal(0, 0.01, (5, 10))
    assert chosen(scores, area, 7).phase in (6, 7, 8)


def test_one_slice_gives_no_confidence():
    area = np.array([1.0, 0.5, 0.0, 0.5])
    assert chosen(area[None], area, 3).confidence == 0


def test_more_phases_than_are_compared_get_scores_in_between():
    beat = np.interp(np.arange(40) / 40, [0, 0.35, 0.6, 0.85, 1.0], [0, 1, 0.25, 0.2, 0])
    cine = np.stack([heart(one, slices=2, seed=n) for n, one in enumerate(beat)], axis=-1)
    scores = phase_scores(cine, partner(0.2, slices=2), CENTRE, SPACING)
    assert scores.shape == (2, 40) and np.isfinite(scores).all()
